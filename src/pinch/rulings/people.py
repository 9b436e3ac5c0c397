"""Stage: rulings of annotators, each of whom saw a pair in one order, drawn at random."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinch import panels, scoring
from pinch.bench import Bench, Contest
from pinch.cells import Cell
from pinch.config import JudgeConfig
from pinch.judges.people.page import address
from pinch.judges.people.verdicts import HumanVerdicts
from pinch.records import Item, Outcome, Pair
from pinch.rulings.source import Ruling
from pinch.scoring import Result

WORDS = {Outcome.first: "win", Outcome.tie: "tie", Outcome.second: "loss"}


class People:
    """What annotators said of a pair, which each of them saw in one order, drawn at random."""

    def __init__(self, config: JudgeConfig, bench: Bench) -> None:
        self.name = config.label()
        self.verdicts = HumanVerdicts(bench.workspace, self.name)
        self._config, self._bench = config, bench

    def identity(self, cell: Cell) -> Any:
        return {"judge": "human", "annotators": sorted(self.verdicts.annotators), "combine": self._config.combine.value}

    def revision(self, cell: Cell) -> str:
        return self.verdicts.revision

    def missing(self, contests: Sequence[Contest]) -> dict[str, Pair]:
        """Pairs that no annotator has labelled, each content once, in whichever order."""
        pairs = [pair for contest in contests for _, pair, _ in self._bench.pairs(contest)]
        return {address(pair): pair for pair in self.verdicts.missing(pairs)}

    def ask(self, cell: Cell, pairs: Mapping[str, Pair]) -> Iterator[int]:
        """People are asked by a page, see `exchange`."""
        yield from ()

    def rule(self, contest: Contest) -> dict[str, Ruling]:
        found = {}
        for prompt, pair, _ in self._bench.pairs(contest):
            said = list(self.verdicts.labels(pair).values())
            results = [Result(WORDS[outcome], scoring.VALUE[outcome]) for outcome in said]
            result = panels.combine(results, self._config.combine.value) if results else scoring.UNJUDGED
            found[prompt.id] = Ruling(result)
        return found

    def by_annotator(self, contests: Sequence[Contest]) -> dict[str, list[Item]]:
        """What each annotator said of each prompt, as items."""
        found: dict[str, list[Item]] = {}
        for contest in contests:
            for prompt, pair, _ in self._bench.pairs(contest):
                for name, outcome in self.verdicts.labels(pair).items():
                    place = (contest.cell.id, name, contest.kind, contest.reference.id, contest.language, prompt.id)
                    item = Item(*place, WORDS[outcome], scoring.VALUE[outcome], None, None, "", None)
                    found.setdefault(name, []).append(item)
        return found

    def notes(self) -> list[str]:
        return []
