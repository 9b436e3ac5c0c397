"""Tracking: one W&B run per cell, readable offline; a broken tracker never stops a cell."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pinch import cells, tracking
from pinch.config import TrackingConfig, TrackingMode, TrainConfig
from pinch.tracking import TrackingWarning

pytestmark = pytest.mark.filterwarnings("ignore::pinch.tracking.TrackingWarning", "ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _without_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setattr(tracking, "_said", set())
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))  # set by the tracker for its process; put back after the test


def cell(tmp_path: Path, seed: int = 0) -> cells.Cell:
    settings = TrainConfig(root=str(tmp_path), seed=seed)
    made = cells.define(settings, "model", "corpus", {"a": "en", "b": "fi"}, 1)
    cells.write_cell(made, settings, {})
    return made


def summaries(workspace: Path) -> list[dict[str, Any]]:
    """State, config and summary of every offline run of a workspace, by W&B's own reader."""
    found = []
    for path in sorted((workspace / "wandb").glob("offline-run-*")):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        found.append(json.loads(done.stdout))
    return found


def test_one_run_per_cell_and_scores_join_it(tmp_path: Path) -> None:
    offline = TrackingConfig(mode=TrackingMode.auto)
    made = [cell(tmp_path, seed) for seed in (0, 1)]
    for one in made:
        with tracking.track(one, TrainConfig(seed=one.axes.seed or 0), offline) as run:
            run.logger.log_metrics({"train/loss": 1.5}, step=1)
            run.table("answers/en", ("instruction", "answer"), [("Say hello", "Hello")])
    tracking.add_scores(made[0], {"score/en": 61.5, "score/fi": float("nan")}, offline)
    runs = summaries(made[0].folder.parent)
    text = [json.dumps(run) for run in runs]
    ids = [one.id.rsplit("-", 1)[-1] for one in made]
    assert [sum(name in entry for entry in text) for name in ids] == [2, 1]
    scored = next(entry for entry in text if "score/en" in entry)
    assert "61.5" in scored
    assert "score/fi" not in scored
    trained = next(entry for entry in text if ids[1] in entry)
    assert "axes.seed" in trained
    assert '"pinch/status": "done"' in trained or '"pinch/status":"done"' in trained


def test_a_failing_cell_is_a_failed_run(tmp_path: Path) -> None:
    one = cell(tmp_path)
    with pytest.raises(ValueError, match="broken"), tracking.track(one, TrainConfig(), TrackingConfig()):
        raise ValueError("broken")
    assert '"failed"' in json.dumps(summaries(one.folder.parent))


def test_a_broken_tracker_is_said_once_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no space for you")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.warns(TrackingWarning, match="no space for you") as said:
        for _ in range(2):
            with tracking.track(cell(tmp_path), TrainConfig(), TrackingConfig()) as run:
                run.summarise({"a": 1})
    assert len([entry for entry in said if "no space" in str(entry.message)]) == 1


def test_a_run_that_breaks_later_is_given_up(tmp_path: Path) -> None:
    class Broken:
        id = "x"

        def define_metric(self, *_: object, **__: object) -> None: ...

        def log(self, *_: object) -> None:
            raise RuntimeError("connection lost")

    from pinch.wandb_logger import WandbRunLogger

    said: list[str] = []
    logger = WandbRunLogger(Broken(), said.append)
    logger.log_metrics({"loss": 1.0}, 1)
    logger.log_metrics({"loss": 1.0}, 2)
    assert len(said) == 1
    assert "connection lost" in said[0]


def test_off_csv_and_tensorboard(tmp_path: Path) -> None:
    one = cell(tmp_path)
    with tracking.track(one, None, TrackingConfig(mode=TrackingMode.off)) as run:
        assert run.logger is None
        run.summarise({"a": 1})
    for mode, pattern in ((TrackingMode.csv, "csv/metrics.csv"), (TrackingMode.tensorboard, "tensorboard/events.*")):
        with tracking.track(one, None, TrackingConfig(mode=mode)) as run:
            run.logger.log_metrics({"loss": 1.0}, step=1)
            run.logger.save()
        assert list(one.folder.glob(pattern)), mode
    assert not (one.folder.parent / "wandb").exists()


def test_axes_are_flat_scalars(tmp_path: Path) -> None:
    flat = tracking.axes(cell(tmp_path))
    assert flat["axes.n_languages"] == 2
    assert flat["axes.languages"] == "en+fi"
    assert all(isinstance(value, str | int | float) for value in flat.values())
