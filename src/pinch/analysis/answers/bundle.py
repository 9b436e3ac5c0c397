"""Pure: prompts with all that is known of them, in few bytes: what the page unpacks.

    base64(deflate(lines)), lines of JSON:
    the head; then a line per prompt: [id, new texts, new marks, new testimonies, {language: [instruction, reference,
    [text of every cell], [its marks], [its testimony]]}]

Texts, marks and testimonies are numbered from 1 as they come up, each once, 0 is none; a text that was too long is
[beginning, end, characters left out]. Whole prompts are added as long as they fit, so that what is shown is never a part
of one. Base64 cannot end a script element, whatever the texts are.
"""

import base64
import json
import re
import zlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from pinch.analysis.answers.evidence import Given
from pinch.analysis.answers.testimony import Said
from pinch.records import Prompt

LONGEST = 700
"""Characters of a text that the report shows."""

END = 250
"""Of those, characters from the end of a judge's reply, where its verdict is."""

Rows = Mapping[str, tuple[Prompt | None, Sequence[Given | None]]]
"""One prompt by language: as it was asked there, and the answers of that language's cells in their order."""


class Bundle:
    """Grows by whole prompts until `budget` bytes of base64 are full. `full` once one did not fit."""

    def __init__(self, head: Mapping[str, Any], budget: int) -> None:
        self._budget = budget
        self._zip = zlib.compressobj(9)
        self._done = [self._zip.compress(_line(head))]
        self._known: tuple[dict[Hashable, int], ...] = ({}, {}, {})
        self._news: tuple[list[Hashable], ...] = ([], [], [])
        self.prompts = 0
        self.full = False

    @property
    def size(self) -> int:
        """Bytes of the text as it is now."""
        return _in_base64(sum(map(len, self._done)) + len(self._zip.copy().flush()))

    @property
    def left(self) -> int:
        """Bytes that are left of the budget."""
        return max(self._budget - self.size, 0)

    @property
    def text(self) -> str:
        return base64.b64encode(b"".join(self._done) + self._zip.copy().flush()).decode()

    def add(self, prompt: str, rows: Rows) -> bool:
        """Put in a prompt, unless it does not fit; then nothing more does."""
        if self.full:
            return False
        self._news = ([], [], [])
        places = {language: self._row(asked, given) for language, (asked, given) in rows.items()}
        trial = self._zip.copy()
        part = trial.compress(_line([prompt, *self._news, places]))
        size = sum(map(len, self._done)) + len(part) + len(trial.copy().flush())
        if _in_base64(size) > self._budget:
            self.full = True
            return False
        self._zip = trial
        self._done.append(part)
        self.prompts += 1
        return True

    def _row(self, prompt: Prompt | None, given: Sequence[Given | None]) -> list[Any]:
        asked = [prompt.instruction, prompt.reference] if prompt is not None else [None, None]
        return [
            *(self._text(text) for text in asked),
            [self._text(one.text) if one else 0 for one in given],
            [self._marks(one) if one else 0 for one in given],
            [self._testimony(one.said) if one and one.said else 0 for one in given],
        ]

    def _text(self, text: str | None, end: int = 0) -> int:
        return 0 if text is None else self._number(0, cut(text, end))

    def _marks(self, given: Given) -> int:
        marks = given.marks
        known = (marks.outcome, marks.exact, marks.right_language, marks.answered_in) if marks else ("", None, None, "")
        return self._number(1, (*known, given.complete))

    def _testimony(self, said: Sequence[Said]) -> int:
        texts = [(self._text(one.forth_raw, END), self._text(one.back_raw, END)) for one in said]
        told = ((one.voice, int(one.person), one.forth, one.back) for one in said)
        return self._number(2, tuple((*one, *raw) for one, raw in zip(told, texts, strict=True)))

    def _number(self, table: int, entry: Hashable) -> int:
        known = self._known[table]
        if entry not in known:
            known[entry] = len(known) + 1
            self._news[table].append(entry)
        return known[entry]


def cut(text: str, end: int = 0) -> str | tuple[str, str, int]:
    """A text, or of a long one its beginning, its end of `end` characters, and how many were left out between them."""
    if len(text) <= LONGEST:
        return text
    return text[: LONGEST - end], text[len(text) - end :], len(text) - LONGEST


def _line(value: Any) -> bytes:
    """JSON in UTF-8; halves of surrogate pairs, which broken answers contain, are escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return (re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text) + "\n").encode()


def _in_base64(size: int) -> int:
    return 4 * ((size + 2) // 3)
