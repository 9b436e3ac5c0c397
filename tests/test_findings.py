"""How groups of cells differ: paired, seeds apart from prompts, and only what can be told is claimed."""

import numpy as np
import pytest

from made_cells import made_cell, made_study
from pinch import stats
from pinch.analysis.findings import against_par, change, from_par, gap_and_both, results, said
from pinch.analysis.study import Metric, Options, arrange
from pinch.analysis.words import both_text, claim_text, counted, gap_text, listed, p_text, percent, seeds_text, signed
from test_curves import cells, family, study  # noqa: F401
from test_study import item, small  # noqa: F401

OPTIONS = Options(resamples=100)


def seeded(shifts, prompts=6):
    """A cell with Arabic and one without per seed; the first better by the seed's shift on every prompt."""
    alone, more = ([made_cell(names, seed) for seed in range(len(shifts))] for names in ("en", "en ar"))

    def score(cell, code, n):
        return 0.1 + 0.05 * n + (shifts[cell.axes.seed] if cell.axes.n_languages > 1 else 0.0)

    found, _ = made_study([*alone, *more], "en es", score, prompts)
    return change(found, more, alone, ["es"], Metric.score, "monolingual", OPTIONS)


def test_differences_are_paired_by_prompt(small):  # noqa: F811
    one, two = small[0], small[1]
    rng = np.random.default_rng(1)
    second = rng.integers(0, 2, 60) / 2
    rows = [
        (cell, [item(cell, prompt=f"p{n:02d}", score=float(v + d)) for n, v in enumerate(second)])
        for cell, d in ((one, 0.5), (two, 0.0))
    ]
    found = change(arrange(rows), [one], [two], ["es"], Metric.score, "monolingual", OPTIONS)
    assert found.gap.mean == 50
    assert found.gap.se == 0, "the same shift of every prompt has no spread, however much prompts differ"
    assert found.gap.n == 60


def test_by_seed_compares_cells_of_one_seed(study, family):  # noqa: F811
    cells = {n: [cell for cell in family.cells if cell.axes.n_languages == n] for n in (1, 2)}  # noqa: F811
    found = change(study, cells[2], family.monolingual("en"), ("cs",), Metric.exact, "monolingual", OPTIONS)
    assert len(found.by_seed) == 2
    assert np.mean(found.by_seed) == pytest.approx(found.gap.mean)


def test_what_a_seed_shifts_is_found_exactly_and_only_there():
    """Seeds 10 and 20 points better on every prompt: variance of seeds 50, none of prompts; both bounds from 1 degree."""
    found = seeded([0.1, 0.2])
    assert found.by_seed == pytest.approx((10, 20))
    assert (found.gap.mean, found.gap.se) == (pytest.approx(15), 0)
    assert found.seeds.s2_seed == pytest.approx(50)
    assert found.seeds.seed_share == pytest.approx(1)
    low, high = found.seeds.of_both.low, found.seeds.of_both.high
    assert (low, high) == pytest.approx((15 - 12.7062 * 5, 15 + 12.7062 * 5), abs=0.01)
    text = said(found)
    assert (
        "score 22.5 → 37.5: difference +15.0 [+15.0, +15.0]; over new seeds and prompts [−48.5, +78.5], which holds 0"
        in text
    )
    assert "(2 seeds: sd 7.1 [2.2, 214.7], 100 % of the variance, p < 0.001); by seed +10.0, +20.0" in text
    assert gap_and_both(found).endswith("over new seeds and prompts [−48.5, +78.5], which holds 0")


def test_one_seed_tells_nothing_of_seeds():
    found = seeded([0.1])
    assert found.seeds is None
    assert "seed" not in said(found)
    assert [row.question for row in results("q", found)] == ["q: score"]


def test_seeds_that_one_side_lacks_are_left_out_of_the_seeds_not_of_the_difference():
    alone, more = made_cell("en", 0), [made_cell("en ar", seed) for seed in (0, 1)]
    found, _ = made_study([alone, *more], "en es", lambda cell, code, n: 0.1 * n + 0.2 * len(cell.axes.languages))
    one = change(found, more, [alone], ["es"], Metric.score, "monolingual", OPTIONS)
    assert one.gap.mean == pytest.approx(20)
    assert (one.by_seed, one.seeds) == (pytest.approx((20,)), None)


def test_results_have_a_line_over_prompts_and_one_over_seeds_too():
    one, two = results("more", seeded([0.1, 0.2]))
    assert (one.question, one.effect, one.n, one.detectable) == ("more: score", pytest.approx(15), "6 prompts", None)
    assert (two.n, two.test) == ("2 seeds, 6 prompts", "paired t, two-way over seeds and prompts")
    assert (two.low, two.p > 0.05) == (pytest.approx(-48.53, abs=0.01), True)
    assert two.detectable > 60


def test_languages_against_par_are_corrected_and_own_references_left_out():
    """Spanish far above, Czech far below, Italian level with par."""
    scores = {"es": 0.9, "cs": 0.1, "it": 0.5}
    cell = made_cell("en es")
    found, _ = made_study([cell], "es cs it", lambda c, code, n: scores[code] + 0.02 * (-1) ** n, prompts=40)
    told = against_par(found, [cell], ("es", "cs", "it"), "monolingual", OPTIONS)
    assert told.scores == pytest.approx((90, 10, 50))
    assert told.sides(0.95) == {"above": (0,), "below": (1,), "open": (2,)}
    assert told.prompts == 40
    assert told.holm[0] == pytest.approx(3 * told.gaps[0].p)
    assert told.low[2] < 50 < told.high[2]


def test_a_cell_against_itself_is_no_language_to_test(study, family):  # noqa: F811
    own = family.monolingual("ar")
    told = against_par(study, own, ("ar", "cs"), "monolingual", OPTIONS)
    assert told.languages == ("cs",)
    assert against_par(study, own, ("ar",), "monolingual", OPTIONS) is None


def test_from_par_is_the_score_less_50():
    cell = made_cell("en es")
    found, _ = made_study([cell], "es cs", lambda c, code, n: 0.6 + 0.1 * (-1) ** n)
    one = from_par(found, [cell], ("es", "cs"), "monolingual", OPTIONS)
    assert (one.first.mean, one.second.mean, one.gap.mean) == (pytest.approx(60), 50, pytest.approx(10))
    assert from_par(found, [cell], ("sw",), "monolingual", OPTIONS) is None


def test_an_interval_with_zero_is_not_distinguishable_and_says_what_could_have_been_found():
    gap = stats.Difference(mean=1.0, se=2.0, low=-3.0, high=5.0, n=60, t=0.5, p=0.6)
    text = gap_text(gap)
    assert text == "not distinguishable with these 60 prompts (+1.0 [−3.0, +5.0]; detectable effect: 5.7 points)"
    assert "no difference" not in text
    assert gap_text(stats.Difference(4.0, 1.0, 2.0, 6.0, 60, 4.0, 0.0)) == "difference +4.0 [+2.0, +6.0]"


def test_one_of_several_tests_is_claimed_by_its_corrected_p():
    gap = stats.Difference(mean=2.0, se=0.9, low=0.2, high=3.8, n=60, t=2.2, p=0.03)
    assert claim_text(gap, 0.03, 0.05) == "difference +2.0 [+0.2, +3.8], p = 0.03"
    text = claim_text(gap, 0.3, 0.05)
    assert text == "not distinguishable (+2.0 [+0.2, +3.8], p = 0.3; detectable effect: 2.6 points)"


def test_an_interval_over_seeds_that_holds_0_says_so_only_where_the_other_does_not():
    table = np.array([[10.0, 12, 9, 11], [-10.0, -8, -11, -9]])
    sure = stats.seed_variance(table + 10)
    assert both_text(sure).endswith(", which holds 0")
    assert "which holds 0" not in both_text(stats.seed_variance(table)), "neither can be told from 0"
    assert "(2 seeds: sd 14.1 [" in seeds_text(sure)


def test_equal_on_every_prompt_is_said_as_that():
    same = np.array([50.0, 100.0, 0.0])
    assert gap_text(stats.paired(same, same)) == "the same on each of these 3 prompts"


def test_words():
    assert (counted(1, "seed"), counted(2, "seed"), counted(1200, "prompt")) == ("1 seed", "2 seeds", "1,200 prompts")
    assert [p_text(p) for p in (0.0001, 0.0049, 0.0499, 0.27, 1.0)] == [
        "p < 0.001", "p = 0.0049", "p = 0.0499", "p = 0.27", "p = 1",
    ]  # fmt: skip
    assert (signed(-0.04), signed(0.0), signed(-1.25)) == ("+0.0", "+0.0", "−1.2")
    assert (percent(0.033333), percent(0.1), percent(1)) == ("3.33 %", "10 %", "100 %")
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("", "a", "a, b and c")
