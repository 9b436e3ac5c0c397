"""Stage: what judges said of pairs of answers, word for word.

In: pairs with the items that were made of them, and the verdicts of the workspace. Out: `Said`s. What a judge was when it
judged a cell stands in the cell's scores.json, which is enough to find its verdicts again: no judge is made. Of a panel its
members are heard, of people every annotator.
"""

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pinch.analysis.answers.rows import items_of
from pinch.cells import Cell
from pinch.judges.people.verdicts import HumanVerdicts
from pinch.judges.replies import SEEING, Addresses, Reply, read_replies
from pinch.records import Item, Pair, read_json

Place = tuple[str, str, str]
"""Cell, language and prompt."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one judge said of a pair: `forth` with the cell's answer shown first, `back` with the reference's, each as an
    Outcome of the order shown, with its raw text (None where it is not known). Of a person, who saw one order drawn at
    random, `forth` alone is known, as if the cell's answer had been shown first."""

    voice: str
    forth: str
    back: str = ""
    forth_raw: str | None = None
    back_raw: str | None = None
    person: bool = False


@dataclass(frozen=True, slots=True)
class Marks:
    """What an item says of an answer and of its comparison, see `records.Item`."""

    against: str
    reference_cell: str
    outcome: str
    exact: bool | None
    right_language: bool | None
    answered_in: str
    forth: str
    back: str

    @classmethod
    def of(cls, item: Item) -> "Marks":
        known = (item.against, item.reference_cell, item.outcome, item.exact)
        return cls(*known, item.right_language, item.answered_in, item.forth, item.back)


@dataclass(frozen=True, slots=True)
class Contested:
    """A pair of answers that differ, first the cell's own, and what was made of it."""

    cell: Cell
    language: str
    marks: Marks
    pair: Pair

    @property
    def place(self) -> Place:
        return self.cell.id, self.language, self.pair.prompt

    @property
    def swapped(self) -> Pair:
        pair = self.pair
        return Pair(pair.prompt, pair.language, pair.instruction, pair.second, pair.first, pair.reference)


@dataclass(frozen=True)
class Voice:
    """A judge by name, and what scores.json says that it was for a cell; empty where it says nothing."""

    name: str
    identity: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.identity.get("judge", ""))


Told = tuple[Place, Said, str, str]
"""What was said where, and the addresses of its raw texts in both orders, empty where there are none."""


class Hearing:
    """Asks the files of a workspace what `judge` said of pairs. `silent` are judges of whose words some were not found."""

    def __init__(self, workspace: Path, judge: str) -> None:
        self.workspace, self.judge = workspace, judge
        self.silent: set[str] = set()
        self._people = functools.cache(lambda name: HumanVerdicts(workspace, name))

    def hear(self, contests: Sequence[Contested]) -> dict[Place, list[Said]]:
        """What is known of the pairs, by place; of a panel one after the other."""
        by_cell: dict[str, list[Contested]] = defaultdict(list)
        for contested in contests:
            by_cell[contested.cell.id].append(contested)
        told = [
            one
            for group in by_cell.values()
            for voice in self._voices(group[0].cell)
            for one in self._told(voice, group)
        ]
        wanted: dict[str, set[str]] = defaultdict(set)
        for _, said, forth, back in told:
            wanted[said.voice] |= {forth, back} - {""}
        replies = {name: read_replies(self.workspace, name, keys) for name, keys in wanted.items() if keys}
        found: dict[Place, list[Said]] = defaultdict(list)
        for place, said, forth, back in told:
            known = replies.get(said.voice, {})
            quoted = replace(said, forth_raw=_raw(known.get(forth)), back_raw=_raw(known.get(back)))
            found[place].append(quoted)
            if not said.person and None in (quoted.forth_raw, quoted.back_raw):
                self.silent.add(said.voice)
        return found

    def _voices(self, cell: Cell) -> list[Voice]:
        """The judge, or the members of the panel that it is."""
        entries = read_json(cell.scores_path)

        def voice(name: str) -> Voice:
            known = entries.get(name, {}).get("settings", {}).get("judge", {})
            return Voice(name, known if isinstance(known, dict) else {})

        own = voice(self.judge)
        return [voice(name) for name in own.identity.get("members", ())] if own.kind == "panel" else [own]

    def _told(self, voice: Voice, group: Sequence[Contested]) -> Iterator[Told]:
        if voice.kind == "human":
            yield from self._labelled(voice, group)
            return
        addresses, sees = Addresses(voice.identity) if voice.identity else None, voice.kind in SEEING
        marks = {one.place: one.marks for one in group} if voice.name == self.judge else self._members(voice, group)
        for one in group:
            made = marks.get(one.place)
            if made is not None and made.forth and made.back and made.reference_cell == one.marks.reference_cell:
                said = Said(voice.name, made.forth, made.back)
                forth, back = (addresses.key(p, sees) if addresses else "" for p in (one.pair, one.swapped))
                yield one.place, said, forth, back

    def _labelled(self, voice: Voice, group: Sequence[Contested]) -> Iterator[Told]:
        verdicts = self._people(voice.name)
        for one in group:
            for annotator, outcome in verdicts.labels(one.pair).items():
                yield one.place, Said(annotator, outcome.value, person=True), "", ""

    def _members(self, voice: Voice, group: Sequence[Contested]) -> dict[Place, Marks]:
        """What a member of a panel made of the same pairs."""
        cell = group[0].cell
        kinds = {one.language: one.marks.against for one in group}
        items = items_of(cell.items_path(voice.name), kinds, {one.pair.prompt for one in group})
        return {(cell.id, item.language, item.prompt): Marks.of(item) for item in items}


def _raw(reply: Reply | None) -> str | None:
    if reply is None:
        return None
    return reply.raw or (f"no reply: {reply.error}" if reply.error else "")
