"""Edge: status.json, what every stage of a cell has come to, and the lock that keeps two processes from one cell."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pinch.cells.cell import Cell
from pinch.errors import PinchError, UserError
from pinch.records import write_json


def read_status(folder: Path) -> dict[str, Any]:
    """status.json as a dict {stage: {state, attempt, seconds, error, ...}}; empty when there is none or it is broken."""
    try:
        value = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def is_done(folder: Path, stage: str) -> bool:
    return bool(read_status(folder).get(stage, {}).get("state") == "done")


@contextmanager
def stage(folder: Path, name: str, outdates: str | None = None) -> Iterator[dict[str, Any]]:
    """Run a stage: recorded as running, then as done with its seconds, or as failed with its error, which is raised on.

    The dict handed out may be filled with facts that belong into the status, also into that of a failure. What the later
    stage `outdates` did before is forgotten."""
    if outdates:
        write_json(
            folder / "status.json", {key: value for key, value in read_status(folder).items() if key != outdates}
        )
    before = read_status(folder).get(name, {})
    facts: dict[str, Any] = {}
    entry = {"state": "running", "attempt": before.get("attempt", 0) + 1, "started": time.time()}
    _record(folder, name, entry)
    started = time.perf_counter()
    try:
        yield facts
    except BaseException as error:
        failed = {"state": "failed", "seconds": _seconds(started), "error": describe(error)}
        with suppress(PinchError):  # a full disk must not hide the error that is being raised
            _record(folder, name, entry | facts | failed)
        raise
    _record(folder, name, entry | {"state": "done", "seconds": _seconds(started)} | facts)


def _seconds(started: float) -> float:
    return round(time.perf_counter() - started, 3)


def _record(folder: Path, name: str, entry: dict[str, Any]) -> None:
    write_json(folder / "status.json", read_status(folder) | {name: entry})


def describe(error: BaseException) -> str:
    """One line for an error: its own words if it is one of ours, else its type and the first line of its message."""
    lines = str(error).strip().split("\n")
    if isinstance(error, PinchError):
        return lines[0]
    return f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__


@contextmanager
def locked(cell: Cell) -> Iterator[bool]:
    """Hold the cell's lock, so that no two processes train it; hands out False when another process holds it.

    The lock lies beside the folders, under .locks/, and ends with the process that holds it."""
    path = cell.folder.parent / ".locks" / f"{cell.id}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    except OSError as error:
        raise UserError(
            f"{path.parent}: cannot be written ({error.strerror}); choose another folder with root="
        ) from None
    try:
        yield True
    finally:
        lock.release()


def answered(cell: Cell) -> dict[str, str]:
    """Languages the cell has complete answers in, with the digest of the prompts they answer."""
    entry = read_status(cell.folder).get("generate", {})
    digests: dict[str, str] = entry.get("prompts", {})
    return {code: name for code, name in digests.items() if cell.answers_path(code).exists()}
