"""How long a sweep will take, by what finished cells of the same family, or else of the same model, took."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from pinch import cells
from pinch.cells import Cell
from pinch.jobs import Job
from pinch.plan.records import Duration


@dataclass(frozen=True)
class Left:
    """What is left to do of a job: nothing, or tuning or not, and the number of prompts to answer in each language."""

    job: Job
    done: bool
    tuned: bool
    unanswered: dict[str, int]

    @classmethod
    def of(cls, job: Job) -> "Left":
        unanswered = {code: len(prompts) for code, prompts in job.unanswered().items()}
        done = not unanswered and job.done()
        return cls(job, done, done or job.tuned(), unanswered)

    @property
    def answers(self) -> int:
        return sum(self.unanswered.values())

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        if self.tuned:
            return 0
        tuning = self.job.settings.tuning
        steps = tuning.epochs * math.ceil(self.job.cell.axes.budget / tuning.batch_size)
        return steps if tuning.max_steps is None else min(steps, tuning.max_steps)


@dataclass(frozen=True)
class Pace:
    """Median seconds of one optimizer step and of one answer; None: nobody knows."""

    step: float | None
    answer: float | None

    def of(self, left: Left) -> float | None:
        if (left.steps and self.step is None) or (left.answers and self.answer is None):
            return None
        return left.steps * (self.step or 0.0) + left.answers * (self.answer or 0.0)


def duration(work: Sequence[Left], finished: Iterable[Cell], slots: int) -> Duration:
    """Seconds until all of it is done in so many slots: never less than its longest cell takes."""
    paces = _paces(finished) if work else {}
    nothing = Pace(None, None)
    estimates: list[float] = []
    sources: Counter[str] = Counter()
    for left in work:
        by_family = paces.get(family_of(left.job.cell), nothing).of(left)
        seconds = paces.get(model_of(left.job.cell), nothing).of(left) if by_family is None else by_family
        sources["unknown" if seconds is None else "model" if by_family is None else "family"] += 1
        estimates += [] if seconds is None else [seconds]
    return Duration(
        seconds=round(max(sum(estimates) / slots, *estimates), 1) if estimates else None,
        slots=slots,
        of_family=sources["family"],
        of_model=sources["model"],
        unknown=sources["unknown"],
    )


def _paces(finished: Iterable[Cell]) -> dict[str, Pace]:
    """Paces by family and by model. Only first attempts count: later ones may have had less to do."""
    steps: dict[str, list[float]] = defaultdict(list)
    answers: dict[str, list[float]] = defaultdict(list)
    number = cache(_number_of_prompts)
    for cell in finished:
        status = cells.read_status(cell.folder)
        tune, generate = _first_attempt(status, "tune"), _first_attempt(status, "generate")
        workspace, digests = cell.folder.parent, generate.get("prompts", {})
        answered = sum(number(workspace, code, name) for code, name in digests.items())
        for name in (family_of(cell), model_of(cell)):
            steps[name] += [tune["seconds"] / tune["steps"]] if tune.get("steps") else []
            answers[name] += [generate["seconds"] / answered] if answered else []
    return {
        name: Pace(*(median(found[name]) if found.get(name) else None for found in (steps, answers)))
        for name in steps.keys() | answers.keys()
    }


def _first_attempt(status: dict[str, Any], stage: str) -> dict[str, Any]:
    entry = status.get(stage, {})
    good = entry.get("state") == "done" and entry.get("attempt") == 1 and entry.get("seconds", 0) > 0
    return entry if good else {}


def _number_of_prompts(workspace: Path, language: str, digest: str) -> int:
    try:
        return (workspace / "prompts" / f"{language}-{digest}.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0


def family_of(cell: Cell) -> str:
    """What cells share that differ in mixture and seed only."""
    return cell.family


def model_of(cell: Cell) -> str:
    """What cells of one model share, whatever they were tuned with; never the name of a family."""
    return f"model {cell.identity['model']['fingerprint']}"
