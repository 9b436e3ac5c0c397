"""What a sweep costs beside the cells themselves: answers without torch, and the launcher's overhead per cell.

    python benchmarks/sweeps.py [--rounds 5] [--out sweeps.json]

Prints a Markdown table of medians of CPU seconds (user + system, children included) and writes every measurement as JSON.
All arms run in every round, in shuffled order. `worker` runs cells by handing their files to one worker process; `launcher`
is `python train.py -m` over the same cells with one slot. Both run few and many cells, so that starting up is taken out:
overhead per cell = (launcher(many) - launcher(few) - worker(many) + worker(few)) / (many - few).
The base model is a very small one in a cache of its own, so nothing else is waited for.
"""

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUICK = ["data.max_prompts=3", "mixture.budget=24", "tuning.max_steps=2", "generation.max_new_tokens=3"]
QUICK += ["languages.evaluation=[en]", "tracking=off", "trainer.accelerator=cpu", "sweep.slots=1"]
FEW, MANY = 4, 24
FINISHED, PLANNED = 50, 1000


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("sweeps.json"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arms = Bench(Path(folder)).arms()
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
        for number in range(chosen.rounds):
            for name in random.Random(number).sample(sorted(arms), len(arms)):
                taken[name].append(measured(arms[name]))
                print(f"round {number + 1}: {name} {taken[name][-1][0]:.2f} s", file=sys.stderr)
    cpu = {name: statistics.median(seconds for seconds, _ in rows) for name, rows in taken.items()}
    wall = {name: statistics.median(seconds for _, seconds in rows) for name, rows in taken.items()}
    extra = {
        name: (kind[f"launcher, {MANY} cells"] - kind[f"launcher, {FEW} cells"])
        - (kind[f"worker, {MANY} cells"] - kind[f"worker, {FEW} cells"])
        for name, kind in (("cpu", cpu), ("wall", wall))
    }
    print("| command | CPU s | wall s |\n|---|---|---|")
    for name in sorted(cpu):
        print(f"| {name} | {cpu[name]:.2f} | {wall[name]:.2f} |")
    per_cell = {name: seconds / (MANY - FEW) for name, seconds in extra.items()}
    print(f"| launcher's overhead per cell | {per_cell['cpu']:.3f} | {per_cell['wall']:.3f} |")
    chosen.out.write_text(json.dumps({"cpu, wall": taken, "overhead per cell": per_cell}, indent=1) + "\n")


class Bench:
    """The arms, over one temporary folder."""

    def __init__(self, folder: Path) -> None:
        from pinch.embedded import base

        self.folder = folder
        self.environment = {**os.environ, "PINCH_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
        base.ensure(folder / "cache", recipe=base.TINY).rename(folder / "cache" / f"embedded-{base.recipe_hash()}")

    def arms(self) -> dict[str, Callable[[], None]]:
        """Names and what to run; the finished sweep is finished here."""
        finished = self.sweep("finished", FINISHED)
        self.train(*finished)
        seeds, shares = ",".join(map(str, range(100))), ",".join(f"0.{share:02d}" for share in range(1, 11))
        return {
            "--help": lambda: self.train("--help"),
            "--cfg job": lambda: self.train("--cfg", "job"),
            f"finished sweep of {FINISHED} cells": lambda: self.train(*finished),
            f"plan of {PLANNED} cells": lambda: self.train(
                "-m",
                "languages=six",
                f"seed={seeds}",
                f"mixture.fraction={shares}",
                "plan=true",
                f"root={self.folder}/plan",
            ),
            **{f"launcher, {number} cells": self.launcher(number) for number in (FEW, MANY)},
            **{f"worker, {number} cells": self.worker(number) for number in (FEW, MANY)},
        }

    def sweep(self, name: str, cells: int) -> list[str]:
        return ["-m", f"seed={','.join(map(str, range(cells)))}", *QUICK, f"root={self.folder}/{name}"]

    def train(self, *arguments: str) -> str:
        command = [sys.executable, str(ROOT / "train.py"), *arguments]
        done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def launcher(self, cells: int) -> Callable[[], None]:
        def run() -> None:
            shutil.rmtree(self.folder / "launcher", ignore_errors=True)
            self.train(*self.sweep("launcher", cells))

        return run

    def worker(self, cells: int) -> Callable[[], None]:
        files = self.train(*self.sweep("worker", cells), "plan=files").split()
        assert len(files) == cells

        def run() -> None:
            for path in (self.folder / "worker" / "study").glob("embedded-*"):
                shutil.rmtree(path)
            orders = "".join(json.dumps({"cell": name, "rank": 0, "world": 1, "store": None}) + "\n" for name in files)
            command = [sys.executable, "-P", "-m", "pinch.worker"]
            with subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self.environment | {"OMP_NUM_THREADS": "1"},
                text=True,
            ) as process:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(orders)
                process.stdin.flush()
                done = 0
                while done < cells:
                    kind = json.loads(process.stdout.readline())["kind"]
                    assert kind != "failed"
                    done += kind == "done"
                process.stdin.close()

        return run


def measured(run: Callable[[], None]) -> tuple[float, float]:
    """CPU seconds of the children and wall seconds of one run."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - began


if __name__ == "__main__":
    main()
