"""What the checks of all engines share: tiny sweeps in folders of their own, their results byte for byte, a table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SMALL = (
    "data.max_prompts=3", "mixture.budget=24", "tuning.epochs=5000", "generation.max_new_tokens=3",
    "languages.evaluation=[en,ar]", "tracking=off",
)  # fmt: skip
FOUR = ("-m", "languages=one,two", "seed=0,1", *SMALL)
"""A sweep of four cells."""
QUICK = (*FOUR, "tuning.max_steps=6")
LONG = (*FOUR, "tuning.max_steps=800")
"""Cells that take so long that something can happen to them."""
FAILING = ("-m", "tuning.lr=1e-3,1e30", *SMALL, "tuning.max_steps=6")
"""A good cell and one whose loss is no number."""

RESULTS = ("mixture.jsonl", "adapter/*.safetensors", "model/*.safetensors", "answers/*")
"""Files of a cell that must not depend on where it was trained."""


@dataclass(frozen=True)
class Bench:
    """Runs the doors: each sweep into a root of its own below `folder`, with a very small model as the embedded one.
    `mark` is a variable, NAME=value, in the environment of all that is started here."""

    folder: Path
    mark: str
    environment: Mapping[str, str]
    python: str = sys.executable

    @classmethod
    def make(cls, folder: Path) -> Bench:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB", "PINCH", "SLURM"))}
        name, value, cache = "PINCH_ENGINE_CHECK", str(uuid.uuid4()), folder / "cache"
        environment = kept | {"PINCH_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "COLUMNS": "160", name: value}
        environment["PYTHONPATH"] = str(ROOT / "src")
        code = (
            "import sys; from pathlib import Path; from pinch.embedded import base; cache = Path(sys.argv[1]);"
            "base.ensure(cache, recipe=base.TINY).rename(cache / f'embedded-{base.recipe_hash()}')"
        )
        subprocess.run([sys.executable, "-c", code, cache], env=environment, check=True, capture_output=True)
        return cls(folder, f"{name}={value}", environment)

    def root(self, name: str) -> Path:
        return self.folder / name

    def start(self, words: tuple[str, ...], root: str) -> subprocess.Popen[str]:
        """python train.py words root=..."""
        return subprocess.Popen(
            [self.python, "train.py", *words, f"root={self.root(root)}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=self.environment,
        )

    def train(self, words: tuple[str, ...], root: str, code: int = 0) -> str:
        """What train.py prints. Raises AssertionError unless it ends with `code`, or when it shows a traceback."""
        with self.start(words, root) as run:
            try:
                said = "".join(run.communicate(timeout=600))
            except BaseException:
                run.kill()
                raise
        assert run.returncode == code, f"exit code {run.returncode}, not {code}: {said[-1500:]}"
        assert "Traceback" not in said, said
        return said

    def cells(self, root: str) -> list[Path]:
        return sorted(path.parent for path in self.root(root).glob("study/*/cell.yaml"))

    def status(self, cell: Path) -> str:
        """The states of a cell's stages in one word each; empty before the first."""
        try:
            stages = json.loads((cell / "status.json").read_text())
        except (OSError, ValueError):
            return ""
        return " ".join(stage["state"] for stage in stages.values())

    def done(self, root: str) -> list[str]:
        return [cell.name for cell in self.cells(root) if self.status(cell) == "done done"]

    def results(self, root: str) -> dict[str, bytes]:
        """The content of every file that a cell stands for, by cell and name."""
        paths = [path for cell in self.cells(root) for name in RESULTS for path in sorted(cell.glob(name))]
        return {str(path.relative_to(self.root(root) / "study")): path.read_bytes() for path in paths}

    def same(self, root: str, reference: str) -> str:
        """Raises AssertionError unless both roots hold the same cells, all done, with the same bytes in their results."""
        ours, theirs = self.results(root), self.results(reference)
        assert len(self.done(root)) == len(self.cells(reference)), f"done: {self.done(root)}"
        assert ours.keys() == theirs.keys(), f"other files: {sorted(ours.keys() ^ theirs.keys())}"
        differing = [name for name, content in ours.items() if content != theirs[name]]
        assert not differing, f"other bytes: {differing}"
        return f"{len(self.cells(root))} cells, {len(ours)} files, same bytes"

    def until(
        self, what: str, met: Callable[[], object], seconds: float = 180, run: subprocess.Popen[str] | None = None
    ) -> None:
        """Wait for something, while a command runs. Raises AssertionError when it does not come."""
        deadline = time.monotonic() + seconds
        while not met():
            assert run is None or run.poll() is None, f"the command ended before: {what}"
            assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for: {what}"
            time.sleep(0.2)

    def tuning(self, root: str, number: int) -> Callable[[], bool]:
        """Whether so many cells of a root are being tuned."""
        return lambda: sum(self.status(cell) == "running" for cell in self.cells(root)) >= number

    def left_over(self) -> list[int]:
        """Ids of processes that this bench, or what it started, has started and that still run."""
        return processes(self.mark)

    def nothing_left(self, seconds: float = 30) -> None:
        """Raises AssertionError when processes stay."""
        self.until("the end of all processes", lambda: not self.left_over(), seconds)

    def clear(self) -> None:
        """End what is left over."""
        for pid in self.left_over():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def processes(variable: str) -> list[int]:
    """Ids of the processes, but for this one, whose environment has NAME=value."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                values = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # it is gone, or another user's
            if variable.encode() in values:
                found.append(int(entry.name))
    return found


@dataclass
class Checks:
    """The table of checks of all engines."""

    rows: list[tuple[str, str, str, float, str]] = field(default_factory=list)

    @contextmanager
    def check(self, engine: str, what: str) -> Iterator[list[str]]:
        """One check; what is put into the list it hands out is the note of its row. A failure is noted and passed over."""
        notes: list[str] = []
        started = time.monotonic()
        print(f"--- {engine}: {what}", flush=True)
        try:
            yield notes
            state = "ok"
        except Exception as error:  # one check that breaks is no reason to leave the others out
            state, notes = "FAILED", [f"{type(error).__name__}: {error}"]
        seconds = time.monotonic() - started
        print(f"    {state}, {seconds:.0f} s  {'; '.join(notes)}", flush=True)
        self.rows.append((engine, what, state, seconds, "; ".join(notes)))

    def skip(self, engine: str, why: str) -> None:
        print(f"--- {engine}: skipped: {why}", flush=True)
        self.rows.append((engine, "everything", "skipped", 0.0, why))

    @property
    def failed(self) -> bool:
        return any(state == "FAILED" for _, _, state, _, _ in self.rows)
