"""Many tests at once: p values adjusted so that a bound of .05 keeps its meaning over a whole matrix.

Arrays of any shape go in and come out in the same shape; a NaN is a place without a test, stays NaN and is not counted.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pinch.stats.means import Array


@dataclass(frozen=True)
class Corrected:
    """p values of `tests` tests, as they are and adjusted. Below .05 in `holm`: in 19 of 20 studies no such mark is wrong;
    in `benjamini_hochberg`: on average one in twenty of the marks is wrong."""

    p: Array
    holm: Array
    benjamini_hochberg: Array
    tests: int


def corrected(p: Array) -> Corrected:
    """The p values of a matrix, adjusted both ways."""
    given = np.asarray(p, dtype=float)
    return Corrected(given, holm(given), benjamini_hochberg(given), int((~np.isnan(given)).sum()))


def holm(p: Array) -> Array:
    """Holm's adjusted p values (family-wise error), in the order given: max over j <= i of (m - j + 1) p_(j), at most 1.

    Valid however the tests depend on each other. Source: Holm 1979, Scandinavian Journal of Statistics 6."""
    return _adjusted(p, lambda rising: np.maximum.accumulate(rising * (rising.size - np.arange(rising.size))))


def benjamini_hochberg(p: Array) -> Array:
    """Adjusted p values of the false discovery rate, in the order given: min over j >= i of m p_(j) / j, at most 1.

    Valid for independent and for positively dependent tests. Source: Benjamini and Hochberg 1995, JRSS B 57."""
    return _adjusted(
        p, lambda rising: np.minimum.accumulate((rising * rising.size / np.arange(1, rising.size + 1))[::-1])[::-1]
    )


def _adjusted(p: Array, steps: Callable[[Array], Array]) -> Array:
    """`steps` of the p values in rising order, put back in their places."""
    given = np.asarray(p, dtype=float)
    there = np.flatnonzero(~np.isnan(given))
    order = there[np.argsort(given.flat[there], kind="stable")]
    found = np.full(given.shape, np.nan)
    found.flat[order] = np.minimum(steps(given.flat[order]), 1.0)
    return found
