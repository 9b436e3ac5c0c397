"""What the benchmarks share: arms measured side by side, ratios with intervals, and results as Markdown and JSON.

    taken = interleaved(arms, rounds)      {arm: [Measured of each round]}, all arms in every round, in shuffled order
    ratio(taken, "theirs", "ours", cost)   how many times as much theirs costs, with an interval
    Report(...)                            what a script prints, and the file it writes

Each measurement runs in a fork of a process in which everything is imported and loaded: imports count for nobody, nobody
inherits the memory, the caches or the random state of another, and the peak of memory is that of the arm alone.
"""

import gc
import json
import os
import pickle
import platform
import random
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

DRAWS = 2000
"""Bootstrap draws of rounds behind an interval."""

LIBRARIES = ("torch", "transformers", "peft", "pytorch-lightning", "accelerate", "trl")


@dataclass
class Measured:
    """One run of one arm: CPU seconds (user + system), wall seconds, bytes of memory at the peak above the beginning, and
    what the arm gave back."""

    cpu: float
    wall: float
    peak: int
    result: Any


def interleaved(
    arms: Mapping[str, Callable[[], Any]], rounds: int, once: Sequence[str] = (), seed: int = 0
) -> dict[str, list[Measured]]:
    """Every arm once per round, in an order that is shuffled anew for each; the arms `once` only in the first."""
    taken: dict[str, list[Measured]] = {name: [] for name in arms}
    for number in range(rounds):
        for name in random.Random(f"{seed} {number}").sample(sorted(arms), len(arms)):
            if number and name in once:
                continue
            measured = forked(arms[name])
            taken[name].append(measured)
            line = f"round {number + 1}: {name} {measured.cpu:.2f} CPU s, {measured.peak / 2**20:.0f} MiB"
            print(line, file=sys.stderr, flush=True)
    return taken


def forked(run: Callable[[], Any]) -> Measured:
    """Runs in a child of its own. What `run` gives back must be picklable. Ends the benchmark when the child fails."""
    gc.collect()
    sys.stdout.flush()
    sys.stderr.flush()
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(receiving)
            with os.fdopen(sending, "wb") as pipe:
                pickle.dump(_measured(run), pipe)
            status = 0
        except BaseException:  # whatever it is, the child must not go on as a second parent
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit("an arm failed; see above")
    measured: Measured = pickle.loads(content)
    return measured


def _measured(run: Callable[[], Any]) -> Measured:
    before, began, memory = _cpu(), time.perf_counter(), _reset_peak()
    result = run()
    cpu, wall = _cpu() - before, time.perf_counter() - began
    return Measured(cpu, wall, max(0, _memory("VmHWM") - memory), result)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _reset_peak() -> int:
    """Have the kernel forget the peak so far; gives the bytes in use."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # not Linux, or not allowed: peaks are not told
        return sys.maxsize
    return _memory("VmRSS")


def _memory(name: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


# --- ratios --------------------------------------------------------------------------------------------------------


@dataclass
class Ratio:
    """`value`: median of the one over median of the other; `low` .. `high`: 95 % of what it is with rounds drawn anew."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} .. {self.high:.2f})"


def ratio(above: Sequence[float], below: Sequence[float], seed: int = 0) -> Ratio:
    """Of two arms, one number per round each. Rounds are drawn as pairs: what slows the machine down slows both; of an arm
    that ran in fewer rounds, the other's first ones are its partners."""
    number = min(len(above), len(below))
    above, below, dice = above[:number], below[:number], random.Random(seed)
    drawn = []
    for _ in range(DRAWS):
        chosen = dice.choices(range(number), k=number)
        drawn.append(statistics.median(above[i] for i in chosen) / statistics.median(below[i] for i in chosen))
    drawn.sort()
    value = statistics.median(above) / statistics.median(below)
    return Ratio(value, drawn[int(0.025 * DRAWS)], drawn[int(0.975 * DRAWS)])


@dataclass
class Claim:
    """A ratio that is to be `at_least` or `at_most` so much."""

    what: str
    measured: Ratio
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        enough = self.at_least is None or self.measured.value >= self.at_least
        return enough and (self.at_most is None or self.measured.value <= self.at_most)

    def row(self) -> list[str]:
        if self.at_least is None and self.at_most is None:
            return [self.what, str(self.measured), "", ""]
        goal = f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"
        return [self.what, str(self.measured), goal, "yes" if self.met else "**no**"]


# --- results -------------------------------------------------------------------------------------------------------


@dataclass
class Report:
    """What a benchmark found. `settings`: what was run; `facts`: every measurement; the rest is printed as it grows."""

    title: str
    settings: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    def __post_init__(self) -> None:
        self.machine = machine()
        known = ", ".join(f"{name} {number}" for name, number in self.machine["versions"].items())
        self.say(f"## {self.title}\n")
        self.say(f"{self.machine['processor']}, {self.machine['cores']} cores, load {self.machine['load']}; {known}.\n")
        self.say("; ".join(f"{name} {value}" for name, value in self.settings.items()) + ".\n")

    def say(self, text: str) -> None:
        print(text, flush=True)
        self.text += text + "\n"

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        lines = [header, ["---"] * len(header), *rows]
        self.say("\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n")

    def claims(self, claims: Sequence[Claim]) -> None:
        self.table(["claim", "measured", "goal", "met"], [claim.row() for claim in claims])
        self.facts.setdefault("claims", []).extend(asdict(claim) | {"met": claim.met} for claim in claims)

    def write(self, out: Path) -> None:
        """<out>.json with every measurement, and <out>.md as printed."""
        out.parent.mkdir(parents=True, exist_ok=True)
        whole = {"title": self.title, "machine": self.machine, "settings": self.settings, **self.facts}
        out.with_suffix(".json").write_text(json.dumps(whole, indent=1, default=str) + "\n")
        out.with_suffix(".md").write_text(self.text)


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    processor = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def single_thread() -> None:
    """One thread in this process, as the arms are compared by CPU time; call it before torch is imported. Forks need it,
    too: threads do not survive them."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
