"""`python -m pinch.translate` as a user meets it: help, errors in one line, a run that is killed and goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from pinch.config import SCHEMAS, TranslateConfig
from pinch.doors import CONF
from pinch.translate.words import ours
from translating import SOURCE, TranslatingDouble, into, read_rows, write_rows

SRC = Path(__file__).resolve().parents[1] / "src"
ROWS = [{"id": f"r{n}", "instruction": f"Tell me of number {n}.", "response": f"It is {n}, I think."} for n in range(8)]


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    environment.pop("OPENAI_API_KEY", None)
    command = [sys.executable, "-m", "pinch.translate", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def run(folder: Path, *words: str) -> tuple[int, str, str]:
    process = start(folder, *words)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_values_compose() -> None:
    ConfigStore.instance().store(name="translate_schema", node=SCHEMAS["translate"])
    with initialize_config_dir(str(CONF), version_base="1.3"):
        made = OmegaConf.to_object(compose("translate", ["corpus=en.jsonl", "to=[zh]", "engine=api", "engine.model=m"]))
    assert isinstance(made, TranslateConfig)
    assert made.to == ["zh-Hans"]


def test_help_imports_no_torch(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')")
    process = subprocess.run(
        [sys.executable, "-m", "pinch.translate", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{SRC}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    assert "engine=api engine.model=NAME plan=true" in process.stdout


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["to=[ru]", "engine=hf", "engine.model=m"], "nothing to translate; give corpus=FILE, prompts=FILE or both"),
        (
            ["corpus=x.jsonl", "to=[ru]", "engin.model=m"],
            "engin.model: there is no such setting; did you mean 'engine.model'?",
        ),
        (["corpus=x.jsonl", "to=[ru]", "engine=hf", "engine.model=m"], "x.jsonl: no such file; check the path"),
        (
            ["corpus=x.jsonl", "to=[ru]", "engine.budget.calls=0", "engine=api", "engine.model=m"],
            "engine.budget.calls=0 must be 1 or more",
        ),
        (
            ["-m", "corpus=x.jsonl", "to=[ru],[fi]", "engine=hf", "engine.model=m"],
            "translating is no sweep; leave -m out",
        ),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, words: list[str], error: str) -> None:
    code, _, err = run(tmp_path, *words)
    assert (code, len(err.strip().split("\n"))) == (2, 1), err
    assert err.startswith("error: ")
    assert error in err


def test_nobody_there_is_one_line(tmp_path: Path) -> None:
    write_rows(tmp_path / "en.jsonl", SOURCE)
    words = ["corpus=en.jsonl", "to=[ru]", "engine=api", "engine.model=m", "engine.base_url=http://127.0.0.1:9/v1"]
    code, _, err = run(tmp_path, *words)
    assert code == 2
    assert "127.0.0.1:9/v1: nobody answers" in err
    assert "check engine.base_url" in err


@pytest.mark.parametrize(("number", "extra"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, 4)])
def test_a_run_that_is_stopped_goes_on(tmp_path: Path, number: signal.Signals, extra: int) -> None:
    """`extra`: what was under way or not yet on the disk when there was no time to wait for it."""
    write_rows(tmp_path / "en.jsonl", ROWS)
    with TranslatingDouble(delay=0.3) as double:
        words = [
            "corpus=en.jsonl",
            "to=[ru]",
            "engine=api",
            "engine.model=m",
            f"engine.base_url={double.url}",
            "engine.concurrency=2",
        ]
        process = start(tmp_path, *words)
        until = time.monotonic() + 30
        while len(double.requests) < 6 and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == (-9 if number is signal.SIGKILL else 130)
        if number is not signal.SIGKILL:
            assert "stopped; what is finished is kept, the same command goes on from there" in err
        assert not (tmp_path / "translated/corpus").exists()
        code, out, err = run(tmp_path, *words)
        assert code == 0, err
        assert 16 <= len(double.requests) <= 16 + extra
        assert "8 ids of the source" in out
    rows = read_rows(tmp_path / "translated/corpus/ru.jsonl")
    assert [row["instruction"] for row in rows] == [into(row["instruction"], "ru") for row in ROWS]


def test_other_doors_lines_in_our_words() -> None:
    assert (
        ours("judge=api: judge.base_url, model.path, trainer.accelerator=gpu")
        == "engine=api: engine.base_url, engine.model, engine.accelerator=gpu"
    )
