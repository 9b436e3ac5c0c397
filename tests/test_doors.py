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

from judge_double import Double

ROOT = Path(__file__).resolve().parents[1]
QUICK = [
    "data.max_prompts=3",
    "mixture.budget=24",
    "tuning.max_steps=2",
    "generation.max_new_tokens=3",
    "sweep.slots=1",
]
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
    (["languages=one,two"], "languages=one,two: several values are a sweep; add -m"),
    (["trainer.devices=2"], "trainer.devices=2 needs trainer=ddp"),
    (["plan=tabel"], "did you mean 'table'?"),
    (["sweep.on_failure=explode"], "expected one of [continue, stop]"),
    (["trainer.accelerator=gpu"], "this machine shows no GPU"),
    (["-m", "seed=0,1", "sweep.retries=-1"], "error: sweep.retries=-1 must not be negative"),
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
        "sweep.slots=1",
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


def test_readme_commands_run(door: Door, cache: Path) -> None:
    """Each command as the README has it, with a few settings added that make it quick; in the README's order."""
    commands = readme_commands()
    assert len(commands) >= 8
    with Double() as server:
        judge = {"judge=api": [f"judge.base_url={server.url}"], "judge=hf": ["judge.name=a-chat-model"]}
        judge["judge=hf"].append(f"judge.model={next(cache.glob('embedded-*/config.json')).parent}")
        for script, *arguments in commands:
            name = script.removesuffix(".py")
            own = any(argument.startswith(("data.corpus", "model.path", "shares=")) for argument in arguments)
            extra = [setting for word in arguments for setting in judge.get(word, [])]
            if any(word.startswith("judge=") for word in arguments):
                extra.append("tracking=off")  # the first evaluate has it
            planned = any(word.startswith("+experiment=") for word in arguments)  # trains nothing, and needs its budget
            if name == "train" and "--help" not in arguments and not planned:
                extra = [*QUICK, "languages.evaluation=[en,cs]", "tracking=off"]
            done = door(name, *arguments, *extra)
            expected = 2 if own else 0  # a user's own files are not here: refused in one line
            assert done.returncode == expected, f"{script} {' '.join(arguments)}\n{done.stdout}{done.stderr}"


# --- sweeps ----------------------------------------------------------------------------------------------------------

SLOW = ["data.max_prompts=3", "mixture.budget=64", "generation.max_new_tokens=3", "languages.evaluation=[en]"]
"""Settings of cells that are worth interrupting, with tuning.epochs."""


def running(root: Path) -> bool:
    return any('"running"' in path.read_text() for path in root.glob("study/*/status.json"))


def wait_for(condition: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def start(cache: Path, root: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "train.py", *arguments, "tracking=off", *SLOW, f"root={root}"]
    environment = {**os.environ, "PINCH_CACHE": str(cache)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=environment
    )


def test_a_killed_worker_is_a_failed_cell_and_the_same_command_goes_on(cache: Path, tmp_path: Path) -> None:
    sweep = ["-m", "seed=0,1", "sweep.slots=1", "tuning.epochs=200"]
    with start(cache, tmp_path, *sweep) as run:
        wait_for(lambda: running(tmp_path))
        os.kill(children(run.pid)[0], signal.SIGKILL)
        told, _ = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "2 distinct cells: 1 done, 1 failed" in told
    assert "the worker was killed (SIGKILL)" in told
    states = sorted(json.loads((path / "status.json").read_text())["tune"]["state"] for path in cells(tmp_path))
    assert states == ["done", "failed"]
    with start(cache, tmp_path, *sweep) as run:
        told, _ = run.communicate(timeout=120)
    assert run.returncode == 0
    assert "1 done, 1 skipped" in told


def test_a_killed_sweep_leaves_no_worker_behind(cache: Path, tmp_path: Path) -> None:
    with start(cache, tmp_path, "tuning.epochs=5000") as run:
        wait_for(lambda: running(tmp_path))
        (worker,) = children(run.pid)
        run.kill()
        wait_for(lambda: not alive(worker), 30)
    with start(cache, tmp_path, "tuning.epochs=1") as run:
        told, _ = run.communicate(timeout=120)
    assert run.returncode == 0, told


def test_two_sweeps_at_once_share_the_work(cache: Path, tmp_path: Path) -> None:
    sweep = ["-m", "seed=0,1,2", "sweep.slots=1", "tuning.epochs=100"]
    with start(cache, tmp_path, *sweep) as one, start(cache, tmp_path, *sweep) as other:
        told = [run.communicate(timeout=200)[0] for run in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], told
    assert "shared" in "".join(told)
    status = [json.loads((path / "status.json").read_text()) for path in cells(tmp_path)]
    assert [(row["tune"]["attempt"], row["generate"]["attempt"]) for row in status] == [(1, 1)] * 3


def test_a_finished_sweep_and_its_plan_import_no_torch(cache: Path, tmp_path: Path) -> None:
    words = ["train.py", "-m", "seed=0,1", *QUICK, "languages.evaluation=[en]", "tracking=off", f"root={tmp_path}"]
    for extra in ([], [], ["plan=true"], ["plan=json"], ["plan=files"]):
        code = f"import sys, runpy; sys.argv = {words + extra}\n"
        code += "try: runpy.run_path('train.py', run_name='__main__')\nexcept SystemExit as end: assert not end.code\n"
        code += "heavy = {'torch', 'transformers', 'pytorch_lightning', 'wandb', 'matplotlib'} & set(sys.modules)\n"
        code += "sys.exit(f'imported: {heavy}' if heavy else 0)"
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            env={**os.environ, "PINCH_CACHE": str(cache)},
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_cell_files_run_anywhere(door: Door, cache: Path, tmp_path: Path) -> None:
    sweep = ["-m", "languages=one,two", *QUICK, "languages.evaluation=[en]", "tracking=off"]
    files = door("train", *sweep, "plan=files").stdout.split()
    assert len(files) == 2
    command = [sys.executable, "-m", "pinch.worker"]
    environment = {**os.environ, "PINCH_CACHE": str(cache), "SLURM_PROCID": "1", "RANK": "1", "WORLD_SIZE": "2"}
    done = subprocess.run([*command, files[0]], capture_output=True, text=True, cwd="/", env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert door("train", *sweep, "plan=files").stdout.split() == files[1:]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}: no cell file")


@pytest.mark.slow
def test_another_launcher_runs_the_same_cells(door: Door, tmp_path: Path) -> None:
    sweep = ["-m", "languages=one,two", "mixture.fraction=0,1", *QUICK, "languages.evaluation=[en]", "tracking=off"]
    done = door("train", *sweep, "hydra/launcher=basic")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 jobs for basic" in done.stdout
    assert "4 asked, 2 distinct cells: 2 done" in done.stdout
    assert "4 asked, 2 distinct cells: 2 skipped" in door("train", *sweep).stdout
    bad = door("train", "-m", "seed=0,x", "hydra/launcher=basic")
    assert bad.returncode == 2
    assert bad.stderr.startswith("error: cell 2 of 2: seed: Value 'x'"), "refused before anything is sent off"
    failing = door(
        "train", "-m", "hydra/launcher=basic", *QUICK, "tuning.max_steps=6", "tuning.lr=1e30", "tracking=off"
    )
    assert failing.returncode == 1
    assert "Traceback" not in failing.stdout + failing.stderr
    assert "1 failed" in failing.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("languages=tw", {"languages=two", "languages=twelve"}),
        ("trainer=", {"trainer=single", "trainer=ddp", "trainer=fsdp"}),
        ("sweep.ret", {"sweep.retries="}),
    ],
)
def test_the_shell_completes_groups_and_settings(typed: str, offered: set[str]) -> None:
    line = f"python train.py -m {typed}"
    environment = {**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line))}
    command = [sys.executable, "train.py", "-sc", "query=bash"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=60)
    assert set(done.stdout.split()) == offered


@pytest.mark.slow
def test_cells_of_two_devices_are_the_cells_of_one(door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one multirun, with what another job left in the environment: same ids, steps, adapters, and a W&B run a cell."""
    from safetensors.numpy import load_file

    sweep = ["-m", "languages=one,two", *QUICK, "languages.evaluation=[en,ar]", "trainer.accelerator=cpu"]
    assert door("train", *sweep, "tracking=off", root=tmp_path / "one").returncode == 0
    for name, value in {
        "RANK": "1",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "2",
        "MASTER_PORT": "1",
        "NODE_RANK": "1",
    }.items():
        monkeypatch.setenv(name, value)
    done = door("train", *sweep, "trainer=ddp", "trainer.devices=2", root=tmp_path / "two")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "two" / "study" / "wandb").glob("offline-run-*"))) == 2
    alone, together = cells(tmp_path / "one"), cells(tmp_path / "two")
    assert [path.name for path in alone] == [path.name for path in together]
    for one, two in zip(alone, together, strict=True):
        assert (one / "mixture.jsonl").read_bytes() == (two / "mixture.jsonl").read_bytes()
        logs = [(path / "train_log.csv").read_text().strip().split("\n") for path in (one, two)]
        assert len(logs[0]) == len(logs[1]) == 1 + 2
        weights, others = (load_file(path / "adapter" / "adapter_model.safetensors") for path in (one, two))
        assert weights.keys() == others.keys()
        for name, weight in weights.items():
            assert abs(weight - others[name]).max() <= 1e-3 * abs(weight).max(), name
