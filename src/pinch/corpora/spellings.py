"""Edge: how tables name languages, and which of the table of languages is meant.

Codes of ISO 639-1 and 639-3 and of translation services; a script beside a code decides where one code stands for several.
"""

from collections.abc import Mapping

from pinch.languages import ALIASES, LANGUAGES

ISO = {
    "eng": "en", "ara": "ar", "arb": "ar", "zho": "zh-Hans", "cmn": "zh-Hans", "zh-CN": "zh-Hans", "zh_CN": "zh-Hans",
    "ces": "cs", "est": "et", "ekk": "et", "fin": "fi", "heb": "he", "iw": "he", "hin": "hi", "ita": "it", "rus": "ru",
    "spa": "es", "swa": "sw", "swh": "sw", "srp": "sr-Cyrl", "hrv": "hr", "slv": "sl", "pol": "pl", "slk": "sk",
    "bul": "bg", "ukr": "uk", "deu": "de", "nld": "nl", "nor": "no", "nob": "no", "nb": "no", "fra": "fr", "por": "pt",
    "ben": "bn", "tur": "tr", "jpn": "ja", "kor": "ko", "vie": "vi", "ind": "id",
}  # fmt: skip
"""Other codes than the table's own."""

SCRIPTS = {"Hang": "Kore", "Hani": "Hans"}
"""Other names of scripts (ISO 15924)."""


def meant(word: str, script: str | None, words: Mapping[str, str]) -> str | None:
    """The language that a table's word means, None for one that is not in the table of languages. `words` are those that
    the settings give, {language: word}: a language that has one has no other."""
    for code, said in words.items():
        if said == word:
            return code
    code = ALIASES.get(word, ISO.get(word, word))
    if code not in LANGUAGES or code in words:
        return None
    if script is None or LANGUAGES[code].script == SCRIPTS.get(script, script):
        return code
    return _in_script(code, SCRIPTS.get(script, script))


def _in_script(code: str, script: str) -> str | None:
    stem = code.split("-")[0]
    return next((row.code for row in LANGUAGES.values() if row.code == f"{stem}-{script}"), None)


def spelled(code: str, words: Mapping[str, str]) -> str:
    """The table's word for a language: that of the settings, else the code without its script where it has a short form."""
    short = {full: alias for alias, full in ALIASES.items()}
    return words.get(code, short.get(code, code))
