"""Stage: rulings of a judge that sees one ordered pair at a time, and its store."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinch import judges, scoring
from pinch.bench import Bench, Contest
from pinch.cells import Cell
from pinch.config import Batch, EvaluateConfig, JudgeKind
from pinch.judges.store import VerdictStore
from pinch.records import Pair
from pinch.rulings.source import Ruling


class Judged:
    """A judge that sees one ordered pair at a time, and its store. `looks`: how often `missing` may have to be asked, since
    what is missing depends on what was said before."""

    looks = 1

    def __init__(self, settings: EvaluateConfig, bench: Bench) -> None:
        self.name = settings.judge.label()
        self._settings, self._bench = settings, bench
        self._asks = settings.judge.batch is Batch.off and not settings.reparse
        self._stores = functools.cache(self._open)

    def store(self, cell: Cell) -> VerdictStore:
        """Word lists of the corpus are part of the embedded judge; other judges are the same for every cell."""
        embedded = self._settings.judge.kind is JudgeKind.reference
        return self._stores(self._bench.lexicon_name(cell) if embedded else None)

    def stores(self) -> list[VerdictStore]:
        """One for every judge that the cells call for."""
        return list({id(store): store for store in map(self.store, self._bench.cells)}.values())

    def identity(self, cell: Cell) -> Any:
        return self.store(cell).judge.identity

    def revision(self, cell: Cell) -> str:
        return self.store(cell).revision

    def missing(self, contests: Sequence[Contest]) -> dict[str, Pair]:
        if not contests:
            return {}
        pairs = (pair for contest in contests for _, *both in self._bench.pairs(contest) for pair in both)
        return self.store(contests[0].cell).missing(pairs, self._settings.judge.retry_invalid)

    def most(self, contest: Contest) -> dict[str, Pair]:
        """What is missing, at worst."""
        return self.missing([contest])

    def ask(self, cell: Cell, pairs: Mapping[str, Pair]) -> Iterator[int]:
        if self._asks:
            yield from self.store(cell).judge_missing(list(pairs.values()))

    def rule(self, contest: Contest) -> dict[str, Ruling]:
        store = self.store(contest.cell)
        return {prompt.id: self._ruling(store, forth, back) for prompt, forth, back in self._bench.pairs(contest)}

    def _ruling(self, store: VerdictStore, forth: Pair, back: Pair) -> Ruling:
        one, other = store.outcome(forth), store.outcome(back)
        if one is None or other is None:
            return Ruling(scoring.UNJUDGED, str(one or ""), str(other or ""))
        result = scoring.resolve(one, other, self._settings.score.tie_rule.value)
        return Ruling(result, one.value, other.value, store.unanswered(forth) or store.unanswered(back))

    def notes(self) -> list[str]:
        return [note for store in self.stores() for note in store.judge.notes()]

    def _open(self, lexicon: str | None) -> VerdictStore:
        bench = self._bench
        judge = judges.make(self._settings.judge, bench.workspace, bench.languages, bench.lexicon(lexicon))
        return VerdictStore(bench.workspace, judge)
