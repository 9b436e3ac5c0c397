"""Response language: word lists, scripts, py3langid, and honesty about what cannot be told."""

import json
from pathlib import Path

import pytest

from pinch.identify import Identifier, shared
from pinch.languages import SLAVIC, TWELVE

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
STUDY = tuple(dict.fromkeys([*TWELVE, *SLAVIC]))
KEYS = {"zh-Hans": "zh", "sr-Cyrl": "sr"}

ENGLISH = "The capital of the country is a large city near the river, and many people live there."
SPANISH = "La capital del país es una gran ciudad cerca del río, y mucha gente vive allí."
SERBIAN_LATIN = "Glavni grad zemlje je veliki grad pored reke, i mnogo ljudi tamo živi već dugo vremena."


@pytest.fixture(scope="module")
def twelve() -> Identifier:
    return Identifier(TWELVE)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "en"),
        (SPANISH, "es"),
        ("Hlavní město země je velké město u řeky a žije tam mnoho lidí.", "cs"),
        ("Столица страны расположена у реки", "ru"),
        ("国家的首都是河边的一座大城市", "zh-Hans"),
        ("בירת המדינה", "he"),
        ("राजधानी", "hi"),
        ("عاصمة البلاد", "ar"),
    ],
)
def test_sentences(twelve: Identifier, text: str, language: str) -> None:
    assert twelve.identify(text) == language
    assert twelve.right(text, language) is True
    assert twelve.right(text, "sw") is False


@pytest.mark.parametrize(
    "text", ["", "  \n", "42", "Paris.", "OK", "12:30, 7/8", "ABBA ABBA", "Ελληνικά για όλους εδώ και τώρα"]
)
def test_undecided(twelve: Identifier, text: str) -> None:
    assert twelve.identify(text, "en") == "und"
    assert twelve.right(text, "en") is None


def test_code_urls_and_numbers_are_left_out(twelve: Identifier) -> None:
    code = "```python\nfor number in the_list_of_numbers:\n    print('the number is', number)\n```"
    assert twelve.identify(f"{code}\n{SPANISH} https://example.org/the/english/page `the inline code`") == "es"
    assert twelve.identify(code) == "und"
    assert twelve.identify(f"Приведу пример кода на языке: {code[:-3]}") == "ru"  # cut off inside the block


def test_the_script_of_most_letters_decides(twelve: Identifier) -> None:
    assert twelve.identify("微软公司的产品 Windows 是一个操作系统") == "zh-Hans"
    assert twelve.identify("The word for capital city in Russian is столица, and it is feminine.") == "en"


def test_kana_are_japanese_and_han_alone_chinese() -> None:
    identifier = Identifier(["zh-Hans", "ja", "en"])
    assert identifier.identify("国の首都は川の近くにある大きな都市です") == "ja"
    assert identifier.identify("国家的首都是河边的一座大城市") == "zh-Hans"
    assert Identifier(["zh-Hans", "en"]).identify("これはとてもおおきなとしです") == "und"


def test_serbian_in_latin_script_cannot_be_told_from_croatian() -> None:
    both = Identifier(["en", "hr", "sr-Latn", "sr-Cyrl"])
    assert both.identify(SERBIAN_LATIN, "sr-Latn") == "sr-Latn"
    assert both.identify(SERBIAN_LATIN, "hr") == "hr"
    assert both.identify(SERBIAN_LATIN, "sr-Cyrl") == "hr"  # another script than the one asked for
    assert Identifier(["en", "sr-Latn"]).identify(SERBIAN_LATIN) == "sr-Latn"
    assert Identifier(["en", "hr"]).identify(SERBIAN_LATIN) == "hr"


LEXICON = {
    "en": frozenset({"january", "kenya", "costa", "rica"}),
    "sw": frozenset({"januari", "kenya"}),
    "hi": frozenset({"जनवरी", "केन्या"}),
    "zh-Hans": frozenset("一月肯尼亚"),
    "et": frozenset({"jaanuar", "keenia"}),
}


@pytest.mark.parametrize(
    ("text", "expected", "language"),
    [
        ("Januari", "en", "sw"),
        ("« January ».", "sw", "en"),
        ("Kenya", "sw", "sw"),  # covered by both: what was asked for
        ("Kenya", "en", "en"),
        ("Kenya", "et", "en"),  # covered by both, neither asked for: English
        ("KEENIA!", "en", "et"),
        ("जनवरी", "en", "hi"),
        ("肯尼亚", "en", "zh-Hans"),
        ("一月。", "en", "zh-Hans"),
        ("Januari xyz", "en", "sw"),
        ("xyz zyx Januari", "en", "und"),  # a third is not covered well
        ("", "en", "und"),
    ],
)
def test_word_lists(text: str, expected: str, language: str) -> None:
    assert Identifier(["en", "sw", "hi", "zh-Hans", "et"], LEXICON).identify(text, expected) == language


def test_ties_without_english_take_the_first_of_the_study() -> None:
    words = {"es": {"marzo"}, "it": {"marzo"}}
    assert Identifier(["it", "es", "en"], words).identify("marzo", "en") == "it"
    assert Identifier(["es", "it", "en"], words).identify("marzo") == "es"


def test_long_texts_go_past_the_word_lists() -> None:
    assert Identifier(["en", "sw", "es", "zh-Hans"], LEXICON).identify(SPANISH) == "es"


def test_the_answer_does_not_depend_on_what_was_asked_before(twelve: Identifier) -> None:
    assert [twelve.identify(SPANISH, code) for code in ("en", "es", "sw")] == ["es"] * 3


def test_the_same_languages_share_one_identifier() -> None:
    assert shared(TWELVE, LEXICON) is shared(list(TWELVE), dict(LEXICON))
    assert shared(TWELVE) is not shared(TWELVE, LEXICON)


@pytest.mark.parametrize("study", [TWELVE, STUDY], ids=["12", "17"])
def test_accuracy_on_real_sentences(study: tuple[str, ...]) -> None:
    path = DATA / "ntrex_1000x17.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is not there: these translations are not part of the repository")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line][::8]
    identifier = Identifier(study)
    for code in study:
        found = [identifier.right(row[KEYS.get(code, code)], code) for row in rows]
        assert found.count(True) / len(found) >= 0.93, code
        assert found.count(False) / len(found) <= 0.02, code
