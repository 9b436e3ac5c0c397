"""Differences of two cells over the same items, item by item."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from pinch.stats.means import Array
from pinch.stats.power import detectable


@dataclass(frozen=True)
class Difference:
    """A mean of item-paired differences (first - second) with its t test against zero, two-sided."""

    mean: float
    se: float
    low: float
    high: float
    n: int
    t: float
    p: float

    @property
    def detectable(self) -> float:
        """The smallest true difference that four of five such studies would find: (t of .975 + t of .8) * SE, in the unit
        of the mean. What stands beside every "not distinguishable". NaN where there is no SE, or one of 0."""
        return detectable(self.se, self.n) if self.se > 0 else float("nan")


NO_DIFFERENCE = Difference(np.nan, np.nan, np.nan, np.nan, 0, np.nan, np.nan)


def paired(first: Array, second: Array, confidence: float = 0.95) -> Difference:
    """Mean of first - second over the same items, with SE = sd / sqrt(n), t interval and two-sided t test.

    Items with a NaN on either side are left out. Two cells of one language share their reference's answers, so this is
    the way to compare them, never the overlap of their intervals. Equal differences give SE 0, an interval without
    width, and p = 1 (all zero) or the p of the sign-flip test (2 ** (1 - n)): the t test says nothing there."""
    gaps = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    gaps = gaps[~np.isnan(gaps)]
    n = gaps.size
    if n == 0:
        return NO_DIFFERENCE
    if n == 1:
        return Difference(float(gaps[0]), np.nan, np.nan, np.nan, 1, np.nan, np.nan)
    return t_test(float(gaps.mean()), _se(gaps), n, confidence)


def paired_clustered(first: Array, second: Array, confidence: float = 0.95) -> Difference:
    """Mean of first - second over tables [clusters, members], e.g. [prompts, languages], members of a cluster dependent.

    As `paired` where a cluster has one member. Pairs with a NaN on either side are left out, every pair that is left weighs
    the same, SE = sqrt(sum over clusters of (sum of its residuals)^2 * G / (G - 1)) / N, and t has G - 1 degrees of
    freedom; n is G, the number of clusters. Source: Liang and Zeger 1986; Miller 2024, arXiv 2411.00640."""
    gaps = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    there = ~np.isnan(gaps)
    gaps, there = gaps[there.any(axis=1)], there[there.any(axis=1)]
    clusters, total = gaps.shape[0], int(there.sum())
    if clusters == 0:
        return NO_DIFFERENCE
    centre = float(gaps[there].sum() / total)
    if clusters == 1:
        return Difference(centre, np.nan, np.nan, np.nan, 1, np.nan, np.nan)
    sums = np.where(there, gaps - centre, 0.0).sum(axis=1)
    se = float(np.sqrt(np.square(sums).sum() * clusters / (clusters - 1)) / total)
    return t_test(centre, se, clusters, confidence)


def t_test(centre: float, se: float, n: int, confidence: float = 0.95) -> Difference:
    """A difference from its mean, its SE and its number of independent units: t interval and two-sided t test, n - 1
    degrees of freedom. For an SE of 0 (to rounding) see `paired`."""
    if se <= 1e-12 * max(1.0, abs(centre)):
        t = float(np.sign(centre) * np.inf) if centre else 0.0
        return Difference(centre, 0.0, centre, centre, n, t, 2.0 ** (1 - n) if centre else 1.0)
    width = float(stdtrit(n - 1, (1 + confidence) / 2)) * se
    t = centre / se
    return Difference(centre, se, centre - width, centre + width, n, t, float(2 * stdtr(n - 1, -abs(t))))


def _se(gaps: Array) -> float:
    return float(gaps.std(ddof=1) / np.sqrt(gaps.size))
