"""Edge: status.json, what every stage of a cell has come to, and what of a cell's files is to be trusted.

One process writes it, the one that holds the cell's lock. Whatever a kill or a power failure leaves behind reads as less
than was done, never as more: a file is written before the status tells of it, and forgotten by the status before it is
outdated.
"""

import json
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pinch.cells.cell import Cell
from pinch.cells.lock import locked
from pinch.config import Method
from pinch.errors import PinchError
from pinch.records import write_json

TRAINED = ("cell.yaml", "status.json", "mixture.jsonl", "train_log.csv", "adapter", "model", "answers/*.jsonl")
"""What a cell's folder gets from the process that holds the cell's lock ..."""

JUDGED = ("scores.json", "items/*.jsonl")
"""... and from the process that judges."""


class Stage(dict[str, Any]):
    """The facts of a running stage, which get into the status when it ends, whichever way, or at once by `save`."""

    def __init__(self, folder: Path, name: str, entry: dict[str, Any], facts: dict[str, Any]) -> None:
        super().__init__(facts)
        self._folder, self._name, self._entry = folder, name, entry

    def save(self, outdates: str | None = None, **changes: Any) -> None:
        """Write the facts so far into the status."""
        status = {key: value for key, value in read_status(self._folder).items() if key != outdates}
        write_json(self._folder / "status.json", status | {self._name: self._entry | self | changes})


def read_status(folder: Path) -> dict[str, dict[str, Any]]:
    """status.json as {stage: {state, attempt, seconds, error, ...}}; without what is missing or broken in it."""
    try:
        value = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = value.items() if isinstance(value, dict) else ()
    return {stage: entry for stage, entry in entries if isinstance(entry, dict)}


def is_done(folder: Path, stage: str) -> bool:
    return bool(read_status(folder).get(stage, {}).get("state") == "done")


def tuned(cell: Cell) -> bool:
    """Whether the cell is tuned and its weights are there."""
    pattern = "model/*.safetensors" if cell.axes.method == Method.full.value else "adapter/adapter_model.safetensors"
    return is_done(cell.folder, "tune") and any(cell.folder.glob(pattern))


def answered(cell: Cell) -> dict[str, str]:
    """Languages the cell has complete answers in, with the digest of the prompts they answer.

    They count as soon as the status tells of them, whatever becomes of the stage."""
    digests = read_status(cell.folder).get("generate", {}).get("prompts", {})
    return {code: name for code, name in digests.items() if cell.answers_path(code).exists()}


@contextmanager
def stage(folder: Path, name: str, outdates: str | None = None, **facts: Any) -> Iterator[Stage]:
    """Run a stage: recorded as running, then as done with its seconds, or as failed with its error, which is raised on.

    The dict handed out holds the facts known from the start and may be filled with more, for the status of a success and
    of a failure alike. What the later stage `outdates` did before is forgotten."""
    attempt = read_status(folder).get(name, {}).get("attempt", 0) + 1
    running = Stage(folder, name, {"state": "running", "attempt": attempt, "started": time.time()}, facts)
    running.save(outdates)
    started = time.perf_counter()
    try:
        yield running
    except BaseException as error:
        with suppress(PinchError):  # a full disk must not hide the error that is being raised
            running.save(state="failed", seconds=_seconds(started), error=describe(error))
        raise
    running.save(state="done", seconds=_seconds(started))


def fail(cell: Cell, error: str) -> None:
    """Record as failed what a process that is gone left running. Does nothing when another process has the cell now, or
    when nothing can be written."""
    if all(entry.get("state") != "running" for entry in read_status(cell.folder).values()):
        return
    with suppress(PinchError), locked(cell) as mine:
        if mine:
            ended = {"state": "failed", "error": error}
            entries = read_status(cell.folder).items()
            status = {name: entry | ended if entry.get("state") == "running" else entry for name, entry in entries}
            write_json(cell.folder / "status.json", status)


def describe(error: BaseException) -> str:
    """One line for an error: its own words if it is one of ours, else its type and the first line of its message."""
    lines = str(error).strip().split("\n")
    if isinstance(error, PinchError):
        return lines[0]
    return f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__


def tidy(cell: Cell, outputs: Iterable[str] = TRAINED) -> None:
    """Remove what killed processes left of those outputs that only the caller writes now."""
    for name in outputs:
        tidy_file(cell.folder / name)


def tidy_file(path: Path) -> None:
    """Remove the temporary files and folders that were to become `path` (whose name may be a pattern). Only for who is
    alone in writing it."""
    for left in path.parent.glob(f".{path.name}.{'[a-z0-9_]' * 8}"):  # the names that tempfile gives
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _seconds(started: float) -> float:
    return round(time.perf_counter() - started, 3)
