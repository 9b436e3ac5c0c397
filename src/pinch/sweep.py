"""Flow: many cells, one after the other in this process.

All settings are checked before the first cell starts (a typo in the last one costs nothing), settings that mean the same
cell run once, finished cells are skipped, a cell that fails does not stop the rest, and a table says how it went.
"""

import gc
import os
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from pinch import cells, train
from pinch.cells import Cell
from pinch.config import Show, TrainConfig
from pinch.errors import PinchError, UserError
from pinch.jobs import Job, prepare


@dataclass(frozen=True)
class Ran:
    """How a cell went: state is done, skipped, busy (another process has it) or failed."""

    cell: Cell
    state: str
    seconds: float = 0.0
    error: str = ""


def sweep(settings: Sequence[TrainConfig], console: Console | None = None) -> int:
    """Run the cells that the settings mean. Gives the exit code: 0, or 1 when a cell failed or another process has it.

    Raises UserError before anything is trained when any of the settings cannot be."""
    console = console or Console(stderr=False)
    jobs = prepare_all(settings)
    for where, number in {job.corpus.where: job.corpus.left_out() for job in jobs if job.plan.languages}.items():
        if number:
            console.print(f"note: {where}: {number} ids are not in every language and were left out", soft_wrap=True)
    if settings[0].show is Show.mixture:
        for job in jobs:
            console.print(f"{job.cell.id}", soft_wrap=True, highlight=False)
            console.print(mixture_table(job))
        return 0
    results = run_all(jobs, console)
    console.print(summary(results, asked=len(settings)))
    return 1 if any(result.state in ("failed", "busy") for result in results) else 0


def prepare_all(settings: Sequence[TrainConfig]) -> list[Job]:
    """One job per distinct cell, in the order asked for; the evaluation languages of duplicates are joined.

    Raises UserError for the first settings that cannot be trained, saying which of several they are."""
    jobs: dict[str, Job] = {}
    for number, wish in enumerate(settings, start=1):
        try:
            job = prepare(wish)
        except UserError as error:
            raise UserError(f"cell {number} of {len(settings)}: {error}" if len(settings) > 1 else str(error)) from None
        same = jobs.get(job.cell.id)
        jobs[job.cell.id] = job if same is None else replace(same, prompts={**same.prompts, **job.prompts})
    return list(jobs.values())


def run_all(jobs: Sequence[Job], console: Console) -> list[Ran]:
    """Run the jobs one by one under a live progress display; failures are printed when they happen."""
    results: list[Ran] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        overall = bars.add_task(f"{len(jobs)} cells", total=len(jobs))
        current = bars.add_task("", total=1.0)
        for number, job in enumerate(jobs, start=1):
            bars.update(overall, description=f"cell {number} of {len(jobs)}")
            result = run_one(job, lambda what, share: bars.update(current, description=what, completed=share))
            results.append(result)
            bars.advance(overall)
            if result.state != "skipped":
                took = f"  [dim]{result.seconds:.1f} s[/dim]" if result.state == "done" else ""
                console.print(f"{MARKS[result.state]} {result.cell.id}{took}  {result.error}", soft_wrap=True)
    return results


MARKS = {
    "done": "[green]done[/green]   ",
    "skipped": "[dim]skipped[/dim]",
    "busy": "[yellow]busy[/yellow]   ",
    "failed": "[red]failed[/red] ",
}


def run_one(job: Job, report: train.Report) -> Ran:
    """Run one job; whatever it raises, short of Ctrl-C, is this cell's failure and nobody else's."""
    if job.done():
        return Ran(job.cell, "skipped")
    started = time.perf_counter()
    try:
        free = train.run(job, report)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if not isinstance(error, PinchError) and os.environ.get("PINCH_DEBUG"):
            traceback.print_exc()
        return Ran(job.cell, "failed", time.perf_counter() - started, cells.describe(error))
    finally:
        gc.collect()
    if not free:
        return Ran(job.cell, "busy", error="another process is training it")
    return Ran(job.cell, "done", time.perf_counter() - started)


def summary(results: Sequence[Ran], asked: int) -> Table:
    """The table at the end of a sweep."""
    states = {state: sum(result.state == state for result in results) for state in MARKS}
    told = ", ".join(f"{number} {state}" for state, number in states.items() if number)
    title = f"{asked} asked, {len(results)} distinct cells: {told}"
    table = Table("state", "cell", "languages", "P", "seed", "seconds", "error", title=title, title_justify="left")
    for result in results:
        axes = result.cell.axes
        names = " ".join(axes.languages) if axes.n_languages <= 6 else f"{axes.n_languages} languages"
        table.add_row(
            MARKS[result.state],
            result.cell.id.rsplit("-", 1)[-1],
            names or "untuned",
            f"{100 * axes.fraction:.4g} %",
            "" if axes.seed is None else str(axes.seed),
            f"{result.seconds:.1f}" if result.seconds else "",
            result.error,
        )
    return table


def mixture_table(job: Job) -> Table:
    """The realised counts of a mixture."""
    axes = job.cell.axes
    table = Table("language", "examples", "share")
    for code, number in axes.counts.items():
        table.add_row(code, str(number), f"{100 * number / axes.budget:.2f} %")
    plan = job.plan
    table.add_row(
        "all", str(axes.budget), f"{plan.asked} spread over {', '.join(plan.spread_over)}" if plan.asked else ""
    )
    return table
