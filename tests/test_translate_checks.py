"""Faults of translations, each with the smallest pair of texts that has it."""

import pytest

from pinch.config import CHECKS
from pinch.identify import Identifier
from pinch.translate import codes
from pinch.translate.checks import faults, length

LONG = "The river runs slowly through the old town in the summer."
RUSSIAN = "Летом река медленно течёт через старый город."


@pytest.mark.parametrize(
    ("source", "translation", "found"),
    [
        (LONG, RUSSIAN, []),
        (LONG, " \n", ["empty"]),
        (LONG, LONG, ["language", "copy"]),
        ("Paris", "Paris", []),
        (LONG, f"{RUSSIAN}\n{RUSSIAN}", ["lines"]),
        (LONG, "Лето.", ["length"]),
        (LONG, RUSSIAN + " Это очень хорошо для всех." * 2 + RUSSIAN * 2, ["length"]),
        ("Run `ls -l` now, please", "Запусти ls -l сейчас, пожалуйста", ["spans"]),
        ("Please look there", "Смотри там, пожалуйста, https://a.org", ["spans"]),
        ("It was 1,250.5 metres", "Это было 1.250,5 метра", []),
        ("It was 12 metres", "Это было \u0661\u0662 метров", []),
        ("It was 12 metres", "Это было 21 метров", []),
        ("It was 12 metres", "Это было 13 метров", ["digits"]),
        (LONG, "Это очень " * 5, ["repetition"]),
        ("ha ha ha ha ha ha ha ha ha ha", "ха ха ха ха ха ха ха ха ха ха", []),
        ("No way at all ----------------", "Ни за что ----------------", []),
    ],
)
def test_faults(source: str, translation: str, found: list[str]) -> None:
    assert faults(source, translation, "ru", Identifier(("en", "ru", "fi")), ratio=3) == found
    assert set(found) <= set(CHECKS)


def test_half_a_copy_is_none() -> None:
    known = Identifier(("en", "ru"))
    kept, other = "A name that stays as it is.", "The rest of it was put into the other language."
    translation = f"{kept} Всё остальное переведено на другой язык."
    assert "copy" not in faults(f"{kept} {other}", translation, "ru", known, 3)
    assert "copy" in faults(f"{other} {kept}", f"{other} Имя остаётся.", "ru", known, 3)


def test_length_weighs_scripts() -> None:
    assert (length("ab 1."), length("你好"), length("한글"), length("हिन्दी")) == (2, 6, 4, 6)


def test_a_long_text_is_looked_at_quickly() -> None:
    text = "".join(chr(0x430 + (n * n) % 32) for n in range(20_000))
    assert "repetition" not in faults("a" * 20_000, text, "ru", Identifier(("en", "ru")), 3)


def test_codes_are_those_of_the_table_of_languages() -> None:
    from pinch.languages import LANGUAGES

    for words in codes.WORDS.values():
        assert set(LANGUAGES) - set(words) == {"sr-Latn"}
        assert len(set(words.values())) == len(words)


def test_nllb_codes_are_in_its_tokenizer() -> None:
    from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

    assert set(codes.NLLB.values()) <= set(FAIRSEQ_LANGUAGE_CODES)


def test_m2m100_codes_are_in_its_tokenizer() -> None:
    pytest.importorskip("sentencepiece")
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

    assert set(codes.SHORT.values()) <= set(FAIRSEQ_LANGUAGE_CODES["m2m100"])
