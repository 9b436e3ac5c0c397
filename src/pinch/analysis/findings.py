"""Pure: how one group of cells differs from another, or from par, with all that a claim needs to be printed.

In: a `Study` and cells. Out: `Change`s and `Against`s, and what is said of them. Differences are paired by prompt, after
averaging over languages and seeds, so their intervals are clustered over languages. `gap` covers the choice of prompts; with
two seeds or more, `seeds` tells what training again would change apart from it (two-way, seeds and prompts).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pinch import stats
from pinch.analysis.sections import Result
from pinch.analysis.study import Array, Metric, Options, Study
from pinch.analysis.words import ARROW, both_text, gap_text, seeds_text, signed
from pinch.cells import Cell

PAR = 50.0
"""The score of an answer as good as its reference."""

WHAT = {Metric.score: "score", Metric.exact: "exact match", Metric.right_language: "answers in the language asked"}
LEVEL = {
    Metric.score: ("score", ""),
    Metric.exact: ("share of exact matches", " %"),
    Metric.right_language: ("share of answers in the language asked", " %"),
}
"""The same as what a mean is called within a sentence, and its unit."""

TOLD = (Metric.score, Metric.right_language, Metric.exact)
"""The order in which findings speak of what is measured."""


@dataclass(frozen=True)
class Change:
    """How one group of cells differs from another on some languages: `first` and `second` are their means. `by_seed` and
    `seeds` are of the cells that share a seed; the latter is None with one seed."""

    metric: Metric
    languages: tuple[str, ...]
    first: stats.Estimate
    second: stats.Estimate
    gap: stats.Difference
    by_seed: tuple[float, ...]
    seeds: stats.SeedVariance | None


def change(
    study: Study,
    cells: Sequence[Cell],
    than: Sequence[Cell],
    languages: Sequence[str],
    metric: Metric,
    against: str,
    options: Options,
) -> Change | None:
    """How `cells` differ from `than`, paired by prompt and, for what the seeds do, by seed. None without common values."""
    kept = study.covered([*cells, *than], languages, metric, against)
    if not kept:
        return None
    one, two = (study.by_prompt(group, kept, metric, against) for group in (cells, than))
    if np.isfinite(one - two).sum() < 2:
        return None
    tables = []
    for seed in shared_seeds(cells, than):
        parts = [[cell for cell in group if cell.axes.seed == seed] for group in (cells, than)]
        pair = [study.by_prompt(part, kept, metric, against) for part in parts]
        tables.append(pair[0] - pair[1])
    first, second = (stats.mean(values, options.confidence) for values in (one, two))
    return Change(
        metric,
        kept,
        first,
        second,
        stats.paired(one, two, options.confidence),
        tuple(float(np.nanmean(gaps)) for gaps in tables if np.isfinite(gaps).any()),
        stats.seed_variance(np.array(tables), confidence=options.confidence) if tables else None,
    )


def shared_seeds(cells: Sequence[Cell], than: Sequence[Cell]) -> list[int]:
    """Seeds that both groups have cells of."""
    one, two = ({cell.axes.seed for cell in group if cell.axes.seed is not None} for group in (cells, than))
    return sorted(one & two)


@dataclass(frozen=True)
class Against:
    """A group of cells against par in each of some languages: `gaps` are score - 50 with t tests over prompts, `holm` their
    p corrected over the languages, `low` and `high` simultaneous intervals of the scores."""

    languages: tuple[str, ...]
    gaps: tuple[stats.Difference, ...]
    holm: Array
    low: Array
    high: Array

    @property
    def scores(self) -> tuple[float, ...]:
        return tuple(PAR + gap.mean for gap in self.gaps)

    @property
    def prompts(self) -> int:
        return min(gap.n for gap in self.gaps)

    def sides(self, confidence: float) -> dict[str, tuple[int, ...]]:
        """Which languages are above and below par, and which cannot be told from it, by the corrected tests."""
        told = self.holm < 1 - confidence
        signs = np.sign([gap.mean for gap in self.gaps])
        return {
            "above": tuple(np.flatnonzero(told & (signs > 0)).tolist()),
            "below": tuple(np.flatnonzero(told & (signs < 0)).tolist()),
            "open": tuple(np.flatnonzero(~told).tolist()),
        }


def against_par(
    study: Study, cells: Sequence[Cell], languages: Sequence[str], against: str, options: Options
) -> Against | None:
    """The scores of a group in every language against 50, on prompts that have all of them. Languages in which a cell is its
    own reference, so 50 by definition, are left out; None without any other."""
    sheets = {
        code: [study.sheet(cell, code, Metric.score, against) for cell in cells]
        for code in study.covered(cells, languages, Metric.score, against)
    }
    kept = [code for code, found in sheets.items() if not any(sheet and sheet.own_reference for sheet in found)]
    if not kept:
        return None
    table = np.stack([study.by_prompt(cells, [code], Metric.score, against) for code in kept], axis=1)
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < 2:
        return None
    gaps = tuple(stats.paired(column, np.full(len(column), PAR), options.confidence) for column in table.T)
    bands = stats.bands(table, options.confidence, options.resamples, options.seed, bounds=(0, 100))
    return Against(tuple(kept), gaps, stats.holm(np.array([gap.p for gap in gaps])), bands.low, bands.high)


def from_par(
    study: Study, cells: Sequence[Cell], languages: Iterable[str], against: str, options: Options
) -> Change | None:
    """The mean score over the languages as a change from 50, which is known exactly; None without scores."""
    kept = study.covered(cells, languages, Metric.score, against)
    values = study.by_prompt(cells, kept, Metric.score, against)
    gap = stats.paired(values, np.full(len(values), PAR), options.confidence)
    if gap.n < 2:
        return None
    groups = [[cell for cell in cells if cell.axes.seed == seed] for seed in shared_seeds(cells, cells)]
    tables = [study.by_prompt(group, kept, Metric.score, against) - PAR for group in groups]
    return Change(
        Metric.score,
        kept,
        stats.mean(values, options.confidence),
        stats.Estimate(PAR, 0.0, PAR, PAR, gap.n),
        gap,
        tuple(float(np.nanmean(gaps)) for gaps in tables if np.isfinite(gaps).any()),
        stats.seed_variance(np.array(tables), confidence=options.confidence) if tables else None,
    )


def said(one: Change) -> str:
    """A change in words: what it is, from where to where, the difference with its interval over prompts, then its seeds."""
    unit = "" if one.metric is Metric.score else " %"
    return f"{WHAT[one.metric]} {one.second.mean:.1f} {ARROW} {one.first.mean:.1f}{unit}: {gap_and_seeds(one)}"


def gap_and_seeds(one: Change) -> str:
    """The difference with its interval over prompts and, with two seeds or more, the one over both and each seed's own."""
    if one.seeds is None:
        return gap_text(one.gap)
    each = ", ".join(signed(value) for value in one.by_seed)
    return f"{gap_text(one.gap)}; {seeds_text(one.seeds)}; by seed {each}"


def gap_and_both(one: Change) -> str:
    """The same, short: the two intervals."""
    return gap_text(one.gap) + (f"; {both_text(one.seeds)}" if one.seeds is not None else "")


def results(question: str, one: Change) -> list[Result]:
    """A change as lines of the table of results: over prompts, and with two seeds or more over seeds and prompts."""
    asked = f"{question}: {WHAT[one.metric]}"
    found = [result(asked, one.gap, f"{one.gap.n} prompts", "paired t over prompts")]
    if one.seeds is not None:
        both = one.seeds.of_both
        n = f"{one.seeds.seeds} seeds, {one.seeds.prompts} prompts"
        found.append(result(f"{asked}, new seeds too", both, n, "paired t, two-way over seeds and prompts"))
    return found


def result(question: str, gap: stats.Difference, n: str, test: str, p: float | None = None) -> Result:
    """One difference as a line of the table of results; `p` where it is another than the difference's own."""
    numbers = (gap.mean, gap.low, gap.high, gap.p if p is None else p, gap.detectable)
    effect, low, high, tested, reach = (None if value != value else float(value) for value in numbers)
    return Result(question, effect, low, high, n, test, tested, reach)
