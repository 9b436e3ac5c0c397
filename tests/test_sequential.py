"""The group-sequential test: published bounds, false alarms, what it saves, and how often it decides as the full run."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import ndtr, ndtri, stdtrit

from pinch import stats
from pinch.stats import sequential
from pinch.stats.sequential import bounds, looks, saved, spent, stopping, z_score

SIXTHS = tuple(look / 6 for look in range(1, 7))
FIFTHS = tuple(look / 5 for look in range(1, 6))
PROMPTS, TIES, RUNS = 617, 0.3, 4000


def test_looks_are_at_even_shares() -> None:
    assert looks(617) == [103, 206, 309, 412, 515, 617]
    assert looks(60) == [10, 20, 30, 40, 50, 60]
    assert looks(4) == [1, 2, 3, 4]
    assert looks(0) == []


def test_z_is_that_of_the_sign_test() -> None:
    assert z_score([1.0] * 9 + [0.0] * 7 + [0.5] * 20) == pytest.approx((9 - 7) / math.sqrt(16))
    assert z_score([1.0, 1.0]) == pytest.approx(math.sqrt(2))  # two that agree prove nothing
    assert z_score([0.5] * 5) == z_score([]) == 0.0
    assert z_score([0.75, 0.25, 0.75]) == pytest.approx(1 / math.sqrt(3))


def test_the_bounds_of_o_brien_and_fleming() -> None:
    """Constants of the classic bounds at two-sided 5 % (Biometrics 35, 1979; 2.040 for five looks, 2.053 for six)."""
    for constant, shares in ((2.040, FIFTHS), (2.053, SIXTHS)):
        limits = [constant / math.sqrt(share) for share in shares]
        assert stopping(shares, limits).sum() == pytest.approx(0.05, abs=1e-4)
    assert [round(limit, 2) for limit in limits] == [5.03, 3.56, 2.90, 2.51, 2.25, 2.05]


def test_published_bounds_spend_what_they_are_said_to_spend() -> None:
    """Five looks of Lan and DeMets' function on each side of 2.5 %: 4.8769, 3.3569 (...) 2.0310."""
    limits = (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)
    one_side = [2 - 2 * ndtr(ndtri(1 - 0.0125) / math.sqrt(share)) for share in FIFTHS]
    expected = [2 * (after - before) for before, after in pairwise([0.0, *one_side])]
    assert stopping(FIFTHS, limits) == pytest.approx(expected, abs=2e-5)


def test_the_bounds_spend_alpha() -> None:
    limits = bounds(SIXTHS)
    assert limits == pytest.approx((4.8009, 3.3950, 2.7873, 2.4489, 2.2320, 2.0799), abs=1e-4)
    assert np.cumsum(stopping(SIXTHS, limits)) == pytest.approx([spent(share, 0.05) for share in SIXTHS], abs=1e-8)
    assert spent(1.0, 0.05) == pytest.approx(0.05)
    assert spent(0.0, 0.05) == 0.0
    assert bounds((1.0,)) == pytest.approx((1.959964,), abs=1e-5)
    assert bounds(SIXTHS, 0.01)[-1] > limits[-1]


def test_what_is_saved_in_expectation() -> None:
    assert saved(PROMPTS, 0, TIES) == pytest.approx(0.0, abs=0.02)
    assert saved(PROMPTS, 5, TIES) >= 0.24
    assert saved(PROMPTS, 12, TIES) >= 0.60
    assert saved(PROMPTS, 12, TIES) == pytest.approx(saved(PROMPTS, -12, TIES))
    assert saved(1, 12, TIES) == 0.0


@pytest.mark.parametrize(("off", "calls_saved"), [(0.0, 0.0), (5.0, 0.24), (8.0, 0.45), (12.0, 0.60), (20.0, 0.70)])
def test_simulated_contests(off: float, calls_saved: float) -> None:
    """Calls saved, false alarms, and the decision of the full run, as its 95 % interval tells it."""
    draws = np.random.default_rng(0).random((RUNS, PROMPTS))
    win = (1 - TIES) / 2 + off / 100
    scores = np.where(draws < win, 1.0, np.where(draws < 1 - TIES, 0.0, 0.5))
    sizes = looks(PROMPTS)
    ends, said = zip(*(decided(row, sizes) for row in scores), strict=True)
    mean, se = scores.mean(1) - 0.5, scores.std(1, ddof=1) / math.sqrt(PROMPTS)
    full = np.where(np.abs(mean) > stdtrit(PROMPTS - 1, 0.975) * se, np.sign(mean), 0)
    kept = 1 - np.mean(ends) / PROMPTS
    assert kept >= calls_saved
    assert kept == pytest.approx(saved(PROMPTS, off, TIES), abs=0.01)
    assert np.mean(np.array(said) == full) >= 0.95
    if not off:
        assert np.mean(np.array(said) != 0) <= 0.05 + 0.005  # the simulation's own error
        assert np.mean(np.array(said) > 0) == pytest.approx(0.025, abs=0.006)


def decided(scores: stats.Array, sizes: list[int]) -> tuple[int, float]:
    """Prompts judged, and the sign of the decision, 0 without one."""
    limits = bounds(tuple(size / len(scores) for size in sizes))
    for size, limit in zip(sizes, limits, strict=True):
        z = z_score(scores[:size])
        if abs(z) >= limit:
            return size, math.copysign(1, z)
    return sizes[-1], 0.0


def test_the_quadrature_is_fine_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = bounds(SIXTHS)
    known = stopping(SIXTHS, limits, drift=2.0)
    monkeypatch.setattr(sequential, "NODES", 100)
    assert stopping(SIXTHS, limits, drift=2.0) == pytest.approx(known, abs=1e-9)
