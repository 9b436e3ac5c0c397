"""Page's test: do rows of values rise over ordered columns, e.g. scores over the number of tuning languages?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy.special import ndtr

from pinch.stats.means import Array

EXACT_COLUMNS = 8
"""Up to this many columns (and EXACT_ROWS rows) the distribution of L is enumerated; beyond, it is taken as normal."""

EXACT_ROWS = 30


@dataclass(frozen=True)
class Trend:
    """Page's L of `n` rows and `columns` ordered columns. `expected` is L without any trend.

    `p_rising` and `p_falling` are one-sided; `smallest_p` is the smallest that so few rows can give. `correlation`, -1..1,
    is Spearman's between the columns' order and a row's values, pooled over rows (no interval: rows are few)."""

    statistic: float
    expected: float
    correlation: float
    p_rising: float
    p_falling: float
    smallest_p: float
    n: int
    columns: int
    exact: bool


def page(table: Array) -> Trend:
    """Page's L = sum over columns j = 1..k of j * (sum of ranks in column j), for a table [rows, columns].

    Ranks are within a row, from low to high, ties get their mean rank. Exact p: all k! orders of each row's ranks, rows
    independent. Normal p: E = n k (k + 1)^2 / 4, and variance sum over rows of [k (k^2 - 1) / 12] * [sum of squares of the
    row's ranks around their mean] / (k - 1), which is n k^2 (k + 1)^2 (k - 1) / 144 without ties. Rows with a NaN are left
    out. Source: Page 1963, JASA 58; its critical values, e.g. 42 and 41 for 3 rows of 3 at .01 and .05, are reproduced."""
    values = np.asarray(table, dtype=float)
    values = values[~np.isnan(values).any(axis=1)]
    n, k = values.shape
    if n == 0 or k < 2:
        nan = math.nan
        return Trend(nan, nan, nan, nan, nan, nan, n, k, False)
    ranks = np.array([mean_ranks(row) for row in values])
    order = np.arange(1, k + 1)
    statistic = float((ranks @ order).sum())
    expected = n * k * (k + 1) ** 2 / 4
    spread = k * (k**2 - 1) / 12
    squares = np.square(ranks - (k + 1) / 2).sum()
    correlation = float((statistic - expected) / math.sqrt(n * spread * squares)) if squares > 0 else math.nan
    exact = k <= EXACT_COLUMNS and n <= EXACT_ROWS
    if exact:
        rising, falling, smallest = _enumerated(ranks, statistic)
    elif squares > 0:
        z = (statistic - expected) / math.sqrt(spread * squares / (k - 1))
        rising, falling, smallest = float(ndtr(-z)), float(ndtr(z)), math.exp(-n * math.lgamma(k + 1))
    else:
        rising, falling, smallest = 1.0, 1.0, 1.0
    return Trend(statistic, expected, correlation, rising, falling, smallest, n, k, exact)


def mean_ranks(row: Array) -> Array:
    """Ranks from 1 on, low to high; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(row, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: Array = (last - (counts - 1) / 2)[inverse]
    return means


def _enumerated(ranks: Array, statistic: float) -> tuple[float, float, float]:
    """P(L >= statistic), P(L <= statistic) and the smallest p of either side, given each row's ranks."""
    doubled = [tuple(sorted(round(2 * rank) for rank in row)) for row in ranks]  # halves, so whole numbers
    known = {row: _row_distribution(row) for row in set(doubled)}
    whole: Array = reduce(np.convolve, [known[row] for row in doubled])
    at = round(2 * statistic)
    there = np.flatnonzero(whole > 0)
    smallest = min(float(whole[there[0]]), float(whole[there[-1]]))
    return min(1.0, float(whole[at:].sum())), min(1.0, float(whole[: at + 1].sum())), smallest


def _row_distribution(doubled: Sequence[int]) -> Array:
    """Probability of each value of sum over j of j * (doubled rank at j), over all orders of the ranks; column by column,
    over the sets of ranks that are used up."""
    k = len(doubled)
    size = sum(j * rank for j, rank in enumerate(sorted(doubled), start=1)) + 1
    ways = {0: np.eye(1, size)[0]}
    for j in range(1, k + 1):
        following: dict[int, Array] = {}
        for used, counts in ways.items():
            for at, rank in enumerate(doubled):
                if not used >> at & 1:
                    moved = np.zeros(size)
                    moved[j * rank :] = counts[: size - j * rank]
                    key = used | 1 << at
                    following[key] = following[key] + moved if key in following else moved
        ways = following
    found: Array = ways[2**k - 1] / math.factorial(k)
    return found
