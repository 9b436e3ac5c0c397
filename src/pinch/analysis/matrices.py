"""Pure: the matrices behind the figures: tuning language x evaluation language, and language asked x language answered."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinch import stats
from pinch.analysis.study import Array, Family, Metric, Options, Study, table_order
from pinch.cells import Cell


@dataclass(frozen=True)
class Matrix:
    """Scores, rows tuning language, columns evaluation language. NaN where a cell is missing; `own` marks the places
    where a cell is its own reference. `row_means` leave those out; `low` and `high` are intervals over prompts."""

    family: Family
    against: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Array
    low: Array
    high: Array
    own: NDArray[np.bool_]
    row_means: Array
    seeds: tuple[int, ...]
    prompts: int

    def flat(self) -> Iterator[dict[str, Any]]:
        """What is drawn, one dict a place; the row means with evaluation language `mean`."""
        shared = {"family": self.family.name, "against": self.against}
        for r, row in enumerate(self.rows):
            for c, column in enumerate(self.columns):
                place = {"tuning": row, "evaluation": column, "score": self.values[r, c]}
                span = {"low": self.low[r, c], "high": self.high[r, c], "seeds": self.seeds[r]}
                yield {**shared, **place, **span, "own_reference": bool(self.own[r, c])}
            yield {**shared, "tuning": row, "evaluation": "mean", "score": self.row_means[r], "seeds": self.seeds[r]}


@dataclass(frozen=True)
class Shares:
    """Language asked x language answered, in percent of the answers; the last columns are `other` and `und`."""

    label: str
    cells: tuple[Cell, ...]
    asked: tuple[str, ...]
    answered: tuple[str, ...]
    values: Array
    answers: int

    def flat(self) -> Iterator[dict[str, Any]]:
        """What is drawn, one dict a place."""
        for r, asked in enumerate(self.asked):
            for c, answered in enumerate(self.answered):
                yield {"cells": self.label, "asked": asked, "answered": answered, "share": self.values[r, c]}


def monolingual_matrix(study: Study, family: Family, against: str, options: Options) -> Matrix | None:
    """The matrix of the cells tuned on one language, averaged over seeds; None with fewer than two tuning languages."""
    tuned = {cell.axes.languages[0] for cell in family.cells if cell.axes.n_languages == 1}
    if len(tuned) < 2 or against not in study.references:
        return None
    columns = study.languages
    rows = tuple(sorted(tuned | set(columns), key=table_order))
    values, low, high = (np.full((len(rows), len(columns)), np.nan) for _ in range(3))
    for r, row in enumerate(rows):
        for c, column in enumerate(columns):
            points = study.by_prompt(family.monolingual(row), [column], Metric.score, against)
            points = points[np.isfinite(points)]
            if len(points) > 1:
                estimate = stats.mean(points, options.confidence)
                values[r, c], low[r, c], high[r, c] = estimate.mean, estimate.low, estimate.high
    own = np.array([[against == "monolingual" and row == column for column in columns] for row in rows])
    averaged = np.where(own, np.nan, values)
    have = np.isfinite(averaged).sum(axis=1)
    if not have.any():
        return None
    means = np.where(have > 0, np.nansum(averaged, axis=1) / np.maximum(have, 1), np.nan)
    seeds = tuple(len(family.monolingual(row)) for row in rows)
    return Matrix(family, against, rows, columns, values, low, high, own, means, seeds, len(study.prompts))


def answer_language(study: Study, label: str, cells: Sequence[Cell]) -> Shares | None:
    """Shares of the languages that cells answer in, for every language they are asked in; None without answers."""
    against = study.main_reference
    asked = study.covered(cells, study.languages, Metric.right_language, against)
    if not asked:
        return None
    answered = (*asked, "other", "und")
    counts = np.zeros((len(asked), len(answered)))
    for r, language in enumerate(asked):
        for cell in cells:
            sheet = study.sheet(cell, language, Metric.right_language, against)
            for code, number in (sheet.answered_in if sheet else Counter[str]()).items():
                counts[r, answered.index(code if code in answered else "other")] += number
    values = 100 * counts / counts.sum(axis=1, keepdims=True)
    return Shares(label, tuple(cells), asked, answered, values, int(counts.sum()))
