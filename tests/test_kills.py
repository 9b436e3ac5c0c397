"""kill -9 at random moments: afterwards the same command brings the very same results.

    python tests/test_kills.py --folder DIR [--seed 0 --rounds 30]      ten minutes on two cores; part of make test-slow

A sweep of six tiny cells is run once undisturbed. Then it is run again and again in fresh folders while a worker, its
launcher or both are killed, at a random moment of a drawn stage; the same command is given again until it exits with 0, and
weights, mixtures and answers must be the undisturbed ones byte for byte. Then the same with evaluate: items, scores and
verdicts. What the processes are doing is written down by a witness inside them, witness/sitecustomize.py.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tiny import make_folder

ROOT = Path(__file__).resolve().parents[1]
SWEEP = (
    "train.py", "-m", "languages=one,two", "languages.base=en,fi,ar", "languages.evaluation=[en,fi,ar,cs]",
    "mixture.fraction=0.5", "mixture.budget=64", "tuning.max_steps=24", "tuning.lr=0.01", "data.max_prompts=40",
    "generation.max_new_tokens=4", "tracking.mode=off", "model=hf", "model.threads=1",
)  # fmt: skip
JUDGE = ("evaluate.py", "tracking.mode=off")
TARGETS = ("worker", "launcher", "both")
STAGES = {"import": 6.0, "open": 0.1, "load": 0.3, "tune": 1.0, "save": 0.01, "generate": 1.0, "anything": 15.0}
JUDGING = {"import": 0.8, "read": 0.1, "judge": 0.1, "append": 0.01, "write": 0.01, "anything": 2.0}
"""Stages, and about how many seconds each lasts: the kill comes at a random moment of them."""


class Kills:
    """One series of kills in a folder of its own, and what came of it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.rng = folder.absolute(), random.Random(seed)
        self.mark = f"PINCH_WITNESS={self.folder}/trace-"
        self.trace, self.read, self.told = self.folder, 0, dict[int, str]()
        self.hits: Counter[tuple[str, str]] = Counter()
        self.starts: Counter[str] = Counter()
        self.leftovers: Counter[str] = Counter()
        self.unlike: list[str] = []
        self.beside = 0
        self.orphans: set[int] = set()
        self.base = self.folder / "base"
        if not self.base.exists():
            make_folder(self.base)

    # --- processes -----------------------------------------------------------------------------------------------------

    def start(self, command: tuple[str, ...], root: Path) -> "subprocess.Popen[bytes]":
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB", "PINCH"))}
        self.starts[command[0]] += 1
        self.trace, self.read, self.told = self.folder / f"trace-{self.starts.total()}", 0, {}
        environment |= {"PINCH_CACHE": str(self.folder), "PINCH_WITNESS": str(self.trace)}
        environment |= {"PYTHONPATH": f"{ROOT / 'tests' / 'witness'}{os.pathsep}{ROOT / 'src'}"}
        environment |= {"HF_HUB_OFFLINE": "1", "NETRC": "/nonexistent"}
        with (self.folder / "output.txt").open("ab") as output:
            door = [sys.executable, str(ROOT / command[0]), *command[1:], f"root={root}"]
            door += [f"model.path={self.base}"] if "model=hf" in command else []
            return subprocess.Popen(
                door, env=environment, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
            )

    def ours(self, pid: int) -> bool:
        """Whether a process is alive and descends from a command of ours."""
        try:
            state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            return state not in "ZX" and self.mark.encode() in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False

    def alive(self) -> set[int]:
        return {int(path.name) for path in Path("/proc").glob("[0-9]*") if self.ours(int(path.name))}

    def stages(self) -> dict[int, str]:
        """What the living workers of the last command are doing."""
        with suppress(FileNotFoundError), self.trace.open("rb") as file:
            file.seek(self.read)
            whole = file.read().rpartition(b"\n")[0]
            self.read += len(whole) + 1 if whole else 0
            self.told |= {int(pid): stage for pid, stage in (line.split() for line in whole.decode().splitlines())}
        return {pid: stage for pid, stage in self.told.items() if self.ours(pid)}

    # --- the series ------------------------------------------------------------------------------------------------------

    def series(self, command: tuple[str, ...], origin: Path | None, truth: dict[str, bytes], rounds: int) -> None:
        """Kill so many times; every result, of however many kills, must be the true one."""
        killed = episode = 0
        while killed < rounds:
            root = self.folder / f"{command[0]}-{episode}"
            episode += 1
            if origin:
                shutil.copytree(origin, root)
            for _ in range(30):
                self.beside += bool(self.alive())
                run = self.start(command, root)
                while killed < rounds and (hit := self.kill(run, command)):
                    self.leftovers.update({kind(path) for path in temporary(root)})
                    killed += 1
                    print(f"{killed:3}  {' '.join(hit)}", flush=True)
                    if hit[0] != "worker":
                        break
                if run.wait(600) == 0:
                    break
            self.compare(root, truth)
            self.wait_for_orphans()

    def kill(self, run: "subprocess.Popen[bytes]", command: tuple[str, ...]) -> tuple[str, str] | None:
        """Wait for a drawn moment and kill; None when the command ended before."""
        single = command[0] == "evaluate.py"
        lasting = JUDGING if single else STAGES
        target = "evaluate" if single else self.rng.choice(TARGETS)
        wanted = self.rng.choice(list(lasting))
        moment = self.rng.random() * lasting[wanted]
        while True:
            if run.poll() is not None:
                return None
            workers = [pid for pid, stage in self.stages().items() if wanted in ("anything", stage)]
            if workers:
                break
            time.sleep(0.001)
        worker = self.rng.choice(workers)
        deadline = time.monotonic() + moment
        while time.monotonic() < deadline:
            if run.poll() is not None:
                return None
            time.sleep(0.0005)
        now = self.stages()
        if target in ("worker", "both") and worker not in now:
            return self.kill(run, command)
        doomed = {"worker": [worker], "both": [run.pid, worker]}
        for pid in doomed.get(target, [run.pid]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if target != "worker" and run.wait(60) != -signal.SIGKILL:
            return None  # it was just done
        hit = (target, now.get(worker, "ended"))
        self.hits[hit] += 1
        return hit

    def compare(self, root: Path, truth: dict[str, bytes]) -> None:
        self.unlike += [f"{root.name}: {name}" for name in unlike(results(root), truth)]
        self.unlike += [f"{root.name}: {path.relative_to(root)} is left" for path in temporary(root)]

    def wait_for_orphans(self, seconds: float = 30.0) -> None:
        """Workers end when their launcher has; those that do not are orphans."""
        deadline = time.monotonic() + seconds
        while (left := self.alive()) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.orphans |= left


def temporary(root: Path) -> list[Path]:
    """Whatever has the name of a temporary file."""
    found = [path for path in root.rglob(".*") if len(path.suffix) == 9 and path.name.count(".") > 1]
    return [*found, *root.glob("*/.locks/*/.*")]


def kind(path: Path) -> str:
    shared = ("answers", "items", "prompts", ".cells")
    return path.parent.name if path.parent.name in shared else path.name[1:].partition(".")[0]


def results(root: Path) -> dict[str, bytes]:
    """What must be the same in the end: weights, mixtures, answers, items, scores byte for byte, verdicts as a set."""
    study = root / "study"
    names = ("adapter/*", "mixture.jsonl", "answers/*", "items/*", "scores.json")
    found = {str(path.relative_to(study)): path.read_bytes() for name in names for path in study.glob(f"*/{name}")}
    for path in study.glob("verdicts/*.jsonl"):
        *lines, torn = path.read_bytes().split(b"\n")
        found[path.name] = b"\n".join([*sorted(lines), torn])
        keys = [json.loads(line)["key"] for line in lines]
        assert len(keys) == len(set(keys)), f"{path}: {len(keys) - len(set(keys))} verdicts are there twice"
    return found


def unlike(found: dict[str, bytes], truth: dict[str, bytes]) -> list[str]:
    return sorted(name for name in found | truth if found.get(name) != truth.get(name))


@contextmanager
def timed(name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--folder", type=Path, required=True, help="an empty folder")
    options = parser.parse_args(arguments)
    kills = Kills(options.folder, options.seed)
    undisturbed = kills.folder / "undisturbed"
    with timed("undisturbed sweep"):
        assert kills.start(SWEEP, undisturbed).wait(600) == 0
    truth = results(undisturbed)
    assert len([name for name in truth if name.endswith("safetensors")]) == 6
    with timed("kills of the sweep"):
        kills.series(SWEEP, None, truth, options.rounds)
    judged = kills.folder / "judged"
    shutil.copytree(undisturbed, judged)
    with timed("undisturbed evaluation"):
        assert kills.start(JUDGE, judged).wait(600) == 0
    truth = results(judged)
    assert truth["reference.jsonl"].count(b"\n") > 500
    with timed("kills of the evaluation"):
        kills.series(JUDGE, undisturbed, truth, max(1, options.rounds // 3))
    for (target, stage), number in sorted(kills.hits.items()):
        print(f"{number:3} kills of {target:8} while {stage}")
    print(f"started: {dict(kills.starts)}, {kills.beside} times while workers of a killed launcher were still alive")
    print(f"temporary files and folders found after a kill: {dict(kills.leftovers)}")
    print(f"processes left alive: {len(kills.orphans)}")
    print(f"unlike the undisturbed results: {kills.unlike or 'nothing'}")
    return 1 if kills.unlike or kills.orphans else 0


@pytest.mark.slow
def test_thirty_kills_change_nothing(tmp_path: Path) -> None:
    assert main(["--folder", str(tmp_path)]) == 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
