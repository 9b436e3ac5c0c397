"""The command: which jobs, in which order, for how long; what came out is written after every measurement.

A job is a part with a model. Jobs run one after the other in a process of their own; when that dies, the job at work has
failed and a new process goes on with the next. A job that would pass the budget is not begun; one that does is stopped.
Imports no torch.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpu import tables

FOLDER = Path(__file__).resolve().parents[1]
JOBS: dict[tuple[str, str], float] = {
    ("check", "qwen3-0.6b"): 10,
    ("lora", "llama3.2-1b"): 35,
    ("lora", "llama3.1-8b"): 80,
    ("lora", "qwen3-0.6b"): 30,
    ("lora", "gemma3-1b"): 40,
    ("attention", "llama3.1-8b"): 25,
    ("answers", "llama3.2-1b"): 75,
    ("check", "llama3.2-1b"): 10,
    ("check", "gemma3-1b"): 10,
    ("check", "llama3.1-8b"): 10,
    ("losses", "qwen3-0.6b"): 20,
    ("long", "llama3.2-1b"): 15,
    ("attention", "gemma3-1b"): 20,
    ("peers", "qwen3-0.6b"): 40,
    ("full", "qwen3-0.6b"): 25,
    ("attention", "llama3.2-1b"): 20,
    ("compile", "qwen3-0.6b"): 75,
}
"""What is measured, the most wanted first, and about how many seconds it takes on an H100 (a guess until it was tried)."""

CHILD = (sys.executable, "-P", "-m", "gpu.child")
"""The process that measures; its orders follow."""

SHARE_SMALL = 0.02
"""What --small takes of that."""

GRACE = 20.0
"""Seconds after the budget at which a job that is still at work is stopped."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, writes, prints; gives the exit code."""
    chosen = read(arguments)
    jobs = [job for job in JOBS if job[0] in chosen.parts and job[1] in chosen.models]
    results = Results(chosen.out)
    began = time.monotonic()
    left = jobs
    while left:
        left = run(left, chosen, began, results)
    results.set("seconds", time.monotonic() - began)
    print(tables.markdown(results.document))
    failed = results.document["failed"]
    for line in failed:
        say(f"failed: {line}")
    return 1 if failed else 0


def read(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; ends with a line and exit code 2 for a part or model that there is not."""
    parts, models = (list(dict.fromkeys(job[place] for job in JOBS)) for place in (0, 1))
    parser = argparse.ArgumentParser(
        "benchmarks/gpu.py", description="Measures Pinch on a GPU; docs/gpus.md says what."
    )
    parser.add_argument(
        "--out", type=Path, default=Path("multirun/gpu-benchmark"), help="folder for gpu.json and gpu.md"
    )
    parser.add_argument("--budget", type=float, default=450.0, help="seconds after which no part is begun (450)")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=parts, help=",".join(parts))
    parser.add_argument("--models", type=lambda text: text.split(","), default=models, help=",".join(models))
    parser.add_argument("--peak", type=float, help="TFLOP/s that the GPU can do in bf16, where it is not known")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see that everything runs")
    chosen = parser.parse_args(arguments)
    for name, known in (("parts", parts), ("models", models)):
        for wish in getattr(chosen, name):
            if wish not in known:
                parser.error(f"--{name} {wish}: there is {', '.join(known)}")
    return chosen


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


class Results:
    """What was found, in memory and in the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.document: dict[str, Any] = {"machine": {}, "rows": [], "skipped": [], "failed": [], "jobs": {}}

    def set(self, name: str, value: Any) -> None:
        self.document[name] = value
        self._write()

    def add(self, name: str, value: Any) -> None:
        self.document[name].append(value)
        self._write()

    def _write(self) -> None:
        for name, text in (
            ("gpu.json", json.dumps(self.document, indent=1) + "\n"),
            ("gpu.md", tables.markdown(self.document) + "\n"),
        ):
            temporary = self._folder / f".{name}"
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._folder / name)


def run(
    jobs: list[tuple[str, str]], chosen: argparse.Namespace, began: float, results: Results
) -> list[tuple[str, str]]:
    """Run jobs in one process, as long as it lives and time is left; gives those that are still to be run."""
    jobs = fitting(jobs, chosen, began, results)
    if not jobs:
        return []
    orders = {"jobs": jobs, "small": chosen.small, "peak": chosen.peak and chosen.peak * 1e12}
    command = [*CHILD, json.dumps(orders)]
    path = os.pathsep.join(filter(None, [str(FOLDER), str(FOLDER.parent / "src"), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            done = follow(process, jobs, chosen, began, results)
        finally:
            process.kill()
    return jobs[done:]


def follow(
    process: "subprocess.Popen[str]",
    jobs: list[tuple[str, str]],
    chosen: argparse.Namespace,
    began: float,
    results: Results,
) -> int:
    """Take down what the process tells; gives the number of jobs that it is done with."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(process, lines), daemon=True).start()
    begun, done, reason = 0, 0, "stopped: the time is up"
    while done < len(jobs):
        try:
            line = lines.get(timeout=max(0.1, chosen.budget + GRACE - (time.monotonic() - began)))
        except queue.Empty:
            break
        if line is None:
            reason = f"the process ended with code {process.wait()}"
            break
        event = json.loads(line)
        kind = event.pop("kind")
        name = " ".join(jobs[event.pop("job")]) if "job" in event else ""
        if kind == "machine":
            results.set("machine", event)
        elif kind == "begin":
            if fitting(jobs[done : done + 1], chosen, began, None) == []:
                return done  # the rest is looked at anew, and said to be left out
            begun += 1
            say(f"{time.monotonic() - began:5.0f} s  {name}")
        elif kind == "row":
            results.add("rows", {"part": name.split()[0], "model": name.split()[1], **event})
            if "error" in event:
                results.add("failed", f"{name}, {event['arm']}: {event['error']}")
        elif kind == "failed":
            results.add("failed", f"{name}: {event['error']}")
        else:
            done += 1
            results.set("jobs", results.document["jobs"] | {name: round(event["seconds"], 1)})
    if begun > done:
        results.add("failed", f"{' '.join(jobs[done])}: {reason}")
        return begun
    if begun == 0 and jobs:
        results.add("failed", f"{reason} before it began anything")
        return len(jobs)
    return done


def _listen(process: "subprocess.Popen[str]", lines: "queue.SimpleQueue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def fitting(
    jobs: list[tuple[str, str]], chosen: argparse.Namespace, began: float, results: Results | None
) -> list[tuple[str, str]]:
    """The jobs that end within the budget if they are begun now, one by one; the others are noted as left out."""
    left = chosen.budget - (time.monotonic() - began)
    found = []
    for job in jobs:
        takes = JOBS[job] * (SHARE_SMALL if chosen.small else 1.0)
        if takes <= left:
            found.append(job)
        elif results is not None:
            line = f"{' '.join(job)}: takes about {takes:.0f} s, {max(left, 0):.0f} s are left of --budget"
            results.add("skipped", line)
            say(f"left out: {line}")
    return found
