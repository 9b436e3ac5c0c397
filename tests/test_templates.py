"""The linguistic data of the embedded world: `names.json` and `templates.json` are complete and well-formed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pinch.languages import LANGUAGES as TABLE

ROOT = Path(__file__).resolve().parent.parent
EMBEDDED = ROOT / "src" / "pinch" / "embedded"
LANGUAGES = [
    "en", "ar", "zh-Hans", "cs", "et", "fi", "he", "hi", "it", "ru", "es", "sw", "sr-Cyrl", "sr-Latn", "hr", "sl",
    "pl", "sk",
]  # fmt: skip
TEMPLATES: dict[str, Any] = json.loads((EMBEDDED / "templates.json").read_text(encoding="utf-8"))
NAMES: dict[str, Any] = json.loads((EMBEDDED / "names.json").read_text(encoding="utf-8"))

SLOTS = {"choice": {"x", "a", "b"}, "sum": {"a", "b"}}
"""Slots of a task's questions where they are not just x."""
BARE = {"month_of_date", "sum", "number"}
"""Tasks about dates and numbers; in all others the x is a name, which stands between « and »."""
TASKS = [
    "month_of_date", "category", "choice", "currency_of", "language_of", "continent_of", "country_of", "code",
    "next_month", "previous_month", "next_day", "previous_day", "sum", "number",
]  # fmt: skip
SCRIPTS = {"Latn": "LATIN", "Cyrl": "CYRILLIC", "Arab": "ARABIC", "Hebr": "HEBREW", "Deva": "DEVANAGARI", "Hans": "CJK"}
QUESTION_MARK = {"ar": "؟", "zh-Hans": "？"}
FULL_STOP = {"zh-Hans": "。", "hi": "।"}
SERBIAN = dict(zip("абвгдђежзијклмнопрстћуфхцчш", "abvgdđežzijklmnoprstćufhcčš", strict=True))
SERBIAN |= {"љ": "lj", "њ": "nj", "џ": "dž"}


def texts() -> Iterator[tuple[str, str, str]]:
    """(task, language, template) of every question and statement."""
    for task, languages in TEMPLATES["tasks"].items():
        for language, forms in languages.items():
            for text in forms["questions"] + forms["statements"]:
                yield task, language, text


def latin(cyrillic: str) -> str:
    """Serbian Cyrillic in Latin letters; everything else as it is."""
    return "".join(
        SERBIAN.get(ch, ch) if ch == ch.lower() else SERBIAN.get(ch.lower(), ch).capitalize() for ch in cyrillic
    )


def letters_only(template: str) -> str:
    """The words of a template without slots, quotes and signs."""
    return " ".join(re.sub(r"\{\w\}|[«»+−:]", " ", template).split())


def share_in_script(text: str, language: str) -> float:
    """Share of the letters of a text that belong to the script of the language."""
    letters = [ch for ch in text if ch.isalpha()]
    return sum(unicodedata.name(ch).startswith(SCRIPTS[TABLE[language].script]) for ch in letters) / len(letters)


def test_every_task_speaks_every_language() -> None:
    assert list(TEMPLATES["tasks"]) == TASKS
    for task, languages in TEMPLATES["tasks"].items():
        assert list(languages) == LANGUAGES, task
        for language, forms in languages.items():
            assert len(set(forms["questions"])) == len(forms["questions"]) == 4, (task, language)
            assert len(set(forms["statements"])) == len(forms["statements"]) == 2, (task, language)


def test_slots_are_the_tasks_slots_each_once() -> None:
    for task, languages in TEMPLATES["tasks"].items():
        asked = sorted(SLOTS.get(task, {"x"}))
        for language, forms in languages.items():
            for question in forms["questions"]:
                assert sorted(re.findall(r"\{(.*?)\}", question)) == asked, (task, language, question)
            for statement in forms["statements"]:
                assert sorted(re.findall(r"\{(.*?)\}", statement)) == sorted([*asked, "y"]), (task, language, statement)


def test_names_stand_between_quotes_and_nothing_else_does() -> None:
    for task, language, text in texts():
        quoted = 0 if task in BARE else 1
        assert text.count("« {x} »") == text.count("«") == text.count("»") == quoted, (task, language, text)
        assert "{y} »" not in text, (task, language, text)


def test_sentences_end_as_their_language_ends_them() -> None:
    for task, languages in TEMPLATES["tasks"].items():
        for language, forms in languages.items():
            stop, mark = FULL_STOP.get(language, "."), QUESTION_MARK.get(language, "?")
            assert all(text.endswith((mark, stop)) for text in forms["questions"]), (task, language)
            assert all(text.endswith(stop) for text in forms["statements"]), (task, language)
            known = forms["statements"][0]
            assert known.endswith("{y}" + stop), (task, language, known)
            assert language == "zh-Hans" or not re.search("[？：，。、]", "".join(forms["questions"])), (task, language)
            assert language != "es" or all(q.count("¿") == q.count("?") for q in forms["questions"]), task


def test_every_text_is_in_its_script_and_normalised() -> None:
    for task, language, text in texts():
        assert share_in_script(letters_only(text), language) == 1.0, (task, language, text)
        assert text == unicodedata.normalize("NFC", " ".join(text.split())), (task, language, text)


def test_numbers_and_categories_are_distinct_words_of_the_script() -> None:
    assert list(TEMPLATES["numbers"]) == LANGUAGES
    for language, words in TEMPLATES["numbers"].items():
        assert len(words) == len(set(words)) == 21, language
        assert all(share_in_script(word, language) == 1.0 for word in words), language
    for language in LANGUAGES:
        words = [TEMPLATES["categories"][category][language] for category in TEMPLATES["categories"]]
        assert len(set(words)) == len(words) == len(NAMES["names"]), language
        assert all(share_in_script(word, language) == 1.0 for word in words), language
    assert set(TEMPLATES["categories"]) == set(NAMES["names"])


def test_both_serbian_scripts_say_the_same() -> None:
    for task, languages in TEMPLATES["tasks"].items():
        for form in ("questions", "statements"):
            spelled = [latin(text) for text in languages["sr-Cyrl"][form]]
            assert spelled == languages["sr-Latn"][form], (task, form)
    assert [latin(word) for word in TEMPLATES["numbers"]["sr-Cyrl"]] == TEMPLATES["numbers"]["sr-Latn"]
    names = [name for keys in NAMES["names"].values() for name in keys.values()]
    assert [latin(name["sr-Cyrl"]) for name in names] == [name["sr-Latn"] for name in names]


def test_transliteration_by_hand() -> None:
    assert latin("Њујорк, љубав и Џакарта") == "Njujork, ljubav i Džakarta"


def test_names_are_complete_normalised_and_unambiguous() -> None:
    for kind, keys in NAMES["names"].items():
        for key, names in keys.items():
            assert list(names) == LANGUAGES, (kind, key)
            for language, name in names.items():
                assert name == unicodedata.normalize("NFC", " ".join(name.split())), (kind, key, language)
                assert name, (kind, key, language)
                assert not any(unicodedata.category(ch) in ("Cf", "Cc") for ch in name), (kind, key, language)
                assert share_in_script(name, language) == 1.0, (kind, key, language, name)
        for language in LANGUAGES:
            used = [names[language] for names in keys.values()]
            assert len(set(used)) == len(used), (kind, language)
    assert [*NAMES["names"]["month"]] == [str(number) for number in range(1, 13)]
    assert [*NAMES["names"]["weekday"]] == ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    assert len(NAMES["names"]["territory"]) == 60


def test_no_locale_leaked_into_another() -> None:
    """The months that a Babel bug turned into Chinese ones, and a name per script that is known."""
    assert NAMES["names"]["month"]["3"]["es"] == "marzo"
    assert NAMES["names"]["month"]["3"]["zh-Hans"] == "三月"
    assert NAMES["names"]["weekday"]["mon"]["fi"] == "maanantai"
    assert NAMES["names"]["territory"]["DE"]["sr-Latn"] == "Nemačka"


def test_facts_refer_to_names_that_exist() -> None:
    names = NAMES["names"]
    kinds = {
        "currency_of": ("territory", "currency"),
        "language_of": ("territory", "language"),
        "continent_of": ("territory", "continent"),
        "country_of": ("city", "territory"),
    }
    assert set(NAMES["facts"]) == set(kinds)
    for relation, (known, answer) in kinds.items():
        assert set(NAMES["facts"][relation]) <= set(names[known]), relation
        assert set(NAMES["facts"][relation].values()) <= set(names[answer]), relation
    assert set(NAMES["facts"]["continent_of"]) == set(names["territory"])
    assert set(NAMES["facts"]["country_of"]) == set(names["city"])
    assert NAMES["facts"]["currency_of"]["HR"] == "EUR"
    assert NAMES["facts"]["language_of"]["AT"] == "de"


def test_language_identifier_recognises_the_questions_of_each_task() -> None:
    """Serbian in Latin letters is excepted: the identifier cannot tell it from Croatian."""
    langid = pytest.importorskip("py3langid.langid")
    identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    identifier.set_languages(sorted({TABLE[language].langid for language in LANGUAGES}))
    for task, languages in TEMPLATES["tasks"].items():
        for language in LANGUAGES:
            joined = " ".join(letters_only(text) for text in languages[language]["questions"])
            found = identifier.classify(joined)[0]
            expected = {"sr", "hr"} if language == "sr-Latn" else {TABLE[language].langid}
            assert found in expected, (task, language, found, joined)


def test_the_file_is_what_the_script_extracts() -> None:
    """One locale again, by the script's own child process; only where the build-time tool is installed."""
    babel = pytest.importorskip("babel")
    if babel.__version__ != "2.18.0":
        pytest.skip("names.json was made with Babel 2.18.0")
    script = ROOT / "scripts" / "extract_names.py"
    output = subprocess.run([sys.executable, str(script), "cs"], check=True, capture_output=True).stdout
    committed = {kind: {key: names["cs"] for key, names in keys.items()} for kind, keys in NAMES["names"].items()}
    assert json.loads(output) == committed


def test_the_unicode_notice_travels_with_the_names() -> None:
    assert "UNICODE LICENSE V3" in (EMBEDDED / "LICENSE.unicode").read_text(encoding="utf-8")
    assert NAMES["licence"].startswith("Unicode-3.0")
    assert NAMES["source"].startswith("Unicode CLDR 47")
