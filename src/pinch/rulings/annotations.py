"""Stage: rulings that AlpacaEval wrote down, found by instruction and both answers."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pinch import alpaca, cells, scoring
from pinch.bench import Bench, Contest
from pinch.cells import Cell
from pinch.records import Pair
from pinch.rulings.source import Ruling


class Annotations:
    """Preferences that AlpacaEval wrote down, found by instruction and both answers."""

    def __init__(self, name: str, path: Path, bench: Bench) -> None:
        self.name = name
        self._bench = bench
        self._scores: dict[tuple[str, str, str], float | None] = {}
        self.rows = alpaca.read_annotations(path)
        for row in self.rows:
            value = alpaca.score(row.preference)
            self._scores[row.instruction, row.output_2, row.output_1] = value
            mirrored = None if value is None else 1 - value
            self._scores.setdefault((row.instruction, row.output_1, row.output_2), mirrored)

    def identity(self, cell: Cell) -> Any:
        annotators = sorted({row.annotator for row in self.rows if row.annotator})
        return {"judge": "annotations", "format": "alpaca_eval", "annotators": annotators}

    def revision(self, cell: Cell) -> str:
        return cells.digest(sorted((*key, value) for key, value in self._scores.items()), 16)

    def missing(self, contests: Sequence[Contest]) -> dict[str, Pair]:
        return {}

    def ask(self, cell: Cell, pairs: Mapping[str, Pair]) -> Iterator[int]:
        yield from ()

    def rule(self, contest: Contest) -> dict[str, Ruling]:
        found = {}
        for prompt, pair, _ in self._bench.pairs(contest):
            key = (pair.instruction, pair.first, pair.second)
            if key not in self._scores:
                found[prompt.id] = Ruling(scoring.UNJUDGED)
                continue
            found[prompt.id] = Ruling(scoring.scored(self._scores[key]))
        return found

    def knows(self, contests: Sequence[Contest]) -> bool:
        """Whether any annotation belongs to the contests."""
        asked = (pair for contest in contests for _, pair, _ in self._bench.pairs(contest))
        return any((pair.instruction, pair.first, pair.second) in self._scores for pair in asked)

    def notes(self) -> list[str]:
        return []
