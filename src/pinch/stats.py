"""Pure: means, differences and curves with the uncertainty that paired, content-parallel items call for.

Arrays of item scores go in (numpy floats, one row per prompt, NaN = missing where said), small frozen records come out,
in the unit of the input (elsewhere in Pinch: per cent, 0..100). Items are the same prompts in every language and every
cell, so differences are taken item by item and averages over languages are clustered by prompt. No I/O, no global
random state: whatever draws takes a seed. Quantiles come from scipy.special (ndtri: normal, stdtrit: t), as scipy.stats
takes a second to import.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

Array = NDArray[np.float64]
Bounds = tuple[float, float]

EXACT_FLIPS = 14
"""Sign-flip tests of up to this many values are enumerated (2 ** 14 patterns) instead of sampled."""

BLOCK = 2_000_000
"""Random numbers drawn at a time; bounds the memory of resampling to some 16 MB."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and interval. `n` counts independent units: items, or clusters. NaN = undefined."""

    mean: float
    se: float
    low: float
    high: float
    n: int


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


@dataclass(frozen=True)
class Bands:
    """A curve with simultaneous bands, mean +- critical * se at every point; the arrays have one entry per point."""

    mean: Array
    low: Array
    high: Array
    se: Array
    critical: float


NOTHING = Estimate(np.nan, np.nan, np.nan, np.nan, 0)


def mean(values: Array, confidence: float = 0.95, bounds: Bounds = (0.0, 100.0)) -> Estimate:
    """Mean of independent items with SE = sd / sqrt(n) (ddof 1) and a t interval cut off at `bounds`.

    NaN values are left out. Equal values have SE 0, and yet nobody knows the mean exactly: their interval is that of
    `_constant`. One value alone has no SE (NaN) and the same kind of interval. Raises ValueError outside `bounds`."""
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


def paired(first: Array, second: Array, confidence: float = 0.95) -> Difference:
    """Mean of first - second over the same items, with SE = sd / sqrt(n), t interval and two-sided t test.

    Items with a NaN on either side are left out. Two cells of one language share their reference's answers, so this is
    the way to compare them, never the overlap of their intervals. Equal differences give SE 0, an interval without
    width, and p = 1 (all zero) or the p of the sign-flip test (2 ** (1 - n)): the t test says nothing there."""
    gaps = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    gaps = gaps[~np.isnan(gaps)]
    n = gaps.size
    if n == 0:
        return Difference(np.nan, np.nan, np.nan, np.nan, 0, np.nan, np.nan)
    centre = float(gaps.mean())
    if n == 1:
        return Difference(centre, np.nan, np.nan, np.nan, 1, np.nan, np.nan)
    if np.ptp(gaps) <= 1e-12 * max(1.0, abs(centre)):
        t = float(np.sign(centre) * np.inf) if centre else 0.0
        return Difference(centre, 0.0, centre, centre, n, t, 2.0 ** (1 - n) if centre else 1.0)
    se = float(gaps.std(ddof=1) / np.sqrt(n))
    width = float(stdtrit(n - 1, (1 + confidence) / 2)) * se
    t = centre / se
    return Difference(centre, se, centre - width, centre + width, n, t, float(2 * stdtr(n - 1, -abs(t))))


def sign_flip(z: Array, resamples: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of the hypothesis that z is symmetric around zero, by flipping signs at random.

    Up to EXACT_FLIPS values all patterns are enumerated: n values of one sign give 2 ** (1 - n), the smallest p there
    is (3 values: .25, 6: .031). Beyond that, (1 + hits) / (1 + resamples). NaN values are left out."""
    kept = np.asarray(z, dtype=float)
    kept = kept[~np.isnan(kept)]
    n = kept.size
    if n == 0:
        return float("nan")
    observed = abs(kept.sum()) * (1 - 1e-12)  # sums of the same numbers in another order differ in their last bits
    if n <= EXACT_FLIPS:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs((1 - 2 * patterns) @ kept) >= observed).mean())
    rng = np.random.default_rng(seed)
    hits = 0
    for rows in _blocks(resamples, n):
        signs = rng.integers(0, 2, size=(rows, n)) * 2 - 1
        hits += int((np.abs(signs @ kept) >= observed).sum())
    return (1 + hits) / (1 + resamples)


def bands(
    points: Array,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    bounds: Bounds | None = None,
) -> Bands:
    """Simultaneous (max-t) bands for a curve: `points` is [items, points], the same items at every point.

    Items are resampled with all their points together, the critical value is the quantile of max_k |t_k| over the
    points (Romano and Wolf 2005), and is carried from the normal to the t scale of n - 1 degrees of freedom, which
    matters below some 100 items. NaN cells are left out of their point. With `bounds` (0 and 100 for scores) bands end
    there and a point whose items are all equal gets the width of `_constant`; without, such a point has no width."""
    table = np.asarray(points, dtype=float)
    there = ~np.isnan(table)
    counts = there.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.where(there, table, 0.0).sum(axis=0) / counts
        residuals = np.where(there, table - centre, 0.0)
        se = np.sqrt(np.square(residuals).sum(axis=0) / (counts - 1) / counts)
    moving = np.isfinite(se) & (se > 1e-12)
    critical = _max_t(residuals[:, moving], confidence, resamples, seed)
    low, high = centre - critical * se, centre + critical * se
    if bounds is not None:
        for k in np.flatnonzero(~moving & (counts > 0)):
            low[k], high[k] = _constant(float(centre[k]), int(counts[k]), critical, bounds)
        low, high = np.clip(low, *bounds), np.clip(high, *bounds)
    return Bands(centre, low, high, se, critical)


def _max_t(residuals: Array, confidence: float, resamples: int, seed: int) -> float:
    """Quantile of the largest |t| over the columns of residuals [items, points] under resampling of the items."""
    items, points = residuals.shape
    pointwise = float(stdtrit(max(items - 1, 1), (1 + confidence) / 2))
    if points == 0 or items < 2:
        return pointwise
    scaled = residuals / np.sqrt(np.square(residuals).sum(axis=0))
    rng = np.random.default_rng(seed)
    largest = []
    for rows in _blocks(resamples, items):
        weights = rng.multinomial(items, np.full(items, 1 / items), size=rows)
        largest.append(np.abs(weights @ scaled).max(axis=1))
    on_normal = float(np.quantile(np.concatenate(largest), confidence))
    return max(pointwise, float(-stdtrit(items - 1, ndtr(-on_normal))))


def minimum_detectable(
    n: int, tie_rate: float, r: float | None = None, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Smallest true effect, in per cent points, that a two-sided test of level `alpha` finds with probability `power`.

    (z of 1 - alpha/2 + z of power) * sd / sqrt(n), where items of a par comparison have sd^2 = (1 - tie_rate) / 4. With
    `r`, the correlation of two cells' items, it is the difference of the two: sd^2 is multiplied by 2 (1 - r)."""
    if n < 1 or not 0 <= tie_rate <= 1:
        raise ValueError(f"n={n} must be 1 or more and tie_rate={tie_rate} lie in 0..1")
    variance = (1 - tie_rate) / 4 * (1 if r is None else 2 * (1 - r))
    return float(100 * (ndtri(power) - ndtri(alpha / 2)) * np.sqrt(variance / n))


def _estimate(centre: float, se: float, n: int, constant: bool, confidence: float, bounds: Bounds) -> Estimate:
    """The interval: t, or that of `_constant` where the units do not differ; never outside `bounds`."""
    if n == 1 or constant:
        low, high = _constant(centre, n, float(ndtri((1 + confidence) / 2)), bounds)
    else:
        width = float(stdtrit(n - 1, (1 + confidence) / 2)) * se
        low, high = centre - width, centre + width
    return Estimate(centre, se, max(low, bounds[0]), min(high, bounds[1]), n)


def _constant(centre: float, n: int, critical: float, bounds: Bounds) -> Bounds:
    """Interval of a mean whose n units are all equal: at most a share u of the population differs from them, where u is
    Wilson's upper limit of 0 in n, z^2 / (n + z^2), and that share may lie at either bound. At the bounds themselves
    this is the Wilson interval (all wins of 56: 93.6..100); 56 ties: 46.8..53.2."""
    share = critical**2 / (n + critical**2)
    return centre - share * (centre - bounds[0]), centre + share * (bounds[1] - centre)


def _check(values: Array, bounds: Bounds) -> None:
    slack = 1e-9 * (bounds[1] - bounds[0])
    if values.min() < bounds[0] - slack or values.max() > bounds[1] + slack:
        raise ValueError(f"values {values.min():g}..{values.max():g} lie outside bounds={bounds}; name their scale")


def _blocks(resamples: int, width: int) -> list[int]:
    """Numbers of rows, each block at most BLOCK numbers, `resamples` rows in all."""
    rows = max(1, BLOCK // max(width, 1))
    return [min(rows, resamples - start) for start in range(0, resamples, rows)]
