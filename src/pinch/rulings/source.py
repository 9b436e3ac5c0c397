"""Stage: what gives rulings, the outcomes of the prompts of a contest."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pinch.bench import Contest
from pinch.cells import Cell
from pinch.records import Pair
from pinch.scoring import Result

SKIPPED = Result("skipped", None)
"""Of a prompt that the contest was decided without: it is no item."""


@dataclass(frozen=True)
class Ruling:
    """The result of one prompt, and what was said of both orders, where somebody was asked: `forth` with the cell's answer
    shown first, `back` with the reference's. `unanswered`: a judge was asked and gave no reply; he will be asked again."""

    result: Result
    forth: str = ""
    back: str = ""
    unanswered: bool = False


Rulings = Mapping[str, Ruling]
"""By prompt; prompts whose answers are identical are not in it."""


class Source(Protocol):
    """Gives rulings under a name. `identity` is what they depend on beside the answers, as plain JSON values, `revision`
    changes when something known for the cell is overruled."""

    name: str

    def identity(self, cell: Cell) -> Any: ...

    def revision(self, cell: Cell) -> str: ...

    def missing(self, contests: Sequence[Contest]) -> Mapping[str, Pair]:
        """Pairs that the source would have to be asked about, by their keys."""
        ...

    def ask(self, cell: Cell, pairs: Mapping[str, Pair]) -> Iterator[int]:
        """Ask about the pairs; yields numbers judged."""
        ...

    def rule(self, contest: Contest) -> Rulings:
        """What is known, without asking anybody."""
        ...

    def notes(self) -> list[str]:
        """Sentences for the user when everything is done."""
        ...
