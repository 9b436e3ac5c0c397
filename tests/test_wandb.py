"""Weights & Biases, online and offline, against a server on loopback: what arrives, and what a bad server costs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinch import tracking
from pinch.errors import UserError
from tracked_program import cell
from wandb_stub import ENTITY, KEY, Stub, StubRun

ROOT = Path(__file__).resolve().parents[1]
QUICK = [
    "languages.evaluation=[en,ar]",
    "data.max_prompts=3",
    "mixture.budget=24",
    "generation.max_new_tokens=3",
    "sweep.slots=1",
]
AT_MOST = 75.0
"""Seconds for a process that starts, waits for a bad server and ends; wandb by itself waits for one 90 s and more."""


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as served:
        yield served


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which the embedded base model is a very small one."""
    from pinch.embedded import base

    folder = tmp_path_factory.mktemp("cache")
    base.ensure(folder, recipe=base.TINY).rename(folder / f"embedded-{base.recipe_hash()}")
    return folder


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "PINCH"))}
    return kept | {"NETRC": "/nonexistent", "HF_HUB_OFFLINE": "1", "COLUMNS": "200", **more}


def process(root: Path, *orders: str, **more: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "tests" / "tracked_program.py"), str(root), *orders]
    python = {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment(**python, **more), **pipes)  # type: ignore[call-overload, no-any-return]


def tracked(root: Path, *orders: str, **more: str) -> tuple[list[str], str]:
    """What each order gave, and what was said."""
    with process(root, *orders, **more) as run:
        told, said = run.communicate(timeout=AT_MOST)
    assert run.returncode == 0, said
    return told.split(), said


def door(root: Path, cache: Path, name: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / f"{name}.py"), *arguments, f"root={root}"]
    known = environment(PINCH_CACHE=str(cache), **more)
    return subprocess.run(command, capture_output=True, text=True, env=known, cwd=ROOT, timeout=300)


def sync(root: Path, stub: Stub) -> str:
    """`wandb sync` as documented; gives what it says."""
    command = [sys.executable, "-m", "wandb", "sync", str(root / "study" / "wandb")]
    known = environment(**stub.environment, HOME=str(root), WANDB_ERROR_REPORTING="false")
    done = subprocess.run(command, capture_output=True, text=True, env=known, timeout=120, cwd=root)
    assert done.returncode == 0, done.stderr
    return done.stderr


def run_of(stub: Stub, root: Path, seed: int) -> StubRun:
    return stub.runs[cell(root, seed)[0].id.rsplit("-", 1)[-1]]


def steps(run: StubRun) -> list[int]:
    """The optimizer steps in a run's history, in the order in which they came."""
    return [row["train/step"] for row in run.history if "train/step" in row]


# --- a server that works ---------------------------------------------------------------------------------------------


def test_a_sweep_and_its_scores_arrive(stub: Stub, cache: Path, tmp_path: Path) -> None:
    """Four cells through worker processes, one of which fails; then evaluate.py, twice."""
    sweep = ["-m", "tuning.lr=1e-3,2e-3,3e-3,1e30", "tracking=wandb", "tracking.tags=[mine]", *QUICK]
    done = door(tmp_path, cache, "train", *sweep, **stub.environment)
    assert "3 done, 1 failed" in done.stdout, done.stdout + done.stderr
    assert stub.keys == {KEY}
    folders = {path.parent.name for path in tmp_path.glob("study/*/cell.yaml")}
    assert {run.name for run in stub.runs.values()} == folders
    assert {run.id for run in stub.runs.values()} == {name.rsplit("-", 1)[-1] for name in folders}
    good = [run for run in stub.runs.values() if run.exit_code == 0]
    (bad,) = [run for run in stub.runs.values() if run.exit_code != 0]
    assert len(good) == 3
    assert (bad.exit_code, bad.summary["pinch/status"]) == (1, "failed")
    assert bad.config["tuning"]["lr"] == 1e30
    for run in stub.runs.values():
        assert (run.group, run.job_type, run.tags) == ("study", "train", ["mine", "embedded", "lora"])
        assert run.config["axes.n_languages"] == 1
        assert run.config["axes.languages"] == "en"
        assert run.config["mixture"]["budget"] == 24
    for run in good:
        assert run.summary["pinch/status"] == "done"
        assert run.summary["tune/steps"] == 3
        assert run.summary["axes/n_languages"] == 1
        assert steps(run) == [1, 2, 3]
        assert all(row["train/loss"] > 0 for row in run.history if "train/step" in row)
        table = next(json.loads(content) for name, content in run.files.items() if "table/answers" in name)
        assert table["columns"] == ["language", "instruction", "answer"]
        assert [row[0] for row in table["data"]] == ["ar"] * 3 + ["en"] * 3

    done = door(tmp_path, cache, "evaluate", **stub.environment)
    assert done.returncode in (0, 1), done.stderr
    assert len(stub.runs) == 4, "the same runs"
    for run in good:
        assert {"score/judge", "exact/en", "exact/ar"} <= run.summary.keys()
        assert run.summary["tune/steps"] == 3, "what was there before is there still"
        assert steps(run) == [1, 2, 3]
        assert (run.group, run.job_type, run.name in folders) == ("study", "train", True)
        assert run.summary["pinch/status"] == "done"
    opened = {run.id: run.opened for run in stub.runs.values()}
    door(tmp_path, cache, "evaluate", **stub.environment)
    assert opened == {run.id: run.opened for run in stub.runs.values()}, "sent once"


def test_scores_join_the_run_with_its_group_and_a_table_of_verdicts(stub: Stub, tmp_path: Path) -> None:
    told, said = tracked(tmp_path, "train-0", "score-0", "score-0", **stub.environment)
    assert told == ["trained", "online", "online"], said
    (run,) = stub.runs.values()
    assert (run.group, run.project, run.exit_code) == ("pairs", "pinch", 0)
    assert run.summary["score/en"] == 60
    assert run.summary["tune/seconds"] == 2.5
    assert steps(run) == [1, 2, 3, 4, 5]
    verdicts = next(json.loads(content) for name, content in run.files.items() if "table/verdicts" in name)
    assert verdicts["data"][0] == ["en", "Say 0", "en <p0>", "base", "win", 1]
    assert sum("answers" in row for row in run.history) == 1


def test_a_cell_that_is_tried_again_has_each_step_once(stub: Stub, tmp_path: Path) -> None:
    told, _ = tracked(tmp_path, "fail-0", "train-0", **stub.environment)
    assert told == ["failed", "trained"]
    (run,) = stub.runs.values()
    assert (run.exit_code, run.summary["pinch/status"], steps(run)) == (0, "done", [1, 2, 3, 4, 5])


# --- a server that does not ------------------------------------------------------------------------------------------

FAULTS = [pytest.param("hang", marks=pytest.mark.slow), "reset", pytest.param("error", marks=pytest.mark.slow)]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_is_down_costs_one_wait(fault: str, tmp_path: Path) -> None:
    with Stub(fault) as stub:
        told, said = tracked(tmp_path, "train-0", "train-1", "score-1", **stub.environment)
        assert told == ["trained", "trained", "offline"]
        assert said.count("TrackingWarning: ") == 1, said
        assert "going on offline in" in said
        if fault != "hang":
            return
        stub.fault = "none"
        told, said = tracked(tmp_path, "score-0", "score-1", **stub.environment)
        assert told == ["online", "online"], said
        for seed in (0, 1):
            run = run_of(stub, tmp_path, seed)
            assert steps(run) == [1, 2, 3, 4, 5]
            assert (run.summary["score/en"], run.summary["tune/steps"]) == (60 + seed, 5)
        assert "No runs to sync" in sync(tmp_path, stub)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_dies_under_a_run_costs_one_wait(fault: str, stub: Stub, tmp_path: Path) -> None:
    with process(tmp_path, "pause-0", "train-1", **stub.environment) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "paused\n"
        stub.fault = fault
        told, said = run.communicate("\n", timeout=AT_MOST)
    assert (run.returncode, told.split()) == (0, ["trained", "trained"]), said
    assert said.count("TrackingWarning: ") == 1, said
    assert "going on offline in" in said
    if fault != "hang":
        return
    stub.fault = "none"
    given, said = tracked(tmp_path, "score-0", "score-1", **stub.environment)
    assert given == ["online", "online"], said
    for seed in (0, 1):
        assert steps(run_of(stub, tmp_path, seed)) == [1, 2, 3, 4, 5]
        assert run_of(stub, tmp_path, seed).summary["score/en"] == 60 + seed
        assert "answers" in run_of(stub, tmp_path, seed).summary


def test_a_key_that_is_refused_is_said(tmp_path: Path) -> None:
    with Stub("refuse") as stub:
        told, said = tracked(tmp_path, "train-0", **stub.environment)
    assert told == ["trained"]
    assert said.count("TrackingWarning: ") == 1, said
    assert "401" in said


# --- offline, sent later ---------------------------------------------------------------------------------------------


def test_offline_runs_are_synced_without_duplicates(stub: Stub, tmp_path: Path) -> None:
    """A sweep and its scores, by two processes without a key; a failed cell; `wandb sync`, twice."""
    assert tracked(tmp_path, "train-0", "train-1", "fail-2")[0] == ["trained", "trained", "failed"]
    assert tracked(tmp_path, "score-0", "score-1")[0] == ["offline", "offline"]
    assert stub.requests == 0
    for turn in range(2):
        said = sync(tmp_path, stub)
        assert ("No runs to sync" in said) is bool(turn)
        assert len(stub.runs) == 3
        for seed in (0, 1):
            run = run_of(stub, tmp_path, seed)
            assert steps(run) == [1, 2, 3, 4, 5]
            assert (run.exit_code, run.group, run.config["axes.seed"]) == (0, "pairs", seed)
            assert (run.summary["score/en"], run.summary["tune/steps"]) == (60 + seed, 5)
            assert {"answers", "verdicts"} <= run.summary.keys()
        assert (run_of(stub, tmp_path, 2).exit_code, steps(run_of(stub, tmp_path, 2))) == (1, [1])


@pytest.mark.slow
def test_scores_after_a_sync_join_the_run(stub: Stub, tmp_path: Path) -> None:
    tracked(tmp_path, "train-0")
    sync(tmp_path, stub)
    assert tracked(tmp_path, "score-0")[0] == ["offline"]
    sync(tmp_path, stub)
    (run,) = stub.runs.values()
    assert steps(run) == [1, 2, 3, 4, 5]
    assert (run.summary["score/en"], run.summary["tune/steps"]) == (60, 5)


def test_nothing_leaves_without_a_key(stub: Stub, cache: Path, tmp_path: Path) -> None:
    """Every way out is the stub's: as W&B's server and as a proxy."""
    ways = {"WANDB_BASE_URL": stub.url, "HTTP_PROXY": stub.url, "HTTPS_PROXY": stub.url, "NO_PROXY": ""}
    ways |= {name.lower(): value for name, value in ways.items() if "PROXY" in name}
    for arguments in (["train", "tracking=auto", *QUICK], ["train", "tracking=off", "seed=1", *QUICK]):
        assert door(tmp_path, cache, *arguments, **ways).returncode == 0
    done = door(tmp_path, cache, "evaluate", "score.references=[base]", **ways)
    assert "Traceback" not in done.stderr
    door(tmp_path, cache, "analyze", **ways)
    assert stub.requests == 0


@pytest.mark.parametrize(("mode", "pattern"), [("csv", "csv/metrics.csv"), ("tensorboard", "tensorboard/events.*")])
def test_other_trackers_through_the_door(mode: str, pattern: str, cache: Path, tmp_path: Path) -> None:
    done = door(tmp_path, cache, "train", f"tracking={mode}", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = tmp_path.glob(f"study/*/{pattern}")
    assert b"train/loss" in path.read_bytes()
    assert not (tmp_path / "study" / "wandb").exists()


# --- analysis and dashboard ------------------------------------------------------------------------------------------


def test_an_analysis_is_one_run_that_is_updated(stub: Stub, tmp_path: Path) -> None:
    for _ in range(2):
        told, said = tracked(tmp_path, "analysis", **stub.environment)
        assert told == ["published"], said
        (run,) = stub.runs.values()
        assert (run.job_type, run.group, run.exit_code) == ("analyze", "study", 0)
        assert run.summary["analysis/cells"] == 3
        assert run.summary["findings/pinch"] == "It helps.\nn = 3"
        assert len(run.history) == 1, "made again without a change, it is not sent again"
        assert {"scores", "findings", "figures/curve"} <= run.summary.keys()
    table = next(json.loads(content) for name, content in run.files.items() if "table/scores" in name)
    assert table["data"][1] == ["c1", "reference", 51, None, None]
    assert sum(name.endswith(".png") for name in run.files) == 1


def test_an_analysis_offline_leaves_one_file_to_be_sent(stub: Stub, tmp_path: Path) -> None:
    for _ in range(2):
        tracked(tmp_path, "analysis")
    sync(tmp_path, stub)
    (run,) = stub.runs.values()
    assert len(run.history) == 1


def test_a_dashboard_needs_the_extra_and_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETRC", "/nonexistent")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'pinch-multilingual\[dashboard\]'"):
        tracking.check_dashboard(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    with pytest.raises(UserError, match="needs a W&B server and a key; run wandb login"):
        tracking.check_dashboard(tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # wandb-workspaces still uses what pydantic deprecates
def test_the_panels_read_what_the_runs_have(stub: Stub, tmp_path: Path) -> None:
    pytest.importorskip("wandb_workspaces")
    from pinch.tracking.dashboard import build

    tracked(tmp_path, "train-0", "score-0", **stub.environment)
    (run,) = stub.runs.values()
    spec = build("me", "pinch", "study", None, ["en"])._to_model().spec.model_dump(by_alias=True, exclude_none=True)
    sections = spec["section"]["panelBankConfig"]["sections"]
    panels = [panel["config"] for section in sections for panel in section["panels"] if "chartTitle" in panel["config"]]
    names = {name for panel in panels for name in panel.get("metrics", [])}
    names |= {panel[axis].removeprefix("summary:") for panel in panels for axis in ("xAxis", "yAxis") if axis in panel}
    assert {"axes/n_languages", "axes/fraction", "score/seen", "score/unseen", "train/loss", "score/en"} <= names
    judged = {"score/seen", "score/unseen"}
    metrics = {name for row in run.history for name in row}
    assert names - judged - {"train/tokens_per_second"} <= run.summary.keys() | metrics
    groups = {panel["groupBy"] for panel in panels if "groupBy" in panel}
    assert (
        {name.removesuffix(".value") for name in groups} == {"axes.n_languages", "axes.fraction"} <= run.config.keys()
    )
    runs = spec["section"]["runSets"][0]
    assert [key["name"] for key in runs["grouping"]] == ["axes.languages.value", "axes.fraction.value"]
    text = json.dumps(runs["filters"])
    assert all(word in text for word in ("jobType", "train", "workspace", "study"))
    assert "pairs" in json.dumps(build("me", "pinch", "study", "pairs", [])._to_model().spec.model_dump(by_alias=True))


def test_a_dashboard_is_saved_once(stub: Stub, tmp_path: Path) -> None:
    pytest.importorskip("wandb_workspaces")
    code = "import sys; from pathlib import Path; from pinch import tracking; from pinch.config import TrackingConfig\n"
    code += "print(tracking.publish_dashboard(Path(sys.argv[1]), TrackingConfig(timeout=6), ['en']))"
    known = environment(**stub.environment, PYTHONPATH=os.pathsep.join(sys.path))
    for _ in range(2):
        command = [sys.executable, "-c", code, str(tmp_path / "study")]
        done = subprocess.run(command, capture_output=True, text=True, env=known, timeout=AT_MOST)
        assert done.stdout.startswith(f"{stub.url}/{ENTITY}/pinch?nw="), done.stderr
        (view,) = stub.views.values()
        assert (view["displayName"], view["type"]) == ("Pinch: study", "project-view")
    stub.fault = "error"
    done = subprocess.run(command, capture_output=True, text=True, env=known, timeout=AT_MOST)
    assert done.stdout == "None\n"
    assert "the dashboard could not be saved" in done.stderr
