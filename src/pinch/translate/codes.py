"""Facts: what translation models and services call the languages, and how they are told them.

NLLB-200 and M2M100 get the source's token before the text and the target's as the first token of the translation; MADLAD-400
gets the target's before the text. The codes are those of the models' vocabularies; a language that is not in a table is
unknown to the model. Services are asked for their own codes, of which the first that they have is taken.
"""

from collections.abc import Collection

from pinch.config import LanguageTokens
from pinch.languages import LANGUAGES

NLLB = {
    "en": "eng_Latn", "ar": "arb_Arab", "zh-Hans": "zho_Hans", "cs": "ces_Latn", "et": "est_Latn", "fi": "fin_Latn",
    "he": "heb_Hebr", "hi": "hin_Deva", "it": "ita_Latn", "ru": "rus_Cyrl", "es": "spa_Latn", "sw": "swh_Latn",
    "sr-Cyrl": "srp_Cyrl", "hr": "hrv_Latn", "sl": "slv_Latn", "pl": "pol_Latn", "sk": "slk_Latn", "bg": "bul_Cyrl",
    "uk": "ukr_Cyrl", "de": "deu_Latn", "nl": "nld_Latn", "no": "nob_Latn", "fr": "fra_Latn", "pt": "por_Latn",
    "bn": "ben_Beng", "tr": "tur_Latn", "ja": "jpn_Jpan", "ko": "kor_Hang", "vi": "vie_Latn", "id": "ind_Latn",
}  # fmt: skip

SHORT = {code: code.partition("-")[0] for code in LANGUAGES if code not in ("sr-Latn",)}
"""Codes of M2M100 and MADLAD; their Serbian is Cyrillic."""

WORDS = {
    LanguageTokens.nllb: NLLB,
    LanguageTokens.m2m100: {code: f"__{short}__" for code, short in SHORT.items()},
    LanguageTokens.madlad: {code: f"<2{short}>" for code, short in SHORT.items()} | {"he": "<2iw>"},
}
"""The languages' tokens, by the way a model is told them."""

OF_SERVICES = {
    "deepl": {
        "en": ("en-us", "en"), "zh-Hans": ("zh-hans", "zh"), "pt": ("pt-br", "pt"), "no": ("nb", "no"),
        "sr-Cyrl": ("sr-cyrl", "sr"), "sr-Latn": ("sr-latn",),
    },
    "google": {
        "zh-Hans": ("zh-cn", "zh-hans", "zh"), "he": ("he", "iw"), "no": ("no", "nb"),
        "sr-Cyrl": ("sr-cyrl", "sr"), "sr-Latn": ("sr-latn",),
    },
}  # fmt: skip
"""What a service may call a language, in lower case; the code itself where nothing is said. Serbian without a script is
taken to be Cyrillic; the check of the language finds out."""


def of_service(kind: str, code: str, known: Collection[str], named: str | None = None) -> str | None:
    """The code of a service for a language, of those it knows: `named`, the user's, else the first that fits; None if it has
    none."""
    spelt = {name.lower(): name for name in known}
    options = (named.lower(),) if named else OF_SERVICES[kind].get(code, (code.lower(),))
    return next((spelt[option] for option in options if option in spelt), None)
