"""Whether scoring and analysing grow linearly and stay small: evaluate.py and analyze.py over verdicts made up in advance.

    python benchmarks/scale.py [--cells 1000] [--languages 17] [--prompts 617] [--out scale.json]

1,000 cells x 17 languages x 617 prompts in both orders are 21 million verdicts. They lie in the store of a judge that is
never asked, as every question has its verdict. Prints a Markdown table of wall and CPU seconds and peak memory at a quarter,
a half and all of the cells, and writes every measurement as JSON.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from analysis import build

from pinch import cells, rulings
from pinch.bench import Bench
from pinch.config import EvaluateConfig, JudgeConfig, JudgeKind, ScoreConfig
from pinch.rulings import Judged

ROOT = Path(__file__).resolve().parents[1]
JUDGE = ("judge=api", "judge.model=made-up", "judge.base_url=http://127.0.0.1:9/v1")
REFERENCES = ["monolingual"]


def main() -> None:
    """Builds, measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--languages", type=int, default=17)
    parser.add_argument("--prompts", type=int, default=617)
    parser.add_argument("--out", type=Path, default=Path("scale.json"))
    parser.add_argument("--keep", type=Path, help="build the workspaces here and leave them")
    chosen = parser.parse_args()
    taken: dict[str, tuple[float, float, float]] = {}
    print("| command | cells | verdicts | wall s | CPU s | peak MB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        root = (chosen.keep or Path(temporary)).absolute()
        for number in (chosen.cells // 4, chosen.cells // 2, chosen.cells):
            workspace = f"scale-{number}"
            if not (root / workspace / "verdicts").exists():
                build(root, workspace, number, chosen.languages, chosen.prompts, judged=False)
                judge(root, workspace)
            verdicts = sum(1 for _ in (root / workspace / "verdicts" / "made-up.jsonl").open("rb"))
            for words in (
                ("evaluate.py", *JUDGE, f"score.references=[{','.join(REFERENCES)}]"),
                ("analyze.py", *JUDGE),
            ):
                wall, cpu, peak = measured([*words, f"root={root}", f"workspace={workspace}", "tracking=off"])
                taken[f"{words[0]} {number}"] = (wall, cpu, peak)
                print(f"| {words[0]} | {number} | {verdicts:,} | {wall:.0f} | {cpu:.0f} | {peak:.0f} |", flush=True)
                chosen.out.write_text(json.dumps({"wall, cpu, peak MB": taken}, indent=1) + "\n")


def measured(words: list[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory in MB of a door."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(words)} failed")
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def judge(root: Path, workspace: str) -> None:
    """Verdicts on every pair of the workspace, drawn at random, in the file of the judge that is never asked."""
    settings = EvaluateConfig(
        judge=JudgeConfig(kind=JudgeKind.api, model="made-up", base_url="http://127.0.0.1:9/v1"),
        score=ScoreConfig(references=REFERENCES),
        root=str(root),
        workspace=workspace,
    )
    bench = Bench(settings, cells.read_cells(root / workspace))
    source = rulings.make(settings, bench)
    assert isinstance(source, Judged)
    draw = random.Random(7)
    path = root / workspace / "verdicts" / "made-up.jsonl"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for number, cell in enumerate(bench.cells):
            print(f"judging {number + 1} of {len(bench.cells)}", file=sys.stderr, end="\r")
            for contest in bench.contests(cell):
                for pair in (pair for _, *both in bench.pairs(contest) for pair in both):
                    outcome = draw.choice(("first", "second", "second", "first", "tie"))
                    file.write(
                        f'{{"key": "{source.store(cell).key(pair)}", "judge": "made-up", "language": "{pair.language}", '
                        f'"prompt": "{pair.prompt}", "outcome": "{outcome}", "raw": "Verdict: A"}}\n'
                    )


if __name__ == "__main__":
    main()
