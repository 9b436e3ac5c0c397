"""Pure: how far raters agree, from raw shares to measures that take chance out, each with an interval.

In: a table of labels [items, raters], integers or strings, without gaps. Every measure is (a - e) / (1 - e): a is the
share of agreement that was seen, averaged over items and pairs of raters, e what raters of the same habits would reach
by chance. Intervals are percentiles of a bootstrap over items, or over clusters of items (prompts that are the same in
every language); as all measures depend on the counts of equal rows only, those counts are drawn, not the rows.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pinch import stats

Array = NDArray[np.float64]
Labels = NDArray[Any]
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Agreement:
    """A measure of agreement with its interval. `n` counts independent units: items, or clusters. NaN = undefined."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Resampling:
    """How intervals are made: `resamples` draws of all items or clusters, seeded."""

    confidence: float = 0.95
    resamples: int = 2000
    seed: int = 0


USUAL = Resampling()


@dataclass(frozen=True)
class _Table:
    """Distinct rows of labels as category numbers [rows, raters], how often each of them occurs in each distinct kind of
    cluster [kinds, rows], how many clusters there are of a kind [kinds], and the number of possible categories."""

    rows: NDArray[np.intp]
    counts: Array
    clusters: Array
    categories: int

    @property
    def total(self) -> Array:
        """How often each distinct row occurs, as the only line of a table [1, rows]."""
        return (self.clusters @ self.counts)[None, :]

    def habits(self, weights: Array) -> Array:
        """Share of each category in what each rater said: [samples, raters, categories] for weights [samples, rows]."""
        said = self.rows[:, :, None] == np.arange(self.categories)
        shares: Array = np.einsum("sp,prc->src", weights, said) / weights.sum(axis=1)[:, None, None]
        return shares


Chance = Callable[[_Table, Array], Array]
"""Agreement expected by chance [samples] from a table and weights of its rows [samples, rows]."""


def raw(labels: Labels, clusters: Labels | None = None, by: Resampling = USUAL) -> Agreement:
    """Share of equal labels, averaged over items and pairs of raters."""
    table = _table(labels, clusters)
    return _measure(table, _equal(table.rows), _none, by)


def tie_discounted(labels: Labels, tie: Any, clusters: Labels | None = None, by: Resampling = USUAL) -> Agreement:
    """1 for equal labels, 0.5 if exactly one of two raters said `tie`, else 0; averaged over items and pairs of raters.

    Source: Zhou et al. 2023 (LIMA), arXiv 2305.11206, section 4.4."""
    table = _table(labels, clusters)
    names = np.unique(np.asarray(labels))
    tied = names[table.rows] == tie
    pairs = list(itertools.combinations(range(table.rows.shape[1]), 2))
    one_tie = np.mean([tied[:, i] != tied[:, j] for i, j in pairs], axis=0)
    return _measure(table, _equal(table.rows) + 0.5 * one_tie, _none, by)


def cohen(labels: Labels, clusters: Labels | None = None, by: Resampling = USUAL) -> Agreement:
    """Cohen's kappa of two raters: e = sum over categories of the product of both raters' shares.

    NaN where e = 1: both said one and the same label throughout, so chance explains everything and nothing is known. Low
    although raters agree where one label dominates (the kappa paradox): read it beside `ac1`.
    Source: Cohen 1960, Educational and Psychological Measurement 20."""
    table = _table(labels, clusters)
    if table.rows.shape[1] != 2:
        raise ValueError(f"Cohen's kappa is of two raters, these are {table.rows.shape[1]}; use fleiss")
    return _measure(table, _equal(table.rows), lambda t, w: t.habits(w).prod(axis=1).sum(axis=1), by)


def fleiss(labels: Labels, clusters: Labels | None = None, by: Resampling = USUAL) -> Agreement:
    """Fleiss' kappa of two or more raters: e = sum of the squared shares of the categories, all raters together.

    NaN where e = 1. With two raters this is Scott's pi. Source: Fleiss 1971, Psychological Bulletin 76."""
    table = _table(labels, clusters)
    return _measure(table, _equal(table.rows), lambda t, w: np.square(t.habits(w).mean(axis=1)).sum(axis=1), by)


def randolph(
    labels: Labels, clusters: Labels | None = None, by: Resampling = USUAL, categories: int | None = None
) -> Agreement:
    """Randolph's free-marginal kappa: e = 1 / categories, whatever raters' habits are.

    `categories` is how many labels were possible (none: those that occur); with a single one the measure is NaN.
    Source: Randolph 2005, ERIC ED490661; for two raters Bennett, Alpert and Goldstein 1954."""
    table = _table(labels, clusters, categories)
    return _measure(table, _equal(table.rows), lambda t, w: np.full(len(w), 1 / t.categories), by)


def ac1(
    labels: Labels, clusters: Labels | None = None, by: Resampling = USUAL, categories: int | None = None
) -> Agreement:
    """Gwet's AC1 of two or more raters: e = sum of share * (1 - share) over the categories / (categories - 1).

    `categories` is how many labels were possible (none: those that occur); with a single one the measure is NaN.
    Source: Gwet 2008, British Journal of Mathematical and Statistical Psychology 61."""
    table = _table(labels, clusters, categories)
    return _measure(table, _equal(table.rows), _gwet, by)


def bounds(total: float, n: int, missing: int) -> Bounds:
    """Smallest and largest mean of n values with this total once `missing` more, each from 0 to 1, are known.

    NaN without any. Source: Manski 1990, American Economic Review 80."""
    everything = n + missing
    return (total / everything, (total + missing) / everything) if everything else (float("nan"), float("nan"))


def _none(_: _Table, weights: Array) -> Array:
    return np.zeros(len(weights))


def _gwet(table: _Table, weights: Array) -> Array:
    share = table.habits(weights).mean(axis=1)
    if table.categories == 1:
        return np.full(len(weights), np.nan)
    expected: Array = (share * (1 - share)).sum(axis=1) / (table.categories - 1)
    return expected


def _equal(rows: NDArray[np.intp]) -> Array:
    """Share of the pairs of raters that agree, per row."""
    pairs = list(itertools.combinations(range(rows.shape[1]), 2))
    shares: Array = np.mean([rows[:, i] == rows[:, j] for i, j in pairs], axis=0)
    return shares


def _table(labels: Labels, clusters: Labels | None, categories: int | None = None) -> _Table:
    """Raises ValueError for labels that are no table of integers or strings, and for clusters or categories amiss."""
    given = np.asarray(labels)
    if given.ndim != 2 or given.shape[1] < 2:
        raise ValueError(f"labels of shape {given.shape} must be a table [items, raters] of two raters or more")
    if given.size and given.dtype.kind not in "biuUS":
        raise ValueError(f"labels of type {given.dtype} must be integers or strings, without gaps")
    names, codes = np.unique(given, return_inverse=True)
    if categories is not None and categories < len(names):
        raise ValueError(f"categories={categories}, but {len(names)} different labels occur")
    rows, kind_of_row = np.unique(codes.reshape(given.shape), axis=0, return_inverse=True)
    owner = np.arange(len(given)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    if owner.shape != (len(given),):
        raise ValueError(f"clusters must name one cluster for each of {len(given)} items")
    held = np.zeros((int(owner.max()) + 1 if len(owner) else 0, len(rows)))
    np.add.at(held, (owner, kind_of_row.reshape(-1)), 1)
    counts, number = np.unique(held, axis=0, return_counts=True)
    return _Table(rows, counts, number.astype(float), max(categories or len(names), 1))


def _measure(table: _Table, agreed: Array, chance: Chance, by: Resampling) -> Agreement:
    """(a - e) / (1 - e) with its interval, `agreed` being the agreement on each distinct row."""
    n = int(table.clusters.sum())
    if n == 0:
        return Agreement(np.nan, np.nan, np.nan, 0)
    expected = float(chance(table, table.total)[0])
    value = float(_beyond(_mean(agreed, table.total), np.array([expected]))[0])
    if np.isnan(value):
        return Agreement(np.nan, np.nan, np.nan, n)
    weights = _draw(table, by)
    drawn = _beyond(_mean(agreed, weights), chance(table, weights))
    edges = [(1 - by.confidence) / 2, (1 + by.confidence) / 2]
    drawn = np.append(drawn, value)  # so that there is something to take quantiles of where no resample is defined
    low, high = (float(edge) for edge in np.nanquantile(drawn, edges))
    if np.ptp(agreed) == 0:
        below, above = _constant(float(agreed[0]), expected, n, by.confidence)
        low, high = min(low, below), max(high, above)
    return Agreement(value, low, high, n)


def _mean(agreed: Array, weights: Array) -> Array:
    means: Array = (weights @ agreed) / weights.sum(axis=1)
    return means


def _beyond(observed: Array, expected: Array) -> Array:
    """Agreement beyond chance; NaN where chance alone explains everything."""
    room = 1 - expected
    defined = room > 1e-12
    return np.where(defined, (observed - expected) / np.where(defined, room, 1.0), np.nan)


def _draw(table: _Table, by: Resampling) -> Array:
    """How often each distinct row occurs in each resample of the clusters: [resamples, rows]."""
    rng = np.random.default_rng(by.seed)
    n = int(table.clusters.sum())
    size = max(1, stats.BLOCK // len(table.clusters))
    blocks = [min(size, by.resamples - start) for start in range(0, by.resamples, size)]
    return np.concatenate([rng.multinomial(n, table.clusters / n, size=rows) @ table.counts for rows in blocks])


def _constant(agreed: float, expected: float, n: int, confidence: float) -> Bounds:
    """Interval where all items agree alike, which resampling takes for certain: at most a share u of further items
    differs, Wilson's upper limit of 0 in n, z^2 / (n + z^2); what chance would reach is left as it is."""
    square = float(ndtri((1 + confidence) / 2)) ** 2
    u = square / (n + square)
    low, high = agreed - u * agreed, agreed + u * (1 - agreed)
    return (low - expected) / (1 - expected), (high - expected) / (1 - expected)
