"""A workspace of months: five cells, two languages and four prompts, small enough to count every score by hand."""

import io
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from pinch import evaluate
from pinch.cells import Cell, define, store_lexicon, store_prompts, write_cell
from pinch.config import (
    EvaluateConfig,
    JudgeConfig,
    LanguagesConfig,
    Method,
    ScoreConfig,
    TrackingConfig,
    TrackingMode,
    TrainConfig,
    TuningConfig,
)
from pinch.records import Answer, Item, Prompt, read_jsonl, write_json, write_jsonl

MONTHS = {"en": ["january", "march", "may", "june"], "cs": ["leden", "březen", "květen", "červen"]}
WRONG = "zzz"

EN = {"en": MONTHS["en"], "cs": MONTHS["en"]}  # answers English questions, and Czech ones in English
CS = {"en": [WRONG] * 4, "cs": MONTHS["cs"]}
BOTH = {"en": [*MONTHS["en"][:3], WRONG], "cs": [*MONTHS["cs"][:2], "march", WRONG]}
NOTHING = {"en": [WRONG] * 4, "cs": [WRONG] * 4}


class Workspace:
    """Writes cells as the other stages would, and reads what evaluate made of them."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / "study"
        self.printed = ""
        self.references = True
        self.tracking = TrackingMode.off
        self.settings: dict[str, Any] = {}

    def add(self, tuning: list[str], said: dict[str, list[str]], seed: int = 0, lr: float | None = None) -> Cell:
        settings = TrainConfig(
            languages=LanguagesConfig(base=tuning[0] if tuning else "en", tuning=tuning or ["en"]),
            tuning=TuningConfig(method=Method.lora if tuning else Method.none, lr=lr),
            root=str(self.root),
            seed=seed,
        )
        plan = {f"e{n}": tuning[n % len(tuning)] for n in range(10 if tuning else 0)}
        cell = define(settings, "model", "corpus", plan, 10)
        write_cell(cell, settings, {})
        digests = {}
        for code, texts in said.items():
            prompts = [
                Prompt(f"p{n}", code, f"{code} {n}?", MONTHS[code][n] if self.references else None)
                for n in range(len(texts))
            ]
            digests[code] = store_prompts(self.folder, code, prompts)
            write_jsonl(
                cell.answers_path(code), [Answer(f"p{n}", code, text, 1, n > 0) for n, text in enumerate(texts)]
            )
        words = store_lexicon(self.folder, {code: frozenset(names) for code, names in MONTHS.items()})
        write_json(cell.folder / "status.json", {"generate": {"state": "done", "prompts": digests, "lexicon": words}})
        return cell

    def evaluate(self, judge: JudgeConfig | None = None, **score: Any) -> int:
        """Runs evaluate; `printed` is what it said."""
        settings = EvaluateConfig(
            judge=judge or JudgeConfig(),
            score=ScoreConfig(**score),
            tracking=TrackingConfig(mode=self.tracking),
            root=str(self.root),
            **self.settings,
        )
        console = Console(width=160, record=True, file=io.StringIO())
        code = evaluate.evaluate(settings, console)
        self.printed = console.export_text()
        return code

    def items(self, cell: Cell, against: str, language: str) -> list[Item]:
        rows = read_jsonl(cell.items_path("reference"), lambda row: Item(**row))
        return [row for row in rows if (row.against, row.language) == (against, language)]


def scores(cell: Cell, judge: str = "reference") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cell.scores_path.read_text(encoding="utf-8"))[judge]
    return found


def add_five(workspace: Workspace) -> dict[str, Cell]:
    return {
        "en": workspace.add(["en"], EN),
        "cs": workspace.add(["cs"], CS),
        "both": workspace.add(["en", "cs"], BOTH),
        "both1": workspace.add(["en", "cs"], BOTH, seed=1),
        "untuned": workspace.add([], NOTHING),
    }
