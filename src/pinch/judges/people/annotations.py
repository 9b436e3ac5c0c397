"""Stage: the files that the page for annotators saves, read back into pairs with labels.

    {"format": "pinch-annotations", "version": 1, "page": digest, "annotator": name,
     "labels": [{"id", "choice": "left" | "right" | "tie" | "skip", "seconds", "note", "at"}]}

A file that cannot be trusted is an error; what only looks wrong (haste, one side, an unfinished page) comes as a warning.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import Any

from pinch.errors import UserError
from pinch.judges.people.page import address, read_manifest
from pinch.records import Outcome, Pair

FORMAT = "pinch-annotations"
VERSION = 1

HASTE = 2.0
"""Seconds per label, in the median of MANY, under which the answers were hardly read."""

ONE_SIDE = 0.9
"""Share of one side among MANY choices above which the side was chosen rather than the answer."""

MANY = 20

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Choice(StrEnum):
    """What the annotator chose; skip: cannot judge."""

    left = "left"
    right = "right"
    tie = "tie"
    skip = "skip"


OUTCOMES = {
    Choice.left: Outcome.first,
    Choice.right: Outcome.second,
    Choice.tie: Outcome.tie,
    Choice.skip: Outcome.invalid,
}
"""Of the pair as shown, the left answer first."""


@dataclass(frozen=True)
class Label:
    """What one annotator said of a pair, in the order shown: `pair.first` stood left. `seconds` it was on the screen, 0 if
    unknown; `at` is when, by the annotator's clock, in UTC, empty if unknown."""

    pair: Pair
    annotator: str
    page: str
    choice: Choice
    seconds: float
    note: str = ""
    at: str = ""


@dataclass(frozen=True)
class Annotations:
    """The labels of one file, each pair once, and a line for everything that looks wrong with them."""

    annotator: str
    labels: list[Label]
    warnings: list[str]


def read_annotations(path: Path, folder: Path) -> Annotations:
    """The labels of a file that a page has saved; `folder` is where the pages' manifests lie.

    Raises UserError for a file that is no such file, that belongs to no page there, or whose labels are not the page's."""
    value = _document(path)
    page = str(value.get("page"))
    shown = read_manifest(folder, page)
    if shown is None:
        raise UserError(f"{path}: its page {page!r} is not in {folder}; put the page's .jsonl file back there")
    annotator = value.get("annotator")
    name = " ".join(annotator.split()) if isinstance(annotator, str) else ""
    if not name:
        raise UserError(
            f'{path}: it does not say who labelled; add "annotator" and a name, or save it again from the page'
        )
    rows = value.get("labels")
    if not isinstance(rows, list):
        raise UserError(f"{path}: it holds no list of labels; save it again from the page")
    labels = [_label(row, f"{path}, label {number}", shown, name, page) for number, row in enumerate(rows, start=1)]
    last = list({address(label.pair): label for label in labels}.values())
    doubts = _doubts(len(labels) - len(last), last, shown)
    return Annotations(name, last, [f"{path}: {doubt}" for doubt in doubts])


def _document(path: Path) -> dict[str, Any]:
    """The file's JSON object, known to be of this format and version."""
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check judge.results") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not JSON; give the file that the page has saved, as it is") from None
    version = value.get("version") if isinstance(value, dict) and value.get("format") == FORMAT else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise UserError(f"{path}: not a file of annotations; give the one that the page has saved, as it is")
    if version > VERSION:
        raise UserError(
            f"{path}: version {version} of the format, but {VERSION} is the newest known here; update Pinch"
        )
    return dict(value)


def _label(row: Any, where: str, shown: Mapping[str, Pair], annotator: str, page: str) -> Label:
    """One label of the file, checked."""
    row = row if isinstance(row, dict) else {}
    key, choice, note, at = row.get("id"), row.get("choice"), row.get("note", ""), row.get("at", "")
    seconds = row.get("seconds", 0.0)
    if not isinstance(key, str) or key not in shown:
        raise UserError(f"{where}: id {key!r} is not on its page; save the file again from the page")
    if choice not in list(Choice):
        raise UserError(f"{where}: choice {choice!r} is none of {', '.join(Choice)}; save the file again from the page")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < math.inf:
        raise UserError(f"{where}: seconds {seconds!r} is no time; save the file again from the page")
    if not isinstance(note, str):
        raise UserError(f"{where}: note {note!r} is no text; save the file again from the page")
    if not isinstance(at, str) or not (at == "" or TIME.fullmatch(at)):
        raise UserError(
            f"{where}: at {at!r} is no time like 2026-01-31T12:00:00.000Z; save the file again from the page"
        )
    return Label(shown[key], annotator, page, Choice(choice), float(seconds), note, at)


def _doubts(doubles: int, labels: Sequence[Label], shown: Mapping[str, Pair]) -> Iterable[str]:
    """What a careful reader would ask the annotator about."""
    if doubles:
        yield f"{doubles} labels are of pairs that are labelled again further down; the last one counts"
    total = Counter(pair.language for pair in shown.values())
    done = Counter(label.pair.language for label in labels)
    if len(labels) < len(shown):
        parts = ", ".join(f"{code} {done[code]} of {total[code]}" for code in sorted(total) if done[code] < total[code])
        yield f"unfinished, {len(labels)} of {len(shown)} pairs are labelled ({parts})"
    timed = [label.seconds for label in labels if label.seconds and label.choice is not Choice.skip]
    if len(timed) >= MANY and median(timed) < HASTE:
        yield f"half of the labels took under {HASTE:g} seconds each; ask whether the answers were read"
    sides = Counter(label.choice for label in labels if label.choice in (Choice.left, Choice.right))
    for side in (Choice.left, Choice.right):
        if sides.total() >= MANY and sides[side] > ONE_SIDE * sides.total():
            yield f"{sides[side]} of {sides.total()} choices are of the {side} answer, though sides were drawn by lot"
