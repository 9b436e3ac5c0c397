"""Known answers of the tools: corrections, critical values, signs, clustered differences, power, seeds. By hand where no
source is named."""

import subprocess
import sys

import numpy as np
import pytest

from pinch import diagnostics, stats

BENJAMINI_HOCHBERG = np.array(
    [.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262, .5719, .6528, .7590, 1.0]
)  # fmt: skip


def test_scipy_stats_stays_out() -> None:
    code = "import sys, pinch.stats; assert 'scipy.stats' not in sys.modules"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


# --- many tests ---------------------------------------------------------------------------------------------------------


def test_the_fifteen_p_values_of_benjamini_and_hochberg() -> None:
    """Their 1995 paper: Bonferroni and Holm reject 3, the false discovery rate 4."""
    found = stats.corrected(BENJAMINI_HOCHBERG)
    assert found.tests == 15
    assert (BENJAMINI_HOCHBERG * 15 < 0.05).sum() == (found.holm < 0.05).sum() == 3
    assert (found.benjamini_hochberg < 0.05).tolist() == [True] * 4 + [False] * 11
    assert found.benjamini_hochberg[:5] == pytest.approx([0.0015, 0.0030, 0.0095, 0.0356, 0.0603], abs=5e-5)


def test_matrices_are_corrected_in_place() -> None:
    """Four tests; a missing cell stays missing and is not counted."""
    p = np.array([[np.nan, 0.04], [0.01, 0.03], [0.5, np.nan]])
    found = stats.corrected(p)
    assert found.tests == 4
    assert found.holm == pytest.approx(np.array([[np.nan, 0.09], [0.04, 0.09], [0.5, np.nan]]), nan_ok=True)
    by_hand = np.array([[np.nan, 0.16 / 3], [0.04, 0.16 / 3], [0.5, np.nan]])
    assert found.benjamini_hochberg == pytest.approx(by_hand, nan_ok=True)
    assert diagnostics.holm is stats.holm
    assert stats.corrected(np.full((2, 2), np.nan)).tests == 0


@pytest.mark.parametrize(("points", "critical"), [(1, 1.9600), (11, 2.8302), (132, 3.5478)])
def test_critical_values_of_sidak(points: int, critical: float) -> None:
    assert stats.sidak(points) == pytest.approx(critical, abs=5e-5)


def test_bands_of_equal_and_of_independent_points_lie_at_their_limits() -> None:
    """Monte-Carlo error of the 95 % quantile of 20,000 draws: .01 for independent points, .013 for one."""
    drawn = np.random.default_rng(3).normal(size=(400, 11))
    assert stats.bands(drawn, resamples=20_000).critical == pytest.approx(stats.sidak(11), abs=0.05)
    equal = stats.bands(np.repeat(drawn[:, :1], 11, axis=1), resamples=20_000).critical
    assert equal == pytest.approx(1.966, abs=0.04)  # t of .975 with 399 degrees of freedom


# --- signs --------------------------------------------------------------------------------------------------------------


def test_six_of_six_signs() -> None:
    found = stats.sign_test(np.array([1.0, 2.0, 0.5, 3.0, 1.0, 9.0]))
    assert (found.above, found.below, found.n) == (6, 0, 6)
    assert (found.p, found.p_greater, found.smallest_p) == (0.03125, 0.015625, 0.03125)
    assert found.low == pytest.approx(0.025 ** (1 / 6))  # Clopper and Pearson for all of n: (alpha / 2) ** (1 / n)
    assert found.high == 1


def test_signs_with_ties_and_gaps() -> None:
    """8 above, 2 below: p = 2 (1 + 10 + 45) / 1024; interval of 8 in 10 from Clopper and Pearson's table."""
    found = stats.sign_test(np.array([1.0] * 8 + [-1.0] * 2 + [0.0, np.nan]))
    assert (found.above, found.below, found.equal, found.share) == (8, 2, 1, 0.8)
    assert (found.p, found.p_greater) == (pytest.approx(112 / 1024), pytest.approx(56 / 1024))
    assert (found.low, found.high) == pytest.approx((0.4439, 0.9748), abs=5e-5)
    nothing = stats.sign_test(np.zeros(3))
    assert (nothing.equal, nothing.n, nothing.low, nothing.high) == (3, 0, 0.0, 1.0)
    assert np.isnan(nothing.p)
    assert stats.sign_test(np.array([1.0, -1.0])).p == 1.0


@pytest.mark.parametrize(("n", "p", "can_tell"), [(3, 0.25, False), (6, 0.03125, True), (10, 2 / 1024, True)])
def test_the_smallest_p_is_told_beforehand(n: int, p: float, can_tell: bool) -> None:
    found = stats.flip_test(np.arange(1.0, n + 1))
    assert stats.smallest_p(n) == found.smallest_p == found.p == p
    assert (found.can_tell, found.gap.n) == (can_tell, n)
    assert stats.flip_test(np.array([*np.arange(n), np.nan])).smallest_p == p


def test_smallest_p_of_many_and_of_none() -> None:
    assert stats.smallest_p(40, 999) == 0.001
    assert np.isnan(stats.smallest_p(0))
    nothing = stats.flip_test(np.array([]))
    assert nothing.gap.n == 0
    assert not nothing.can_tell


# --- differences --------------------------------------------------------------------------------------------------------


def test_clustered_difference_by_hand() -> None:
    """Gaps (10, 20), (0), (30): mean 15; sums of residuals 0, -15, 15; SE = sqrt(450 * 3 / 2) / 4."""
    first = np.array([[60.0, 70.0], [50.0, np.nan], [80.0, 10.0], [np.nan, np.nan]])
    second = np.array([[50.0, 50.0], [50.0, 20.0], [50.0, np.nan], [1.0, 1.0]])
    found = stats.paired_clustered(first, second)
    assert (found.mean, found.n) == (15.0, 3)
    assert found.se == pytest.approx(np.sqrt(675) / 4)
    assert found.high - 15 == pytest.approx(4.302653 * found.se, rel=1e-6)  # t table, 2 degrees of freedom
    assert found.detectable == pytest.approx((4.302653 + 1.060660) * found.se, rel=1e-6)


def test_one_member_per_cluster_is_the_paired_difference() -> None:
    first, second = np.random.default_rng(0).uniform(0, 100, size=(2, 30))
    one, other = stats.paired(first, second), stats.paired_clustered(first[:, None], second[:, None])
    assert vars(one) == pytest.approx(vars(other))


def test_constant_and_single_clusters() -> None:
    same = stats.paired_clustered(np.full((4, 3), 7.0), np.full((4, 3), 2.0))
    assert (same.mean, same.se, same.low, same.p) == (5.0, 0.0, 5.0, 0.125)
    assert np.isnan(same.detectable)
    single = stats.paired_clustered(np.array([[7.0, 8.0]]), np.array([[2.0, 2.0]]))
    assert (single.mean, single.n) == (5.5, 1)
    assert np.isnan(single.se)
    assert np.isnan(single.detectable)
    assert stats.paired_clustered(np.full((2, 2), np.nan), np.zeros((2, 2))).n == 0


# --- power --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ties", "se"), [(0.0, 2.013), (0.2, 1.800), (0.3, 1.684), (0.5, 1.423), (0.7, 1.103)])
def test_standard_errors_of_617_prompts(ties: float, se: float) -> None:
    assert stats.par_se(617, ties) == pytest.approx(se, abs=6e-4)
    assert stats.minimum_detectable(617, ties) == pytest.approx(stats.detectable(stats.par_se(617, ties)))


def test_effects_under_correction_and_with_few_units() -> None:
    assert stats.minimum_detectable(617, 0.3, alpha=0.05 / 132) == pytest.approx(7.4, abs=0.05)
    assert stats.detectable(1.0) == pytest.approx(2.8016, abs=5e-5)
    assert stats.detectable(1.0, 3) == pytest.approx(4.302653 + 1.060660, abs=1e-5)  # t table, 2 degrees of freedom
    assert np.isnan(stats.detectable(1.0, 1))


# --- seeds --------------------------------------------------------------------------------------------------------------


ITEMS = np.array([10.0, 40.0, 30.0, 80.0])


def test_equal_seeds_have_no_variance() -> None:
    found = stats.seed_variance(np.stack([ITEMS, ITEMS, ITEMS]))
    assert found is not None
    assert (found.seeds, found.prompts, found.s2_seed, found.s2_rest, found.p) == (3, 4, 0.0, 0.0, 1.0)
    assert found.clipped == ()
    assert found.s2_item == pytest.approx(ITEMS.var(ddof=1))
    assert found.se == pytest.approx(stats.mean(ITEMS).se) == pytest.approx(found.of_prompts.se)
    assert found.seed_share == 0


def test_a_shift_between_seeds_is_recovered_exactly() -> None:
    """Shifts 0, 6, 3: variance 9, rest 0. Two seeds shifted by d: d^2 / 2."""
    found = stats.seed_variance(ITEMS + np.array([[0.0], [6.0], [3.0]]))
    assert found is not None
    assert (found.s2_seed, found.seed_sd, found.s2_rest) == pytest.approx((9.0, 3.0, 0.0))
    assert found.p == 0.0
    span = 3 / np.sqrt(7.2599), 3 * np.sqrt(39.331)  # F table: .975 of (2, 6) and of (6, 2)
    assert found.seed_sd_span == pytest.approx(span, rel=1e-4)
    assert found.se**2 == pytest.approx(9 / 3 + ITEMS.var(ddof=1) / 4)
    assert found.seed_share == pytest.approx(3 / found.se**2)
    two = stats.seed_variance(np.stack([ITEMS, ITEMS + 4]))
    assert two is not None
    assert two.s2_seed == pytest.approx(8.0)


def test_anova_by_hand_and_negative_moments() -> None:
    """[[0, 2], [2, 0]]: means of seeds and of prompts are all 1, so both moments are negative; MS_rest = 4."""
    found = stats.seed_variance(np.array([[0.0, 2.0], [2.0, 0.0]]), par=1.0)
    assert found is not None
    assert (found.s2_seed, found.s2_item, found.s2_rest) == (0.0, 0.0, 4.0)
    assert found.clipped == ("seed", "item")
    assert found.se == 1.0
    assert (found.of_prompts.mean, found.of_prompts.se, found.of_prompts.p) == (1.0, 0.0, 1.0)


def test_seed_variance_is_found_in_simulation() -> None:
    """30 seeds (sd 4), 400 prompts (sd 30), rest 20: the estimates lie near, and the interval holds the truth."""
    rng = np.random.default_rng(8)
    table = 50 + 4 * rng.normal(size=(30, 1)) + 30 * rng.normal(size=(1, 400)) + 20 * rng.normal(size=(30, 400))
    found = stats.seed_variance(table, par=50)
    assert found is not None
    assert (found.seed_sd, np.sqrt(found.s2_item), np.sqrt(found.s2_rest)) == pytest.approx((4, 30, 20), rel=0.2)
    assert found.seed_sd_span[0] < 4 < found.seed_sd_span[1]
    assert found.p < 1e-6
    assert found.of_prompts.se < found.of_both.se == pytest.approx(found.se, rel=0.02)
    assert found.of_both.low < found.of_both.mean < found.of_both.high
    assert (found.of_prompts.n, found.of_both.n) == (400, 30)


def test_one_seed_tells_nothing_of_seeds() -> None:
    assert stats.seed_variance(ITEMS[None]) is None
    assert stats.seed_variance(np.array([[1.0, np.nan], [np.nan, 2.0]])) is None
    one = stats.multiway(ITEMS[None])
    assert (one.mean, one.n) == (40.0, 1)
    assert np.isnan(one.se)
    assert stats.multiway(np.full((2, 2), np.nan)).n == 0


def test_one_way_of_clustering_is_the_clustered_mean() -> None:
    table = np.random.default_rng(1).uniform(0, 100, size=(40, 7))
    table[3, 2] = np.nan
    one, known = stats.multiway(table, axes=[0]), stats.clustered(table)
    assert vars(one) == pytest.approx(vars(known))


def test_two_ways_of_clustering_by_hand() -> None:
    """Cameron, Gelbach and Miller: V = V_seed + V_prompt - V_both = (MS_seed + MS_prompt - MS_total) / N when complete."""
    table = np.array([[0.0, 10.0, 50.0], [20.0, 40.0, 90.0]])
    rows, columns = 3 * table.mean(axis=1).var(ddof=1), 2 * table.mean(axis=0).var(ddof=1)
    found = stats.multiway(table)
    assert found.se == pytest.approx(np.sqrt((rows + columns - table.var(ddof=1)) / 6))
    assert (found.n, found.mean) == (2, 35.0)
    assert found.high - 35 == pytest.approx(12.7062 * found.se, rel=1e-5)  # t table, 1 degree of freedom


def test_two_ways_never_know_more_than_one() -> None:
    """Means 1 and 1.1, and 1, 1, 1.15, are so alike that the sum is negative; the variance is that of rows alone."""
    found = stats.multiway(np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.3]]))
    assert found.se == pytest.approx(np.sqrt(3 * 0.005 / 6))


def test_a_constant_third_axis_changes_nothing_but_the_count_of_clusters() -> None:
    """Seeds of the reference that give the same scores leave the variance of seeds and prompts."""
    table = np.random.default_rng(2).normal(50, 20, size=(6, 50)) + np.random.default_rng(3).normal(0, 9, size=(6, 1))
    repeated = np.repeat(table[:, None], 400, axis=1)
    assert stats.multiway(repeated).se == pytest.approx(stats.multiway(table).se, rel=0.02)
