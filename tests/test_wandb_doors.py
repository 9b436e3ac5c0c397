"""A study through all three doors: without a key, then with one, then as an analysis with its dashboard."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from test_wandb import QUICK, cache, door, steps
from wandb_stub import Stub

__all__ = ["cache"]


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as served:
        yield served


@pytest.mark.slow
def test_a_study_finds_its_way_once_there_is_a_key(stub: Stub, cache: Path, tmp_path: Path) -> None:
    quick = [*QUICK, "tuning=full", "tuning.lr=0.02", "tracking.group=mine"]
    assert door(tmp_path, cache, "train", "-m", "languages=one,two", "mixture.fraction=1", *quick).returncode == 0
    assert door(tmp_path, cache, "train", *QUICK, "tuning=none", "tracking=off").returncode == 0
    judge = ["evaluate", "score.references=[base]"]
    assert door(tmp_path, cache, *judge).returncode == 0
    entries = [json.loads(path.read_text())["reference"] for path in tmp_path.glob("study/*/scores.json")]
    assert [entry["tracked"] for entry in entries] == ["offline"] * 3

    done = door(tmp_path, cache, *judge, **stub.environment)
    assert done.returncode == 0, done.stderr
    assert len(stub.runs) == 3
    tuned = [run for run in stub.runs.values() if run.config["axes.method"] == "full"]
    assert [(run.group, steps(run)) for run in tuned] == [("mine", [1, 2, 3])] * 2
    assert all({"score/en", "score/judge", "answers", "verdicts"} <= run.summary.keys() for run in tuned)
    opened = {run.id: run.opened for run in stub.runs.values()}
    door(tmp_path, cache, *judge, **stub.environment)
    assert opened == {run.id: run.opened for run in stub.runs.values()}, "sent once"

    pytest.importorskip("wandb_workspaces")
    done = door(tmp_path, cache, "analyze", "tracking=wandb", "dashboard=true", "resamples=50", **stub.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"dashboard: {stub.url}" in done.stdout
    (run,) = [run for run in stub.runs.values() if run.job_type == "analyze"]
    assert run.summary["analysis/cells"] == 3
    assert any(name.startswith("figures/") for name in run.summary)
    assert len(stub.views) == 1


def test_what_an_analysis_cannot_send_is_one_line(cache: Path, tmp_path: Path) -> None:
    assert door(tmp_path, cache, "train", *QUICK, "tracking=off").returncode == 0
    assert door(tmp_path, cache, "train", *QUICK, "tuning=none", "tracking=off").returncode == 0
    assert door(tmp_path, cache, "evaluate", "score.references=[base]", "tracking=off").returncode == 0
    done = door(tmp_path, cache, "analyze", "tracking=csv", "resamples=50")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("tracking=csv: only W&B takes an analysis") == 1
    done = door(tmp_path, cache, "analyze", "dashboard=true")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "error: dashboard=true needs" in done.stderr
