"""Pure: the matrices behind the figures: tuning language x evaluation language, and language asked x language answered."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pinch import stats
from pinch.analysis.study import Array, Family, Metric, Options, Study, table_order
from pinch.cells import Cell

PAR = 50.0
"""The score, in percent, of a model that is as good as its reference."""

VERDICTS = {1: "above", -1: "below", 0: "not distinguishable"}
"""What a mark of a matrix says of its place and par."""


@dataclass(frozen=True)
class Matrix:
    """Scores, rows tuning language, columns evaluation language, averaged over seeds; NaN where a cell or its scores are
    missing; `own` marks the places where a cell is its own reference: not averaged, not tested.

    `points` is [rows, columns, prompts]; `low`, `high` and `se` are of single places, over prompts (`counts`). `tests` are
    t tests of every place against par, by prompt; `marks` (1 above, -1 below, 0 neither) are those below 1 - `confidence`
    after Holm's correction over the matrix. `row_means` average `row_places` places prompt by prompt, `row_low` and
    `row_high` hold for all rows at once. `seeds` are those of every row's models."""

    family: Family
    against: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    points: Array
    values: Array
    low: Array
    high: Array
    se: Array
    counts: NDArray[np.int_]
    own: NDArray[np.bool_]
    tests: stats.Corrected
    row_means: Array
    row_low: Array
    row_high: Array
    seed_names: tuple[tuple[int, ...], ...]
    confidence: float
    prompts: int

    @property
    def seeds(self) -> tuple[int, ...]:
        """Numbers of seeds, row by row."""
        return tuple(len(names) for names in self.seed_names)

    @property
    def free(self) -> NDArray[np.bool_]:
        """The places that are averaged and tested: with a score, and no cell against itself."""
        found: NDArray[np.bool_] = ~self.own & np.isfinite(self.values)
        return found

    @property
    def row_places(self) -> NDArray[np.int_]:
        found: NDArray[np.int_] = self.free.sum(axis=1)
        return found

    @property
    def marks(self) -> NDArray[np.int_]:
        with np.errstate(invalid="ignore"):
            told = self.tests.holm <= 1 - self.confidence
        found: NDArray[np.int_] = np.where(told, np.sign(self.values - PAR), 0).astype(int)
        return found

    def flat(self) -> Iterator[dict[str, Any]]:
        """What is drawn, one dict a place; the row means with evaluation language `mean` and simultaneous intervals."""
        shared = {"family": self.family.name, "against": self.against}
        marks, free = self.marks, self.free
        tests = {"p": self.tests.p, "p_holm": self.tests.holm, "p_bh": self.tests.benjamini_hochberg}
        for r, row in enumerate(self.rows):
            for c, column in enumerate(self.columns):
                at = (r, c)
                place = {"tuning": row, "evaluation": column, "score": float(self.values[at])}
                span = {"low": float(self.low[at]), "high": float(self.high[at])}
                n = {"seeds": self.seeds[r], "prompts": int(self.counts[at]), "own_reference": bool(self.own[at])}
                p = {name: float(values[at]) for name, values in tests.items()}
                par = VERDICTS[int(marks[at])] if free[at] else ""
                yield {**shared, **place, **span, **n, **p, "par": par}
            mean = {"score": self.row_means[r], "low": self.row_low[r], "high": self.row_high[r]}
            n = {"seeds": self.seeds[r], "places": int(self.row_places[r])}
            yield {**shared, "tuning": row, "evaluation": "mean", **{k: float(v) for k, v in mean.items()}, **n}


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
                yield {"cells": self.label, "asked": asked, "answered": answered, "share": float(self.values[r, c])}


def blocks(study: Study, family: Family) -> list[tuple[str, ...]]:
    """Sets of languages whose models answer in each other's languages, the one with most places first; empty without two.

    The models tuned on one language are grouped by who answers in whose language (maximal groups in which, of any two,
    at least one answers in the other's), and the languages that most models of a group answer in join it. So two
    experiments in one workspace, say twelve languages and seven relatives, give two blocks, which may share languages."""
    asked = _asked(study, family)
    together = {
        one: {other for other in asked if other != one and (other in asked[one] or one in asked[other])}
        for one in asked
    }
    found = set()
    for group in _cliques(frozenset(), set(asked), set(), together):
        if len(group) > 1:
            votes = Counter(code for one in group for code in asked[one])
            found.add(group | {code for code, number in votes.items() if 2 * number > len(group)})
    ordered = [tuple(sorted(block, key=table_order)) for block in found]
    places = {block: sum(len(asked[one] & set(block)) for one in block if one in asked) for block in ordered}
    return sorted(ordered, key=lambda block: (-places[block], [table_order(code) for code in block]))


def monolingual_matrix(
    study: Study, family: Family, against: str, options: Options, languages: Sequence[str] | None = None
) -> Matrix | None:
    """The matrix of the cells tuned on one language, averaged over seeds; None with fewer than two tuning languages or
    without a score against that reference. Of these languages in this order, else of the largest block."""
    if languages is None:
        languages = next(iter(blocks(study, family)), ())
    names = tuple(languages)
    models = [family.monolingual(code) for code in names]
    if sum(map(bool, models)) < 2 or against not in study.references:
        return None
    size = len(names)
    points = np.array(
        [[study.by_prompt(cells, [code], Metric.score, against) for code in names] for cells in models]
    ).reshape(size, size, len(study.prompts))
    points[np.isfinite(points).sum(axis=2) < 2] = np.nan
    own = np.eye(size, dtype=bool) if against == "monolingual" else np.zeros((size, size), dtype=bool)
    if not np.isfinite(points[~own]).any():
        return None
    values, low, high, se, p = (np.full((size, size), np.nan) for _ in range(5))
    for at in zip(*np.nonzero(np.isfinite(points).any(axis=2)), strict=True):
        estimate = stats.mean(points[at], options.confidence)
        values[at], low[at], high[at], se[at] = estimate.mean, estimate.low, estimate.high, estimate.se
        if not own[at]:
            p[at] = stats.paired(points[at], np.full(len(study.prompts), PAR)).p
    by_row = np.stack([over_places(points[r][~own[r]]) for r in range(size)], axis=1)
    bands = stats.bands(by_row, options.confidence, options.resamples, options.seed, bounds=(0, 100))
    return Matrix(
        family,
        against,
        names,
        names,
        points,
        values,
        low,
        high,
        se,
        np.isfinite(points).sum(axis=2),
        own,
        stats.corrected(p),
        bands.mean,
        bands.low,
        bands.high,
        tuple(tuple(sorted(cell.axes.seed or 0 for cell in cells)) for cells in models),
        options.confidence,
        len(study.prompts),
    )


def over_places(table: Array) -> Array:
    """The mean of a table [places, prompts] for every prompt; NaN where no place has a value."""
    there = np.isfinite(table)
    counts = there.sum(axis=0)
    return np.where(counts > 0, np.where(there, table, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def answer_language(
    study: Study, label: str, cells: Sequence[Cell], languages: Sequence[str] | None = None
) -> Shares | None:
    """Shares of the languages that cells answer in, for every language they are asked in (of these languages, if given);
    None without answers."""
    against = study.main_reference
    asked = study.covered(cells, study.languages if languages is None else languages, Metric.right_language, against)
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


def _asked(study: Study, family: Family) -> dict[str, set[str]]:
    """For every language that a model is tuned on alone, the languages in which its models have items."""
    tuned = {cell.id: cell.axes.languages[0] for cell in family.cells if cell.axes.n_languages == 1}
    found: dict[str, set[str]] = defaultdict(set)
    for cell, _, language in study.sheets:
        if cell in tuned:
            found[tuned[cell]].add(language)
    return dict(found)


def _cliques(
    chosen: frozenset[str], candidates: set[str], done: set[str], together: dict[str, set[str]]
) -> Iterator[frozenset[str]]:
    """All maximal sets in which any two belong together. Source: Bron and Kerbosch 1973, CACM 16, with a pivot."""
    if not candidates and not done:
        yield chosen
        return
    pivot = max(sorted(candidates | done), key=lambda one: len(together[one] & candidates))
    for one in sorted(candidates - together[pivot]):
        yield from _cliques(chosen | {one}, candidates & together[one], done & together[one], together)
        candidates = candidates - {one}
        done = done | {one}
