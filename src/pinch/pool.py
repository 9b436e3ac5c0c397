"""Edge: worker processes (pinch.worker) in slots, seen from the sweep that starts them.

A slot keeps its worker between cells of one device; a cell of several devices gets fresh processes, one per rank. Workers
live in sessions of their own, so that Ctrl-C reaches the sweep alone, and end when the sweep's end of their standard input
closes, however the sweep ended. What a worker says, and that it died, comes out of `poll` as events; nothing here decides
what happens next.
"""

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pinch.slots import Slot

WORKER = (sys.executable, "-P", "-m", "pinch.worker")
"""-P: the folder at hand shadows no package."""

SETTLE = 1.0
"""Seconds to wait, after one rank of a cell failed, for what the others say of it."""

LINGER = 5.0
"""Seconds that a worker which has nothing more to do may take to end."""

FOREIGN = (
    "RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE",
    "ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT", "PL_GLOBAL_SEED", "WANDB_RUN_ID", "WANDB_NAME",
    "WANDB_RUN_GROUP", "WANDB_RESUME", "WANDB_SERVICE",
)  # fmt: skip
"""Variables that a job before, or around, this one may have left: workers must not take them for theirs."""

FOREIGN_PREFIXES = ("TORCHELASTIC_", "SLURM_", "PMI_", "PMIX_", "OMPI_")


@dataclass(frozen=True)
class Event:
    """What happened to the cell in a slot. kind: progress (what, share), note (text), or how it ended: done, busy, failed
    (text; whether it is final: it would fail again; whether the process died without a word)."""

    slot: int
    kind: str
    text: str = ""
    share: float = 0.0
    final: bool = False
    died: bool = False


@dataclass
class _Process:
    """One worker process: `said` are the bytes of an unfinished line, `ends` what it said of its cell."""

    process: "subprocess.Popen[bytes]"
    errors: IO[bytes]
    said: bytes = b""
    ends: list[Event] = field(default_factory=list)

    def last_words(self) -> str:
        """The last line on its standard error before a cell had a log of its own."""
        self.errors.seek(0)
        lines = self.errors.read().decode("utf-8", "replace").strip().split("\n")
        return lines[-1][:300]


@dataclass
class _Place:
    """A slot, its processes (one per rank), whether they are at work, and since when one of them has failed."""

    slot: Slot
    processes: list[_Process] = field(default_factory=list)
    working: bool = False
    store: Path | None = None
    broken: float | None = None


class Pool:
    """As many places as slots. Used in a `with` statement, whose end ends all workers."""

    def __init__(self, slots: Sequence[Slot], stagger: float = 0.0, command: Sequence[str] = WORKER) -> None:
        self._command = command
        self._places = [_Place(slot) for slot in slots]
        self._stagger = stagger
        self._next_start = 0.0
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()
        self._selector.close()

    def free(self) -> list[int]:
        """Numbers of the slots without a cell, those with a worker ready first."""
        idle = [place for place in self._places if not place.working]
        return [place.slot.number for place in sorted(idle, key=lambda place: not place.processes)]

    def ready(self, number: int) -> bool:
        """Whether a cell can be started in a slot now, or later, for the stagger between the starts of workers."""
        return bool(self._places[number].processes) or time.monotonic() >= self._next_start

    def start(self, number: int, cell: Path, devices: int) -> None:
        """Have the cell of a cell file run in a free slot."""
        place = self._places[number]
        if devices > 1 or len(place.processes) != 1:
            self._end(place)
            self._launch(place, devices)
        place.working, place.broken = True, None
        if devices > 1:
            place.store = Path(tempfile.mkdtemp(prefix="pinch-ranks-"))
        store = None if place.store is None else str(place.store / "store")
        for rank, worker in enumerate(place.processes):
            order = {"cell": str(cell), "rank": rank, "world": devices, "store": store}
            assert worker.process.stdin is not None
            try:
                worker.process.stdin.write(json.dumps(order).encode() + b"\n")
                worker.process.stdin.flush()
            except BrokenPipeError:
                pass  # it died since; poll tells

    def _launch(self, place: _Place, number: int) -> None:
        environment = clean(os.environ)
        environment |= {"OMP_NUM_THREADS": str(place.slot.threads), "MKL_NUM_THREADS": str(place.slot.threads)}
        if place.slot.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(place.slot.gpus[:number])
        for _ in range(number):
            errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the worker has ended
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
            assert process.stdout is not None
            os.set_blocking(process.stdout.fileno(), False)
            worker = _Process(process, errors)
            place.processes.append(worker)
            self._selector.register(process.stdout, selectors.EVENT_READ, (place, worker))
        self._next_start = time.monotonic() + self._stagger

    def poll(self, seconds: float) -> list[Event]:
        """What the workers said in up to so many seconds; every cell that was started ends in one event."""
        events = []
        for key, _ in self._selector.select(seconds):
            place, worker = key.data
            events += self._read(place, worker)
        for place in self._places:
            if place.working:
                events += self._ended(place)
        return events

    def _read(self, place: _Place, worker: _Process) -> list[Event]:
        """Progress and notes go on; how a rank's cell ended is kept until all ranks have."""
        assert worker.process.stdout is not None
        try:
            data = os.read(worker.process.stdout.fileno(), 1 << 16)
        except BlockingIOError:
            return []
        if not data:
            self._forget(worker)
            return []
        *lines, worker.said = (worker.said + data).split(b"\n")
        events = []
        for line in lines:
            event = _event(place.slot.number, json.loads(line))
            if event.kind in ("progress", "note"):
                events.append(event)
            else:
                worker.ends.append(event)
        return events

    def _ended(self, place: _Place) -> list[Event]:
        """The last events of a cell that is over: every rank has said so, or one failed or died."""
        told: list[Event] = []
        for worker in place.processes:
            if worker.process.poll() is not None and not worker.ends:
                told += self._read(place, worker)  # its last words may still be in the pipe
                if not worker.ends:
                    worker.ends.append(Event(place.slot.number, "failed", _death(worker), died=True))
        ends = [worker.ends[0] for worker in place.processes if worker.ends]
        failures = [event for event in ends if event.kind == "failed"]
        if failures:
            place.broken = place.broken or time.monotonic()
            if len(ends) < len(place.processes) and time.monotonic() - place.broken < SETTLE:
                return told
            self.kill(place.slot.number)
            # a rank that saw the reason says so; the others only know that it is gone
            return [*told, max(failures, key=lambda event: (event.final, event.died))]
        if len(ends) < len(place.processes):
            return told
        place.working = False
        for worker in place.processes:
            worker.ends.clear()
        if len(place.processes) > 1:
            self._end(place)
        return [*told, ends[0]]

    def kill(self, number: int) -> None:
        """End a slot's workers at once, with whatever they started."""
        place = self._places[number]
        for worker in place.processes:
            _signal(worker, signal.SIGKILL)
        self._end(place)

    def stop(self, grace: float = 10.0) -> None:
        """End all workers: those at work are asked to stop what they do, and killed when they have not after `grace` seconds
        (a second Ctrl-C: at once)."""
        everybody = [worker for place in self._places for worker in place.processes]
        try:
            for worker in everybody:
                _let_off_the_leash(worker)
            deadline = time.monotonic() + grace
            for worker in everybody:
                with_time = max(0.0, deadline - time.monotonic())
                try:
                    worker.process.wait(with_time)
                except subprocess.TimeoutExpired:
                    _signal(worker, signal.SIGKILL)
        finally:
            for place in self._places:
                self.kill(place.slot.number)

    def _end(self, place: _Place) -> None:
        """Let go of a slot's workers, which have ended or will, now that their standard input closes."""
        for worker in place.processes:
            _let_off_the_leash(worker)
            self._forget(worker)
            try:
                worker.process.wait(LINGER)
            except subprocess.TimeoutExpired:
                _signal(worker, signal.SIGKILL)
                worker.process.wait()
            assert worker.process.stdout is not None
            worker.process.stdout.close()
            worker.errors.close()
        if place.store is not None:
            shutil.rmtree(place.store, ignore_errors=True)
        place.processes, place.working, place.store, place.broken = [], False, None, None

    def _forget(self, worker: _Process) -> None:
        """Listen no longer to a worker; more than once does no harm."""
        assert worker.process.stdout is not None
        if worker.process.stdout.fileno() in self._selector.get_map():
            self._selector.unregister(worker.process.stdout)


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without the variables that would make a worker believe it is part of something."""
    kept = {name: value for name, value in environment.items() if name not in FOREIGN}
    kept = {name: value for name, value in kept.items() if not name.startswith(FOREIGN_PREFIXES)}
    here = str(Path(__file__).resolve().parents[1])
    kept["PYTHONPATH"] = os.pathsep.join([here, *filter(None, [environment.get("PYTHONPATH")])])
    return kept


def _event(slot: int, said: Mapping[str, Any]) -> Event:
    text = said.get("what") or said.get("text") or said.get("error") or ""
    return Event(slot, said["kind"], text, said.get("share", 0.0), said.get("final", False))


def _death(worker: _Process) -> str:
    """How a process ended that did not say so itself."""
    code = worker.process.returncode
    if code == -signal.SIGKILL:
        return "the worker was killed (SIGKILL): by hand, or because the machine ran out of memory"
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return f"the worker ended {how}{': ' if worker.last_words() else ''}{worker.last_words()}"


def _signal(worker: _Process, number: signal.Signals) -> None:
    """To the process and its whole session."""
    if worker.process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(worker.process.pid, number)


def _let_off_the_leash(worker: _Process) -> None:
    assert worker.process.stdin is not None
    with suppress(BrokenPipeError):
        worker.process.stdin.close()
