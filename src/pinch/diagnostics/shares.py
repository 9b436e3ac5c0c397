"""Pure: shares of items with intervals, where several items are of one prompt.

Items of one prompt, in other languages or of other cells, are alike: a prompt is one independent unit. Shares lie in
0..1.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pinch import stats

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Units = NDArray[np.intp]
"""Number of the prompt that each item belongs to, from 0 on."""


@dataclass(frozen=True)
class Share:
    """A share of `n` items with its interval; NaN where n is 0."""

    value: float
    low: float
    high: float
    n: int


def share(hits: Mask, prompts: Units, confidence: float = 0.95) -> Share:
    """Share of hits with Wilson's interval, at the effective number of items: n over the design effect, the variance of
    a share of clusters (CR1) over that of as many independent items (Korn and Graubard 1998), never more than n.

    All hits or none: n is the number of clusters, as nothing else can be known."""
    n = hits.size
    if n == 0:
        return Share(math.nan, math.nan, math.nan, 0)
    value = float(hits.mean())
    effective = n / design_effect(hits, prompts)
    z = float(ndtri((1 + confidence) / 2))
    centre = (value + z**2 / (2 * effective)) / (1 + z**2 / effective)
    width = z / (1 + z**2 / effective) * math.sqrt(value * (1 - value) / effective + z**2 / (4 * effective**2))
    return Share(value, min(value, max(0.0, centre - width)), max(value, min(1.0, centre + width)), n)


def design_effect(hits: Mask, prompts: Units) -> float:
    """1 where every item is a cluster of its own; where clusters tell nothing of the variance, as if their items were
    one and the same."""
    n, clusters = hits.size, len(np.unique(prompts))
    if clusters == n:
        return 1.0
    value = float(hits.mean())
    if clusters == 1 or value in (0.0, 1.0):
        return n / clusters
    sums = np.bincount(prompts, weights=hits - value)
    variance = float(np.square(sums).sum()) * clusters / (clusters - 1) / n**2
    return max(1.0, variance / (value * (1 - value) / n))


def mean(values: Array, prompts: Units, confidence: float) -> Share:
    """Mean of values from 0 to 1, clustered by prompt."""
    sizes = np.bincount(prompts)
    order, starts = np.argsort(prompts, kind="stable"), np.cumsum(sizes) - sizes
    columns = np.empty(len(prompts), dtype=np.intp)
    columns[order] = np.arange(len(prompts)) - np.repeat(starts, sizes)
    table = np.full((len(sizes), max(sizes, default=0)), np.nan)
    table[prompts, columns] = values
    found = stats.clustered(table, confidence, bounds=(0.0, 1.0))
    return Share(found.mean, found.low, found.high, len(values))


def plain(record: Any) -> Any:
    """A record of diagnostics as JSON values: NaN as None, pairs of names as 'one & other'."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {field.name: plain(getattr(record, field.name)) for field in dataclasses.fields(record)}
    if isinstance(record, dict):
        return {" & ".join(key) if isinstance(key, tuple) else key: plain(value) for key, value in record.items()}
    return None if isinstance(record, float) and math.isnan(record) else record
