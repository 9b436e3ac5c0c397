"""How tables name languages, and which language is meant."""

import pytest

from pinch.corpora.spellings import ISO, meant, spelled
from pinch.languages import ALIASES, LANGUAGES


@pytest.mark.parametrize(
    ("word", "script", "code"),
    [
        ("en", None, "en"),
        ("eng", "Latn", "en"),
        ("zh", None, "zh-Hans"),
        ("zho", "Hans", "zh-Hans"),
        ("zho", "Hant", None),
        ("sr", None, "sr-Cyrl"),
        ("srp", "Latn", "sr-Latn"),
        ("sr-Latn", None, "sr-Latn"),
        ("kor", "Hang", "ko"),
        ("iw", None, "he"),
        ("no", None, "no"),
        ("False", None, None),
        ("rus", "Latn", None),
        ("xho", "Latn", None),
    ],
)
def test_what_a_word_means(word: str, script: str | None, code: str | None) -> None:
    assert meant(word, script, {}) == code


def test_words_of_the_settings_come_first() -> None:
    words = {"sw": "swahili", "fi": "ee"}
    assert (meant("swahili", None, words), meant("ee", "Latn", words)) == ("sw", "fi")
    assert meant("fin", None, words) is None, "a language with a word has no other"
    assert (spelled("sw", words), spelled("zh-Hans", words), spelled("sr-Latn", words)) == ("swahili", "zh", "sr-Latn")


def test_every_code_is_a_language_of_the_table() -> None:
    assert {*ISO.values()} <= {*LANGUAGES}
    assert not {*ISO} & {*LANGUAGES, *ALIASES}
    for code in LANGUAGES:
        assert meant(spelled(code, {}), None, {}) == code
