"""Pure: which of the study's languages is an answer in?

Text in, a code of `pinch.languages` out, or "und" when nothing honest can be said. Code, URLs and numbers are left out.
Corpora with a closed vocabulary (the embedded world's answers are names of a word or two) bring word lists, which decide
where they cover the answer. Everything else is decided by the script of most letters, and among languages that share it
by py3langid (its model is inside the package), restricted to the study's languages: an answer in a language outside the
study is taken for its nearest neighbour inside.

Limit: Serbian in Latin script cannot be told from Croatian. Where both are in the study such an answer counts as the one
that was asked for; where one is, as that one.
"""

import functools
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pinch.languages import LANGUAGES

UNDECIDED = "und"

LETTERS = 20
"""Fewer letters than this are not told apart from a language of the same script."""

LETTERS_OF_ITS_OWN = 4
"""Fewer letters than this are nothing, even in a script that only one of the study's languages is written in."""

WEIGHT = {"CJK": 3, "HIRAGANA": 3, "KATAKANA": 3, "HANGUL": 2}
"""Letters that a character of these scripts counts for: they say in one what alphabets say in several."""

MARGIN = 0.1
"""Least distance between the two best probabilities of py3langid (normalised over the candidates)."""

COVERED = 0.5
"""Least share of an answer's words that a word list must hold to decide."""

SCRIPTS = {
    "Arab": ("ARABIC",), "Beng": ("BENGALI",), "Cyrl": ("CYRILLIC",), "Deva": ("DEVANAGARI",), "Hans": ("CJK",),
    "Hebr": ("HEBREW",), "Jpan": ("HIRAGANA", "KATAKANA", "CJK"), "Kore": ("HANGUL",), "Latn": ("LATIN",),
}  # fmt: skip
"""ISO 15924 codes of the table of languages, as first words of Unicode character names."""

SERBO_CROATIAN = ("hr", "sr-Latn")
"""Codes that py3langid's labels hr, sr and bs stand for in Latin script."""

NOISE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|(?:https?://|www\.)\S+|\d+", re.DOTALL)
SPACED = re.compile(r"\S+")


class Identifier:
    """Identifies among `languages`; `lexicon` maps languages to closed vocabularies (Chinese: characters)."""

    def __init__(self, languages: Sequence[str], lexicon: Mapping[str, Iterable[str]] | None = None) -> None:
        self.languages = tuple(dict.fromkeys(languages))
        self._lexicon = {
            code: frozenset(word for entry in entries for word in _words(entry, code))
            for code, entries in (lexicon or {}).items()
            if code in self.languages
        }
        self._known: dict[bytes, tuple[str, ...]] = {}  # by hash: answers are long and many

    def identify(self, text: str, expected: str | None = None) -> str:
        """The language of `text`, or "und".

        `expected` is the language asked for; it only decides between languages that fit equally well. Where it is not
        among them, English is taken if it is (names that are English everywhere), else the study's first."""
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        best = self._known.get(key)
        if best is None:
            best = self._known[key] = self._best(text)
        if not best:
            return UNDECIDED
        return expected if expected in best else "en" if "en" in best else best[0]

    def right(self, text: str, expected: str) -> bool | None:
        """Is `text` in the language asked for? None when that cannot be decided."""
        found = self.identify(text, expected)
        return None if found == UNDECIDED else found == expected

    def _best(self, text: str) -> tuple[str, ...]:
        """Languages that fit equally well, in the study's order; empty when undecided."""
        bare = NOISE.sub(" ", text)
        return self._by_lexicon(bare) or self._by_letters(bare)

    def _by_lexicon(self, text: str) -> tuple[str, ...]:
        shares = {}
        for code, vocabulary in self._lexicon.items():
            words = _words(text, code)
            shares[code] = sum(word in vocabulary for word in words) / len(words) if words else 0.0
        top = max(shares.values(), default=0.0)
        if top < COVERED:
            return ()
        return tuple(code for code in self.languages if shares.get(code) == top)

    def _by_letters(self, text: str) -> tuple[str, ...]:
        counts: Counter[str] = Counter(filter(None, map(_script, text)))
        for script in counts:
            counts[script] *= WEIGHT.get(script, 1)
        letters = sum(counts.values())
        candidates = self._candidates(counts) if letters >= LETTERS_OF_ITS_OWN else ()
        if len(candidates) < 2:
            return candidates
        return self._by_langid(text, candidates) if letters >= LETTERS else ()

    def _candidates(self, counts: Counter[str]) -> tuple[str, ...]:
        """The study's languages whose script is that of most letters; kana make Han characters Japanese."""
        totals = {
            code: sum(counts[name] for name in SCRIPTS[LANGUAGES[code].script])
            for code in self.languages
            if LANGUAGES[code].script != "Jpan" or counts["HIRAGANA"] + counts["KATAKANA"]
        }
        top = max(totals.values(), default=0)
        if 2 * top <= sum(counts.values()):
            return ()
        return tuple(code for code, total in totals.items() if total == top)

    def _by_langid(self, text: str, candidates: tuple[str, ...]) -> tuple[str, ...]:
        codes = _labels(candidates)
        probabilities: Counter[tuple[str, ...]] = Counter()
        for label, probability in _langid(tuple(codes)).rank(text):
            probabilities[codes[label]] += probability
        (best, first), (_, second) = [*probabilities.most_common(2), ((), 0.0)][:2]
        return best if first - second >= MARGIN else ()


def shared(languages: Sequence[str], lexicon: Mapping[str, frozenset[str]] | None = None) -> Identifier:
    """The identifier for these languages and word lists; the same ones give the same object, so that a text is
    identified once for all who ask."""
    return _shared(tuple(languages), frozenset((lexicon or {}).items()))


@functools.lru_cache(maxsize=16)
def _shared(languages: tuple[str, ...], lexicon: frozenset[tuple[str, frozenset[str]]]) -> Identifier:
    return Identifier(languages, dict(lexicon))


def _labels(candidates: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """py3langid's labels for candidates of one script, each with the codes it stands for."""
    codes: dict[str, tuple[str, ...]] = {LANGUAGES[code].langid: (code,) for code in candidates}
    if "sr-Latn" in candidates:
        either = tuple(code for code in candidates if code in SERBO_CROATIAN)
        codes.update(hr=either, sr=either, bs=either)
    return codes


@functools.cache
def _langid(labels: tuple[str, ...]) -> Any:
    """py3langid 0.4 restricted to labels; `norm_probs` gives probabilities that are comparable across lengths."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(labels)
    return identifier


@functools.cache
def _script(character: str) -> str | None:
    """First word of a letter's Unicode name, e.g. LATIN, CYRILLIC, CJK; None for what is no letter."""
    return unicodedata.name(character, "").partition(" ")[0] or None if character.isalpha() else None


def _words(text: str, code: str) -> list[str]:
    """Casefolded words that hold a letter, without the punctuation at their ends; for Chinese and Japanese, letters."""
    folded = unicodedata.normalize("NFC", text).casefold()
    if LANGUAGES[code].script in ("Hans", "Jpan"):
        return [character for character in folded if character.isalpha()]
    words = (_bare(run) for run in SPACED.findall(folded))
    return [word for word in words if any(map(str.isalpha, word))]


def _bare(run: str) -> str:
    """A run of characters without punctuation at its ends; combining marks (Hindi vowel signs) belong to the word."""
    inside = [k for k, character in enumerate(run) if character.isalnum() or unicodedata.category(character)[0] == "M"]
    return run[inside[0] : inside[-1] + 1] if inside else ""
