"""Correlation of a few languages' shares of the pre-training pages with their scores: what so few points can say."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from pinch.stats.means import Array, Bounds
from pinch.stats.power import detectable
from pinch.stats.signs import blocks
from pinch.stats.trend import mean_ranks

EXACT_POINTS = 8
"""Up to this many points all orders are enumerated for the permutation test; beyond, they are sampled."""


@dataclass(frozen=True)
class Correlation:
    """Pearson's r of n points with Fisher's interval and t test, and how far it can be trusted.

    `p_permuted` shuffles the points; `spearman` is r of the ranks, `p_spearman` its permutation p. `without_one` is the
    range of r when each point is left out in turn. |r| must exceed `critical` for p < 1 - confidence; `detectable` is the
    true correlation that four of five such studies would find. `log` says that x is the log of what was given."""

    r: float
    low: float
    high: float
    t: float
    p: float
    p_permuted: float
    spearman: float
    p_spearman: float
    without_one: Bounds
    critical: float
    detectable: float
    n: int
    log: bool


def correlation(
    x: Array, y: Array, log: bool = False, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Correlation:
    """Pearson's and Spearman's correlation of x and y; pairs with a NaN are left out, with `log` of log x.

    Permutation p are two-sided, exact up to EXACT_POINTS points, else (1 + hits) / (1 + resamples). Undefined numbers (fewer
    than 4 points, or points that do not vary) are NaN. Raises ValueError for shares of 0 or less with `log`."""
    one, two = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    there = ~(np.isnan(one) | np.isnan(two))
    one, two = one[there], two[there]
    if log and (one <= 0).any():
        raise ValueError(f"a share of {one.min():g} has no logarithm; leave it out, or take the shares as they are")
    one = np.log(one) if log else one
    n = one.size
    if n < 4 or np.ptp(one) == 0 or np.ptp(two) == 0:
        nan = math.nan
        return Correlation(nan, nan, nan, nan, nan, nan, nan, nan, (nan, nan), nan, nan, n, log)
    r = _r(one, two)
    t, p = t_of_r(r, n)
    ranks = mean_ranks(one), mean_ranks(two)
    without = [_r(np.delete(one, at), np.delete(two, at)) for at in range(n)]
    return Correlation(
        r,
        *fisher(r, n, confidence),
        t,
        p,
        _permuted(one, two, resamples, seed),
        _r(*ranks),
        _permuted(*ranks, resamples, seed),
        (float(np.nanmin(without)), float(np.nanmax(without))) if not np.isnan(without).all() else (math.nan, math.nan),
        critical_r(n, confidence),
        math.tanh(detectable(1 / math.sqrt(n - 3), alpha=1 - confidence)),
        n,
        log,
    )


def fisher(r: float, n: int, confidence: float = 0.95) -> Bounds:
    """Interval of a correlation of n > 3 points, tanh(atanh r +- z / sqrt(n - 3)). .22 of 11: -.438 .. .724.

    Source: Fisher 1921, Metron 1."""
    if abs(r) >= 1:
        return r, r
    width = float(ndtri((1 + confidence) / 2)) / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - width), math.tanh(math.atanh(r) + width)


def t_of_r(r: float, n: int) -> tuple[float, float]:
    """t = r sqrt((n - 2) / (1 - r^2)) and its two-sided p with n - 2 degrees of freedom."""
    if abs(r) >= 1:
        return math.copysign(math.inf, r), 0.0
    t = r * math.sqrt((n - 2) / (1 - r**2))
    return t, float(2 * stdtr(n - 2, -abs(t)))


def critical_r(n: int, confidence: float = 0.95) -> float:
    """|r| above which p < 1 - confidence, t / sqrt(n - 2 + t^2). 11 points: .6021, 12: .5760."""
    t = float(stdtrit(n - 2, (1 + confidence) / 2))
    return t / math.sqrt(n - 2 + t**2)


def _r(x: Array, y: Array) -> float:
    one, two = x - x.mean(), y - y.mean()
    scale = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(np.clip(one @ two / scale, -1, 1)) if scale > 0 else math.nan


def _permuted(x: Array, y: Array, resamples: int, seed: int) -> float:
    """Share of the orders of y whose covariance with x is as far from 0."""
    one, two, n = x - x.mean(), y - y.mean(), x.size
    observed = abs(float(one @ two)) - 1e-12 * float(np.linalg.norm(one) * np.linalg.norm(two))
    if n <= EXACT_POINTS:
        orders = np.array(list(itertools.permutations(range(n))))
        return float((np.abs(two[orders] @ one) >= observed).mean())
    rng = np.random.default_rng(seed)
    hits = 0
    for rows in blocks(resamples, n):
        shuffled = rng.permuted(np.broadcast_to(two, (rows, n)), axis=1)
        hits += int((np.abs(shuffled @ one) >= observed).sum())
    return (1 + hits) / (1 + resamples)
