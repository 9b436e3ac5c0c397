"""A worker: a process that runs cells, from cell files, for the sweep that started it.

    python -m pinch.worker             orders on standard input and events on standard output, one JSON object a line each
    python -m pinch.worker FILE ...    run these cell files here, as a sweep of their own: what a job of a cluster does

It holds no Hydra. Between cells of one device it keeps what is expensive: imports, the base model, the corpus. After a
failure it ends, and its sweep starts another. Standard input is its leash: when that closes, because the sweep is done or
dead, the worker stops what it is doing and ends. Whatever else writes to the standard streams goes to the cell's log.txt.

Order: {"cell": path, "rank": 0, "world": 1, "store": path or null}.
Event: {"kind": "progress", "what", "share"}, {"kind": "note", "text"}, {"kind": "done"}, {"kind": "busy"} (another process
has the cell), {"kind": "failed", "error", "final"} (final: it would fail again).
"""

import gc
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pinch import cellfile, cells, jobs
from pinch.config import Accelerator, TrainConfig, Wish
from pinch.errors import CellError, PinchError, UserError

GRACE = 15.0
"""Seconds that a worker which shall stop has for closing files and trackers."""

EVERY = 0.2
"""Seconds between two messages of progress."""


class Events:
    """The way back to the sweep: what used to be standard output."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._last = ("", 0.0)

    def send(self, kind: str, **values: Any) -> None:
        try:
            with self._lock:
                print(json.dumps({"kind": kind, **values}), file=self._out, flush=True)
        except (OSError, ValueError):
            pass  # the sweep is dead; the leash ends this process

    def progress(self, what: str, share: float) -> None:
        """A `train.Report`, told at most a few times a second and whenever something new begins."""
        before, when = self._last
        now = time.monotonic()
        if what != before or now - when >= EVERY:
            self._last = (what, now)
            self.send("progress", what=what, share=share)


def main(arguments: list[str]) -> int:
    """Runs the files that are named, or else orders until standard input closes; gives the exit code."""
    if arguments:
        return run_files([Path(name).absolute() for name in arguments])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what was started in the background
    events = Events(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # what libraries print is no event
    _send_notes(events)
    return Worker(events).work()


def run_files(paths: list[Path]) -> int:
    """Runs cell files as a sweep of this process, with workers of its own."""
    from pinch.sweep import sweep

    try:
        files = [cellfile.read(path) for path in paths]
        if len({file.folder for file in files}) > 1:
            raise UserError("the cell files were written in different folders; run those of one folder at a time")
        os.chdir(files[0].folder)
        return sweep([Wish([file.cell], file.settings) for file in files])
    except (PinchError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: stopped; what is finished is kept, the same command goes on from there", file=sys.stderr)
        return 130


class Leash:
    """Orders as they come in on standard input, until it closes: a thread holds on to it while one is carried out."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._received = self._finished = 0
        threading.Thread(target=self._listen, name="leash", daemon=True).start()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (order := self._orders.get()) is not None:
            yield order

    def finished(self) -> None:
        """The order is carried out: there is nothing to interrupt any more."""
        self._finished += 1

    def _listen(self) -> None:
        for line in sys.stdin:
            self._received += 1
            self._orders.put(json.loads(line))
        self._orders.put(None)
        if self._received > self._finished:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(GRACE)
            os._exit(1)


class Worker:
    """Runs one cell after the other; what is expensive to load stays on its shelf."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._leash = Leash()
        self._shelf: Any = None

    def work(self) -> int:
        """Until the leash is let go, or a cell failed; gives the exit code."""
        for order in self._leash:
            code = self._obey(order)
            if code:
                return code
            _let_go()
        return 0

    def _obey(self, order: dict[str, Any]) -> int:
        """Carry out one order and tell how it went; gives the exit code that the worker ends with, 0 to go on."""
        try:
            free = self._run(order)
        except KeyboardInterrupt:
            return 130
        except BaseException as error:
            if not isinstance(error, PinchError) or os.environ.get("PINCH_DEBUG"):
                traceback.print_exc()
            final = isinstance(error, CellError | UserError) and not isinstance(error.__cause__, OSError)
            self._events.send("failed", error=cells.describe(error), final=final)
            return 1
        self._leash.finished()
        self._events.send("done" if free else "busy")
        return 0

    def _run(self, order: dict[str, Any]) -> bool:
        file = cellfile.read(Path(order["cell"]))
        job = jobs.prepare(file.settings)
        if job.cell.id != file.cell:
            raise CellError("the corpus or the model is not what it was when the sweep began; start the command again")
        _write_to(job.cell.folder / "log.txt")
        if order["rank"] == 0:
            self._events.progress("loading libraries", 0.0)
        from pinch import ranks, train

        on_gpu = _prepare_torch(file.settings)
        self._shelf = self._shelf or train.Shelf()
        store = Path(order["store"]) if order["store"] else None
        with ranks.joined(order["rank"], order["world"], store, on_gpu) as group:
            return train.run(job, self._events.progress, group, self._shelf)


def _prepare_torch(settings: TrainConfig) -> bool:
    """Give torch the threads of the worker's environment; gives whether it will compute on a GPU."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    return settings.trainer.accelerator is not Accelerator.cpu and torch.cuda.is_available()


def _write_to(log: Path) -> None:
    """Let both standard streams go to the cell's log from here on."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab", buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    except OSError as error:
        raise UserError(
            f"{log}: cannot be written ({error.strerror}); check the folder, or choose another with root="
        ) from None


def _let_go() -> None:
    """What the last cell used, so that the next has it."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _send_notes(events: Events) -> None:
    """Warnings and the log of Pinch go to the sweep, which says each once."""

    def note(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if category.__module__.startswith("pinch"):
            events.send("note", text=str(message))
        else:
            print(f"warning: {message}", file=sys.stderr)

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            events.send("note", text=record.getMessage())

    warnings.showwarning = note
    logging.getLogger("pinch").addHandler(Notes())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
