"""Edge: which texts are the same as, or nearly the same as, one of a few others. Pure.

Two texts are nearly the same when their sets of character 5-grams have much in common: the resemblance |A and B| / |A or B|
of Broder (1997, On the resemblance and containment of documents), over texts without case, punctuation and spaces.
"""

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from functools import cache
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)

SIZE = 5
"""Characters of a gram."""

NEITHER = re.compile(r"[^a-z0-9]+")
"""What is neither a letter nor a digit of folded ASCII."""


def normal(text: str) -> str:
    """Compatibility forms joined, case folded, nothing left but letters, their marks and digits."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():
        return NEITHER.sub("", folded)
    return "".join(filter(_counts, folded))


@cache
def _counts(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char)[0] == "M"


def grams(text: str) -> frozenset[str]:
    """The character 5-grams of a normal text; a shorter text is its own only gram."""
    return frozenset(text[start : start + SIZE] for start in range(max(1, len(text) - SIZE + 1)))


def overlapping(texts: Mapping[Name, str], others: Iterable[str], share: float) -> tuple[set[Name], set[Name]]:
    """The names of the texts that equal one of `others` after normalisation, and of those that only nearly do: with a
    resemblance of `share` (0..1) or more. Texts without a letter or digit equal nothing."""
    known = {normal(text) for text in others} - {""}
    index = _Index(known, share)
    exact: set[Name] = set()
    near: set[Name] = set()
    for name, text in texts.items():
        plain = normal(text)
        if plain in known:
            exact.add(name)
        elif plain and index.has_near(plain):
            near.add(name)
    return exact, near


class _Index:
    """The known texts by some of their grams. A resemblance of `share` needs `share` of the known text's n grams, so at most
    n - ceil(share n) are missing, and one more than that many grams cannot all be missing: only these are looked up."""

    def __init__(self, known: Iterable[str], share: float) -> None:
        self.share = share
        self.sets = [grams(text) for text in sorted(known)]
        sizes = [len(found) for found in self.sets] or [0]
        self.shortest, self.longest = share * min(sizes) - 1e-9, max(sizes) / share + 1e-9
        self.where: dict[str, list[int]] = defaultdict(list)
        common: dict[str, int] = defaultdict(int)
        for found in self.sets:
            for gram in found:
                common[gram] += 1
        for number, found in enumerate(self.sets):
            needed = len(found) - math.ceil(share * len(found) - 1e-9) + 1
            for gram in sorted(found, key=lambda gram: (common[gram], gram))[:needed]:
                self.where[gram].append(number)

    def has_near(self, text: str) -> bool:
        """Whether a known text resembles this normal one enough."""
        mine = grams(text)
        if not self.shortest <= len(mine) <= self.longest:
            return False
        seen = {number for gram in mine if gram in self.where for number in self.where[gram]}
        return any(len(mine & self.sets[number]) >= self.share * len(mine | self.sets[number]) for number in seen)
