"""Stage: rulings of a judge that is asked about a contest no longer than it takes to decide it (judge.stop=sequential).

A contest (cell, reference, language) is looked at up to six times, at even shares of its prompts, all contests' prompts
being in one order; it ends with the first look at which its z is beyond the bound of that look (stats.sequential). What is
decided depends on the verdicts of the prompts up to there alone, whatever else the store knows.
Verdicts go to the judge's own store, so that judging in full goes on from them; items and scores go under the name
`<judge>-sequential`, which nothing else can have: a score that stopped early is biased outward, and must not stand beside
others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pinch.bench import Bench, Contest, in_order
from pinch.config import SEQUENTIAL, EvaluateConfig
from pinch.records import Pair
from pinch.rulings.judged import Judged
from pinch.rulings.source import SKIPPED, Ruling
from pinch.scoring import IDENTICAL, UNJUDGED
from pinch.stats import sequential


@dataclass(frozen=True)
class Course:
    """How far a contest has come: `prompts` of `planned` at the look it has come to, of `looks` at most; `z` there, and
    whether that is beyond its `bound`. `z` is None while verdicts are missing."""

    look: int
    looks: int
    prompts: int
    planned: int
    bound: float
    z: float | None

    @property
    def decided(self) -> str:
        """above or below par; open as long as nothing is decided, even when all prompts are judged."""
        if self.z is None or abs(self.z) < self.bound:
            return "open"
        return "above" if self.z > 0 else "below"

    @property
    def over(self) -> bool:
        return self.z is not None and (self.decided != "open" or self.look == self.looks)

    @property
    def stopped_early(self) -> bool:
        return self.over and self.prompts < self.planned


class Sequential(Judged):
    """A judge, its store, and where each contest stops."""

    looks = sequential.LOOKS

    def __init__(self, settings: EvaluateConfig, bench: Bench) -> None:
        super().__init__(settings, bench)
        self.name += SEQUENTIAL

    def missing(self, contests: Sequence[Contest]) -> dict[str, Pair]:
        """What the next look of each contest lacks."""
        found: dict[str, Pair] = {}
        for contest in contests:
            _, seen, both = self._walk(contest)
            pairs = (pair for name in seen for pair in both.get(name, ()))
            found |= self.store(contest.cell).missing(pairs, self._settings.judge.retry_invalid)
        return found

    def most(self, contest: Contest) -> dict[str, Pair]:
        course, _, _ = self._walk(contest)
        return self.missing([contest]) if course.over else super().missing([contest])

    def rule(self, contest: Contest) -> dict[str, Ruling]:
        _, seen, both = self._walk(contest)
        store, kept = self.store(contest.cell), set(seen)
        ranked = [] if contest.own else self._bench.asked(contest.cell, contest.language)
        found = {prompt.id: Ruling(SKIPPED) for prompt in ranked if prompt.id not in kept}
        return found | {name: self._ruling(store, *both[name]) for name in seen if name in both}

    def course(self, contest: Contest) -> Course:
        """How far the contest has come by the verdicts there are."""
        return self._walk(contest)[0]

    def _walk(self, contest: Contest) -> tuple[Course, list[str], dict[str, tuple[Pair, Pair]]]:
        """The contest's course, its prompts up to there, and the pairs of all prompts whose answers differ."""
        store = self.store(contest.cell)
        both = {prompt.id: (forth, back) for prompt, forth, back in self._bench.pairs(contest)}
        ranked = [p.id for p in in_order(self._bench.asked(contest.cell, contest.language))]
        sizes = sequential.looks(len(ranked))
        shares = tuple(size / len(ranked) for size in sizes)
        limits = sequential.bounds(shares, round(1 - self._settings.score.confidence, 9))
        scores: list[float] = []
        z: float | None = None
        for look, (start, size) in enumerate(pairwise([0, *sizes]), start=1):
            rulings = [self._ruling(store, *both[name]) if name in both else SAME for name in ranked[start:size]]
            scores += [ruling.result.score for ruling in rulings if ruling.result.score is not None]
            waiting = any(ruling.result == UNJUDGED or ruling.unanswered for ruling in rulings)
            z = None if waiting else sequential.z_score(scores)
            course = Course(look, len(sizes), size, len(ranked), limits[look - 1], z)
            if waiting or course.over:
                break
        return course, ranked[:size], both


SAME = Ruling(IDENTICAL)
