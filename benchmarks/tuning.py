"""What tuning one cell costs with Pinch and with its peers: CPU time, memory, and the losses that prove equal work.

    python benchmarks/tuning.py [--rounds 3] [--sizes 5.3M,29.5M] [--methods full,lora] [--arms pinch,trl] [--out tuning]
    python benchmarks/tuning.py --profile          also where Pinch's time goes in a step; --rounds 0: only that

Prints Markdown tables and writes <out>.json and <out>.md. One thread; random-weight Llamas, examples of log-normal lengths
(20 to 512 tokens), 8 a step; every arm in every round, in shuffled order, each in a fork of its own (arms.py, peers.py).
Without TRL (the extra `bench`) its arms are left out.
"""

import argparse
import functools
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src")]

import arms as measuring  # noqa: E402 - after the path is set
from arms import Claim, Measured, Ratio, Report  # noqa: E402

measuring.single_thread()

import made  # noqa: E402
import peers  # noqa: E402
import profiling  # noqa: E402
from peers import Work  # noqa: E402

from pinch.config import Method  # noqa: E402

BATCH, SEED = 8, 0
EXAMPLES = {"5.3M": 64, "29.5M": 24, "rehearsal": 16}
RATES = {Method.full: 1e-4, Method.lora: 1e-3}

ONCE = ("trl-fp32",)
"""Arms that are there for their losses."""
SAME_STEPS = ("lightning", "hf-trainer", "trl-fp32")
"""Arms whose every step has Pinch's loss, to within EQUAL nats; the others round (bf16) or make steps of their own."""
EQUAL = 1e-5

FASTER = {
    "trl": {Method.full: 4.0, Method.lora: 4.5},
    "trl-packing": {"5.3M": 2.4, "29.5M": 1.7},
    "lightning": {"5.3M": 2.8, "29.5M": 2.1},
    "lightning-grouped": {"5.3M": 1.3, "29.5M": 1.3},
}
"""CPU time of a peer over Pinch's, at least: by method or by size."""
SMALLER = {"lightning": 0.45, "trl-packing": 0.75}
"""Pinch's peak of memory above the loaded process over a peer's, at most."""


def main() -> None:
    """Measures, prints and writes."""
    known = peers.arms()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="0: no comparison")
    parser.add_argument("--sizes", default="5.3M,29.5M", help=", ".join(made.SIZES))
    parser.add_argument("--methods", default="full,lora")
    parser.add_argument("--arms", default=",".join(known), help=f"of {', '.join(known)}; pinch is always one")
    parser.add_argument("--examples", type=int, help="none: what suits the size")
    parser.add_argument("--profile", action="store_true", help="where Pinch's time goes")
    parser.add_argument("--out", type=Path, default=Path("tuning"))
    asked = parser.parse_args()
    chosen = {name: arm for name, arm in known.items() if name == "pinch" or name in asked.arms.split(",")}
    settings = {"rounds": asked.rounds, "examples a step": BATCH, "threads": 1}
    report = Report("Tuning one cell", settings | {"arms": ", ".join(chosen)})
    peers.hush()
    methods = [Method(name) for name in asked.methods.split(",")]
    warm(chosen, methods)
    for size in asked.sizes.split(","):
        model = made.loaded(size, SEED)
        taught = made.examples(model, asked.examples or EXAMPLES[size], SEED)
        for method in methods:
            work = Work(model, taught, method, BATCH, RATES[method], SEED)
            if asked.rounds:
                compare(report, size, work, chosen, asked.rounds)
            if asked.profile:
                profiling.tell(report, f"{size}, {method.value}", work)
    report.write(asked.out)


def warm(chosen: dict[str, peers.Arm], methods: list[Method]) -> None:
    """Every arm once on next to nothing, so that what libraries load at first use counts for nobody."""
    for method in methods:
        for arm in chosen.values():
            model = made.loaded("rehearsal", SEED)
            arm(Work(model, made.examples(model, 4, SEED), method, 2, 1e-4, SEED))


def compare(report: Report, size: str, work: Work, chosen: dict[str, peers.Arm], rounds: int) -> None:
    """One table of all arms, one of the claims."""
    lengths = [len(row.ids) for row in work.rows]
    padded = sum(max(lengths[number] for number in step) * len(step) for step in work.steps)
    filled = f"{100 * (1 - sum(lengths) / padded):.0f} % of a padded batch is padding"
    report.say(f"### {size} parameters, {work.method.value}: {len(lengths)} examples, {work.tokens} tokens, {filled}\n")
    assert len(work.data) == len(lengths)  # made before the forks, for all
    runs = {name: functools.partial(arm, work) for name, arm in chosen.items()}
    taken = measuring.interleaved(runs, rounds, once=ONCE)
    ours = taken["pinch"]
    rows = [row(name, done, ours, work.tokens) for name, done in taken.items()]
    header = ["arm", "CPU s", "wall s", "tokens / CPU s", "CPU s over Pinch's", "peak MiB above loaded"]
    report.table([*header, "largest loss difference", "final loss"], rows)
    report.claims(claims(size, work.method, taken))
    report.facts[f"{size} {work.method.value}"] = {name: [vars(run) for run in done] for name, done in taken.items()}


def row(name: str, runs: list[Measured], ours: list[Measured], tokens: int) -> list[str]:
    cpu = statistics.median(run.cpu for run in runs)
    wall = statistics.median(run.wall for run in runs)
    peak = statistics.median(run.peak for run in runs) / 2**20
    over = measuring.ratio([run.cpu for run in runs], [run.cpu for run in ours])
    apart = "" if name in ("pinch", "lightning-grouped", "trl-packing") else f"{difference(runs, ours):.1e}"
    final = f"{runs[0].result[-1]:.4f}"
    return [name, f"{cpu:.2f}", f"{wall:.2f}", f"{tokens / cpu:.0f}", str(over), f"{peak:.0f}", apart, final]


def difference(runs: list[Measured], ours: list[Measured]) -> float:
    """The largest between the losses of any step."""
    pairs = zip(runs[0].result, ours[0].result, strict=True)
    return max(abs(theirs - own) for theirs, own in pairs)


def claims(size: str, method: Method, taken: dict[str, list[Measured]]) -> list[Claim]:
    ours, found = taken["pinch"], []
    for name, goals in FASTER.items():
        if name in taken:
            over = measuring.ratio([run.cpu for run in taken[name]], [run.cpu for run in ours])
            found.append(Claim(f"CPU time of {name} over Pinch's", over, at_least=goals.get(size) or goals.get(method)))
    for name, goal in SMALLER.items():
        if name in taken:
            share = measuring.ratio([run.peak for run in ours], [run.peak for run in taken[name]])
            found.append(Claim(f"Pinch's memory over that of {name}", share, at_most=goal))
    for name in SAME_STEPS:
        if name in taken:
            apart = difference(taken[name], ours)
            share = Ratio(*[apart / EQUAL] * 3)
            found.append(Claim(f"largest loss difference to {name}, in {EQUAL:g} nats", share, at_most=1))
    return found


if __name__ == "__main__":
    main()
