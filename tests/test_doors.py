"""The doors as a user opens them, in processes of their own: help, bad input, and the whole job from tuning to report."""

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
QUICK = ["data.max_prompts=3", "mixture.budget=24", "tuning.max_steps=2", "generation.max_new_tokens=3"]
Door = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which the embedded base model is a very small one, so that no test waits for the real one."""
    from pinch.embedded import base

    folder = tmp_path_factory.mktemp("cache")
    base.ensure(folder, recipe=base.TINY).rename(folder / f"embedded-{base.recipe_hash()}")
    return folder


@pytest.fixture
def door(tmp_path: Path, cache: Path) -> Door:
    """Runs a door with arguments; results go to a folder of the test's own."""

    def run(
        name: str, *arguments: str, root: Path = tmp_path, largest_file: int = resource.RLIM_INFINITY
    ) -> subprocess.CompletedProcess[str]:
        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))

        environment = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB", "PINCH"))}
        environment |= {"PINCH_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "NETRC": "/nonexistent", "COLUMNS": "200"}
        command = [sys.executable, str(ROOT / f"{name}.py"), *arguments, f"root={root}"]
        if "--help" in arguments:
            command.pop()
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300, preexec_fn=limit
        )

    return run


def cells(root: Path, workspace: str = "study") -> list[Path]:
    return sorted(path.parent for path in (root / workspace).glob("*/cell.yaml"))


@pytest.mark.parametrize("name", ["train", "evaluate", "analyze"])
def test_help_imports_no_torch(name: str, door: Door) -> None:
    code = f"import sys, runpy; sys.argv = ['{name}.py', '--help']\ntry: runpy.run_path('{name}.py', run_name='__main__')\n"
    code += "except SystemExit: pass\nheavy = {'torch', 'transformers', 'pytorch_lightning', 'wandb', 'matplotlib'}\n"
    code += "sys.exit(f'imported: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"python {name}.py" in done.stdout


BAD_INPUT = [
    (["mixture.fraction=1.5"], "mixture.fraction=1.5 is outside 0..1"),
    (["mixture.fraction=0.1", "mixture.count=40"], "mixture.fraction and mixture.count are both set"),
    (["languages.base=xx"], "unknown language 'xx'"),
    (["languages.base=de"], "the embedded world: no examples in 'de'"),
    (["languages=no"], "languages=no: no is one language, not a group"),
    (["languages=fiv"], "did you mean 'five'?"),
    (["mixture.frction=0.1"], "mixture.frction: there is no such setting; did you mean 'mixture.fraction'?"),
    (["mixtur=pinch"], "did you mean 'mixture'?"),
    (["tuning.method=lorra"], "Invalid value 'lorra'"),
    (["mixture.budget=999999"], "larger than the corpus"),
    (["seed=one"], "seed: Value 'one'"),
    (["languages.evaluation=[de]"], "no evaluation prompts in 'de'"),
    (["data=jsonl"], "data=jsonl needs data.corpus"),
    (["data=jsonl", "data.corpus=/nowhere", "data.prompts=/nowhere"], "/nowhere: no such file"),
    (["model=hf", "model.path=/nowhere"], "/nowhere"),
    (["+foo=1"], "foo: there is no such setting"),
    (["+mixture.fractoin=1"], "mixture.fractoin: there is no such setting; did you mean 'fraction'?"),
    (["mixture.counts={xx:3}"], "mixture.counts: unknown language 'xx'"),
    (["mixture.counts={fi:many}"], "must give a whole number per language"),
    (["mixture.counts=3"], "must give a whole number per language"),
    (["mixture.counts={fi:3}", "mixture.fraction=0.1"], "mixture.fraction and mixture.counts are both set"),
    (["mixture.allocation=proportional", "languages=two", "mixture.weights={en:2}"], "positive weight for ar"),
    (["languages=a,"], "cannot be read as an argument"),
    (["-m", "languages=one,two,xyz"], "languages=xyz"),
    (["-m", "languages=two", "mixture.fraction=0.1,0.2,7"], "mixture.fraction=7"),
    (["-m", "mixture.budget=10,999999"], "cell 2 of 2: mixture.budget=999999 is larger"),
]


@pytest.mark.parametrize(
    ("arguments", "words"), BAD_INPUT, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_input_is_one_line(arguments: list[str], words: str, door: Door, tmp_path: Path) -> None:
    done = door("train", *arguments)
    lines = [line for line in done.stderr.split("\n") if line]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert words in lines[0]
    assert not cells(tmp_path)


def test_evaluate_and_analyze_before_train(door: Door) -> None:
    for name in ("evaluate", "analyze"):
        done = door(name)
        assert done.returncode == 2
        assert "no cells there; run python train.py first" in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_folder_that_cannot_be_written(door: Door, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for arguments in ([], ["-m"]):
        done = door("train", *arguments, root=tmp_path / "file")
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr + done.stdout
        assert "file" in done.stderr + done.stdout


def test_show_mixture_trains_nothing(door: Door, tmp_path: Path) -> None:
    done = door("train", "show=mixture", "languages=six", "mixture=forty")
    assert done.returncode == 0, done.stderr
    assert re.search(r"en\s*│ 1160", done.stdout)
    assert len(re.findall(r"│ 8 ", done.stdout)) == 5
    assert not cells(tmp_path)


def test_explicit_counts_and_weights(door: Door) -> None:
    done = door("train", "show=mixture", "mixture.counts={fi:30,cs:10}")
    assert done.returncode == 0, done.stderr
    assert [bool(re.search(rf"{row}", done.stdout)) for row in (r"en\s*│ 1160", r"fi\s*│ 30 ", r"cs\s*│ 10 ")] == [
        True
    ] * 3
    shares = ["languages=two", "mixture.allocation=proportional", "mixture.weights={en:3,ar:1}"]
    assert re.search(r"en\s*│ 900", door("train", "show=mixture", *shares).stdout)


def test_the_whole_job(door: Door, tmp_path: Path) -> None:
    """A sweep with duplicates, the references, the untuned model, scores, a report; each again without any work."""
    quick = [
        "data.max_prompts=3",
        "mixture.budget=400",
        "generation.max_new_tokens=3",
        "languages.evaluation=[en,ar,cs]",
    ]
    learn = ["tuning=full", "tuning.epochs=10", "tuning.lr=0.02", *quick]  # enough for answers to differ
    sweep = ["-m", "languages=one,two", "mixture.fraction=0,1", *learn]
    done = door("train", *sweep)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 asked, 2 distinct cells: 2 done" in done.stdout
    assert "no W&B key is configured" in done.stderr
    assert door("train", "-m", "languages=one", "languages.base=ar,cs", "tracking=off", *learn).returncode == 0
    assert door("train", *quick, "tuning=none", "tracking=off").returncode == 0
    assert len(cells(tmp_path)) == 5

    folder = next(path for path in cells(tmp_path) if "en+ar" in path.name)
    mixture = [json.loads(line) for line in (folder / "mixture.jsonl").read_text().split("\n") if line]
    assert len(mixture) == 400
    assert {row["language"] for row in mixture} == {"en", "ar"}
    assert (folder / "model" / "model.safetensors").exists()
    assert len((folder / "train_log.csv").read_text().strip().split("\n")) == 1 + 10 * 13
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = door("train", *sweep)
    assert again.returncode == 0
    assert "2 distinct cells: 2 skipped" in again.stdout
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}

    done = door("evaluate")
    assert done.returncode == 0, done.stdout + done.stderr
    scores = json.loads((folder / "scores.json").read_text())
    assert "reference" in json.dumps(scores)
    verdicts = (tmp_path / "study" / "verdicts" / "reference.jsonl").read_bytes()
    assert door("evaluate").returncode == 0
    assert (tmp_path / "study" / "verdicts" / "reference.jsonl").read_bytes() == verdicts

    done = door("analyze")
    assert done.returncode == 0, done.stdout + done.stderr
    analysis = tmp_path / "study" / "analysis"
    assert "report.html" in done.stdout
    assert (analysis / "scores.csv").exists()
    page = (analysis / "report.html").read_text(encoding="utf-8")
    assert "http-equiv" not in page or "refresh" not in page
    assert not re.findall(r'(?:src|href)="https?://[^"]*\.(?:js|css|png|svg)', page)


def test_a_failing_cell_does_not_stop_the_rest(door: Door, tmp_path: Path) -> None:
    arguments = [
        "-m",
        "tuning.lr=1e-3,1e30,2e-3",
        "languages.evaluation=[en]",
        "tracking=off",
        *QUICK,
        "tuning.max_steps=6",
    ]
    done = door("train", *arguments)
    assert done.returncode == 1
    assert "3 distinct cells: 2 done, 1 failed" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    states = [json.loads((path / "status.json").read_text())["tune"] for path in cells(tmp_path)]
    assert sorted(state["state"] for state in states) == ["done", "done", "failed"]
    assert len(list(tmp_path.glob("study/*/adapter/adapter_model.safetensors"))) == 2
    failed = next(state for state in states if state["state"] == "failed")
    assert failed["error"]
    again = door("train", *arguments)
    assert "2 skipped, 1 failed" in again.stdout


def test_a_disk_that_fills_up_loses_nothing(door: Door, tmp_path: Path) -> None:
    """No file may grow beyond 4 KiB: the cell fails in one line, and is finished by the same command later."""
    arguments = ["train", "languages.evaluation=[en]", "tracking=off", *QUICK, "mixture.budget=200"]
    full = door(*arguments, largest_file=4096)
    assert full.returncode == 1, full.stdout + full.stderr
    assert "cannot be written (File too large); free space" in full.stdout
    assert "Traceback" not in full.stdout + full.stderr
    assert door(*arguments).returncode == 0
    assert not list(tmp_path.rglob(".*.jsonl.*"))


def test_ctrl_c_stops_the_sweep_and_the_same_command_goes_on(cache: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "train.py",
        "-m",
        "seed=0,1",
        "tracking=off",
        "languages.evaluation=[en]",
        f"root={tmp_path}",
    ]
    command += ["data.max_prompts=3", "mixture.budget=64", "generation.max_new_tokens=3", "tuning.epochs=5000"]
    environment = {**os.environ, "PINCH_CACHE": str(cache)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as run:
        for _ in range(600):
            if any('"running"' in path.read_text() for path in tmp_path.glob("study/*/status.json")):
                break
            time.sleep(0.1)
        time.sleep(3)  # well into the training
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 130, errors
    assert errors.strip() == "error: stopped; what is finished is kept, the same command goes on from there"
    assert len(cells(tmp_path)) == 1, "the second cell was not started"


def readme_commands() -> list[list[str]]:
    """The words of every `python x.py ...` line in the README's code blocks, as a shell would split them."""
    blocks = re.findall(r"```(?:bash|console)?\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.split("\n")]
    return [words[1:] for words in lines if words[:1] == ["python"]]


def test_the_readme_has_its_two_commands_and_the_makefile_knows_them() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("make demo", "make test"):
        assert command in text
        done = subprocess.run(["make", "-n", command.split()[1]], capture_output=True, text=True, cwd=ROOT, timeout=60)
        assert done.returncode == 0
    assert len(text.split("\n")) < 200


def test_readme_commands_run(door: Door, tmp_path: Path) -> None:
    """Each command as the README has it, with a few settings added that make it quick; in the README's order."""
    commands = readme_commands()
    assert len(commands) >= 8
    for script, *arguments in commands:
        name = script.removesuffix(".py")
        own = any(argument.startswith(("data.corpus", "model.path")) for argument in arguments)
        extra = (
            [*QUICK, "languages.evaluation=[en,cs]", "tracking=off"]
            if name == "train" and "--help" not in arguments
            else []
        )
        done = door(name, *arguments, *extra)
        expected = 2 if own else 0  # a user's own files are not here: refused in one line
        assert done.returncode == expected, f"{script} {' '.join(arguments)}\n{done.stdout}{done.stderr}"
