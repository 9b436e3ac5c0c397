"""Pure: the lines behind the figures. A figure is a question to the cells that exist, never a folder of its own.

In: a `Study`. Out: `Curve` (over the multilingual share) and `Count` (over the number of tuning languages), which hold
exactly what is drawn. Lines carry simultaneous bands (Romano and Wolf 2005) from a bootstrap over prompts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinch import stats
from pinch.analysis.study import Array, Family, Metric, Options, Study, table_order
from pinch.analysis.words import name_of
from pinch.cells import Cell, tuning_base

SHOWN_SETS = 3
"""Where there is no curve over the multilingual share, the cells of so many sets of languages are shown side by side."""

Groups = tuple[tuple[float, tuple[Cell, ...]], ...]
"""Points of a line: the value on the x axis and the cells that stand there (seeds, orders)."""


@dataclass(frozen=True)
class Line:
    """One line of a figure. `each` are the means of the single cells of a point; `prompts` those with a value everywhere."""

    name: str
    metric: Metric
    languages: tuple[str, ...]
    x: tuple[float, ...]
    mean: Array
    low: Array
    high: Array
    each: tuple[tuple[float, ...], ...]
    prompts: int


Lines = dict[tuple[str, Metric], Line]


@dataclass(frozen=True)
class Curve:
    """The dose-response of one set of tuning languages: `groups` from no multilingual examples on to the largest share.

    `unseen` are the evaluation languages outside the set, the same at every point."""

    family: Family
    base: str
    tuning: tuple[str, ...]
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    against: str
    groups: Groups
    lines: Lines

    def cells(self, fraction: float) -> tuple[Cell, ...]:
        return dict(self.groups)[fraction]

    @property
    def fractions(self) -> tuple[float, ...]:
        return tuple(x for x, _ in self.groups)

    def rows(self) -> Iterator[dict[str, Any]]:
        """What is drawn, one dict a point."""
        tuning = "+".join(self.tuning)
        return line_rows(
            self.lines, "fraction", {"family": self.family.name, "tuning": tuning, "against": self.against}
        )


@dataclass(frozen=True)
class Count:
    """The effect of the number of tuning languages on the languages that are unseen at every point.

    `left_out` are numbers of languages whose cells would have left too little unseen."""

    family: Family
    base: str
    fraction: float
    unseen: tuple[str, ...]
    left_out: tuple[int, ...]
    against: str
    groups: Groups
    lines: Lines

    def rows(self) -> Iterator[dict[str, Any]]:
        """What is drawn, one dict a point."""
        shared = {"family": self.family.name, "fraction": self.fraction, "against": self.against}
        return line_rows(self.lines, "n_languages", shared)


def line_rows(lines: Lines, axis: str, shared: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The points of some lines as flat dicts."""
    for (name, metric), line in lines.items():
        for at, x in enumerate(line.x):
            yield {
                **shared,
                "metric": metric.value,
                "line": name,
                "languages": "+".join(line.languages),
                axis: x,
                "mean": line.mean[at],
                "band_low": line.low[at],
                "band_high": line.high[at],
                "prompts": line.prompts,
                "cells": len(line.each[at]),
                "each_cell": " ".join(f"{value:.3f}" for value in line.each[at]),
            }


def draw_line(
    study: Study, name: str, metric: Metric, languages: Iterable[str], groups: Groups, against: str, options: Options
) -> Line | None:
    """One line over the groups, of the languages that every cell of every group has values in; None without any."""
    every = [cell for _, cells in groups for cell in cells]
    kept = study.covered(every, languages, metric, against)
    if not kept or len(groups) < 2:
        return None
    points = np.stack([study.by_prompt(cells, kept, metric, against) for _, cells in groups], axis=1)
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 2:
        return None
    bands = stats.bands(points, options.confidence, options.resamples, options.seed, bounds=(0, 100))
    own = np.array([metric is Metric.score and _own(study, cells, kept, against) for _, cells in groups])
    low, high = np.where(own, bands.mean, bands.low), np.where(own, bands.mean, bands.high)
    each = tuple(
        tuple(float(np.nanmean(study.by_prompt([cell], kept, metric, against))) for cell in cells)
        for _, cells in groups
    )
    return Line(name, metric, kept, tuple(x for x, _ in groups), bands.mean, low, high, each, len(points))


def _own(study: Study, cells: Iterable[Cell], languages: Iterable[str], against: str) -> bool:
    """Whether a point is 50 by definition, every cell being its own reference: it is known exactly."""
    names = tuple(languages)
    sheets = [study.sheet(cell, language, Metric.score, against) for cell in cells for language in names]
    return all(sheet is not None and sheet.own_reference for sheet in sheets)


def curves(study: Study, family: Family, options: Options) -> list[Curve]:
    """Every curve over the fraction, one per set of tuning languages: first the largest that leaves a language unseen."""
    sets = {frozenset(cell.axes.languages) for cell in family.cells if cell.axes.n_languages > 1}
    stubs = {names for names in sets if _is_stub(names, family)}
    found = (_curve(study, family, names, stubs, options) for names in sets - stubs)
    kept = [curve for curve in found if curve is not None]
    return sorted(kept, key=lambda curve: (not curve.unseen, -len(curve.tuning), -len(curve.groups), curve.tuning))


def _is_stub(names: frozenset[str], family: Family) -> bool:
    """Whether a set of languages came about only because a share was too small to reach every language of a larger set:
    all of its cells have one example per language beside the base."""
    cells = [cell for cell in family.cells if names == set(cell.axes.languages)]
    larger = any(names < set(cell.axes.languages) for cell in family.cells)
    return larger and all(_one_each(cell) for cell in cells)


def _one_each(cell: Cell) -> bool:
    base = tuning_base(cell)
    return all(number == 1 for code, number in cell.axes.counts.items() if code != base)


def _curve(
    study: Study, family: Family, names: frozenset[str], stubs: set[frozenset[str]], options: Options
) -> Curve | None:
    exact = [cell for cell in family.cells if names == set(cell.axes.languages)]
    base = Counter(tuning_base(cell) for cell in exact).most_common(1)[0][0]
    parts = [cell for cell in family.cells if names > set(cell.axes.languages) in stubs]
    points: dict[float, list[Cell]] = defaultdict(list)
    points[0.0] = family.monolingual(base)
    for cell in [*exact, *parts]:
        if tuning_base(cell) == base:
            points[round(cell.axes.fraction, 6)].append(cell)
    groups = _grouped(points)
    if len(groups) < 2:
        return None
    tuning = (base, *sorted(names - {base}, key=table_order))
    against = study.main_reference
    every = [cell for _, cells in groups for cell in cells]
    evaluated = study.covered(every, study.languages, Metric.right_language, against)
    seen = tuple(code for code in evaluated if code in tuning[1:])
    unseen = tuple(code for code in evaluated if code not in tuning)
    wanted = {"seen": seen, "unseen": unseen, "base": (base,)}
    lines = _lines(study, wanted, groups, against, options)
    return Curve(family, base, tuning, seen, unseen, against, groups, lines) if lines else None


def _grouped(points: dict[float, list[Cell]]) -> Groups:
    return tuple((float(x), tuple(sorted(points[x], key=lambda cell: cell.id))) for x in sorted(points) if points[x])


def _lines(study: Study, wanted: dict[str, tuple[str, ...]], groups: Groups, against: str, options: Options) -> Lines:
    lines = {}
    for metric in Metric:
        for name, languages in wanted.items():
            line = draw_line(study, name, metric, languages, groups, against, options)
            if line is not None:
                lines[name, metric] = line
    return lines


def language_count(study: Study, family: Family, options: Options) -> Count | None:
    """The curve over the number of tuning languages at the largest share, from the base language alone on; None if the
    cells hold fewer than two numbers. Cells that would leave too little unseen (the full set, pairs) are left out."""
    mixed = [cell for cell in family.cells if cell.axes.n_languages > 1 and cell.axes.base in cell.axes.languages]
    if not mixed:
        return None
    base = Counter(cell.axes.base for cell in mixed).most_common(1)[0][0]
    top = max(round(cell.axes.fraction, 6) for cell in mixed)
    mixed = [cell for cell in mixed if round(cell.axes.fraction, 6) == top and cell.axes.base == base]
    against = study.main_reference
    evaluated = study.covered([*mixed, *family.monolingual(base)], study.languages, Metric.right_language, against)
    kept, unseen = _leave_unseen(mixed, evaluated)
    points: dict[float, list[Cell]] = defaultdict(list)
    points[1] = family.monolingual(base)
    for cell in kept:
        points[cell.axes.n_languages].append(cell)
    groups = _grouped(points)
    if len(groups) < 2 or not unseen:
        return None
    lines = _lines(study, {"unseen": unseen, **{code: (code,) for code in unseen}}, groups, against, options)
    left_out = tuple(sorted({cell.axes.n_languages for cell in mixed} - set(points)))
    return Count(family, base, top, unseen, left_out, against, groups, lines) if lines else None


def _leave_unseen(cells: Sequence[Cell], evaluated: Sequence[str]) -> tuple[list[Cell], tuple[str, ...]]:
    """All cells if together they leave a third of the languages unseen; else the subsets of one cell's languages, chosen
    for as many numbers of languages, then as many unseen languages as possible."""

    def outside(chosen: Iterable[Cell]) -> tuple[str, ...]:
        union = {code for cell in chosen for code in cell.axes.languages}
        return tuple(code for code in evaluated if code not in union)

    if 3 * len(outside(cells)) >= len(evaluated):
        return list(cells), outside(cells)
    parts = [[cell for cell in cells if set(cell.axes.languages) <= set(top.axes.languages)] for top in cells]
    parts = [part for part in parts if outside(part)]
    if not parts:
        return [], ()
    best = max(parts, key=lambda part: (len({cell.axes.n_languages for cell in part}), len(outside(part)), len(part)))
    return best, outside(best)


def showcase(family: Family, curve: Curve | None) -> dict[str, Sequence[Cell]]:
    """The groups of cells that are shown side by side: untuned, the base language alone, smallest and largest share."""
    groups: dict[str, Sequence[Cell]] = {}
    if family.untuned is not None:
        groups["untuned"] = [family.untuned]
    if curve is None:
        sets = list(dict.fromkeys(cell.axes.languages for cell in family.cells))
        for names in sets[:SHOWN_SETS]:
            cells = [cell for cell in family.cells if cell.axes.languages == names]
            groups[f"{name_of(names[0])} alone" if len(names) == 1 else " ".join(names)] = cells
        return groups
    for at, fraction in enumerate(curve.fractions):
        label = f"{name_of(curve.base)} alone" if fraction == 0 else f"{100 * fraction:.3g} % multilingual"
        if at in (0, 1, len(curve.fractions) - 1):
            groups[label] = curve.cells(fraction)
    return groups
