"""Flow: many cells, in worker processes.

All settings are checked before the first cell starts (a typo in the last one costs nothing), settings that mean the same
cell run once, finished cells are skipped without importing torch, cells that another sweep has at work are waited for, a
cell that fails does not stop the rest, and a table says how it went.
"""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pinch import cellfile, cells, slots
from pinch.board import Board, Ran, mixture_table, say_what_is_to_come, summary
from pinch.config import OnFailure, PlanShow, Show, SweepConfig, TrainConfig, Wish
from pinch.errors import UserError
from pinch.jobs import Job, distinct, prepare, prepare_all
from pinch.pool import WORKER, Event, Pool

LOOK = 1.0
"""Seconds between two looks at a cell that another sweep has."""


def sweep(wishes: Sequence[Wish], console: Console | None = None) -> int:
    """Run the cells that the wishes mean, or show what they mean. Gives the exit code: 0, or 1 when a cell was not finished.

    Raises UserError before anything is trained when any of the wishes cannot be."""
    console = console or Console(stderr=False)
    first = next((wish.settings for wish in wishes if wish.settings), None)
    if first and first.plan.show in (PlanShow.table, PlanShow.json):
        return _plan(wishes, first.plan.show, console)
    settings = refuse(wishes)
    jobs = prepare_all(settings)
    if settings[0].plan.add_references:
        from pinch import plan  # only where it is asked for: it takes scipy

        jobs = distinct([*jobs, *map(prepare, plan.missing_references(jobs, plan.existing(jobs)[0]))])
    if settings[0].show is Show.mixture:
        for job in jobs:
            console.print(job.cell.id, soft_wrap=True, highlight=False)
            console.print(mixture_table(job))
        _say_losses(jobs, console)
        return 0
    if settings[0].show is Show.example:
        from pinch import showing

        showing.show(jobs, console)
        _say_losses(jobs, console)
        return 0
    if settings[0].plan.show is PlanShow.files:
        for job in jobs:
            if not job.done():
                print(cellfile.write(job))
        return 0
    _say_losses(jobs, console)
    results = Sweep(jobs, settings[0].sweep, console).run()
    console.print(summary(results, asked=len(wishes)))
    say_what_is_to_come(jobs, console)
    return 1 if any(result.state in ("failed", "left") for result in results) else 0


def _say_losses(jobs: Iterable[Job], console: Console) -> None:
    """What the corpora lost, and what their prompts share with them."""
    for note in dict.fromkeys(note for job in jobs if job.plan.languages for note in job.corpus.notes):
        console.print(f"note: {note}", soft_wrap=True, highlight=False, markup=False)


def _plan(wishes: Sequence[Wish], form: PlanShow, console: Console) -> int:
    from pinch import plan

    found = plan.make(wishes)
    if form is PlanShow.json:
        print(plan.to_json(found))
    else:
        plan.show(found, console)
    return found.exit_code


def refuse(wishes: Sequence[Wish]) -> list[TrainConfig]:
    """The settings of all wishes. Raises UserError for the first that cannot be, saying which of several it is."""
    settings = []
    alike = len({wish.error for wish in wishes}) == 1
    for number, wish in enumerate(wishes, start=1):
        if wish.settings is None:
            raise UserError(wish.error if alike else f"cell {number} of {len(wishes)}: {wish.error}")
        settings.append(wish.settings)
    return settings


@dataclass
class _Turn:
    """A job's turn: how often it was started, when it was last, and when to look at it again if somebody else has it."""

    job: Job
    attempts: int = 0
    since: float = 0.0
    look: float = 0.0


class Sweep:
    """One sweep over distinct jobs: who is next, where it runs, and what to do about how it ended."""

    def __init__(
        self, jobs: Sequence[Job], settings: SweepConfig, console: Console, worker: Sequence[str] = WORKER
    ) -> None:
        self._jobs, self._settings, self._worker = jobs, settings, worker
        self._board = Board(console, len(jobs))
        self._next: deque[_Turn] = deque()
        self._elsewhere: list[_Turn] = []
        self._running: dict[int, _Turn] = {}
        self._results: dict[Path, Ran] = {}

    def run(self) -> list[Ran]:
        """Every job's end, in the order of the jobs. KeyboardInterrupt ends the workers and goes on up."""
        with self._board:
            for job in self._jobs:
                if job.done():
                    self._end(None, Ran(job.cell, "skipped"))
                else:
                    self._next.append(_Turn(job))
            if self._next:
                places = slots.layout([turn.job.settings for turn in self._next], len(self._next))
                with Pool(places, self._settings.stagger, self._worker) as pool:
                    self._run_in(pool)
        return [self._results[job.cell.folder] for job in self._jobs]

    def _run_in(self, pool: Pool) -> None:
        while self._next or self._elsewhere or self._running:
            self._look_elsewhere()
            if self._enough_failures():
                self._leave()
            for slot in pool.free():
                if self._next and pool.ready(slot):
                    self._start(pool, slot, self._next.popleft())
            for event in pool.poll(0.2):
                self._take(event)
            self._end_overdue(pool)
            self._board.tick()

    def _start(self, pool: Pool, slot: int, turn: _Turn) -> None:
        """Start a job, unless another sweep has done it or is at it."""
        job = turn.job
        if job.done():
            self._end(None, Ran(job.cell, "shared", error="by another sweep"))
        elif cells.owner(job.cell):
            self._wait(None, turn)
        else:
            turn.attempts += 1
            turn.since = time.monotonic()
            self._running[slot] = turn
            self._board.begins(slot, job.cell)
            pool.start(slot, cellfile.write(job), job.settings.trainer.devices)

    def _take(self, event: Event) -> None:
        if event.kind == "note":
            self._board.note(event.text)
            return
        if event.kind == "progress":
            self._board.progress(event.slot, event.text, event.share)
            return
        turn = self._running.pop(event.slot)
        if event.kind == "busy":
            turn.attempts -= 1  # nothing was tried
            self._wait(event.slot, turn)
        elif event.kind == "failed":
            self._failed(event.slot, turn, event.text, event.final)
        elif turn.job.done():
            self._end(event.slot, Ran(turn.job.cell, "done", time.monotonic() - turn.since))
        else:
            self._failed(event.slot, turn, "files are missing after it was done; is somebody else writing there?", True)

    def _failed(self, slot: int, turn: _Turn, error: str, final: bool) -> None:
        """Try again what may go well in another process; else that was it."""
        cell = turn.job.cell
        cells.fail(cell, error)
        if not final:
            error = f"{error} (log: {cell.folder / 'log.txt'})"
        if not final and turn.attempts <= self._settings.retries:
            self._board.retries(slot, error)
            self._next.append(turn)
        else:
            self._end(slot, Ran(cell, "failed", time.monotonic() - turn.since, error))

    def _end(self, slot: int | None, ran: Ran) -> None:
        self._results[ran.cell.folder] = ran
        self._board.ends(slot, ran)

    def _end_overdue(self, pool: Pool) -> None:
        limit = self._settings.timeout
        for slot, turn in list(self._running.items()):
            if limit is not None and time.monotonic() - turn.since > 60 * limit:
                pool.kill(slot)
                del self._running[slot]
                self._failed(slot, turn, f"timed out after {limit:g} minutes (sweep.timeout)", False)

    # --- other sweeps ----------------------------------------------------------------------------------------------

    def _wait(self, slot: int | None, turn: _Turn) -> None:
        turn.look = time.monotonic() + LOOK
        self._elsewhere.append(turn)
        self._board.waits(slot, self._waiting_for())

    def _look_elsewhere(self) -> None:
        """Cells that another sweep has finished are done; those it has let go of are ours to do."""
        now = time.monotonic()
        for turn in [turn for turn in self._elsewhere if now >= turn.look]:
            turn.look = now + LOOK
            if turn.job.done():
                self._elsewhere.remove(turn)
                self._end(None, Ran(turn.job.cell, "shared", error="by another sweep"))
            elif cells.owner(turn.job.cell) is None:
                self._elsewhere.remove(turn)
                self._next.append(turn)
            self._board.waits(None, self._waiting_for())

    def _waiting_for(self) -> str:
        owners = {str(owner) for turn in self._elsewhere if (owner := cells.owner(turn.job.cell))}
        number = len(self._elsewhere)
        return f"{number} at work elsewhere ({', '.join(sorted(owners))})" if number else ""

    # --- giving up -------------------------------------------------------------------------------------------------

    def _enough_failures(self) -> bool:
        failed = sum(ran.state == "failed" for ran in self._results.values())
        limit = 1 if self._settings.on_failure is OnFailure.stop else self._settings.max_failures
        return limit is not None and failed >= limit

    def _leave(self) -> None:
        """Start no more; what is at work is brought to its end."""
        if self._next or self._elsewhere:
            self._board.say("[yellow]no more cells are started[/yellow] (sweep.on_failure, sweep.max_failures)")
        for turn in [*self._next, *self._elsewhere]:
            self._end(None, Ran(turn.job.cell, "left"))
        self._next.clear()
        self._elsewhere.clear()
        self._board.waits(None, "")
