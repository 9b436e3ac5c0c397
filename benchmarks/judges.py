"""How fast judge=api asks: calls per second against the tests' double, by concurrency, and CPU time per call.

    python benchmarks/judges.py [--rounds 5] [--out judges.json]

Prints a Markdown table of medians and writes every measurement as JSON. The double runs in a process of its own, once
without any delay (what the client alone can do) and once with a delay per reply (what concurrency brings). All arms run in
every round, in shuffled order; the server is probed before, so an arm sends exactly its calls.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

DELAYS = (0.0, 0.1)
CONCURRENCY = (1, 16, 64)
SECONDS = 4.0
"""About as long an arm takes, by the guess that a call takes 2 ms and the delay."""


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("judges.json"))
    chosen = parser.parse_args()
    os.environ.setdefault("OPENAI_API_KEY", "none")
    arms = [(delay, concurrency) for delay in DELAYS for concurrency in CONCURRENCY]
    taken: dict[tuple[float, int], list[tuple[float, float]]] = {arm: [] for arm in arms}
    with double(DELAYS[0]) as fast, double(DELAYS[1]) as slow, tempfile.TemporaryDirectory() as folder:
        urls = dict(zip(DELAYS, (fast, slow), strict=True))
        for number in range(-1, chosen.rounds):  # the first one warms up
            for arm in random.Random(number).sample(arms, len(arms)):
                result = measured(urls[arm[0]], *arm, Path(folder))
                print(f"round {number + 1}: {arm} {result[0]:.0f} calls/s", file=sys.stderr)
                if number >= 0:
                    taken[arm].append(result)
    print("| delay of a reply | concurrency | calls/s (min .. max) | CPU ms per call |\n|---|---|---|---|")
    for (delay, concurrency), rows in taken.items():
        rates = [rate for rate, _ in rows]
        cpu = statistics.median(cpu for _, cpu in rows)
        spread = f"{statistics.median(rates):.0f} ({min(rates):.0f} .. {max(rates):.0f})"
        print(f"| {1000 * delay:.0f} ms | {concurrency} | {spread} | {cpu:.2f} |")
    rows_out = [{"delay": arm[0], "concurrency": arm[1], "calls/s, CPU ms": rows} for arm, rows in taken.items()]
    chosen.out.write_text(json.dumps(rows_out, indent=1) + "\n")


@contextmanager
def double(delay: float) -> Iterator[str]:
    """The double in a process of its own; its address."""
    command = [sys.executable, str(ROOT / "tests" / "judge_double.py"), "--delay", str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def measured(url: str, delay: float, concurrency: int, workspace: Path) -> tuple[float, float]:
    """Calls per second of one run, and CPU milliseconds of this process per call."""
    from judging import some_pairs
    from pinch.config import JudgeConfig, JudgeKind
    from pinch.judges.api.judge import ApiJudge

    calls = int(min(SECONDS / 0.002, SECONDS * concurrency / (delay + 0.002)))
    config = JudgeConfig(kind=JudgeKind.api, model="double", base_url=url, concurrency=concurrency)
    list(ApiJudge(config, workspace).judge(some_pairs(1)))  # the probe, and the import of the client
    judge, pairs = ApiJudge(config, workspace), some_pairs(calls)
    before, began = time.process_time(), time.perf_counter()
    given = [judgement for batch in judge.judge(pairs) for judgement in batch]
    seconds, cpu = time.perf_counter() - began, time.process_time() - before
    judge.stop()
    assert len(given) == judge.spent.calls == calls
    return calls / seconds, 1000 * cpu / calls


if __name__ == "__main__":
    main()
