"""Pure: a judged study as arrays over prompts.

In: cells and their items. Out: a `Study`, which hands every query per-prompt values in percent, and its `Family`s.
Prompts are parallel (one id is the same content in every language), so averages over languages, seeds and orders are taken
prompt by prompt, and the prompts are what intervals are made of.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinch import scoring
from pinch.cells import Cell
from pinch.languages import LANGUAGES
from pinch.records import Item

Array = NDArray[np.float64]


class Metric(StrEnum):
    """What is averaged: the score against a reference, exact match, answers in the language asked; all in percent."""

    score = "score"
    exact = "exact"
    right_language = "right_language"


@dataclass(frozen=True)
class Sheet:
    """One cell in one language against one reference: arrays over the study's prompts, NaN where there is nothing.

    `score` is 100 win, 50 tie, 0 loss, NaN when invalid, and all NaN when most items of the sheet are or some are not
    judged yet; `exact` and `right_language` are 100 or 0 (an answer whose language is undecided is not in the language
    asked); `in_language` is 1, 0, or NaN where that is undecided; `chrf` is 0..100; `length` and `reference_length` are in
    characters, NaN where they were not kept. `answered_in` counts the identified languages."""

    score: Array
    exact: Array
    right_language: Array
    in_language: Array
    chrf: Array
    length: Array
    reference_length: Array
    outcomes: Counter[str]
    answered_in: Counter[str]
    reference_cell: str
    undecided: int

    @property
    def prompts(self) -> int:
        return sum(self.outcomes.values())

    @property
    def own_reference(self) -> bool:
        """Whether the cell is compared with itself: 50 by definition, never averaged over rows of a matrix."""
        return self.outcomes["self"] > 0

    def values(self, metric: Metric) -> Array:
        array: Array = getattr(self, metric.value)
        return array


ARRAYS = ("score", "exact", "right_language", "in_language", "chrf", "length", "reference_length")
"""Fields of a `Sheet` with one number per prompt."""


@dataclass(frozen=True)
class Study:
    """The judged cells of a workspace. `sheets` maps (cell id, against, language) to its values."""

    cells: tuple[Cell, ...]
    prompts: tuple[str, ...]
    sheets: dict[tuple[str, str, str], Sheet]

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Evaluation languages, in the order of the table of languages."""
        found = {language for _, _, language in self.sheets}
        return tuple(sorted(found, key=table_order))

    @cached_property
    def references(self) -> tuple[str, ...]:
        """Kinds of reference there are scores against, monolingual first; "" for answers that were compared with none."""
        found = {against for _, against, _ in self.sheets}
        return tuple(sorted(found, key=lambda name: (not name, name != "monolingual", name)))

    @property
    def main_reference(self) -> str:
        """The kind of reference that figures and findings show scores against."""
        return self.references[0]

    def sheet(self, cell: Cell, language: str, metric: Metric, against: str) -> Sheet | None:
        """The sheet that holds a metric; only the score depends on the reference, so others may come from any sheet."""
        kinds = (against,) if metric is Metric.score else (against, *self.references)
        for kind in kinds:
            found = self.sheets.get((cell.id, kind, language))
            if found is not None and np.isfinite(found.values(metric)).any():
                return found
        return None

    def by_prompt(self, cells: Iterable[Cell], languages: Iterable[str], metric: Metric, against: str) -> Array:
        """Mean over cells and languages for every prompt of the study, in percent; NaN where no cell has a value."""
        names = tuple(languages)
        found = [self.sheet(cell, language, metric, against) for cell in cells for language in names]
        stack = np.array([sheet.values(metric) for sheet in found if sheet is not None]).reshape(-1, len(self.prompts))
        have = np.isfinite(stack).sum(axis=0)
        total = np.nansum(stack, axis=0)
        return np.where(have > 0, total / np.maximum(have, 1), np.nan)

    def covered(self, cells: Sequence[Cell], languages: Iterable[str], metric: Metric, against: str) -> tuple[str, ...]:
        """Those of the languages in which every one of the cells has values."""
        return tuple(
            language
            for language in languages
            if cells and all(self.sheet(cell, language, metric, against) is not None for cell in cells)
        )


def table_order(language: str) -> tuple[int, str]:
    """Sort key: as the table of languages lists them, unknown codes (and und) last."""
    names = list(LANGUAGES)
    return (names.index(language) if language in LANGUAGES else len(names), language)


def arrange(judged: Iterable[tuple[Cell, Sequence[Item]]]) -> Study:
    """Items as a study. Cells without items are left out; of two items of the same place the later one counts, of two lists
    of the same cell the later. Items are not kept: of a large study they would take gigabytes."""
    sheets: dict[tuple[str, str, str], Sheet] = {}
    names: dict[tuple[str, str, str], tuple[str, ...]] = {}
    cells = []
    for cell, items in judged:
        places: dict[tuple[str, str, str], dict[str, Item]] = defaultdict(dict)
        for item in items:
            places[cell.id, item.against, item.language][item.prompt] = item
        if items:
            cells.append(cell)
        own = tuple(sorted({name for place in places.values() for name in place}))
        names |= dict.fromkeys(places, own)
        index = {name: number for number, name in enumerate(own)}
        sheets |= {key: _sheet(list(place.values()), index) for key, place in places.items()}
    prompts = tuple(sorted(set[str]().union(*names.values())))
    return Study(tuple(cells), prompts, {key: _spread(sheet, names[key], prompts) for key, sheet in sheets.items()})


def _spread(sheet: Sheet, own: tuple[str, ...], prompts: tuple[str, ...]) -> Sheet:
    """A sheet over a cell's own prompts as one over all prompts of the study."""
    if own == prompts:
        return sheet
    at = np.searchsorted(np.array(prompts), np.array(own))
    arrays: dict[str, Any] = {}
    for name in ARRAYS:
        arrays[name] = np.full(len(prompts), np.nan)
        arrays[name][at] = getattr(sheet, name)
    return replace(sheet, **arrays)


def _sheet(items: Sequence[Item], index: dict[str, int]) -> Sheet:
    arrays = {name: np.full(len(index), np.nan) for name in ARRAYS}
    for item in items:
        at = index[item.prompt]
        if item.score is not None:
            arrays["score"][at] = 100 * item.score
        if item.exact is not None:
            arrays["exact"][at] = 100.0 * item.exact
        if item.chrf is not None:
            arrays["chrf"][at] = item.chrf
        arrays["right_language"][at] = 100.0 * bool(item.right_language)
        if item.right_language is not None:
            arrays["in_language"][at] = float(item.right_language)
        if item.length or item.reference_length:
            arrays["length"][at], arrays["reference_length"][at] = item.length, item.reference_length
    outcomes = Counter(item.outcome for item in items)
    valid = sum(item.score is not None for item in items)
    if not scoring.enough(valid, outcomes["invalid"], outcomes["unjudged"]):
        arrays["score"][:] = np.nan
    return Sheet(
        **arrays,
        outcomes=outcomes,
        answered_in=Counter(item.answered_in for item in items),
        reference_cell=items[0].reference_cell,
        undecided=sum(item.right_language is None for item in items),
    )


@dataclass(frozen=True)
class Options:
    """How intervals are made: their confidence, and the bootstrap behind bands."""

    confidence: float = 0.95
    resamples: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class Family:
    """Tuned cells that differ only in mixture and seed, and the untuned model they start from, if it was run.

    `name` is fit for file names; `label` says what sets it apart from the other families of the study."""

    name: str
    label: str
    budget: int
    cells: tuple[Cell, ...]
    untuned: Cell | None

    def monolingual(self, language: str) -> list[Cell]:
        """The cells tuned on one language alone, one per seed."""
        return [cell for cell in self.cells if cell.axes.languages == (language,)]


def families(study: Study) -> list[Family]:
    """The families of a study, the one with most cells first."""
    grouped: dict[str, list[Cell]] = defaultdict(list)
    for cell in study.cells:
        if not cell.untuned:
            grouped[cell.family].append(cell)
    untuned = {cell.root_key: cell for cell in study.cells if cell.untuned}
    groups = sorted(grouped.values(), key=lambda group: (-len(group), group[0].id))
    labels = _labels([group[0] for group in groups])
    result: list[Family] = []
    names: Counter[str] = Counter()
    for cells, label in zip(groups, labels, strict=True):
        axes = cells[0].axes
        name = f"{axes.model}-{axes.method}-{axes.budget}"
        names[name] += 1
        name = name if names[name] == 1 else f"{name}-{names[name]}"
        result.append(Family(name, label, axes.budget, tuple(cells), untuned.get(cells[0].root_key)))
    return result


def _labels(firsts: Sequence[Cell]) -> list[str]:
    """Model and method of each family's first cell, and the settings in which the families differ."""
    settings = [{**_flat(cell.identity), "budget": cell.axes.budget} for cell in firsts]
    keys = dict.fromkeys(key for one in settings for key in one)
    differing = [key for key in keys if len({str(one.get(key)) for one in settings}) > 1 and key != "tuning.method"]
    labels = []
    for cell, one in zip(firsts, settings, strict=True):
        parts = [cell.axes.method, *(f"{key.rpartition('.')[2]} {one[key]}" for key in differing if key in one)]
        labels.append(f"{cell.axes.model} ({', '.join(parts)})")
    return labels


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings with dotted names; the mixture and the seed, in which cells of a family differ, left out."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if not before and key in ("mixture", "seed"):
            continue
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found


def average(values: Array) -> float | None:
    """Mean without the NaNs; None when nothing is left."""
    finite = values[np.isfinite(values)]
    mean = float(finite.mean()) if len(finite) else math.nan
    return None if math.isnan(mean) else mean
