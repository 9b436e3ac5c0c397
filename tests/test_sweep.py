"""What a sweep does about how cells end: order, retries, limits, time-outs, other sweeps. Its workers train nothing."""

import io
import json
import os
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from pinch import cells
from pinch.board import Ran
from pinch.config import OnFailure, Strategy, SweepConfig, TrainConfig, TrainerConfig, Wish
from pinch.errors import UserError
from pinch.sweep import Sweep, refuse, sweep

WORKER = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))


@dataclass
class Work:
    """As much of a Job as a sweep needs; done when the fake worker has left its file."""

    settings: TrainConfig
    cell: Any
    prompts: dict[str, Any] = field(default_factory=lambda: {"en": []})

    def done(self) -> bool:
        return (self.cell.folder / "finished").exists()


def work(root: Path, seed: int, **trainer: Any) -> Work:
    settings = TrainConfig(root=str(root), seed=seed, trainer=TrainerConfig(threads=1, **trainer))
    name = f"cell-{seed}"
    axes = SimpleNamespace(seed=seed, languages=("en",), n_languages=1, fraction=0.0)
    return Work(settings, SimpleNamespace(id=name, folder=root / "study" / name, axes=axes, untuned=False))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a sweep over the seeds of `todo`; gives the results by seed, and what was printed."""

    def go(
        todo: dict[int, list[str]], workers: int = 1, trainer: dict[str, Any] | None = None, **settings: Any
    ) -> tuple[dict[int, Ran], str]:
        monkeypatch.setenv("FAKE_WORKER", json.dumps(todo))
        jobs: Any = [work(tmp_path, seed, **trainer or {}) for seed in todo]
        console = Console(file=io.StringIO(), width=200)
        wish = SweepConfig(slots=workers, stagger=0, **settings)
        for job in jobs:
            job.settings = replace(job.settings, sweep=wish)
        results = Sweep(jobs, wish, console, WORKER).run()
        assert [ran.cell.id for ran in results] == [job.cell.id for job in jobs], "in the order asked for"
        return dict(zip(todo, results, strict=True)), console.file.getvalue()  # type: ignore[attr-defined]

    return go


def attempts(root: Path, seed: int, rank: int = 0) -> list[str]:
    return (root / "study" / f"cell-{seed}" / f"attempts-{rank}").read_text().split()


def test_one_worker_for_all_cells_and_a_new_one_after_a_failure(run: Any, tmp_path: Path) -> None:
    results, told = run({0: ["done"], 1: ["done"], 2: ["fail"], 3: ["done"]})
    assert [results[seed].state for seed in range(4)] == ["done", "done", "failed", "done"]
    pids = [attempts(tmp_path, seed)[0] for seed in range(4)]
    assert pids[0] == pids[1] == pids[2] != pids[3]
    assert told.index("cell-0") < told.index("failed  cell-2  it failed") < told.index("done    cell-3")


def test_finished_cells_start_no_worker(run: Any, tmp_path: Path) -> None:
    run({0: ["done"]})
    results, told = run({0: ["kill"]})
    assert results[0].state == "skipped"
    assert len(attempts(tmp_path, 0)) == 1
    assert told == ""


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("kill", "killed (SIGKILL)"),
        ("crash", "ended with exit code 3: something broke"),
        ("fail", "it failed"),
        ("silent", "files are missing"),
    ],
)
def test_however_a_cell_dies_it_is_recorded_and_the_rest_goes_on(how: str, words: str, run: Any) -> None:
    results, told = run({0: [how], 1: ["done"]})
    assert results[0].state == "failed"
    assert words in results[0].error
    assert words in told
    assert results[1].state == "done"


def test_retries_are_for_what_may_go_well_again(run: Any, tmp_path: Path) -> None:
    results, told = run({0: ["kill", "crash", "done"], 1: ["fail final"], 2: ["kill"]}, retries=2)
    assert [results[seed].state for seed in range(3)] == ["done", "failed", "failed"]
    assert [len(attempts(tmp_path, seed)) for seed in range(3)] == [3, 1, 3]
    assert told.count("again   cell-0") == 2


def test_to_find_a_cell_taken_is_no_attempt(run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("pinch.sweep.LOOK", 0.05)
    results, _ = run({0: ["busy", "kill", "done"]}, retries=1)
    assert results[0].state == "done"


def test_a_cell_that_hangs_is_stopped(run: Any) -> None:
    started = time.monotonic()
    results, _ = run({0: ["hang"], 1: ["done"]}, timeout=0.02)
    assert results[0].error.startswith("timed out after 0.02 minutes (sweep.timeout)")
    assert results[1].state == "done"
    assert time.monotonic() - started < 30


def test_stop_at_the_first_failure_or_after_some(run: Any) -> None:
    results, told = run({0: ["fail"], 1: ["done"], 2: ["done"]}, on_failure=OnFailure["stop"])
    assert [results[seed].state for seed in range(3)] == ["failed", "left", "left"]
    assert "no more cells are started" in told
    results, _ = run({10: ["fail"], 11: ["fail"], 12: ["done"]}, max_failures=2)
    assert [results[seed].state for seed in (10, 11, 12)] == ["failed", "failed", "left"]


def test_two_slots_work_at_once_and_notes_are_said_once(run: Any, tmp_path: Path, capsys: Any) -> None:
    results, _ = run({seed: ["done"] for seed in range(6)}, workers=2)
    assert all(ran.state == "done" for ran in results.values())
    assert len({attempts(tmp_path, seed)[0] for seed in range(6)}) == 2
    assert capsys.readouterr().err.count("note: every worker says this") == 1


def test_a_cell_of_several_devices_gets_a_process_each_and_one_failure_ends_all(run: Any, tmp_path: Path) -> None:
    trainer = {"devices": 2, "strategy": Strategy.ddp}
    started = time.monotonic()
    results, _ = run({0: ["done"], 1: ["rank 1: fail final"], 2: ["rank 0: kill"], 3: ["done"]}, trainer=trainer)
    assert [results[seed].state for seed in range(4)] == ["done", "failed", "failed", "done"]
    assert results[1].error == "it failed", "the reason, not that the other rank is gone"
    assert "SIGKILL" in results[2].error
    assert time.monotonic() - started < 40, "nobody waits for a rank that is gone"
    pids = {attempts(tmp_path, seed, rank)[0] for seed in range(4) for rank in range(2)}
    assert len(pids) == 8, "fresh processes for every cell"


def test_workers_do_not_inherit_what_a_job_left_behind(run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT", "SLURM_JOB_ID", "TORCHELASTIC_RUN_ID"):
        monkeypatch.setenv(name, "1")
    run({0: ["done"]})
    seen = json.loads((tmp_path / "study" / "cell-0" / "finished").read_text())
    assert seen == {
        "RANK": None,
        "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "OMP_NUM_THREADS": "1",
        "SLURM_JOB_ID": None,
    }


def test_gpus_are_dealt_out(run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    run({seed: ["done"] for seed in range(4)}, workers=2)
    finished = [json.loads((tmp_path / "study" / f"cell-{seed}" / "finished").read_text()) for seed in range(4)]
    assert {row["CUDA_VISIBLE_DEVICES"] for row in finished} == {"4", "7"}


def test_a_cell_that_another_sweep_has_is_waited_for(run: Any, monkeypatch: Any, tmp_path: Path) -> None:
    """Seed 0 is finished by the other sweep while we look on; seed 1 is let go unfinished and is ours; seed 2 turns out to
    be taken only when a worker has come to it."""
    looks = {"cell-0": 0, "cell-1": 0, "cell-2": 0}

    def owner(cell: Any) -> str | None:
        looks[cell.id] += 1
        if cell.id == "cell-0" and looks[cell.id] == 3:
            cell.folder.mkdir(parents=True)
            (cell.folder / "finished").write_text("")
        return "pid 1 on node7" if cell.id != "cell-2" and looks[cell.id] <= 3 else None

    monkeypatch.setattr(cells, "owner", owner)
    monkeypatch.setattr("pinch.sweep.LOOK", 0.05)
    results, _ = run({0: ["done"], 1: ["done"], 2: ["busy", "done"]})
    assert [results[seed].state for seed in range(3)] == ["shared", "done", "done"]
    assert not (tmp_path / "study" / "cell-0" / "attempts-0").exists()
    assert len(attempts(tmp_path, 2)) == 2


def test_a_wish_that_cannot_be_is_refused_with_its_number() -> None:
    good, bad = Wish([], TrainConfig()), Wish(["seed=x"], None, "seed: no number")
    with pytest.raises(UserError, match=r"^cell 2 of 2: seed: no number$"):
        refuse([good, bad])
    with pytest.raises(UserError, match=r"^seed: no number$"):
        refuse([bad, bad])
    with pytest.raises(UserError, match="seed: no number"):
        sweep([bad])
