"""The facts about languages that the similarity study rests on."""

from pinch.languages import INTELLIGIBLE, LANGUAGES, SLAVIC, intelligible


def test_related_languages_share_the_last_word_of_their_branch():
    assert {LANGUAGES[code].group for code in SLAVIC} == {"Slavic"}
    assert LANGUAGES["en"].group == LANGUAGES["de"].group == "Germanic"


def test_of_the_seven_two_pairs_are_mutually_intelligible():
    pairs = {frozenset((one, other)) for one in SLAVIC for other in SLAVIC if one < other and intelligible(one, other)}
    assert pairs == {frozenset(("sr-Cyrl", "hr")), frozenset(("cs", "sk"))}


def test_intelligible_languages_are_in_the_table_and_related():
    for known in INTELLIGIBLE:
        assert len({LANGUAGES[code].group for code in known}) == 1
    assert intelligible("hr", "sr-Latn")
    assert intelligible("sr-Latn", "hr")
    assert not intelligible("hr", "sl")
