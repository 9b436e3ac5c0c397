"""Edge: the lock that keeps two processes from one cell, on one host and between hosts that share a file system.

    multirun/<workspace>/.locks/<cell>/<number>     its owner (host, pid, since when), or "free"

The newest number counts. To take a lock is to make the next number, which the file system lets one process do only; older
numbers are removed afterwards, the newest never, so that nobody can take a lock by what he saw a moment too early. The owner
of the newest number is dead when

- it ran on this host since its boot, and no process with its pid and its start is there: seen at once;
- it runs elsewhere (another host, another container, before a reboot), and did not touch its file for LEASE seconds by the
  clock that stamps files, nor while it was watched for WATCH seconds, which no difference between clocks can feign.

A process that finds its lock taken (it was suspended for longer than LEASE) ends on the spot: two owners would mix weights
and answers. Kernel locks (flock) are not used: on a cluster's file system they may hold on one host only, or not exist.
filelock's leases are not either: on NFS, which cannot exchange two names, they never take over.
"""

import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from pinch.cells.cell import Cell
from pinch.cells.process import Owner, parse, this_process
from pinch.errors import UserError

BEAT = 10.0
"""Seconds between two touches of a lock's file by its owner ..."""

LEASE = 120.0
"""... and without any after which an owner elsewhere may be dead (NFS shows ages up to a minute too high) ..."""

WATCH = 15.0
"""... which it is if it also kept still for so long before our eyes."""

POLL = 0.02
"""Seconds between two attempts at a lock that is held for a moment only."""

FREE = b"free"
"""What the newest file begins with once its owner has let go."""


class _Newest(NamedTuple):
    """The newest number of a lock (0: none yet), its owner (None: nobody) and the time of its last beat."""

    number: int
    owner: Owner | None
    beat: float


@contextmanager
def locked(cell: Cell) -> Iterator[bool]:
    """Hold the cell's lock, so that no two processes train it; hands out False when another process holds it."""
    folder = _folder(cell)
    with _writable(folder):
        mine = _take(folder)
    if mine is None:
        yield False
        return
    with _held(mine):
        yield True


def owner(cell: Cell) -> Owner | None:
    """The process that holds the cell; None when nobody does, or a dead one. Reads one small file."""
    newest = _newest(_folder(cell))
    return newest.owner if _alive(newest, _folder(cell)) else None


@contextmanager
def exclusive(workspace: Path, name: str) -> Iterator[None]:
    """Hold a lock on something that several processes write, for a moment; waits for the process that holds it."""
    folder = workspace / ".locks" / name
    with _writable(folder):
        while (mine := _take(folder)) is None:
            time.sleep(POLL)
    with _held(mine):
        yield


def _folder(cell: Cell) -> Path:
    return cell.folder.parent / ".locks" / cell.id


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{folder.parent}: cannot be written ({error.strerror}); choose another folder with root="
        ) from None


# --- taking and holding ------------------------------------------------------------------------------------------------


def _take(folder: Path) -> Path | None:
    """Make the lock ours; gives its file. None when another process holds it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        newest = _newest(folder)
        if _alive(newest, folder) or _stirs(newest, folder):
            return None
        mine = folder / str(newest.number + 1)
        if not _make(mine):  # another process was faster; it may be through already
            time.sleep(POLL)
            continue
        if _newest(folder).number > newest.number + 1:  # what was seen above was long over
            mine.unlink(missing_ok=True)
            continue
        for name in os.listdir(folder):
            if name != mine.name:
                (folder / name).unlink(missing_ok=True)
        return mine


def _make(path: Path) -> bool:
    """Make a file with this process in it, complete from the first moment. False when another one made it."""
    draft = path.with_name(f".{secrets.token_hex(8)}")
    try:
        draft.write_text(this_process().line(), encoding="utf-8")
        return _link(draft, path)
    except FileNotFoundError:  # the draft was swept away by the process that took the lock
        return False
    finally:
        draft.unlink(missing_ok=True)


def _link(draft: Path, path: Path) -> bool:
    try:
        os.link(draft, path)
    except FileExistsError:
        return draft.stat().st_nlink == 2  # NFS may deny a link that it has made, when it was asked twice
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        try:  # a file system without links
            with path.open("x", encoding="utf-8") as file:
                file.write(draft.read_text(encoding="utf-8"))
        except FileExistsError:
            return False
    return True


@contextmanager
def _held(mine: Path) -> Iterator[None]:
    """Touch the lock's file from a thread, and let go of it at the end."""
    done = threading.Event()
    heart = threading.Thread(target=_beat, args=(mine, done), name=f"lock {mine.parent.name}", daemon=True)
    heart.start()
    try:
        yield
    finally:
        done.set()
        heart.join()
        with suppress(OSError), mine.open("rb+") as file:  # over the owner's line, in one write
            file.write(FREE)


def _beat(mine: Path, done: threading.Event) -> None:
    missed = 0
    while not done.wait(BEAT):
        try:
            missed = 0 if _touch(mine) else missed + 1
            if missed > 1 or _newest(mine.parent).number > int(mine.name):
                _give_in(mine)
        except OSError:
            continue  # the file server is away; once it is back it shows whether the lock is still ours


def _touch(path: Path) -> bool:
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _give_in(mine: Path) -> None:
    """End this process at once, without a word more on the disk."""
    text = f"error: {mine.parent}: another process took this lock over while this one was suspended; it ends here\n"
    with suppress(OSError):
        os.write(2, text.encode())
    os._exit(1)


# --- looking -----------------------------------------------------------------------------------------------------------


def _newest(folder: Path) -> _Newest:
    while True:
        try:
            number = max((int(name) for name in os.listdir(folder) if name.isdecimal()), default=0)
        except (FileNotFoundError, NotADirectoryError):
            number = 0
        if not number:
            return _Newest(0, None, 0.0)
        try:
            with (folder / str(number)).open("rb") as file:  # opening makes NFS ask for the true age
                beat, line = os.fstat(file.fileno()).st_mtime, file.read()
        except FileNotFoundError:
            continue  # there is a newer one by now
        return _Newest(number, None if line.startswith(FREE) else parse(line, beat), beat)


def _alive(newest: _Newest, folder: Path) -> bool:
    """Whether the lock has an owner that is not known to be dead."""
    if newest.owner is None:
        return False
    runs = newest.owner.runs() if newest.owner.here else None
    return _silence(newest, folder) <= LEASE if runs is None else runs


def _silence(newest: _Newest, folder: Path) -> float:
    """Seconds since the last beat by the clock that stamps files, which is not always this host's."""
    clock = folder.parent / "clock"
    try:
        clock.touch()
        now = clock.stat().st_mtime
    except OSError:  # a folder that may only be read
        now = time.time()
    return now - newest.beat


def _stirs(newest: _Newest, folder: Path) -> bool:
    """Whether an owner elsewhere that seems silent shows a sign of life: its clock may be wrong."""
    if newest.owner is None or newest.owner.here:
        return False
    time.sleep(WATCH)
    return _newest(folder) != newest
