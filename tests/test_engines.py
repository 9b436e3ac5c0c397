"""Sweeps through other engines: what is sent, and how it went by the cells' own files, whatever the engine says."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from pinch import cells
from pinch.config import PlanConfig, TrainConfig, Wish
from pinch.engines import through
from pinch.errors import CellError, UserError
from pinch.jobs import prepare
from small_world import finish, settings


def wish(folder: Path, seed: int, **changes: object) -> Wish:
    return Wish([f"seed={seed}"], replace(settings(folder), seed=seed, **changes))


def run(wishes: list[Wish], send: object) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=200)
    code = through("slurm", wishes, send, console)  # type: ignore[arg-type]
    return code, console.file.getvalue()  # type: ignore[attr-defined]


def job_of(given: Wish) -> object:
    assert given.settings is not None
    return prepare(given.settings)


def test_only_what_is_to_do_is_sent_and_once(tmp_path: Path) -> None:
    wishes = [wish(tmp_path, seed) for seed in (0, 1, 1, 2)]
    finish(job_of(wishes[0]))  # type: ignore[arg-type]
    sent: list[int] = []

    def send(numbers: list[int]) -> list[str]:
        sent.extend(numbers)
        for number in numbers:
            finish(job_of(wishes[number]))  # type: ignore[arg-type]
        return [""] * len(numbers)

    code, told = run(wishes, send)
    assert (code, sent) == (0, [1, 3])
    assert "2 jobs for slurm" in told
    assert "4 asked, 3 distinct cells: 2 done, 1 skipped" in told
    code, told = run(wishes, lambda numbers: pytest.fail("there is nothing to send"))
    assert (code, told.strip()) == (0, "4 asked, 3 distinct cells: 3 skipped")


def test_how_it_went_is_what_the_files_say(tmp_path: Path) -> None:
    """One cell fails in its job, one job never ran, one is done although the engine lost it."""
    wishes = [wish(tmp_path, seed) for seed in range(3)]

    def send(numbers: list[int]) -> list[str]:
        with pytest.raises(CellError), cells.stage(job_of(wishes[0]).cell.folder, "tune"):  # type: ignore[attr-defined]
            raise CellError("the loss is no number")
        finish(job_of(wishes[2]))  # type: ignore[arg-type]
        return ["", "no node was free", ""]

    code, told = run(wishes, send)
    assert code == 1
    assert "1 done, 2 failed" in told
    assert "the loss is no number" in told
    assert "no node was free" in told


def test_an_engine_that_gives_up_ends_in_a_line(tmp_path: Path) -> None:
    wishes = [wish(tmp_path, seed) for seed in range(2)]

    def send(numbers: list[int]) -> list[str]:
        finish(job_of(wishes[0]))  # type: ignore[arg-type]
        raise RuntimeError("a job was cancelled\nand more")

    code, told = run(wishes, send)
    assert code == 1
    assert "slurm gave up: RuntimeError: a job was cancelled; its jobs that are at work go on" in told
    assert "1 done, 1 left" in told


def test_references_cannot_be_added_and_mistakes_are_found_before_anything_is_sent(tmp_path: Path) -> None:
    adding = wish(tmp_path, 0, plan=PlanConfig(add_references=True))
    with pytest.raises(UserError, match=r"plan.add_references=true adds cells .* only hydra/launcher=pinch"):
        run([adding], lambda numbers: pytest.fail("sent"))
    with pytest.raises(UserError, match="cell 2 of 2: seed: no number"):
        run([wish(tmp_path, 0), Wish(["seed=x"], None, "seed: no number")], lambda numbers: pytest.fail("sent"))
    assert isinstance(adding.settings, TrainConfig)
