"""Intervals hold the truth as often as they say: seeded simulations, within three Monte-Carlo errors of 95 %."""

import math

import numpy as np
import pytest

from pinch import stats

LEVEL = 0.95


def allowed(runs: int) -> float:
    """Three standard errors of a share of .95."""
    return 3 * math.sqrt(LEVEL * (1 - LEVEL) / runs)


def scores(rng: np.random.Generator, shape: tuple[int, ...], rho: float) -> np.ndarray:
    """Scores of 0, 50 and 100 around par, 30 % ties, latent correlation rho along the last axis."""
    shared = rng.normal(size=(*shape[:-1], 1))
    latent = math.sqrt(rho) * shared + math.sqrt(1 - rho) * rng.normal(size=shape)
    return 50.0 * np.digitize(latent, [-0.385, 0.385])


def test_clustered_mean() -> None:
    runs = 2000
    drawn = scores(np.random.default_rng(1), (runs, 100, 6), 0.3)
    found = [stats.clustered(table) for table in drawn]
    assert np.mean([one.low <= 50 <= one.high for one in found]) == pytest.approx(LEVEL, abs=allowed(runs))
    naive = [stats.mean(table.ravel()) for table in drawn[:500]]
    assert np.mean([one.low <= 50 <= one.high for one in naive]) < 0.9


def test_paired_difference() -> None:
    """Two cells with the same reference, r about .25, whose true difference is 0; overlap of intervals is no test of it."""
    runs = 3000
    drawn = scores(np.random.default_rng(2), (runs, 80, 2), 0.35)
    found = [stats.paired(one[:, 0], one[:, 1]) for one in drawn]
    assert np.mean([one.low <= 0 <= one.high for one in found]) == pytest.approx(LEVEL, abs=allowed(runs))
    assert np.mean([one.p < 0.05 for one in found]) == pytest.approx(0.05, abs=allowed(runs))
    ends = [(stats.mean(one[:, 0]), stats.mean(one[:, 1])) for one in drawn[:1000]]
    assert np.mean([a.low <= b.high and b.low <= a.high for a, b in ends]) > 0.985


def test_clustered_difference_with_gaps() -> None:
    runs = 2000
    rng = np.random.default_rng(3)
    drawn = scores(rng, (2, runs, 60, 5), 0.3)
    drawn[rng.random(drawn.shape) < 0.1] = np.nan
    found = [stats.paired_clustered(one, other) for one, other in zip(*drawn, strict=True)]
    assert np.mean([one.low <= 0 <= one.high for one in found]) == pytest.approx(LEVEL, abs=allowed(runs))


def test_detectable_effects_are_found_four_times_in_five() -> None:
    """The true difference is put at the effect that 60 pairs of sd 30 detect."""
    runs = 3000
    shift = stats.detectable(30 / math.sqrt(60), 60)
    drawn = np.random.default_rng(4).normal(shift, 30, size=(runs, 60))
    found = np.mean([stats.paired(one, np.zeros(60)).p < 0.05 for one in drawn])
    assert found == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / runs))


@pytest.mark.parametrize("rho", [0.1, 0.6])
def test_simultaneous_bands(rho: float) -> None:
    """Eleven points hold jointly, however much they depend on each other; pointwise intervals do not."""
    runs = 400
    drawn = scores(np.random.default_rng(5), (runs, 60, 11), rho)
    found = [stats.bands(one, resamples=600, seed=run) for run, one in enumerate(drawn)]
    joint = np.mean([((band.low <= 50) & (band.high >= 50)).all() for band in found])
    assert joint == pytest.approx(LEVEL, abs=allowed(runs))
    assert np.mean([(np.abs(band.mean - 50) <= 2.001 * band.se).all() for band in found]) < 0.85


def test_two_way_clustered_mean() -> None:
    """Eight seeds (sd 5) and 60 prompts (sd 20): new seeds are covered, which intervals over prompts alone are not."""
    runs = 1000
    rng = np.random.default_rng(6)
    drawn = (
        50 + 5 * rng.normal(size=(runs, 8, 1)) + 20 * rng.normal(size=(runs, 1, 60)) + rng.normal(0, 15, (runs, 8, 60))
    )
    found = [stats.seed_variance(table, par=50) for table in drawn]
    both = np.mean([one is not None and one.of_both.low <= 50 <= one.of_both.high for one in found])
    prompts = np.mean([one is not None and one.of_prompts.low <= 50 <= one.of_prompts.high for one in found])
    spans = np.mean([one is not None and one.seed_sd_span[0] <= 5 <= one.seed_sd_span[1] for one in found])
    assert both >= LEVEL - allowed(runs)
    assert prompts < 0.94
    assert spans == pytest.approx(LEVEL, abs=allowed(runs))


def test_slope_over_length() -> None:
    """Scores that do not depend on length, three languages of a prompt alike."""
    runs = 1000
    rng = np.random.default_rng(7)
    drawn, lengths = scores(rng, (runs, 80, 3), 0.4), rng.normal(0, 100, size=(runs, 80, 3))
    found = [stats.length_effect(*pair, np.zeros((80, 3))).slope for pair in zip(drawn, lengths, strict=True)]
    assert np.mean([one.low <= 0 <= one.high for one in found]) == pytest.approx(LEVEL, abs=allowed(runs))


def test_interval_of_a_correlation() -> None:
    runs = 1500
    drawn = np.random.default_rng(8).normal(size=(runs, 2, 11))
    drawn[:, 1] = 0.5 * drawn[:, 0] + math.sqrt(0.75) * drawn[:, 1]
    found = [stats.fisher(np.corrcoef(one)[0, 1], 11) for one in drawn]
    assert np.mean([low <= 0.5 <= high for low, high in found]) == pytest.approx(LEVEL, abs=allowed(runs))
