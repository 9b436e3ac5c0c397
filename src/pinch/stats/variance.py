"""Where the uncertainty of a score comes from once a model was trained more than once: prompts, training seeds, the rest."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtr, fdtri

from pinch.stats.differences import Difference, t_test
from pinch.stats.means import NOTHING, Array, Bounds, Estimate


@dataclass(frozen=True)
class SeedVariance:
    """Scores [seeds, prompts] taken apart, as variances in squared points: of seeds, of prompts, of what is left (each a
    method-of-moments estimate, `clipped` names those that came out below 0 and are given as 0).

    `of_prompts` is the mean with these very models and new prompts; `of_both` with new seeds and new prompts (two-way
    clustered, t with min(seeds, prompts) - 1 degrees of freedom: wide with two seeds, and rightly so); each has a t test
    against `par`. `se` is sqrt(s2_seed / S + s2_item / n + s2_rest / (S n)); `seed_share`, 0..1, the part of seeds in its
    square. `seed_sd` is the standard deviation of a model's true score over seeds, in points, with its interval; `p` tests
    whether it is 0."""

    seeds: int
    prompts: int
    s2_seed: float
    s2_item: float
    s2_rest: float
    clipped: tuple[str, ...]
    se: float
    seed_share: float
    seed_sd: float
    seed_sd_span: Bounds
    p: float
    of_prompts: Difference
    of_both: Difference


def seed_variance(table: Array, par: float = 0.0, confidence: float = 0.95) -> SeedVariance | None:
    """Two-way ANOVA without replication, seeds and prompts random; None with fewer than two seeds or complete prompts.

    For the scores of one cell, or for differences of two cells with the same seeds. Prompts that lack a seed are left out.
    s2_rest = MS_rest, s2_seed = (MS_seed - MS_rest) / n, s2_item = (MS_item - MS_rest) / S; interval of s2_seed from MS_seed
    / F quantile. Equal seeds: s2_seed = 0; one shifted by d on every prompt: d^2 / 2, exactly.
    Source: Searle, Casella and McCulloch 1992, Variance Components, 4."""
    given = np.asarray(table, dtype=float)
    kept = given[:, ~np.isnan(given).any(axis=0)]
    s, n = kept.shape
    if s < 2 or n < 2:
        return None
    of_seed, of_item = kept.mean(axis=1, keepdims=True), kept.mean(axis=0, keepdims=True)
    ms_seed, ms_item = n * float(of_seed.var(ddof=1)), s * float(of_item.var(ddof=1))
    squares = np.square(kept - of_seed - of_item + kept.mean()).sum()
    rest = _zero_if_rounding(float(squares) / ((s - 1) * (n - 1)), float(np.square(kept).mean()))
    free = s - 1, (s - 1) * (n - 1)
    raw = {"seed": (ms_seed - rest) / n, "item": (ms_item - rest) / s}
    parts = {name: max(0.0, value) for name, value in raw.items()}
    clipped = tuple(name for name, value in raw.items() if value < -1e-12 * (ms_seed + ms_item))
    variance = parts["seed"] / s + parts["item"] / n + rest / (s * n)
    span = [(ms_seed / float(fdtri(*free, level)) - rest) / n for level in ((1 + confidence) / 2, (1 - confidence) / 2)]
    low, high = (math.sqrt(max(0.0, value)) for value in span)
    items = t_test(float(kept.mean()) - par, math.sqrt(ms_item / (s * n)), n, confidence)
    both = multiway(kept)
    return SeedVariance(
        s,
        n,
        parts["seed"],
        parts["item"],
        rest,
        clipped,
        math.sqrt(variance),
        parts["seed"] / s / variance if variance > 0 else 0.0,
        math.sqrt(parts["seed"]),
        (low, high),
        1 - float(fdtr(*free, ms_seed / rest)) if rest > 0 else float(ms_seed == 0),
        _moved(items, par),
        _moved(t_test(both.mean - par, both.se, both.n, confidence), par),
    )


def multiway(table: Array, axes: Sequence[int] | None = None, confidence: float = 0.95) -> Estimate:
    """Mean of an array of which every axis (or each of `axes`) is a way in which values depend on each other: [seeds,
    prompts], or [seeds of the model, seeds of its reference, prompts, languages]; NaN = missing.

    Variance = sum over sets A of axes of (-1)^(|A| + 1) V_A, V_A = G / (G - 1) * sum over the G clusters that share their
    places on A of (sum of residuals)^2 / N^2; never taken to be less than that of one axis alone, as the sum can be
    negative. t interval with (fewest clusters of an axis) - 1 degrees of freedom, n is those fewest clusters.
    Source: Cameron, Gelbach and Miller 2011, JBES 29. SE is NaN where an axis has one cluster: nothing is known of it."""
    values = np.asarray(table, dtype=float)
    there = ~np.isnan(values)
    total = int(there.sum())
    if total == 0:
        return NOTHING
    ways = tuple(range(values.ndim)) if axes is None else tuple(axes)
    centre = float(values[there].mean())
    residuals = np.where(there, values - centre, 0.0)
    clusters = {way: int(there.any(axis=_others(values.ndim, (way,))).sum()) for way in ways}
    fewest = min(clusters.values())
    if fewest < 2:
        return Estimate(centre, math.nan, math.nan, math.nan, fewest)
    variance, single = 0.0, 0.0
    for size in range(1, len(ways) + 1):
        for kept in itertools.combinations(ways, size):
            others = _others(values.ndim, kept)
            groups = int(there.any(axis=others).sum())
            one = float(np.square(residuals.sum(axis=others)).sum()) * groups / (groups - 1) / total**2
            variance += one if size % 2 else -one
            single = max(single, one) if size == 1 else single
    found = t_test(centre, math.sqrt(max(variance, single)), fewest, confidence)
    return Estimate(centre, found.se, found.low, found.high, fewest)


def _others(axes: int, kept: Sequence[int]) -> tuple[int, ...]:
    return tuple(axis for axis in range(axes) if axis not in kept)


def _zero_if_rounding(value: float, scale: float) -> float:
    return 0.0 if value <= 1e-24 * scale else value


def _moved(gap: Difference, par: float) -> Difference:
    """A difference from par, told on the scale that par is on: mean and interval moved, the test as it was."""
    return Difference(gap.mean + par, gap.se, gap.low + par, gap.high + par, gap.n, gap.t, gap.p)
