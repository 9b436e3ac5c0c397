"""Means of independent items and of clusters of dependent ones, with their intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Array = NDArray[np.float64]
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and interval. `n` counts independent units: items, or clusters. NaN = undefined."""

    mean: float
    se: float
    low: float
    high: float
    n: int


NOTHING = Estimate(np.nan, np.nan, np.nan, np.nan, 0)


def mean(values: Array, confidence: float = 0.95, bounds: Bounds = (0.0, 100.0)) -> Estimate:
    """Mean of independent items with SE = sd / sqrt(n) (ddof 1) and a t interval cut off at `bounds`.

    NaN values are left out. Equal values have SE 0, and yet nobody knows the mean exactly: their interval is that of
    `span_of_equals`. One value alone has no SE (NaN) and the same kind of interval. Raises ValueError outside `bounds`."""
    kept = np.asarray(values, dtype=float)
    kept = kept[~np.isnan(kept)]
    if kept.size == 0:
        return NOTHING
    _check(kept, bounds)
    centre = float(kept.mean())
    se = float(kept.std(ddof=1) / np.sqrt(kept.size)) if kept.size > 1 else np.nan
    return _estimate(centre, se, kept.size, bool(np.ptp(kept) == 0), confidence, bounds)


def clustered(values: Array, confidence: float = 0.95, bounds: Bounds = (0.0, 100.0)) -> Estimate:
    """Mean over cells of a table [clusters, members], e.g. [prompts, languages], with members of a cluster dependent.

    Complete tables: SE = sd(m) / sqrt(n) of the cluster means m. With NaN cells every value that is there weighs the
    same, and SE = sqrt(sum over clusters of (sum of its residuals)^2) / N, times the CR1 factor sqrt(G / (G - 1)); the
    two agree on complete tables. Rows that are all NaN are dropped; n counts the clusters that are left.
    Source: Liang and Zeger 1986; Miller 2024, arXiv 2411.00640. Raises ValueError outside `bounds`."""
    table = np.asarray(values, dtype=float)
    there = ~np.isnan(table)
    table, there = table[there.any(axis=1)], there[there.any(axis=1)]
    clusters = table.shape[0]
    if clusters == 0:
        return NOTHING
    _check(table[there], bounds)
    total = int(there.sum())
    centre = float(table[there].sum() / total)
    sums = np.where(there, table - centre, 0.0).sum(axis=1)
    se = float(np.sqrt(np.square(sums).sum() * clusters / (clusters - 1)) / total) if clusters > 1 else np.nan
    constant = bool(np.allclose(sums, 0.0, atol=1e-9 * (bounds[1] - bounds[0])))
    return _estimate(centre, 0.0 if constant and clusters > 1 else se, clusters, constant, confidence, bounds)


def _estimate(centre: float, se: float, n: int, constant: bool, confidence: float, bounds: Bounds) -> Estimate:
    """The interval: t, or that of `span_of_equals` where the units do not differ; never outside `bounds`."""
    if n == 1 or constant:
        low, high = span_of_equals(centre, n, float(ndtri((1 + confidence) / 2)), bounds)
    else:
        width = float(stdtrit(n - 1, (1 + confidence) / 2)) * se
        low, high = centre - width, centre + width
    return Estimate(centre, se, max(low, bounds[0]), min(high, bounds[1]), n)


def span_of_equals(centre: float, n: int, critical: float, bounds: Bounds) -> Bounds:
    """Interval of a mean whose n units are all equal: at most a share u of the population differs from them, where u is
    Wilson's upper limit of 0 in n, z^2 / (n + z^2), and that share may lie at either bound. At the bounds themselves
    this is the Wilson interval (all wins of 56: 93.6..100); 56 ties: 46.8..53.2."""
    share = critical**2 / (n + critical**2)
    return centre - share * (centre - bounds[0]), centre + share * (bounds[1] - centre)


def _check(values: Array, bounds: Bounds) -> None:
    slack = 1e-9 * (bounds[1] - bounds[0])
    if values.min() < bounds[0] - slack or values.max() > bounds[1] + slack:
        raise ValueError(f"values {values.min():g}..{values.max():g} lie outside bounds={bounds}; name their scale")
