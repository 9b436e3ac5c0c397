"""Similarity of languages as a reason for transfer: two matrices over the same languages, compared by QAP (Mantel) tests.

The places of a matrix share rows and columns, so its values are no independent items: a correlation is held against those
that the same matrices show when the predictor's languages are given each other's names. Good tuning languages and easy
evaluation languages are taken out first (row and column effects), the diagonal is never used.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinch.stats.differences import NO_DIFFERENCE, Difference, t_test
from pinch.stats.means import Array

EXACT_LANGUAGES = 8
"""Up to this many languages all orders of their names are enumerated (7: 5,040); beyond, they are sampled."""


@dataclass(frozen=True)
class Similarity:
    """How a predictor of language pairs (same script: 1 or 0, say) goes with scores, after row and column effects.

    `r` is their partial correlation over `places`; `p_greater` the share of the `permutations` of names with an r as high,
    `p` with one as far from 0; no p is below `smallest_p`. |r| must exceed `critical` for p < 1 - confidence: what could
    have been found with these languages. `effect` is in points per unit of the predictor, with an interval over prompts
    (for just these languages), undefined where scores came without prompts. All NaN where row and column effects leave
    nothing of the predictor (`told` is False): it cannot be told from good rows and easy columns."""

    r: float
    p: float
    p_greater: float
    smallest_p: float
    critical: float
    effect: Difference
    n: int
    places: int
    permutations: int

    @property
    def told(self) -> bool:
        return not math.isnan(self.r)


def similarity(
    scores: Array, predictor: Array, confidence: float = 0.95, permutations: int = 10_000, seed: int = 0
) -> Similarity:
    """The QAP test of scores [languages, languages] or [prompts, languages, languages] (rows tuning, columns evaluation)
    with a predictor [languages, languages]; NaN in scores = missing place or item, the predictor must be complete off its
    diagonal.

    Both are residuals of value ~ row + column over the places that are there; names are permuted for rows and columns of
    the predictor together, and it is made a residual again. Scores equal to the predictor give r = 1 and p_greater =
    (number of the predictor's automorphisms) / n!. Source: Mantel 1967, Cancer Research 27; Krackhardt 1988, Social
    Networks 10; Dekker, Krackhardt and Snijders 2007, Psychometrika 72."""
    table = np.asarray(scores, dtype=float)
    items = table[None] if table.ndim == 2 else table
    given, n = np.asarray(predictor, dtype=float), items.shape[-1]
    off = ~np.eye(n, dtype=bool)
    if items.shape[1:] != (n, n) or given.shape != (n, n) or np.isnan(given[off]).any():
        raise ValueError(f"scores {table.shape} and a complete predictor {given.shape} must be of the same languages")
    rows, columns = np.nonzero(off & (~np.isnan(items)).any(axis=0))
    items = items[:, rows, columns]
    residual = _without_effects(rows, columns, n)
    observed = residual @ np.nanmean(items, axis=0)
    names, exact = _names(n, permutations, seed)
    permuted = given[names[:, rows], names[:, columns]] @ residual
    x, scale = permuted[0], float(np.abs(given[off]).max(initial=0.0))
    if _nothing(x, scale) or _nothing(observed, float(np.nanmax(np.abs(items), initial=0.0))):
        nan = math.nan
        return Similarity(nan, nan, nan, nan, nan, NO_DIFFERENCE, n, rows.size, len(names))
    norms = np.linalg.norm(permuted, axis=1)
    r = (permuted @ observed) / (np.where(norms > 1e-9 * scale, norms, np.inf) * np.linalg.norm(observed))
    hits = r >= r[0] - 1e-9, np.abs(r) >= abs(r[0]) - 1e-9  # the same places in another order differ in their last bits
    effect = _effect(items, x / (x @ x), confidence) if table.ndim == 3 else NO_DIFFERENCE
    smallest = float((np.abs(r) >= np.abs(r).max() - 1e-9).mean()) if exact else 1 / len(names)
    critical = float(np.quantile(np.abs(r), confidence, method="inverted_cdf"))
    p_greater, p = (float(hit.mean()) for hit in hits)
    return Similarity(min(float(r[0]), 1.0), p, p_greater, smallest, critical, effect, n, rows.size, len(names))


def _names(n: int, permutations: int, seed: int) -> tuple[NDArray[np.intp], bool]:
    """Orders of n names, the given one first; whether they are all there are."""
    if n <= EXACT_LANGUAGES:
        return np.array(list(itertools.permutations(range(n)))), True
    rng = np.random.default_rng(seed)
    return np.stack([np.arange(n), *(rng.permutation(n) for _ in range(permutations))]), False


def _without_effects(rows: NDArray[np.intp], columns: NDArray[np.intp], n: int) -> Array:
    """The projection that leaves the residuals of value ~ row + column."""
    effects = np.concatenate([rows[:, None] == np.arange(n), columns[:, None] == np.arange(n)], axis=1).astype(float)
    found: Array = np.eye(rows.size) - effects @ np.linalg.pinv(effects)
    return found


def _nothing(residuals: Array, scale: float) -> bool:
    return bool(np.linalg.norm(residuals) <= 1e-9 * max(scale, 1e-300))


def _effect(items: Array, weights: Array, confidence: float) -> Difference:
    """The slope sum over places of weight * mean score, linear in the scores, so its SE comes from each prompt's share in
    it: sum of weight * (score - mean of the place) / (scores at the place). Complete items: the t test of their slopes."""
    there = ~np.isnan(items)
    counts, means = there.sum(axis=0), np.nanmean(items, axis=0)
    parts = np.where(there, items - means, 0.0) @ (weights / counts)
    n = int(there.any(axis=1).sum())
    if n < 2:
        return NO_DIFFERENCE
    return t_test(float(weights @ means), float(np.sqrt(np.square(parts).sum() * n / (n - 1))), n, confidence)
