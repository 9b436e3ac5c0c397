"""Pure: models tuned half and half on two languages beside the two models tuned on one of them.

In: a `Study`. A pair is every model tuned half and half on exactly two languages whose monolingual models exist too, be it
of the pairs experiment or the first step of adding languages. Out: a `Pairs`, which holds exactly what is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pinch import stats
from pinch.analysis.matrices import over_places
from pinch.analysis.study import Array, Family, Metric, Options, Study, table_order
from pinch.cells import Cell

Names = tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """A pair of languages in the order of the table of languages, its models and the monolingual ones, one of each per
    seed that all three have, and the evaluation languages outside the pair in which all of them have scores."""

    names: Names
    both: tuple[Cell, ...]
    first: tuple[Cell, ...]
    second: tuple[Cell, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Pairs:
    """What is drawn: the pairs with the scores of their models, all compared (`every`), and those without a common
    language (`apart`), which alone speak of other pairs. `by_seed` is the difference of all of them for every seed that
    each has, `seeds` what new seeds would change in it (None with fewer than two)."""

    family: Family
    against: str
    pairs: tuple[Pair, ...]
    scores: tuple[tuple[stats.Estimate, stats.Estimate, stats.Estimate], ...]
    every: stats.Pairings
    disjoint: tuple[Names, ...]
    apart: stats.Pairings
    by_seed: tuple[float, ...]
    seeds: stats.SeedVariance | None


def pairs_of(study: Study, family: Family, options: Options) -> Pairs | None:
    """Everything about the pairs; None when there is none with scores."""
    against = study.main_reference
    found = [pair for names in halves(family) if (pair := _pair(study, family, names, against)) is not None]
    if not found:
        return None
    tables = [[_table(study, pair, cells, against) for cells in (pair.both, pair.first, pair.second)] for pair in found]
    disjoint = most_disjoint([pair.names for pair in found])
    chosen = [table for pair, table in zip(found, tables, strict=True) if pair.names in disjoint]
    gaps = _by_seed(study, found, against)
    return Pairs(
        family,
        against,
        tuple(found),
        tuple(tuple(stats.clustered(one, options.confidence) for one in three) for three in tables),  # type: ignore[misc]
        _compare(tables, options),
        disjoint,
        _compare(chosen, options),
        tuple(float(np.nanmean(gap)) for gap in gaps if np.isfinite(gap).any()),
        stats.seed_variance(gaps, confidence=options.confidence) if len(gaps) else None,
    )


def halves(family: Family) -> list[Names]:
    """Two languages that a model was tuned on half and half, equal up to one example, in the order of the table."""
    found = set()
    for cell in family.cells:
        numbers = sorted(cell.axes.counts.values())
        if cell.axes.n_languages == 2 and numbers[1] - numbers[0] <= 1:
            one, other = sorted(cell.axes.languages, key=table_order)
            found.add((one, other))
    return sorted(found, key=lambda names: [table_order(code) for code in names])


def most_disjoint(pairs: Sequence[Names]) -> tuple[Names, ...]:
    """The largest set of pairs without a common language, in the order given. Of several sets the one that is found first by
    giving one language after the other a partner, those with fewest partners first, then in the order of the table of
    languages. No score decides what is taken."""
    partners: dict[str, set[str]] = {}
    for one, other in pairs:
        partners.setdefault(one, set()).add(other)
        partners.setdefault(other, set()).add(one)
    order = sorted(partners, key=lambda code: (len(partners[code]), table_order(code)))
    known: dict[frozenset[str], frozenset[frozenset[str]]] = {}

    def best(left: frozenset[str]) -> frozenset[frozenset[str]]:
        most = len(left) // 2
        if most == 0:
            return frozenset()
        if left not in known:
            one = next(code for code in order if code in left)
            rest, taken = left - {one}, frozenset[frozenset[str]]()
            for other in (code for code in order if code in partners[one] & rest):
                taken = max(taken, best(rest - {other}) | {frozenset((one, other))}, key=len)
                if len(taken) == most:
                    break
            known[left] = taken if len(taken) == most else max(taken, best(rest), key=len)
        return known[left]

    chosen = best(frozenset(partners))
    return tuple(names for names in pairs if frozenset(names) in chosen)


def _pair(study: Study, family: Family, names: Names, against: str) -> Pair | None:
    both = [cell for cell in family.cells if _half(cell, names)]
    first, second = (family.monolingual(code) for code in names)
    seeds = set.intersection(*({cell.axes.seed for cell in cells} for cells in (both, first, second)))
    both, first, second = ([cell for cell in cells if cell.axes.seed in seeds] for cells in (both, first, second))
    outside = [code for code in study.languages if code not in names]
    others = study.covered([*both, *first, *second], outside, Metric.score, against)
    return Pair(names, tuple(both), tuple(first), tuple(second), others) if others else None


def _half(cell: Cell, names: Names) -> bool:
    numbers = cell.axes.counts
    return set(cell.axes.languages) == set(names) and abs(numbers[names[0]] - numbers[names[1]]) <= 1


def _table(study: Study, pair: Pair, cells: Sequence[Cell], against: str) -> Array:
    """Scores [prompts, evaluation languages of the study], averaged over seeds; NaN in the pair's own languages."""
    empty = np.full(len(study.prompts), np.nan)
    return np.stack(
        [
            study.by_prompt(cells, [code], Metric.score, against) if code in pair.others else empty
            for code in study.languages
        ],
        axis=1,
    )


def _by_seed(study: Study, pairs: Sequence[Pair], against: str) -> Array:
    """The difference [seeds, prompts] over pairs and languages, of the seeds that every pair has."""
    found = []
    for seed in sorted(set.intersection(*({cell.axes.seed or 0 for cell in pair.both} for pair in pairs))):
        gaps = []
        for pair in pairs:
            groups = [
                [cell for cell in cells if (cell.axes.seed or 0) == seed]
                for cells in (pair.both, pair.first, pair.second)
            ]
            both, first, second = (_table(study, pair, group, against) for group in groups)
            gaps.append(both - (first + second) / 2)
        found.append(over_places(np.concatenate(gaps, axis=1).T))
    return np.array(found).reshape(-1, len(study.prompts))


def _compare(tables: Sequence[Sequence[Array]], options: Options) -> stats.Pairings:
    both, first, second = (np.stack([three[at] for three in tables]) for at in range(3))
    return stats.pairings(both, first, second, options.seed, options.confidence)
