"""Tracking: one W&B run per cell, readable offline; a broken tracker never stops a cell."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from pinch import cells, tracking
from pinch.config import TrackingConfig, TrackingMode, TrainConfig
from pinch.errors import UserError
from pinch.tracking import TrackingWarning, bounded, said, server, told

pytestmark = pytest.mark.filterwarnings("ignore::pinch.tracking.TrackingWarning", "ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _without_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setattr(said, "_said", set())
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"):
        monkeypatch.setenv(name, str(tmp_path))  # set by the tracker for its process; put back after the test
    for name in ("WANDB_ERROR_REPORTING", "WANDB_SILENT"):
        monkeypatch.setenv(name, os.environ.get(name, {"WANDB_SILENT": "true"}.get(name, "false")))


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
    assert tracking.add_scores(made[0], {"score/en": 61.5, "score/fi": float("nan")}, offline) == tracking.OFFLINE
    runs = summaries(made[0].folder.parent)
    text = [json.dumps(run) for run in runs]
    ids = [one.id.rsplit("-", 1)[-1] for one in made]
    assert [sum(name in entry for entry in text) for name in ids] == [2, 1]
    left = [len(server.unsent(made[0].folder.parent / "wandb", name)) for name in ids]
    assert left == [1, 1], "the file with the scores is the one to be sent"
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

        def log(self, *_: object) -> None:
            raise RuntimeError("connection lost")

    from pinch.tracking.logger import WandbRunLogger

    logger = WandbRunLogger(server.Session(Broken(), True, "http://x", tmp_path, 1))
    with pytest.warns(TrackingWarning, match="connection lost") as told:
        logger.log_metrics({"loss": 1.0}, 1)
        logger.log_metrics({"loss": 1.0}, 2)
    assert len(told) == 1


def test_steps_that_the_run_knows_are_not_logged_again(tmp_path: Path) -> None:
    logged: list[int] = []

    class Kept:
        id = "x"

        def log(self, values: dict[str, int]) -> None:
            logged.append(values["train/step"])

    from pinch.tracking.logger import WandbRunLogger

    logger = WandbRunLogger(server.Session(Kept(), True, "http://x", tmp_path, 1, after=2))
    for step in (1, 2, 3, 4):
        logger.log_metrics({"train/loss": 1.0}, step)
    assert logged == [3, 4]


def test_what_may_wait_for_ever_does_not() -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError, match="no answer within"):
        bounded.within(0.05, never.wait)
    never.set()
    with pytest.raises(ValueError, match="its own"):
        bounded.within(5, lambda: int("its own"))


def test_scores_that_lie_in_files_are_sent_once_there_is_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one, settings = cell(tmp_path), TrackingConfig()
    assert tracking.wanted(one, settings, None)
    assert not tracking.wanted(one, settings, True)
    assert not tracking.wanted(one, settings, tracking.ONLINE)
    assert not tracking.wanted(one, settings, tracking.OFFLINE), "no key"
    monkeypatch.setattr("pinch.tracking.runs.online_now", lambda folder: True)
    assert tracking.wanted(one, settings, tracking.OFFLINE)
    assert not tracking.wanted(one, TrackingConfig(mode=TrackingMode.csv), None)


def test_keys_are_found_where_wandb_keeps_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not server.has_key("https://wandb.example.org")
    (tmp_path / "no-netrc").write_text("machine wandb.example.org login user password secret")
    assert server.has_key("https://wandb.example.org")
    assert not server.has_key("https://other.example.org")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert server.has_key("https://other.example.org")


@pytest.mark.parametrize(
    ("change", "words"),
    [({"timeout": 0}, "tracking.timeout=0 must be 1 or more"), ({"answers": -1}, "tracking.answers=-1 must not be")],
)
def test_settings_that_cannot_be(change: dict[str, int], words: str) -> None:
    with pytest.raises(UserError, match=words):
        TrackingConfig(**change)  # type: ignore[arg-type]


def test_curves_come_from_the_log_under_their_names(tmp_path: Path) -> None:
    one = cell(tmp_path)
    lines = ["step,loss,lr,supervised_tokens,supervised_en", *(f"{n},{1 / n},0.1,5,5" for n in range(1, 6))]
    (one.folder / "train_log.csv").write_text("\n".join(lines) + "\n")
    rows = list(told.curves(one, after=3))
    assert [row["train/step"] for row in rows] == [4, 5]
    assert rows[0] == {
        "train/step": 4,
        "train/loss": 0.25,
        "train/lr": 0.1,
        "train/supervised_tokens": 5,
        "train/supervised/en": 5,
    }
    lines = ["step,loss", *(f"{n},1" for n in range(1, 1002))]
    (one.folder / "train_log.csv").write_text("\n".join(lines) + "\n")
    steps = [row["train/step"] for row in told.curves(one)]
    assert steps[:2] == [6, 12]
    assert steps[-1] == 1001
    assert len(steps) < 1.05 * told.POINTS


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


def test_an_analysis_goes_to_wandb_alone(tmp_path: Path) -> None:
    for mode in (TrackingMode.csv, TrackingMode.tensorboard):
        with pytest.warns(TrackingWarning, match=f"tracking={mode.value}: only W&B takes an analysis"):
            tracking.publish_analysis(tmp_path / "study", TrackingConfig(mode=mode), [], [], [])
    tracking.publish_analysis(tmp_path / "study", TrackingConfig(mode=TrackingMode.off), [], [], [])
    assert not (tmp_path / "study").exists()
