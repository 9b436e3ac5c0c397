"""Facts: the table of languages. Adding a language is adding a row.

Codes are BCP 47, with the script where a language is written in several (zh-Hans, sr-Cyrl, sr-Latn); `canonical` turns
the short forms users type (zh, sr) into them. `branch`, `script` and `intelligible` serve the similarity study; `langid` is
the code under which the language identifier py3langid 0.4 knows the language.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pinch.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Language:
    """One row. `script` is an ISO 15924 code; `rtl` marks scripts written from right to left."""

    code: str
    name: str
    family: str
    branch: str
    script: str
    langid: str
    rtl: bool = False

    @property
    def group(self) -> str:
        """What related branches share, their last word: Slavic for East, South and West Slavic."""
        return self.branch.split()[-1]


def _rows() -> dict[str, Language]:
    rows = (
        Language("en", "English", "Indo-European", "Germanic", "Latn", "en"),
        Language("ar", "Arabic", "Afro-Asiatic", "Semitic", "Arab", "ar", rtl=True),
        Language("zh-Hans", "Chinese", "Sino-Tibetan", "Sinitic", "Hans", "zh"),
        Language("cs", "Czech", "Indo-European", "West Slavic", "Latn", "cs"),
        Language("et", "Estonian", "Uralic", "Finnic", "Latn", "et"),
        Language("fi", "Finnish", "Uralic", "Finnic", "Latn", "fi"),
        Language("he", "Hebrew", "Afro-Asiatic", "Semitic", "Hebr", "he", rtl=True),
        Language("hi", "Hindi", "Indo-European", "Indo-Aryan", "Deva", "hi"),
        Language("it", "Italian", "Indo-European", "Romance", "Latn", "it"),
        Language("ru", "Russian", "Indo-European", "East Slavic", "Cyrl", "ru"),
        Language("es", "Spanish", "Indo-European", "Romance", "Latn", "es"),
        Language("sw", "Swahili", "Niger-Congo", "Bantu", "Latn", "sw"),
        Language("sr-Cyrl", "Serbian (Cyrillic)", "Indo-European", "South Slavic", "Cyrl", "sr"),
        Language("sr-Latn", "Serbian (Latin)", "Indo-European", "South Slavic", "Latn", "sr"),
        Language("hr", "Croatian", "Indo-European", "South Slavic", "Latn", "hr"),
        Language("sl", "Slovenian", "Indo-European", "South Slavic", "Latn", "sl"),
        Language("pl", "Polish", "Indo-European", "West Slavic", "Latn", "pl"),
        Language("sk", "Slovak", "Indo-European", "West Slavic", "Latn", "sk"),
        Language("bg", "Bulgarian", "Indo-European", "South Slavic", "Cyrl", "bg"),
        Language("uk", "Ukrainian", "Indo-European", "East Slavic", "Cyrl", "uk"),
        Language("de", "German", "Indo-European", "Germanic", "Latn", "de"),
        Language("nl", "Dutch", "Indo-European", "Germanic", "Latn", "nl"),
        Language("no", "Norwegian", "Indo-European", "Germanic", "Latn", "no"),
        Language("fr", "French", "Indo-European", "Romance", "Latn", "fr"),
        Language("pt", "Portuguese", "Indo-European", "Romance", "Latn", "pt"),
        Language("bn", "Bengali", "Indo-European", "Indo-Aryan", "Beng", "bn"),
        Language("tr", "Turkish", "Turkic", "Oghuz", "Latn", "tr"),
        Language("ja", "Japanese", "Japonic", "Japanese", "Jpan", "ja"),
        Language("ko", "Korean", "Koreanic", "Korean", "Kore", "ko"),
        Language("vi", "Vietnamese", "Austroasiatic", "Vietic", "Latn", "vi"),
        Language("id", "Indonesian", "Austronesian", "Malayic", "Latn", "id"),
    )
    return {row.code: row for row in rows}


LANGUAGES: dict[str, Language] = _rows()

TWELVE = ("ar", "zh-Hans", "cs", "en", "et", "fi", "he", "hi", "it", "ru", "es", "sw")
"""The paper's twelve (arXiv 2401.01854, section 2)."""

SIX = ("en", "ar", "fi", "it", "ru", "sw")
"""The paper's tuning languages of its second pinch experiment and of the language-count experiment."""

SLAVIC = ("ru", "sr-Cyrl", "hr", "sl", "pl", "sk", "cs")
"""The paper's seven of the similarity experiment."""

INTELLIGIBLE = (frozenset({"sr-Cyrl", "sr-Latn", "hr"}), frozenset({"cs", "sk"}))
"""Sets of languages whose speakers understand each other without having learnt the other language: the two that the paper
names, Serbian with Croatian and Czech with Slovak (for these also Golubovic and Gooskens 2015, Russian Linguistics 39: close
to the ceiling of their tests, far above every other pair of the six Slavic languages tested). Serbian in two scripts is one
language. Pairs that understand each other in part or one way only, such as Croatian and Slovenian, are not listed."""

ALIASES = {"zh": "zh-Hans", "sr": "sr-Cyrl"}


def intelligible(one: str, other: str) -> bool:
    """Whether speakers of two languages understand each other, as far as INTELLIGIBLE knows."""
    return any({one, other} <= known for known in INTELLIGIBLE)


def canonical(code: str, where: str = "languages") -> str:
    """The table's code for what a user typed. Raises UserError for an unknown language, naming `where` it was read."""
    name = ALIASES.get(code, code)
    if name in LANGUAGES:
        return name
    if code in ("False", "false"):
        raise UserError(f'{where}: YAML read an unquoted no as False; write "no" with quotes for Norwegian')
    raise UserError(f"{where}: unknown language {code!r}{did_you_mean(code, [*LANGUAGES, *ALIASES])}")


def canonical_all(codes: Iterable[str], where: str = "languages") -> list[str]:
    """Canonical codes in the given order. Raises UserError for an unknown language or one that is named twice."""
    result: list[str] = []
    for code in codes:
        name = canonical(str(code), where)
        if name in result:
            raise UserError(f"{where}: language {name!r} is listed twice; list each once")
        result.append(name)
    return result
