"""Pure: what is wrong with a translation, as far as that shows without knowing both languages.

A source text and its translation in, names of checks (`pinch.config.CHECKS`) out. Code, addresses, formulas and the like
are compared as they are and left out of everything else.
"""

import re
import unicodedata
from collections import Counter

from pinch.identify import LETTERS, WEIGHT, Identifier
from pinch.translate.segments import Segment, bare, cut, spans

SLACK = 24
"""Letters by which a translation may always differ in length: short texts differ a lot."""

LOOP = re.compile(r"(.{2,80}?)\1{3,}", re.DOTALL)
LOOPED = 16
"""Letters of a stretch that says the same four times or more in a row before it counts as a loop."""

COPIED = 0.5
"""Share of the source's longer sentences, in letters, that may stand in the translation unchanged."""


def faults(source: str, translation: str, language: str, identifier: Identifier, ratio: float) -> list[str]:
    """Names of the checks that the translation into `language` does not pass; `identifier` knows both languages."""
    if not translation.strip():
        return ["empty"]
    before, after = bare(source), bare(translation)
    found = {
        "lines": source.strip().count("\n") != translation.strip().count("\n"),
        "language": identifier.right(after, language) is False,
        "length": not _lengths_fit(length(before), length(after), ratio),
        "spans": _spans(source) != _spans(translation),
        "digits": _digits(before) != _digits(after),
        "repetition": _loops(after) > _loops(before),
        "copy": _copied(source, translation),
    }
    return [name for name, wrong in found.items() if wrong]


def length(text: str) -> int:
    """Letters and vowel signs of a text; a character of a script that says more in one counts for several, as in
    `pinch.identify`."""
    return sum(
        WEIGHT.get(unicodedata.name(letter, "").partition(" ")[0], 1)
        for letter in text
        if unicodedata.category(letter)[0] in "LM"
    )


def _lengths_fit(before: int, after: int, ratio: float) -> bool:
    shorter, longer = sorted((before, after))
    return longer - shorter <= SLACK or longer <= ratio * shorter


def _spans(text: str) -> Counter[str]:
    return Counter(text[start:end].strip() for start, end in spans(text))


def _digits(text: str) -> Counter[int]:
    """Decimal digits of any script, each as often as it stands there: separators of thousands differ by language."""
    return Counter(unicodedata.decimal(letter) for letter in text if letter.isdecimal())


def _loops(text: str) -> int:
    """Stretches that say the same at least four times in a row."""
    return sum(length(match[0]) >= LOOPED for match in LOOP.finditer(text))


def _copied(source: str, translation: str) -> bool:
    """Whether most of what is long enough to be no name stands in the translation as it was."""
    sentences = [piece.text for piece in cut(source) if isinstance(piece, Segment)]
    sizes = {sentence: length(bare(sentence)) for sentence in sentences}
    long = {sentence: size for sentence, size in sizes.items() if size >= LETTERS}
    there = sum(size for sentence, size in long.items() if sentence in translation)
    return bool(long) and there > COPIED * sum(long.values())
