"""What an analysis costs: `python analyze.py` over a made-up workspace of the paper's size and beyond.

    python benchmarks/analysis.py [--cells 100] [--languages 17] [--prompts 617] [--rounds 3] [--keep FOLDER]

Prints a Markdown table of medians of wall and CPU seconds and peak memory, and writes every measurement as JSON. Arms: all
cells and half of them, in turns. Nothing was trained or judged: outcomes are drawn, every cell has answers, items against
the monolingual and the untuned reference, and a log of its losses, in the formats of the real files.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pinch.cells import Cell, define, store_prompts, write_cell
from pinch.config import DataConfig, LanguagesConfig, Method, MixtureConfig, TrainConfig, TuningConfig
from pinch.languages import LANGUAGES, TWELVE
from pinch.records import Prompt, write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
BUDGET = 4640
SHARES = (0.01, *(tenth / 10 for tenth in range(1, 11)))


def main() -> None:
    """Builds, measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--languages", type=int, default=17)
    parser.add_argument("--prompts", type=int, default=617)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("analysis.json"))
    parser.add_argument("--keep", type=Path, help="build the workspaces here and leave them")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = (chosen.keep or Path(temporary)).absolute()
        arms = {f"{number} cells": number for number in (chosen.cells, chosen.cells // 2)}
        for name, number in arms.items():
            if not (root / name.replace(" ", "-")).exists():
                build(root, name.replace(" ", "-"), number, chosen.languages, chosen.prompts)
        taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in arms}
        for round_ in range(chosen.rounds):
            for name in arms:
                taken[name].append(measured(root, name.replace(" ", "-")))
                print(f"round {round_ + 1}: {name} {taken[name][-1][0]:.1f} s", file=sys.stderr)
    print(f"{chosen.languages} languages, {chosen.prompts} prompts, two references\n")
    print("| cells | wall s | CPU s | peak MB |\n|---|---|---|---|")
    for name, rows in taken.items():
        wall, cpu, peak = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"| {name.split()[0]} | {wall:.1f} | {cpu:.1f} | {peak:.0f} |")
    chosen.out.write_text(json.dumps({"wall, cpu, peak MB": taken}, indent=1) + "\n")


def measured(root: Path, workspace: str) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory in MB of one analysis."""
    words = [sys.executable, "analyze.py", f"root={root}", f"workspace={workspace}"]
    begun = time.perf_counter()
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(words)} failed")
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def build(root: Path, workspace: str, cells: int, languages: int, prompts: int, judged: bool = True) -> None:
    """A workspace of so many cells: monolingual models, curves over the share and over languages, seed by seed. `judged`:
    with items."""
    codes = list(dict.fromkeys([*TWELVE, *LANGUAGES]))[:languages]
    folder = root / workspace
    names = [f"prompt-{number:04d}" for number in range(prompts)]
    digests = {
        code: store_prompts(folder, code, [Prompt(name, code, f"Question {name}?", "An answer.") for name in names])
        for code in codes
    }
    jobs: list[tuple[Cell, TrainConfig]] = []
    for settings in plans(root, workspace, codes):
        if len(jobs) < cells:
            jobs.append((define(settings, "model", "corpus", plan(settings), 0), settings))
    untuned = jobs[0][0].id
    monolingual = {(cell.axes.languages[0], cell.axes.seed): cell.id for cell, _ in jobs if cell.axes.n_languages == 1}
    for number, (cell, settings) in enumerate(jobs):
        print(f"building {number + 1} of {len(jobs)}", file=sys.stderr, end="\r")
        write_cell(cell, settings, {"pinch": "benchmark"})
        write_cell_files(
            cell, codes, names, monolingual if judged else {}, untuned if judged else "", np.random.default_rng(number)
        )
        write_json(cell.folder / "status.json", {"generate": {"state": "done", "seconds": 1.0, "prompts": digests}})


def plans(root: Path, workspace: str, codes: list[str]) -> Iterator[TrainConfig]:
    """Settings of the untuned model and of one cell after the other, seed by seed."""
    sets: list[tuple[list[str], float]] = [([code], 0.0) for code in codes]
    sets += [(["en", *(code for code in codes if code != "en")], share) for share in SHARES]
    sets += [(["en", "ar", "fi", "it", "ru", "sw"][:number], 1.0) for number in range(2, 7)]
    sets += [(["en", "ar", "fi", "it", "ru", "sw"], share) for share in SHARES[:-1]]
    yield setting(root, workspace, [], 0.0, 0)
    for seed in range(100):
        for names, share in sets:
            yield setting(root, workspace, names, share, seed)


def setting(root: Path, workspace: str, names: list[str], share: float, seed: int) -> TrainConfig:
    return TrainConfig(
        data=DataConfig(budget=BUDGET),
        mixture=MixtureConfig(fraction=share),
        languages=LanguagesConfig(base=names[0] if len(names) == 1 else "en", tuning=names or ["en"]),
        tuning=TuningConfig(method=Method.lora if names else Method.none, lr=1e-4),
        seed=seed,
        workspace=workspace,
        root=str(root),
    )


def plan(settings: TrainConfig) -> dict[str, str]:
    """Which example is in which language."""
    if settings.tuning.method is Method.none:
        return {}
    names = settings.languages.tuning or ["en"]
    asked = round((settings.mixture.fraction or 0) * BUDGET)
    return {f"e{n}": names[n % len(names)] if n < asked else settings.languages.base for n in range(BUDGET)}


def write_cell_files(
    cell: Cell,
    codes: list[str],
    names: list[str],
    monolingual: dict[tuple[str, int | None], str],
    untuned: str,
    rng: np.random.Generator,
) -> None:
    """Answers, items and losses of a cell, as lines of the real formats."""
    lines = []
    for code in codes:
        answers = [
            f'{{"id": "{name}", "language": "{code}", "text": "Answer {n} of {cell.id} in {code}, in a few words more.", '
            f'"tokens": 12, "complete": true}}\n'
            for n, name in enumerate(names)
        ]
        write_text(cell.answers_path(code), "".join(answers))
        for against, reference in (
            ("monolingual", monolingual.get((code, cell.axes.seed or 0), "")),
            ("base", untuned),
        ):
            if reference:
                lines += items(cell, code, names, against, reference, rng)
    if lines:
        write_text(cell.items_path("reference"), "".join(lines))
    log = "".join(f"{step},{2 / step + 0.5:.5f},0.0001,900,5000.0\n" for step in range(1, 400))
    write_text(cell.folder / "train_log.csv", f"step,loss,lr,supervised_tokens,tokens_per_second\n{log}")


def items(
    cell: Cell, code: str, names: list[str], against: str, reference: str, rng: np.random.Generator
) -> Iterator[str]:
    own = cell.id == reference
    for name, draw in zip(names, rng.integers(0, 3, size=len(names)), strict=True):
        outcome = "self" if own else ("win", "tie", "loss")[draw]
        said = "" if own else ("first", "first", "second")[draw]
        back = "" if own else ("second", "first", "first")[draw]
        yield (
            f'{{"cell": "{cell.id}", "judge": "reference", "against": "{against}", "reference_cell": "{reference}", '
            f'"language": "{code}", "prompt": "{name}", "outcome": "{outcome}", '
            f'"score": {0.5 if own else (1.0, 0.5, 0.0)[draw]}, "exact": {"true" if draw else "false"}, '
            f'"chrf": {40 + draw}.5, "answered_in": "{code}", "right_language": true, "forth": "{said}", '
            f'"back": "{back}", "length": 60, "reference_length": 58}}\n'
        )


if __name__ == "__main__":
    main()
