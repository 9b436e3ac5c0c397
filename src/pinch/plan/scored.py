"""What scoring a sweep will take, and how small an effect it can find, by what was scored before."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from pinch.cells import Cell
from pinch.config import SEQUENTIAL
from pinch.plan.bench import KINDS, Bench
from pinch.plan.pace import Left, family_of, model_of
from pinch.plan.records import Effect, JudgeCalls
from pinch.records import read_json

POWER = 0.8
CONFIDENCE = 0.95
WORST = "assumed: no prompt ends in a tie, and a prompt ends the same way in every language (the worst case)"


@dataclass(frozen=True)
class Scores:
    """What one judge, the one who scored most cells, said so far: folder of a cell -> kind of reference -> {"languages":
    {code: row}, "groups": {name: row}}, as in scores.json."""

    judge: str | None = None
    against: Mapping[Path, Mapping[str, Any]] = field(default_factory=dict)

    def row(self, cell: Cell, kind: str, language: str) -> Mapping[str, Any]:
        """One language against one kind of reference; empty when it is not scored."""
        found: Mapping[str, Any] = (
            self.against.get(cell.folder, {}).get(kind, {}).get("languages", {}).get(language, {})
        )
        return found


def read_scores(cells: Iterable[Cell]) -> Scores:
    """The scores of these cells, as far as they have any; not those that were stopped early, which are biased outward."""
    judges: dict[str, dict[Path, Any]] = defaultdict(dict)
    for cell in cells:
        for name, entry in read_json(cell.scores_path).items():
            if not name.endswith(SEQUENTIAL):
                judges[name][cell.folder] = entry.get("against", {})
    if not judges:
        return Scores()
    judge = max(judges, key=lambda name: (len(judges[name]), name))
    return Scores(judge, judges[judge])


def judge_calls(work: Sequence[Left], bench: Bench, scores: Scores) -> JudgeCalls:
    """Both orders of every prompt, against every kind of reference that is there or can be made; a cell that is its own
    reference costs none. Judged is what is scored against the reference that would be chosen again, with a valid verdict."""
    unfinished = {(left.job.cell.folder, code) for left in work for code in left.unanswered}
    most = judged = 0
    for left in work:
        job = left.job
        for kind in KINDS:
            for code, prompts in job.prompts.items():
                reference = bench.reference(kind, job, code)
                if reference is job.cell or (reference is None and not bench.can_have(kind, job, code)):
                    continue
                most += 2 * len(prompts)
                row = scores.row(job.cell, kind, code)
                if reference is None or not row or row["reference_cell"] != reference.id:
                    continue
                answered = all((cell.folder, code) not in unfinished for cell in (job.cell, reference))
                if answered and row["n"] + row["invalid"] == len(prompts):
                    judged += 2 * row["n"]
    return JudgeCalls(most, judged, scores.judge, KINDS)


def effect(work: Sequence[Left], finished: Sequence[Cell], scores: Scores) -> Effect | None:
    """What the fewest prompts that any language has can show; None without any prompts."""
    from pinch import stats

    prompts = min((len(asked) for left in work for asked in left.job.prompts.values()), default=0)
    if not prompts:
        return None
    tuned = [left.job for left in work if not left.job.cell.untuned]
    unseen = min(
        (number for job in tuned if (number := len(job.prompts.keys() - set(job.cell.axes.languages)))), default=0
    )
    ties, correlation, source = _observed(work, finished, scores)
    shared = (1 + (unseen - 1) * correlation) / unseen if unseen else 1.0
    one, average = (
        stats.minimum_detectable(prompts, 1 - (1 - ties) * part, power=POWER, alpha=1 - CONFIDENCE)
        for part in (1.0, shared)
    )
    return Effect(
        prompts=prompts,
        one_language=round(one, 2),
        unseen_languages=unseen,
        unseen_average=round(average, 2) if unseen else None,
        tie_rate=round(ties, 3),
        correlation=round(correlation, 3),
        power=POWER,
        confidence=CONFIDENCE,
        source=source,
    )


def _observed(work: Sequence[Left], finished: Sequence[Cell], scores: Scores) -> tuple[float, float, str]:
    """Share of ties and correlation of languages in tuned cells that are scored, of a family of the sweep or else of a model
    of it, and where they come from; the worst case without any."""
    for key, said in ((family_of, "family"), (model_of, "model")):
        names = {key(left.job.cell) for left in work}
        for kind in KINDS:
            found = [
                scores.against[cell.folder][kind]
                for cell in finished
                if not cell.untuned and key(cell) in names and kind in scores.against.get(cell.folder, {})
            ]
            rows = [row for against in found for row in against["languages"].values() if row["n"]]
            number = sum(row["n"] for row in rows)
            even = sum(row["ties"] + row["identical"] for row in rows)
            if number > even:
                alike = [value for against in found if (value := _correlation(against)) is not None]
                past = "a past cell" if len(found) == 1 else f"{len(found)} past cells"
                where = f"{number:,} comparisons of {past} of the same {said} with {kind} references by {scores.judge}"
                return even / number, fmean(alike) if alike else 1.0, where
    return 0.0, 1.0, WORST


def _correlation(against: Mapping[str, Any]) -> float | None:
    """Mean correlation of a cell's items between unseen languages, from how much less their average varies than they do:
    the variance of an average over L languages is (1 + (L - 1) r) / L of theirs."""
    group = against["groups"].get("unseen", {"languages": [], "se": None})
    errors: list[float] = [against["languages"][code]["se"] for code in group["languages"]]
    number = len(errors)
    if number < 2 or not group["se"] or not all(errors):
        return None
    share: float = group["se"] ** 2 / fmean(error**2 for error in errors)
    return min(1.0, max(0.0, (share * number - 1) / (number - 1)))
