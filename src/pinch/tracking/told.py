"""What a cell's files tell a tracker: curves, facts and tables, so that a run can be completed at any time.

In: the files of one cell. Out: values under the names that a run has them under.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pinch import cells
from pinch.cells import Cell
from pinch.records import Answer, Item, read_jsonl

POINTS = 200
"""Points of a curve, about, as while training."""

COLUMNS = {
    "answers": ("language", "instruction", "answer"),
    "verdicts": ("language", "instruction", "answer", "against", "outcome", "score"),
}
"""Tables of a run."""

Row = tuple[Any, ...]


def settings(cell: Cell) -> dict[str, Any]:
    """The settings in cell.yaml; empty where there are none."""
    try:
        loaded = yaml.load((cell.folder / "cell.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
        return dict(loaded["settings"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        return {}


def curves(cell: Cell, after: int = -1) -> Iterator[dict[str, float]]:
    """The rows of train_log.csv behind optimizer step `after`, thinned out as while training."""
    rows = _log(cell.folder / "train_log.csv")
    every = -(-len(rows) // POINTS) or 1
    for place, row in enumerate(rows, start=1):
        if row["train/step"] > after and (place % every == 0 or place == len(rows)):
            yield row


def _log(path: Path) -> list[dict[str, float]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [{_metric(name): float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError):  # not there, or being written
        return []


def _metric(column: str) -> str:
    """The metric of a column: supervised_en is train/supervised/en."""
    if column.startswith("supervised_") and column != "supervised_tokens":
        return f"train/supervised/{column.removeprefix('supervised_')}"
    return f"train/{column}"


def facts(cell: Cell) -> dict[str, Any]:
    """Summary values of the stages that are done: tune/seconds and so on, and the end of the curves."""
    entry = cells.read_status(cell.folder).get("tune", {})
    if entry.get("state") != "done":
        return {}
    kept = {name: value for name, value in entry.items() if name not in ("started", "attempt")}
    found = {f"tune/{name}": value for name, value in kept.items() if isinstance(value, int | float)}
    last = _log(cell.folder / "train_log.csv")[-1:]
    return found | (last[0] if last else {})


def answers(cell: Cell, each: int) -> list[Row]:
    """So many answers per language, the first of each."""
    rows: list[Row] = []
    for code, (asked, given) in _answered(cell):
        some = [answer for answer in given.values() if answer.id in asked][:each]
        rows += [(code, asked[answer.id], answer.text) for answer in some]
    return rows


def verdicts(cell: Cell, judge: str, each: int) -> list[Row]:
    """So many judged answers per language and reference, the first of each."""
    if not each or not cell.items_path(judge).exists():
        return []
    known = dict(_answered(cell))
    counts: Counter[tuple[str, str]] = Counter()
    rows: list[Row] = []
    for item in read_jsonl(cell.items_path(judge), lambda row: Item(**row)):
        asked, given = known.get(item.language, ({}, {}))
        place = (item.language, item.against)
        if item.against and item.prompt in asked and item.prompt in given and counts[place] < each:
            counts[place] += 1
            said = (asked[item.prompt], given[item.prompt].text)
            rows.append((item.language, *said, item.against, item.outcome, item.score))
    return rows


def _answered(cell: Cell) -> Iterator[tuple[str, tuple[dict[str, str], dict[str, Answer]]]]:
    """Per language: the instructions and the answers, by prompt."""
    for code, name in sorted(cells.answered(cell).items()):
        prompts = cells.load_prompts(cell.folder.parent, code, name)
        given = read_jsonl(cell.answers_path(code), lambda row: Answer(**row))
        yield code, ({prompt.id: prompt.instruction for prompt in prompts}, {answer.id: answer for answer in given})
