"""What a sweep shows: a live table of the cells at work, a line for each that ends, notes once, a table at the end.

On a terminal the table is redrawn in place; where output goes to a file, a line a minute says how far things are.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from pinch import cells
from pinch.cells import Axes, Cell
from pinch.config import GenerationEngine
from pinch.jobs import Job

EVERY = 60.0
"""Seconds between two lines about the progress where there is no terminal."""

HALF = 0.5
"""What tuning is of a cell's work, answering being the rest, for the bars only."""

MARKS = {
    "done": "[green]done[/green]   ",
    "skipped": "[dim]skipped[/dim]",
    "shared": "[green]shared[/green] ",
    "failed": "[red]failed[/red] ",
    "left": "[yellow]left[/yellow]   ",
}


@dataclass(frozen=True)
class Ran:
    """How a cell went. state: done; skipped (it was done before); shared (another sweep has done it meanwhile); failed; left
    (not started, because of sweep.on_failure or sweep.max_failures)."""

    cell: Cell
    state: str
    seconds: float = 0.0
    error: str = ""


@dataclass
class _Line:
    cell: Cell
    since: float = field(default_factory=time.monotonic)
    what: str = "starting a worker"
    share: float = 0.0


class Board:
    """Shows a sweep over `total` cells. Used in a `with` statement."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total = console, total
        self._lines: dict[int, _Line] = {}
        self._ended: list[Ran] = []
        self._waiting = ""
        self._notes: set[str] = set()
        self._began = self._told = time.monotonic()
        self._live = Live(console=console, transient=True, refresh_per_second=4, get_renderable=self._drawing)

    def __enter__(self) -> "Board":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begins(self, slot: int, cell: Cell) -> None:
        self._lines[slot] = _Line(cell)

    def progress(self, slot: int, what: str, share: float) -> None:
        line = self._lines[slot]
        line.what, line.share = what, share

    def ends(self, slot: int | None, ran: Ran) -> None:
        """A cell is over; those that had nothing to do are only counted."""
        if slot is not None:
            del self._lines[slot]
        self._ended.append(ran)
        if ran.state in ("done", "shared", "failed"):
            took = f"  [dim]{ran.seconds:.1f} s[/dim]" if ran.state == "done" else ""
            words = f"  {escape(ran.error)}" if ran.error else ""
            self.say(f"{MARKS[ran.state]} {ran.cell.id}{took}{words}")

    def retries(self, slot: int, error: str) -> None:
        self.say(f"[yellow]again[/yellow]   {self._lines.pop(slot).cell.id}  {escape(error)}")

    def waits(self, slot: int | None, words: str) -> None:
        """What is waited for while other sweeps have the cells that are left; empty when nothing is."""
        if slot is not None:
            del self._lines[slot]
        self._waiting = words

    def note(self, text: str) -> None:
        """Something a worker noticed; every worker does, it is said once."""
        if text not in self._notes:
            self._notes.add(text)
            Console(stderr=True, soft_wrap=True, highlight=False).print(f"note: {text}", markup=False)

    def say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)

    def tick(self) -> None:
        """Called often: tells how far it is where nothing is redrawn."""
        if not self._console.is_terminal and time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            at_work = [f"{_short(line.cell)} {line.what} {100 * line.share:.0f} %" for line in self._lines.values()]
            self.say("; ".join([self._overall(), *at_work, *([self._waiting] if self._waiting else [])]))

    def _overall(self) -> str:
        failed = sum(ran.state == "failed" for ran in self._ended)
        left = self._seconds_left()
        return (
            f"{len(self._ended)} of {self._total} cells"
            + (f", {failed} failed" if failed else "")
            + f", {_clock(time.monotonic() - self._began)} so far"
            + ("" if left is None else f", about {_clock(left)} left")
        )

    def _seconds_left(self) -> float | None:
        """From the pace so far, once a tenth of the work is done; skipped cells are no work."""
        skipped = sum(ran.state == "skipped" for ran in self._ended)
        work = self._total - skipped
        done = len(self._ended) - skipped + sum(_share(line) for line in self._lines.values())
        if done >= work or done < max(0.5, work / 10):
            return None
        return (time.monotonic() - self._began) * (work - done) / done

    def _drawing(self) -> Group:
        table = Table.grid(padding=(0, 1))
        now = time.monotonic()
        for _, line in sorted(self._lines.items()):
            bar = ProgressBar(total=1.0, completed=_share(line), width=24)
            table.add_row(_short(line.cell), bar, f"[dim]{_clock(now - line.since)}[/dim]", f"{line.what}")
        done = len(self._ended) + sum(_share(line) for line in self._lines.values())
        overall = ProgressBar(total=self._total, completed=done, width=24)
        table.add_row("[bold]all[/bold]", overall, "", self._overall())
        if self._waiting:
            table.add_row("", "", "", f"[yellow]{escape(self._waiting)}[/yellow]")
        return Group(table)


def summary(results: Sequence[Ran], asked: int) -> Table | str:
    """The table at the end of a sweep, without the cells that there was nothing to do for."""
    states = {state: sum(result.state == state for result in results) for state in MARKS}
    told = ", ".join(f"{number} {state}" for state, number in states.items() if number)
    title = f"{asked} asked, {len(results)} distinct cells: {told}"
    if len(results) == 1 or all(result.state == "skipped" for result in results):
        return title
    table = Table("state", "cell", "languages", "P", "seed", "seconds", title=title, title_justify="left")
    if any(result.error for result in results):
        table.add_column("why", no_wrap=True, overflow="ellipsis", ratio=1)
        table.expand = True
    for result in results:
        if result.state == "skipped":
            continue
        axes = result.cell.axes
        table.add_row(
            MARKS[result.state],
            result.cell.id.rsplit("-", 1)[-1],
            _languages(axes),
            f"{100 * axes.fraction:.4g} %",
            "" if axes.seed is None else str(axes.seed),
            f"{result.seconds:.1f}" if result.seconds else "",
            *([escape(result.error)] if len(table.columns) > 6 else []),
        )
    return table


def say_what_is_to_come(jobs: Iterable[Job], console: Console) -> None:
    """Of cells that were only tuned: that their answers are missing, and how they get them."""
    waiting = 0
    for job in jobs:
        answered = cells.answered(job.cell)
        only_tuned = job.settings.generation.engine is GenerationEngine.none
        waiting += only_tuned and any(answered.get(code) != name for code, name in job.digests.items())
    if waiting:
        number = "1 cell has" if waiting == 1 else f"{waiting} cells have"
        console.print(
            f"{number} no answers yet; add generation.engine=hf, or generation.engine=server and "
            "generation.server.base_url=..., to the same command to get them (docs/generation.md)",
            soft_wrap=True,
            highlight=False,
        )


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


def _languages(axes: Axes) -> str:
    return (" ".join(axes.languages) if axes.n_languages <= 6 else f"{axes.n_languages} languages") or "untuned"


def _short(cell: Cell) -> str:
    """A cell in few words: its axes, not the digest."""
    axes = cell.axes
    if axes.seed is None:
        return "untuned"
    return f"{_languages(axes)}, P {100 * axes.fraction:.4g} %, seed {axes.seed}"


def _share(line: _Line) -> float:
    """Of the whole cell, from the share of the stage it is in."""
    if line.what == "answering":
        return line.share if line.cell.untuned else HALF + (1 - HALF) * line.share
    return HALF * line.share if line.what == "tuning" else 0.0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
