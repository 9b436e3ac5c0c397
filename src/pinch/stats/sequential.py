"""Group-sequential test of a contest against par: looks, bounds, and how soon it stops.

A contest of n prompts is looked at `LOOKS` times, at even shares of its prompts, and ends as soon as |z| reaches the bound
of a look. Over all looks a contest at par is called decided with probability `alpha` (two-sided), of which
2 - 2 Phi(z_(1 - alpha/2) / sqrt(t)) is spent by the share t of the prompts: the spending function of O'Brien-Fleming type
of Lan & DeMets (Biometrika 70, 1983, 659-663), here on both sides together (Jennison & Turnbull, Group Sequential Methods,
2000, ch. 7), which stops a little sooner than O'Brien & Fleming's own bounds (Biometrics 35, 1979, 549-556) and is a little
stricter at the end. Bounds and probabilities by recursive numerical integration (Armitage, McPherson & Rowe, J. R. Stat.
Soc. A 132, 1969, 235-244).
Scores of contests that stopped early are biased outward: this decides, it does not estimate.
"""

import functools
import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from pinch.stats.means import Array

LOOKS = 6
NODES = 200
"""Of the quadrature; 100 give the same bounds to 1e-9."""


def looks(n: int, number: int = LOOKS) -> list[int]:
    """Sizes at which a contest of n prompts is looked at, rising, the last one n: fewer looks than `number` for a few."""
    return sorted({math.ceil(n * look / number) for look in range(1, number + 1)}) if n else []


def z_score(scores: Sequence[float]) -> float:
    """How far items of 0 (loss), 0.5 (tie) and 1 (win) are from par: sum of (score - 0.5) over the root of the sum of its
    squares. Without half scores beside ties it is (wins - losses) / sqrt(wins + losses), the sign test's z. It takes the
    variance that holds at par, so a handful of items that all agree is not infinitely far from it. 0 for ties alone."""
    off = np.asarray(scores, dtype=float) - 0.5
    scale = math.sqrt(float(off @ off))
    return float(off.sum()) / scale if scale else 0.0


def spent(share: float, alpha: float) -> float:
    """Of alpha, what both sides together have spent by a share of the prompts, 0..1."""
    return float(2 * (1 - ndtr(ndtri(1 - alpha / 2) / math.sqrt(share)))) if share > 0 else 0.0


@functools.cache
def bounds(shares: tuple[float, ...], alpha: float = 0.05) -> tuple[float, ...]:
    """The bound of |z| at every look, given the shares of the prompts (rising, the last one 1)."""
    found: list[float] = []
    walk = _Walk(0.0)
    before = 0.0
    for share in shares:
        wanted, before = spent(share, alpha) - before, spent(share, alpha)
        low, high = 0.0, 40.0
        while high - low > 1e-10:
            middle = (low + high) / 2
            low, high = (middle, high) if walk.crossing(share, middle) > wanted else (low, middle)
        found.append(high)
        walk.go_on(share, high)
    return tuple(found)


def stopping(shares: Sequence[float], limits: Sequence[float], drift: float = 0.0) -> Array:
    """Per look, the probability that |z| reaches its limit there and not before. `drift` is the mean of z when all prompts
    are judged: the distance from par over its standard error."""
    walk = _Walk(drift)
    found = []
    for share, limit in zip(shares, limits, strict=True):
        found.append(walk.crossing(share, limit))
        walk.go_on(share, limit)
    return np.array(found)


def saved(n: int, effect: float, tie_rate: float, alpha: float = 0.05) -> float:
    """Expected share of the prompts, 0..1, that need no call in a contest of n prompts whose true score is `effect` per cent
    points off par. Items are as in `power.par_se`; exact but for z being taken as normal."""
    sizes = looks(n)
    if len(sizes) < 2:
        return 0.0
    shares = tuple(size / n for size in sizes)
    decisive = (1 - tie_rate) / 4
    drift = effect / 100 * math.sqrt(n / decisive) if decisive else 0.0
    ends = stopping(shares, bounds(shares, alpha), drift)
    return float(sum(chance * (1 - share) for chance, share in zip(ends, shares, strict=True)))


class _Walk:
    """S(t) = z sqrt(t), a Brownian motion with a drift, at the share t, as the density of walks that reached no limit."""

    def __init__(self, drift: float) -> None:
        self._drift, self._share = drift, 0.0
        self._places, self._mass = np.zeros(1), np.ones(1)

    def crossing(self, share: float, limit: float) -> float:
        """Probability of |z| >= limit at the share, for walks that reached no limit before."""
        step, edge = math.sqrt(share - self._share), limit * math.sqrt(share)
        ahead = self._places + self._drift * (share - self._share)
        return float(self._mass @ (ndtr((-edge - ahead) / step) + ndtr((ahead - edge) / step)))

    def go_on(self, share: float, limit: float) -> None:
        """To the share, keeping the walks within the limit."""
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        edge, step = limit * math.sqrt(share), math.sqrt(share - self._share)
        places = edge * nodes
        ahead = self._places + self._drift * (share - self._share)
        density = np.exp(-0.5 * ((places[:, None] - ahead[None, :]) / step) ** 2) / (step * math.sqrt(2 * math.pi))
        self._mass = edge * weights * (density @ self._mass)
        self._places, self._share = places, share
