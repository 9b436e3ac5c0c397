"""How many judge calls a study costs: every experiment alone, all in one workspace, judged again, and with judge.stop.

    python benchmarks/judge_calls.py [--prompts 60] [--out judge_calls.json]

A made-up workspace of the paper's grid in six languages (monolingual models, growing numbers of languages, other orders of
adding them, pairs, the untuned model) is judged by the embedded judge. Alone, an experiment is planned as
if nothing was known; together, all of them are. Then everything is judged for real, planned again (0 calls), and every
experiment's scores are compared with those that it gets alone.
"""

import argparse
import io
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from rich.console import Console  # noqa: E402

import months  # noqa: E402
from pinch import calls, evaluate, rulings  # noqa: E402
from pinch.bench import Bench  # noqa: E402
from pinch.cells import Cell, read_cells  # noqa: E402
from pinch.config import EvaluateConfig, JudgeConfig, OnlyConfig, Stop, TrackingConfig, TrackingMode  # noqa: E402

CODES = ["en", "cs", "de", "es", "fi", "it"]


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--prompts", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("judge_calls.json"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "all"
        experiments = make(root, chosen.prompts)
        alone = {name: planned(root, ids) for name, ids in experiments.items()}
        together = planned(root)
        apart = {name: scored(root, Path(folder) / name, ids) for name, ids in experiments.items()}
        early = Path(folder) / "early"
        shutil.copytree(root, early)
        judge(early, stop=Stop.sequential)
        judge(root)
        again, known = planned(root), scores(root)
        same = all(known[cell] == found for part in apart.values() for cell, found in part.items())
        asked = {"alone": sum(alone.values()), "together": together, "judged": rows(root), "judged again": again}
        asked["with judge.stop=sequential"] = rows(early)
    print("| experiment alone | calls |\n|---|---|")
    for name, number in alone.items():
        print(f"| {name} | {number:,} |")
    print("\n| all | calls | saved |\n|---|---|---|")
    for name, number in asked.items():
        print(f"| {name} | {number:,} | {100 * (1 - number / asked['alone']):.1f} % |")
    print(f"\nscores of every experiment alone and together are {'the same' if same else 'NOT the same'}")
    chosen.out.write_text(json.dumps({"alone": alone, "all": asked, "same scores": same}, indent=1) + "\n")
    if not same or again:
        sys.exit(1)


def make(root: Path, prompts: int) -> dict[str, list[str]]:
    """The workspace; the ids of every experiment's cells."""
    draw = random.Random(0)
    for code in CODES:
        months.MONTHS[code] = [f"{code} {draw.getrandbits(64):x}" for _ in range(prompts)]
    workspace, made = months.Workspace(root), dict[tuple[str, ...], Cell]()

    def cell(*tuning: str) -> str:
        if tuning not in made:
            right = 0.3 + 0.1 * len(set(tuning))
            said = {
                code: [text if draw.random() < right else f"{draw.getrandbits(32):x}" for text in months.MONTHS[code]]
                for code in CODES
            }
            made[tuning] = workspace.add(list(tuning), said)
        return made[tuning].id

    cell()
    monolingual = [cell(code) for code in CODES]
    growing = [cell(*CODES[:number]) for number in range(1, 7)]
    others = [cell("en", *CODES[:number:-1]) for number in range(5, -1, -1)]
    pairs = [cell("en", "cs"), cell("de", "es"), cell("fi", "it"), *monolingual]
    names = ("monolingual", "number of languages", "number of languages, another order", "pairs")
    return dict(zip(names, (monolingual, growing, others, pairs), strict=True))


def settings(root: Path, ids: list[str] | None = None, **changes: Any) -> EvaluateConfig:
    tracking = TrackingConfig(mode=TrackingMode.off)
    only = OnlyConfig(cells=ids)
    return EvaluateConfig(judge=JudgeConfig(**changes), only=only, tracking=tracking, root=str(root))


def planned(root: Path, ids: list[str] | None = None) -> int:
    """Calls that are left for these cells."""
    wanted = settings(root, ids)
    bench = Bench(wanted, read_cells(root / "study"))
    return calls.count(bench, rulings.make(wanted, bench)).total.calls


def judge(root: Path, ids: list[str] | None = None, **changes: Any) -> None:
    evaluate.evaluate(settings(root, ids, **changes), Console(file=io.StringIO()))


def scored(root: Path, copy: Path, ids: list[str]) -> dict[str, Any]:
    """The scores of an experiment's cells where nothing but the experiment is judged."""
    shutil.copytree(root, copy)
    judge(copy, ids)
    return {cell: found for cell, found in scores(copy).items() if cell in ids}


def scores(root: Path) -> dict[str, Any]:
    return {
        cell.id: json.loads(cell.scores_path.read_text())["reference"]["against"]
        for cell in read_cells(root / "study")
        if cell.scores_path.exists()
    }


def rows(root: Path) -> int:
    return len((root / "study" / "verdicts" / "reference.jsonl").read_bytes().splitlines())


if __name__ == "__main__":
    main()
