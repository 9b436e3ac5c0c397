"""Pure: the lines behind the figures over the multilingual share. A figure is a question to the cells that exist, never a
folder of its own.

In: a `Study`. Out: a `Curve` for every set of tuning languages, which holds exactly what is drawn: the means over seen and
unseen languages, the base, and every language by itself. Lines carry simultaneous bands (Romano and Wolf 2005) from a
bootstrap over prompts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinch import stats
from pinch.analysis.study import Array, Family, Metric, Options, Study, table_order
from pinch.analysis.words import name_of, percent
from pinch.cells import Cell, tuning_base

GROUPS = ("seen", "unseen", "base")
"""Names of the lines that are means over languages (and of the base language); all others are single languages."""

SHOWN_SETS = 3
"""Where there is no curve over the multilingual share, the cells of so many sets of languages are shown side by side."""

Groups = tuple[tuple[float, tuple[Cell, ...]], ...]
"""Points of a line: the value on the x axis and the cells that stand there (seeds, orders)."""


@dataclass(frozen=True)
class Line:
    """One line of a figure: a name of GROUPS, or the code of a language. `each` are the means of the single cells of a
    point; `prompts` those with a value everywhere."""

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

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds that any of its models has."""
        return tuple(
            sorted({cell.axes.seed for _, cells in self.groups for cell in cells if cell.axes.seed is not None})
        )

    def rows(self) -> Iterator[dict[str, Any]]:
        """What is drawn, one dict a point."""
        tuning = "+".join(self.tuning)
        return line_rows(
            self.lines, "fraction", {"family": self.family.name, "tuning": tuning, "against": self.against}
        )


def grouped_lines(lines: Lines) -> Lines:
    """Those that are means over languages."""
    return {(name, metric): line for (name, metric), line in lines.items() if name in GROUPS}


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
    """Every curve over the fraction, one per set of tuning languages: first the largest that leaves a language unseen.

    Where sets have several shares, one at a single share belongs to another question (how many languages, or pairs) and is
    no curve, unless it holds all the languages of such a set."""
    sets = {frozenset(cell.axes.languages) for cell in family.cells if cell.axes.n_languages > 1}
    stubs = {names for names in sets if _is_stub(names, family)}
    points = {names: _points(family, names, stubs) for names in sets - stubs}
    long = [names for names, (_, groups) in points.items() if len(groups) > 2]
    chosen = {
        names: found
        for names, found in points.items()
        if len(found[1]) > 2 or (len(found[1]) == 2 and (not long or any(names > other for other in long)))
    }
    drawn = (_curve(study, family, names, base, groups, options) for names, (base, groups) in chosen.items())
    kept = [curve for curve in drawn if curve is not None]
    return sorted(kept, key=lambda curve: (not curve.unseen, -len(curve.tuning), -len(curve.groups), curve.tuning))


def widest(found: Sequence[Curve]) -> Curve:
    """The curve of the largest set of tuning languages, even where it leaves none unseen."""
    return max(found, key=lambda curve: (len(curve.tuning), len(curve.groups)))


def _is_stub(names: frozenset[str], family: Family) -> bool:
    """Whether a set of languages came about only because a share was too small to reach every language of a larger set:
    all of its cells have one example per language beside the base."""
    cells = [cell for cell in family.cells if names == set(cell.axes.languages)]
    larger = any(names < set(cell.axes.languages) for cell in family.cells)
    return larger and all(_one_each(cell) for cell in cells)


def _one_each(cell: Cell) -> bool:
    base = tuning_base(cell)
    return all(number == 1 for code, number in cell.axes.counts.items() if code != base)


def _points(family: Family, names: frozenset[str], stubs: set[frozenset[str]]) -> tuple[str, Groups]:
    """The base of a set's cells and what stands at each share, the base alone at 0."""
    exact = [cell for cell in family.cells if names == set(cell.axes.languages)]
    base = Counter(tuning_base(cell) for cell in exact).most_common(1)[0][0]
    parts = [cell for cell in family.cells if names > set(cell.axes.languages) in stubs]
    points: dict[float, list[Cell]] = defaultdict(list)
    points[0.0] = family.monolingual(base)
    for cell in [*exact, *parts]:
        if tuning_base(cell) == base:
            points[round(cell.axes.fraction, 6)].append(cell)
    return base, grouped(points)


def _curve(
    study: Study, family: Family, names: frozenset[str], base: str, groups: Groups, options: Options
) -> Curve | None:
    tuning = (base, *sorted(names - {base}, key=table_order))
    against = study.main_reference
    every = [cell for _, cells in groups for cell in cells]
    evaluated = study.covered(every, study.languages, Metric.right_language, against)
    seen = tuple(code for code in evaluated if code in tuning[1:])
    unseen = tuple(code for code in evaluated if code not in tuning)
    wanted = {"seen": seen, "unseen": unseen, "base": (base,)}
    lines = draw_lines(study, wanted, groups, against, options)
    if not lines:
        return None
    single = {code: (code,) for code in (*seen, *unseen)}
    lines |= draw_lines(study, single, groups, against, options)
    return Curve(family, base, tuning, seen, unseen, against, groups, lines)


def grouped(points: Mapping[float, Iterable[Cell]]) -> Groups:
    """The points that hold cells, in rising order."""
    kept = {float(x): tuple(sorted(points[x], key=lambda cell: cell.id)) for x in sorted(points)}
    return tuple((x, cells) for x, cells in kept.items() if cells)


def draw_lines(
    study: Study, wanted: Mapping[str, tuple[str, ...]], groups: Groups, against: str, options: Options
) -> Lines:
    """Lines by name and metric, each over the languages that are wanted for it."""
    lines = {}
    for metric in Metric:
        for name, languages in wanted.items():
            line = draw_line(study, name, metric, languages, groups, against, options)
            if line is not None:
                lines[name, metric] = line
    return lines


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
        label = f"{name_of(curve.base)} alone" if fraction == 0 else f"{percent(fraction)} multilingual"
        if at in (0, 1, len(curve.fractions) - 1):
            groups[label] = curve.cells(fraction)
    return groups
