"""Curves with simultaneous bands: one statement about all points at once (pointwise intervals of 11 points hold jointly
in some 60 % of studies)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from pinch.stats.means import Array, Bounds, span_of_equals
from pinch.stats.signs import BLOCK, blocks


@dataclass(frozen=True)
class Bands:
    """A curve with simultaneous bands, mean +- critical * se at every point; the arrays have one entry per point."""

    mean: Array
    low: Array
    high: Array
    se: Array
    critical: float


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
    there and a point whose items are all equal gets the width of `span_of_equals`; without, such a point has no width."""
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
            low[k], high[k] = span_of_equals(float(centre[k]), int(counts[k]), critical, bounds)
        low, high = np.clip(low, *bounds), np.clip(high, *bounds)
    return Bands(centre, low, high, se, critical)


def sidak(points: int, confidence: float = 0.95) -> float:
    """Critical value of |z| for `points` independent statements to hold jointly: z of (1 + confidence ** (1 / points)) / 2.

    11 points: 2.8302, the 132 places of a matrix of 12: 3.5478. Dependent points need less, down to 1.960 where all are
    one and the same, which is what `bands` measures. Source: Sidak 1967, JASA 62."""
    return float(ndtri((1 + confidence ** (1 / points)) / 2))


def _max_t(residuals: Array, confidence: float, resamples: int, seed: int) -> float:
    """Quantile of the largest |t| over the columns of residuals [items, points] under resampling of the items."""
    items, points = residuals.shape
    pointwise = float(stdtrit(max(items - 1, 1), (1 + confidence) / 2))
    if points == 0 or items < 2:
        return pointwise
    scaled = residuals / np.sqrt(np.square(residuals).sum(axis=0))
    largest = [np.abs(weights @ scaled).max(axis=1) for weights in _weights(items, resamples, seed)]
    on_normal = float(np.quantile(np.concatenate(largest), confidence))
    return max(pointwise, float(-stdtrit(items - 1, ndtr(-on_normal))))


def _weights(items: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each resample has each item, a block of resamples at a time."""
    if resamples * items <= BLOCK:
        yield _one_block(items, resamples, seed)
        return
    rng = np.random.default_rng(seed)
    for rows in blocks(resamples, items):
        yield rng.multinomial(items, np.full(items, 1 / items), size=rows)


@lru_cache(maxsize=2)
def _one_block(items: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Drawing takes most of the time of a band, and the many bands of a study are of the same prompts."""
    drawn = np.random.default_rng(seed).multinomial(items, np.full(items, 1 / items), size=resamples)
    drawn.setflags(write=False)
    return drawn
