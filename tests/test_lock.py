"""The lock on a cell: who gets it, who is dead, and that no two ever have it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pinch import cells
from pinch.cells import Axes, Cell, Owner, lock
from pinch.cells.process import this_process
from pinch.errors import UserError

AXES = Axes("m", "d", "lora", "en", ("en",), 1, 0.0, 0.0, 50, 0, {"en": 50})
FORK = multiprocessing.get_context("fork")
DEAD = 2**22 + 1  # above the largest pid there can be


def cell_in(workspace: Path) -> Cell:
    return Cell("cell", workspace / "cell", AXES, {}, "family", "root")


def files(cell: Cell) -> list[Path]:
    return sorted((cell.folder.parent / ".locks" / cell.id).iterdir())


def held_by(cell: Cell, who: Owner | str, age: float = 0.0, number: int = 7) -> Path:
    """A lock file as another process has left it, `age` seconds after its last beat."""
    path = cell.folder.parent / ".locks" / cell.id / str(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(who if isinstance(who, str) else who.line())
    os.utime(path, (time.time() - age,) * 2)
    return path


def takes(cell: Cell) -> bool:
    with cells.locked(cell) as mine:
        return mine


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "WATCH", 0.001)


def test_a_lock_is_taken_and_let_go(tmp_path: Path) -> None:
    cell = cell_in(tmp_path / "study")
    assert cells.owner(cell) is None
    assert not (tmp_path / "study").exists(), "looking leaves no traces"
    for _ in range(3):
        with cells.locked(cell) as mine:
            assert mine
            owner = cells.owner(cell)
            assert owner is not None
            assert str(owner) == f"pid {os.getpid()} on {os.uname().nodename}"
            assert time.time() - 60 < owner.since <= time.time()
            assert not takes(cell), "nor does the same process get it twice"
        assert cells.owner(cell) is None
    assert len(files(cell)) == 1, "what is over is removed"


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    cell = cell_in(tmp_path)
    with pytest.raises(ZeroDivisionError), cells.locked(cell):
        raise ZeroDivisionError
    assert takes(cell)


def hold(cell: Cell, ready: Any, release: Any) -> None:
    with cells.locked(cell) as mine:
        ready.put(mine)
        release.wait(30)


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_two_processes_never_have_one_cell(tmp_path: Path, method: str) -> None:
    cell = cell_in(tmp_path)
    context: Any = multiprocessing.get_context(method)
    ready, release = context.Queue(), context.Event()
    other = context.Process(target=hold, args=(cell, ready, release))
    other.start()
    assert ready.get(timeout=60)
    assert not takes(cell)
    owner = cells.owner(cell)
    assert owner is not None
    assert owner.pid == other.pid
    release.set()
    other.join(60)
    assert takes(cell)


@pytest.mark.parametrize("reaped", [True, False])
def test_a_killed_owner_is_replaced_at_once(tmp_path: Path, reaped: bool) -> None:
    cell = cell_in(tmp_path)
    ready = FORK.Queue()
    other = FORK.Process(target=hold, args=(cell, ready, FORK.Event()))
    other.start()
    assert ready.get(timeout=60)
    assert other.pid is not None
    os.kill(other.pid, signal.SIGKILL)
    if reaped:
        other.join(60)
    else:
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # dead, and its parent has not asked yet
    assert cells.owner(cell) is None
    assert takes(cell)
    other.join(60)


HERE = this_process()
ELSEWHERE = replace(HERE, host="node7", place="another boot")


@pytest.mark.parametrize(
    ("who", "age", "free"),
    [
        (HERE, 0, False),
        (HERE, 9999, False),  # suspended, but there
        (replace(HERE, pid=DEAD), 0, True),
        (replace(HERE, start="0"), 0, True),  # a pid used again
        (replace(HERE, start=""), 0, False),  # a system that does not tell
        (replace(HERE, start=""), 9999, True),
        (ELSEWHERE, 0, False),
        (ELSEWHERE, 90, False),
        (ELSEWHERE, 121, True),
        (replace(HERE, place="before the reboot"), 121, True),
        (replace(HERE, place="another container", pid=DEAD), 0, False),
        ("", 0, False),  # being written, on a file system without links
        ('{"host": "no', 0, False),
        ('{"host": "no', 121, True),
        ("free", 0, True),
        ("freeost\": ...", 0, True),
    ],
)  # fmt: skip
def test_who_counts_as_there(tmp_path: Path, who: Owner | str, age: float, free: bool) -> None:
    cell = cell_in(tmp_path)
    path = held_by(cell, who, age)
    assert (cells.owner(cell) is None) == free
    assert path.exists(), "looking disturbs nobody"
    assert takes(cell) == free
    assert [file.name for file in files(cell)] == ["8" if free else "7"]


def test_a_sweep_can_say_who_has_a_cell(tmp_path: Path) -> None:
    cell = cell_in(tmp_path)
    held_by(cell, replace(ELSEWHERE, pid=123))
    assert str(cells.owner(cell)) == "pid 123 on node7"


def test_a_clock_that_is_wrong_kills_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "WATCH", 0.3)
    cell = cell_in(tmp_path)
    path = held_by(cell, ELSEWHERE, age=5000)

    def beat() -> None:  # its clock is 5000 seconds late, and runs
        os.utime(path, (time.time() - 4990,) * 2)

    heart = threading.Timer(0.1, beat)
    heart.start()
    assert not takes(cell)
    heart.join()
    assert path.exists()


def test_an_owner_shows_that_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.01)
    cell = cell_in(tmp_path)
    with cells.locked(cell):
        (path,) = files(cell)
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 30
        while not path.stat().st_mtime and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


def rush(workspace: Path, rounds: int, barrier: Any, won: Any) -> None:
    for number in range(rounds):
        cell = cell_in(workspace / str(number))
        barrier.wait(60)
        with cells.locked(cell) as mine:
            won.put((number, mine))
            barrier.wait(60)


@pytest.mark.parametrize("age", [0, 5000])
def test_of_two_heirs_one_inherits(tmp_path: Path, age: float) -> None:
    rounds, barrier, won = 200, FORK.Barrier(2), FORK.Queue()
    for number in range(rounds):
        held_by(cell_in(tmp_path / str(number)), replace(HERE, pid=DEAD) if age == 0 else ELSEWHERE, age)
    heirs = [FORK.Process(target=rush, args=(tmp_path, rounds, barrier, won)) for _ in range(2)]
    for heir in heirs:
        heir.start()
    results = [won.get(timeout=60) for _ in range(2 * rounds)]
    for heir in heirs:
        heir.join(60)
    assert sorted(number for number, mine in results if mine) == list(range(rounds))


def count(workspace: Path, turns: int) -> None:
    counter = workspace / "counter"
    for _ in range(turns):
        with cells.exclusive(workspace, "counter"):
            number = int(counter.read_text())
            time.sleep(0)
            counter.write_text(str(number + 1))


def test_many_processes_take_turns(tmp_path: Path) -> None:
    (tmp_path / "counter").write_text("0")
    crowd = [FORK.Process(target=count, args=(tmp_path, 60)) for _ in range(4)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(60)
        assert one.exitcode == 0
    assert (tmp_path / "counter").read_text() == "240"


def test_who_looked_too_early_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cell_in(tmp_path)
    held_by(cell, HERE, number=9)
    now, views = lock._newest, [lock._Newest(7, None, 0.0)]  # 7 was free; meanwhile 8 has come and gone, and 9 is held

    def late(folder: Path) -> lock._Newest:
        return views.pop() if views else now(folder)

    monkeypatch.setattr(lock, "_newest", late)
    assert not takes(cell)
    assert [file.name for file in files(cell)] == ["9"]


def no_links(source: Any, target: Any) -> None:
    raise PermissionError(1, "Operation not permitted")


def asked_twice(link: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def answer(source: Any, target: Any) -> None:
        link(source, target)
        raise FileExistsError(17, "File exists")

    return answer


@pytest.mark.parametrize("link", [no_links, asked_twice(os.link)])
def test_file_systems_with_ways_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: Any) -> None:
    monkeypatch.setattr(os, "link", link)
    cell = cell_in(tmp_path)
    with cells.locked(cell) as mine:
        assert mine
        assert cells.owner(cell)
        assert not takes(cell)
    assert takes(cell)
    assert len(files(cell)) == 1


SUSPENDED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from pinch.cells import lock
from test_lock import cell_in
lock.BEAT = 0.01
with lock.locked(cell_in(Path(sys.argv[1]))) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["taken", "removed"])
def test_an_owner_that_was_replaced_ends(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-c", SUSPENDED, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as late:
        assert late.stdout is not None
        assert late.stdout.readline() == "True\n"
        cell = cell_in(tmp_path)
        (path,) = files(cell)
        if how == "taken":
            held_by(cell, ELSEWHERE, number=2)
        else:
            path.unlink()
        errors = late.communicate(timeout=60)[1]
    assert late.returncode == 1
    assert errors.startswith("error: ")
    assert "another process took this lock over" in errors
    assert errors.count("\n") == 1


def test_a_file_server_that_is_away_ends_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def away(path: Any) -> None:
        asked.set()
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(lock, "BEAT", 0.001)
    monkeypatch.setattr(os, "utime", away)
    cell = cell_in(tmp_path)
    with cells.locked(cell):
        assert asked.wait(30)
    assert cells.owner(cell) is None


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cell = cell_in(tmp_path / "file")
    assert cells.owner(cell) is None
    with pytest.raises(UserError, match=r"\.locks: cannot be written .*; choose another folder with root="):
        takes(cell)
    with (
        pytest.raises(UserError, match="choose another folder with root="),
        cells.exclusive(tmp_path / "file", "verdicts"),
    ):
        pass


def test_a_folder_that_vanishes_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    cell = cell_in(tmp_path)
    link, times = os.link, []

    def once_too_late(source: Any, target: Any) -> None:
        times.append(source)
        if len(times) == 1:
            shutil.rmtree(Path(target).parent)
        link(source, target)

    monkeypatch.setattr(os, "link", once_too_late)
    assert takes(cell)
    assert len(times) == 2
