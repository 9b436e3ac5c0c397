"""Stage: from rows to the texts that an engine gets, and from its translations to rows again.

A text that comes back without one of its markers is cut at its spans and translated once more in parts, so no code and no
address is ever lost to an engine that does not understand markers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pinch.config import TranslateConfig, TranslationEngine, Unit
from pinch.identify import Identifier, shared
from pinch.languages import LANGUAGES
from pinch.translate.checks import faults
from pinch.translate.memory import Memory, Wanted
from pinch.translate.rows import Made, Row
from pinch.translate.segments import Piece, Segment, cut, join

Sources = Mapping[str, Sequence[Row]]
"""Rows of the source language by kind, corpus or prompts."""


class OpenError(Exception):
    """Not translated yet."""


class FaultError(Exception):
    """There is no translation, for the reason given."""


@dataclass(frozen=True)
class Work:
    """What is to be translated, and how texts are cut."""

    settings: TranslateConfig
    sources: Sources

    @property
    def sentences(self) -> bool:
        """Whether the engine gets sentences, or else lines."""
        unit, hf = self.settings.engine.unit, self.settings.engine.kind is TranslationEngine["hf"]
        return unit is Unit.sentence or (unit is Unit.auto and hf)

    def wanted(self, target: str) -> dict[Wanted, None]:
        """Every text that is to be put into a language, once, in the rows' order."""
        return dict.fromkeys(self._wanted(segment.masked(), target) for segment in self._segments())

    def lost(self, target: str, memory: Memory) -> dict[Wanted, None]:
        """The parts of those texts whose translation has lost a marker."""
        found: dict[Wanted, None] = {}
        for segment in self._segments():
            asked = self._wanted(segment.masked(), target)
            if segment.spans and asked in memory and _is_lost(segment, memory, asked):
                found |= dict.fromkeys(self._wanted(part.text, target) for part in _said(segment.apart()))
        return found

    def made(self, kind: str, target: str, memory: Memory) -> Iterator[Made]:
        """The rows of a kind in a language, unchecked. Raises OpenError when one of them is not translated yet."""
        for row in self.sources[kind]:
            if row.fixed:
                yield Made(row.id, target, dict(row.texts))
                continue
            try:
                texts = {name: self._text(text, target, memory) for name, text in row.texts.items()}
                yield Made(row.id, target, texts)
            except FaultError as fault:
                yield Made(row.id, target, None, {"row": ["failed"]}, str(fault))

    def check(self, kind: str, made: Iterable[Made]) -> list[Made]:
        """The rows with what is wrong with them."""
        rows = {row.id: row for row in self.sources[kind]}
        known = shared((self.settings.source, *self.settings.to))
        return [self._checked(rows[one.id], one, known) for one in made]

    def _checked(self, row: Row, made: Made, known: Identifier) -> Made:
        if made.texts is None or row.fixed:
            return made
        found = {}
        for name, text in row.texts.items():
            found[name] = faults(text, made.texts.get(name, ""), made.language, known, self.settings.ratio)
        return Made(
            made.id, made.language, made.texts, {name: names for name, names in found.items() if names}, made.why
        )

    def _text(self, text: str, target: str, memory: Memory) -> str:
        pieces = cut(text, self.sentences)
        spaced = LANGUAGES[target].script not in ("Hans", "Jpan")
        return join(pieces, [self._translated(segment, target, memory) for segment in _said(pieces)], spaced)

    def _translated(self, segment: Segment, target: str, memory: Memory) -> str:
        asked = self._wanted(segment.masked(), target)
        said = _known(memory, asked)
        whole = segment.restored(said)
        if whole is not None:
            return whole
        parts = segment.apart()
        return join(parts, [_known(memory, self._wanted(part.text, target)) for part in _said(parts)], spaced=False)

    def _wanted(self, text: str, target: str) -> Wanted:
        return Wanted(text, self.settings.source, target)

    def _segments(self) -> Iterator[Segment]:
        for rows in self.sources.values():
            for row in rows:
                for text in () if row.fixed else row.texts.values():
                    yield from _said(cut(text, self.sentences))


def _said(pieces: Iterable[Piece]) -> list[Segment]:
    return [piece for piece in pieces if isinstance(piece, Segment)]


def _is_lost(segment: Segment, memory: Memory, asked: Wanted) -> bool:
    given = memory[asked]
    return not given.fault and segment.restored(given.text) is None


def _known(memory: Memory, asked: Wanted) -> str:
    if asked not in memory:
        raise OpenError
    given = memory[asked]
    if given.fault or not given.text.strip():
        raise FaultError(f"{given.fault or 'an empty translation'}: {asked.text[:80]}")
    return given.text
