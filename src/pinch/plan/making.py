"""From the wishes of a sweep to its plan."""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pinch import cells, slots
from pinch.cells import Cell
from pinch.config import Wish
from pinch.errors import UserError
from pinch.jobs import Job, distinct, prepare
from pinch.plan.bench import Bench, Gap, settings_of
from pinch.plan.pace import Left, duration
from pinch.plan.records import Answers, Invalid, Mixture, PlannedCell, References, SweepPlan
from pinch.plan.scored import effect, judge_calls, read_scores

STATED = ("languages", "seed", "plan", "show", "mixture.fraction", "mixture.count", "mixture.counts")
"""Words of a command line that a reference has other ones of: these, and what begins with them and a dot."""


def make(wishes: Sequence[Wish], places: int | None = None) -> SweepPlan:
    """The plan of a sweep; jobs that cannot be are listed in it, and do not end it. `places`: how many cells are at work at
    once; None: as many as this machine would have."""
    jobs, words, invalid = _sort_out(wishes)
    others, notes = existing(jobs)
    bench = Bench(jobs, others)
    asked = {job.cell.folder for job in jobs}
    if any(wish.settings and wish.settings.plan.add_references for wish in wishes):
        jobs = distinct([*jobs, *map(prepare, settings_of(bench.gaps))])
        bench = Bench(jobs, others)
    work = [Left.of(job) for job in jobs]
    to_do = [left for left in work if not left.done]
    finished = [*others, *(left.job.cell for left in work if left.tuned)]
    scores = read_scores(finished)
    places, refused = (places, []) if places else _places(to_do)
    return SweepPlan(
        asked=len(wishes),
        cells=tuple(_cell(left, left.job.cell.folder not in asked) for left in work),
        invalid=tuple(invalid),
        mixtures=tuple(_mixtures(jobs)),
        references=_references(bench.gaps, words, [job.cell.id for job in jobs if job.cell.folder not in asked]),
        answers=Answers(
            number=sum(left.answers for left in work),
            languages=sum(len(left.unanswered) for left in work),
            cells=sum(bool(left.unanswered) for left in work),
        ),
        judge_calls=judge_calls(work, bench, scores),
        duration=duration(to_do, finished, places),
        effect=effect(work, finished, scores),
        notes=(*notes, *refused, *_left_out(jobs)),
    )


def existing(jobs: Sequence[Job]) -> tuple[list[Cell], list[str]]:
    """The other cells of the jobs' workspaces, and what is wrong with those that cannot be read."""
    known = {job.cell.folder for job in jobs}
    found, notes = [], []
    for workspace in dict.fromkeys(job.cell.folder.parent for job in jobs):
        for path in sorted(workspace.glob("*/cell.yaml")):
            if path.parent not in known:
                try:
                    found.append(cells.read_cell(path.parent))
                except UserError as error:
                    notes.append(str(error))
    return found, notes


def _sort_out(wishes: Sequence[Wish]) -> tuple[list[Job], dict[Path, list[str]], list[Invalid]]:
    """The distinct jobs, the words that asked for each, by its cell's folder, and the jobs that cannot be."""
    shared = set.intersection(*(set(wish.words) for wish in wishes)) if len(wishes) > 1 else set()
    jobs: list[Job] = []
    words: dict[Path, list[str]] = {}
    invalid = []
    for number, wish in enumerate(wishes, start=1):
        error = wish.error
        try:
            if wish.settings is not None:
                jobs.append(prepare(wish.settings))
                words.setdefault(jobs[-1].cell.folder, wish.words)
                continue
        except UserError as problem:
            error = str(problem)
        own = tuple(word for word in wish.words if word not in shared)
        invalid.append(Invalid(number, own, error))
    return distinct(jobs), words, invalid


def _places(to_do: Sequence[Left]) -> tuple[int, list[str]]:
    """Slots of this machine; one, and why, where the sweep is for another machine."""
    try:
        return (len(slots.layout([left.job.settings for left in to_do], len(to_do))) if to_do else 1), []
    except UserError as error:
        return 1, [str(error)]


def _cell(left: Left, added: bool) -> PlannedCell:
    cell = left.job.cell
    begun = left.tuned and (not cell.untuned or len(left.unanswered) < len(left.job.prompts))
    state = "done" if left.done else "half done" if begun else "to do"
    return PlannedCell(cell.id, state, added, tuple(left.unanswered))


def _mixtures(jobs: Iterable[Job]) -> list[Mixture]:
    found: dict[tuple[float, tuple[tuple[str, int], ...]], list[Job]] = defaultdict(list)
    for job in jobs:
        if not job.cell.untuned:
            axes = job.cell.axes
            found[axes.fraction, tuple(sorted(axes.counts.items()))].append(job)
    rows = []
    for (fraction, _), alike in found.items():
        axes = alike[0].cell.axes
        seeds = tuple(sorted({job.settings.seed for job in alike}))
        rows.append(Mixture(axes.languages, fraction, axes.budget, axes.counts, seeds, len(alike)))
    return sorted(rows, key=lambda row: (len(row.languages), row.languages, row.fraction, row.budget, row.seeds))


def _references(gaps: Sequence[Gap], words: Mapping[Path, list[str]], added: Sequence[str]) -> References:
    missing: dict[str, dict[str, None]] = defaultdict(dict)
    for gap in gaps:
        if gap.settings is not None:
            missing[gap.kind][gap.language] = None
    return References(
        missing={kind: tuple(codes) for kind, codes in missing.items()},
        commands=tuple(_commands(gaps, words)),
        added=tuple(added),
        never=tuple(dict.fromkeys(gap.language for gap in gaps if gap.settings is None)),
    )


def _commands(gaps: Sequence[Gap], words: Mapping[Path, list[str]]) -> list[str]:
    """Lines that make the missing references: the words of a job that needs them, but for what they have of their own."""
    lines: dict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for gap in gaps:
        if gap.settings is not None:
            base = gap.settings.languages.base if gap.kind == "monolingual" else ""
            lines[tuple(_line(gap, words.get(gap.job.cell.folder, [])))][base] = None
    return [_command(line, ",".join(bases)) for line, bases in lines.items()]


def _command(line: Sequence[str], bases: str) -> str:
    several = ["-m"] if "," in bases else []
    return shlex.join(["python", "train.py", *several, *line, *([f"languages.base={bases}"] if bases else [])])


def _line(gap: Gap, words: Sequence[str]) -> list[str]:
    """All words but the base language."""
    assert gap.settings is not None
    alone = gap.kind == "monolingual"
    stated = STATED if alone else (*STATED, "tuning")
    line = [word for word in words if not any(_names(word, name) for name in stated)]
    line += ["languages=one", f"seed={gap.settings.seed}"] if alone else ["tuning=none"]
    if alone and gap.job.settings.mixture.counts is not None:
        line.append("mixture.counts=null")
    if gap.settings.languages.evaluation is not None:
        line.append(f"languages.evaluation=[{','.join(gap.settings.languages.evaluation)}]")
    return line


def _names(word: str, name: str) -> bool:
    key = word.lstrip("+~").partition("=")[0]
    return key == name or key.startswith(f"{name}.")


def _left_out(jobs: Iterable[Job]) -> list[str]:
    """What the corpora lost, and what their prompts share with them."""
    return list(dict.fromkeys(note for job in jobs if not job.cell.untuned for note in job.corpus.notes))
