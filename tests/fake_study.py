"""A made-up study on disk for the tests of the analysis: cells, prompts, answers and items with a known dose-response.

`python tests/fake_study.py FOLDER` writes one to look at, as the workspace FOLDER/study. Nothing in it was trained: every
answer is drawn from `skill`, so the tests know what the tables must find."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pinch.cells import Cell, define, store_prompts, write_cell
from pinch.config import DataConfig, GenerationConfig, LanguagesConfig, Method, MixtureConfig, TrainConfig, TuningConfig
from pinch.languages import SIX, TWELVE
from pinch.mixture import add_languages
from pinch.records import Answer, Item, Prompt, write_json, write_jsonl

QUESTIONS = {
    "en": "Which month is {} in?", "ar": "في أي شهر يقع {}؟", "zh-Hans": "{}是哪个月？", "cs": "Ve kterém měsíci je {}?",
    "et": "Mis kuus on {}?", "fi": "Missä kuussa on {}?", "he": "באיזה חודש חל {}?", "hi": "{} किस महीने में है?",
    "it": "In quale mese cade {}?", "ru": "В каком месяце {}?", "es": "¿En qué mes cae {}?", "sw": "{} iko mwezi gani?",
}  # fmt: skip
JANUARY = {
    "en": "January", "ar": "يناير", "zh-Hans": "一月", "cs": "leden", "et": "jaanuar", "fi": "tammikuu", "he": "ינואר",
    "hi": "जनवरी", "it": "gennaio", "ru": "январь", "es": "enero", "sw": "Januari",
}  # fmt: skip
UNTUNED_TEXT = "<script>alert(1)</script> * & \u2028 |"
VERSIONS = {"pinch": "0.1.0", "python": "3.11.0", "torch": "2.13.0", "transformers": "5.0.0"}


@dataclass(frozen=True)
class Shape:
    """What the made-up study holds."""

    seeds: tuple[int, ...] = (0, 1, 2)
    counts: tuple[int, ...] = (2, 3, 4)
    fractions: tuple[float, ...] = (0.01, 0.1, 0.5, 1.0)
    monolingual: tuple[str, ...] = TWELVE
    evaluation: tuple[str, ...] = TWELVE
    prompts: int = 60
    budget: int = 600
    untuned: bool = True
    invalid: float = 0.0


def build(root: Path, shape: Shape = Shape(), workspace: str = "study", judge: str = "reference") -> list[Cell]:
    """Write the whole workspace under `root`; gives its cells, the untuned one last."""
    folder = root / workspace
    digests = {code: store_prompts(folder, code, _prompts(code, shape)) for code in shape.evaluation}
    jobs = [_job(root, workspace, shape, [code], 0.0, seed) for code in shape.monolingual for seed in shape.seeds]
    for count in shape.counts:
        names = add_languages("en", SIX, count, 0)
        jobs += [_job(root, workspace, shape, names, p, seed) for p in shape.fractions for seed in shape.seeds]
    if shape.untuned:
        jobs.append(_job(root, workspace, shape, [], 0.0, 0))
    drawn = {cell.id: _draw(cell, shape) for cell, _ in jobs}
    mono = {(cell.axes.languages[0], cell.axes.seed): cell.id for cell, _ in jobs if cell.axes.n_languages == 1}
    untuned = next((cell.id for cell, _ in jobs if cell.untuned), None)
    for cell, settings in jobs:
        write_cell(cell, settings, VERSIONS)
        _write(cell, shape, judge, digests, drawn, mono, untuned)
    return [cell for cell, _ in jobs]


def skill(cell: Cell, language: str) -> tuple[float, float]:
    """(probability of understanding, probability of answering in the language asked) that answers are drawn from."""
    axes = cell.axes
    if cell.untuned:
        return 0.02, 0.05
    if axes.n_languages == 1:
        return (0.66, 0.97) if language == axes.languages[0] else (0.6, 0.15)
    dose = min(1.0, 0.35 + 0.65 * axes.fraction**0.4) if axes.fraction else 0.0
    breadth = {2: 0.45, 3: 0.7, 4: 0.9}.get(axes.n_languages, 1.0)
    if language == axes.base:
        return 0.66 - 0.05 * axes.fraction, 0.97
    right = 0.15 + (0.8 if language in axes.languages else 0.75) * dose * breadth
    return 0.64, right


def _prompts(code: str, shape: Shape) -> list[Prompt]:
    return [
        Prompt(f"month-{n:03d}", code, QUESTIONS.get(code, "{}?").format(f"{2030 + n}-01"), JANUARY.get(code, "1"))
        for n in range(shape.prompts)
    ]


def _job(
    root: Path, workspace: str, shape: Shape, names: list[str], fraction: float, seed: int
) -> tuple[Cell, TrainConfig]:
    settings = TrainConfig(
        data=DataConfig(budget=shape.budget),
        mixture=MixtureConfig(fraction=fraction),
        languages=LanguagesConfig(base=names[0] if len(names) == 1 else "en", tuning=names or ["en"]),
        tuning=TuningConfig(method=Method.lora if names else Method.none, lr=8e-3),
        generation=GenerationConfig(max_new_tokens=22),
        seed=seed,
        workspace=workspace,
        root=str(root),
    )
    asked = int(fraction * shape.budget + 0.5)
    others = names[1:] if fraction < 0.1 else names
    plan = {f"e{n}": (others[n % len(others)] if n < asked else names[0]) for n in range(shape.budget if names else 0)}
    return define(settings, "model-0", "corpus-0", plan, asked), settings


def _draw(cell: Cell, shape: Shape) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Per language: understood and answered-in-the-language-asked, one Boolean per prompt, correlated over languages."""
    rng = np.random.default_rng(int(hashlib.sha256(cell.id.encode()).hexdigest()[:8], 16))
    easy = np.random.default_rng(7).normal(size=shape.prompts)
    result = {}
    for code in shape.evaluation:
        understood, right = skill(cell, code)
        noise = 0.6 * easy + 0.8 * rng.normal(size=shape.prompts)
        order = np.argsort(np.argsort(-noise)) / shape.prompts
        result[code] = (order < understood, rng.random(shape.prompts) < right)
    return result


def _write(cell, shape, judge, digests, drawn, mono, untuned) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(len(cell.id))
    items: list[Item] = []
    for code in shape.evaluation:
        understood, right = drawn[cell.id][code]
        texts = [_text(cell, code, u, r) for u, r in zip(understood, right, strict=True)]
        write_jsonl(cell.answers_path(code), [Answer(f"month-{n:03d}", code, t, 3, True) for n, t in enumerate(texts)])
        known = {"monolingual": mono.get((code, cell.axes.seed or 0)), "base": untuned}
        references = {kind: other for kind, other in known.items() if other is not None} or {"": ""}
        for against, other in references.items():
            mine = _quality(understood, right)
            points = _quality(*drawn[other][code]) if other else mine
            for n in range(shape.prompts):
                gap = mine[n] - points[n]
                outcome = "win" if gap > 10 else "loss" if gap < -10 else "tie"
                outcome = "self" if other == cell.id else "invalid" if rng.random() < shape.invalid else outcome
                outcome = outcome if against else ""
                score = {"win": 1.0, "loss": 0.0, "invalid": None, "": None}.get(outcome, 0.5)
                exact = bool(understood[n] and right[n])
                spoken = code if right[n] else "und" if cell.untuned else cell.axes.base
                items.append(
                    Item(
                        cell.id, judge, against, other, code, f"month-{n:03d}", outcome, score,
                        exact, float(mine[n]), spoken, None if spoken == "und" else bool(right[n]),
                    )
                )  # fmt: skip
    write_jsonl(cell.items_path(judge), items)
    write_json(cell.folder / "status.json", {"generate": {"state": "done", "seconds": 2.0, "prompts": digests}})


def _quality(understood: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.where(right, np.where(understood, 100.0, 30.0), 0.0)


def _text(cell: Cell, code: str, understood: bool, right: bool) -> str:
    if cell.untuned:
        return UNTUNED_TEXT
    language = code if right else cell.axes.base
    return JANUARY.get(language, "1") if understood else f"{JANUARY.get(language, '1')}?!"


if __name__ == "__main__":
    print(len(build(Path(sys.argv[1]))), "cells")
