"""Flow: the cells of a sweep as jobs of another engine (Slurm through submitit, Ray, joblib), seen from the command that
sends them. What happens where a job runs is in pinch.doors.

All settings are checked before one job is sent; duplicates and finished cells are not sent. How it went is read from the
cells' own files, because an engine that loses one job may give up on telling about the others, which go on.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from pinch import cells
from pinch.board import Ran, say_what_is_to_come, summary
from pinch.config import Wish
from pinch.errors import UserError
from pinch.jobs import Job, distinct, prepare_each
from pinch.sweep import refuse

Send = Callable[[list[int]], Sequence[str]]
"""Has the engine run the jobs with these numbers; gives for each why it could not be run, or nothing."""


def through(engine: str, wishes: Sequence[Wish], send: Send, console: Console | None = None) -> int:
    """Have an engine run the cells that the wishes mean. Gives the exit code: 0, or 1 when a cell was not finished.

    Raises UserError before anything is sent when any of the wishes cannot be."""
    console = console or Console()
    settings = refuse(wishes)
    if settings[0].plan.add_references:
        raise UserError(
            "plan.add_references=true adds cells that the command line does not name, which only hydra/launcher=pinch and "
            "plan=files can do"
        )
    asked = prepare_each(settings)
    jobs = distinct(asked)
    before = {job.cell.folder: cells.read_status(job.cell.folder) for job in jobs}
    finished = {job.cell.folder for job in jobs if job.done()}
    numbers = _to_send(asked)
    reasons = _send(engine, numbers, send, console) if numbers else []
    refused = {asked[number].cell.folder: why for number, why in zip(numbers, reasons, strict=False) if why}
    results = [
        Ran(job.cell, "skipped")
        if job.cell.folder in finished
        else _how_it_went(job, before[job.cell.folder], refused.get(job.cell.folder, ""))
        for job in jobs
    ]
    console.print(summary(results, asked=len(asked)))
    say_what_is_to_come(jobs, console)
    return 1 if any(result.state in ("failed", "left") for result in results) else 0


def _to_send(jobs: Sequence[Job]) -> list[int]:
    """Numbers of the jobs that have something to do, but for those that would do the same again."""
    first: dict[tuple[object, ...], int] = {}
    for number, job in enumerate(jobs):
        if not job.done():
            first.setdefault((job.cell.folder, *job.prompts), number)
    return list(first.values())


def _send(engine: str, numbers: list[int], send: Send, console: Console) -> Sequence[str]:
    console.print(f"{len(numbers)} {'job' if len(numbers) == 1 else 'jobs'} for {engine}", highlight=False)
    try:
        return send(numbers)
    except Exception as error:  # whatever the engine's libraries raise
        if os.environ.get("PINCH_DEBUG"):
            raise
        line = f"[red]{engine} gave up[/red]: {escape(cells.describe(error))}; its jobs that are at work go on"
        console.print(line, soft_wrap=True, highlight=False)
        return []


def _how_it_went(job: Job, before: Mapping[str, Any], refused: str) -> Ran:
    """From what the cell's status says now and did not say before."""
    new = {stage: entry for stage, entry in cells.read_status(job.cell.folder).items() if entry != before.get(stage)}
    seconds = sum(entry.get("seconds", 0.0) for entry in new.values())
    if job.done():
        return Ran(job.cell, "done", seconds)
    errors = [entry.get("error", "") for entry in new.values() if entry.get("state") == "failed"] or [refused]
    if any(errors):
        return Ran(job.cell, "failed", seconds, errors[0])
    owner = cells.owner(job.cell)
    return Ran(job.cell, "left", seconds, f"at work: {owner}" if owner else "its job did not come to an end")
