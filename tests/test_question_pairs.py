"""Pairs: which cells are pairs, whom they are compared with, which of them speak of other pairs, and what is said."""

import itertools

import pytest

from made_up import cell, items, study
from pinch.analysis.questions.pairs.halves import halves, most_disjoint, pairs_of
from pinch.analysis.questions.pairs.section import look
from pinch.analysis.study import Options, families
from pinch.languages import LANGUAGES, TWELVE

OPTIONS = Options(resamples=50)
SIX = ("en", "ar", "cs", "et", "fi", "he")


def alone(code, value, prompts=4, seed=0, languages=SIX):
    one = cell({code: 10}, seed)
    return one, items(one, languages, prompts, lambda *_: value)


def both(one, other, value, prompts=4, seed=0, split=(5, 5), languages=SIX):
    pair = cell({one: split[0], other: split[1]}, seed)
    return pair, items(pair, languages, prompts, value if callable(value) else lambda *_: value)


def test_a_pair_is_half_and_half_on_two_languages():
    made, family = study(
        both("ar", "en", 1.0),
        both("fi", "cs", 1.0, split=(6, 5)),
        both("et", "he", 1.0, split=(6, 4)),
        alone("en", 0.5),
    )
    assert halves(family) == [("en", "ar"), ("cs", "fi")]
    assert pairs_of(made, family, OPTIONS) is None  # no pair has both monolingual models


def test_against_the_mean_of_its_two_elsewhere():
    """Alone 0 and 50, together 100 everywhere: 75 points in the four other languages of each prompt."""
    made, family = study(both("en", "ar", 1.0), alone("en", 0.0), alone("ar", 0.5))
    found = pairs_of(made, family, OPTIONS)
    [pair] = found.pairs
    assert (pair.names, pair.others) == (("en", "ar"), ("cs", "et", "fi", "he"))
    assert [one.mean for one in found.scores[0]] == [100, 0, 50]
    gap = found.every.of_prompts
    assert (gap.mean, gap.se, gap.n) == (75, 0, 4)


def test_the_own_languages_do_not_count():
    made, family = study(
        both("en", "ar", lambda code, _: float(code in ("en", "ar"))), alone("en", 0.5), alone("ar", 0.5)
    )
    assert pairs_of(made, family, OPTIONS).every.of_prompts.mean == -50


def test_languages_that_one_of_the_three_was_not_asked_in_do_not_count():
    made, family = study(both("en", "ar", 1.0, languages=SIX[:4]), alone("en", 0.0), alone("ar", 0.0))
    assert pairs_of(made, family, OPTIONS).pairs[0].others == ("cs", "et")


def test_only_seeds_that_all_three_have():
    """Seed 1 has no model of Arabic, so its pair, which always loses, is not compared."""
    made, family = study(
        both("en", "ar", 1.0),
        both("en", "ar", 0.0, seed=1),
        alone("en", 0.5),
        alone("en", 0.5, seed=1),
        alone("ar", 0.5),
    )
    found = pairs_of(made, family, OPTIONS)
    assert [len(cells) for cells in (found.pairs[0].both, found.pairs[0].first, found.pairs[0].second)] == [1, 1, 1]
    assert found.every.of_prompts.mean == 50


def test_six_pairs_that_are_all_better():
    pairs = list(zip(TWELVE[::2], TWELVE[1::2], strict=True))
    made, family = study(
        *(
            both(*pair, lambda _, n, at=at: 1.0 if n > at // 2 else 0.5, languages=TWELVE)
            for at, pair in enumerate(pairs)
        ),
        *(alone(code, 0.5, languages=TWELVE) for code in TWELVE),
    )
    section = look(made, family, OPTIONS)
    [finding] = section.findings
    assert finding.text.startswith("Tuned half and half on two languages (6 pairs), against the mean of the models")
    assert "paired by prompt, 4 prompts, 1 seed" in finding.text
    assert (
        "other pairs, from the 6 pairs: 6 above, 0 below (sign test p = 0.031 two-sided); difference +25.0 ["
        in finding.points[1]
    )
    assert "sign-flip p = 0.031; the smallest p that 6 pairs can give is 0.031" in finding.points[1]
    assert finding.brief.startswith(
        "In languages outside the pair, models of two languages score 75.0 on average and the models of one of the two 50.0 "
        "(6 pairs, 4 prompts, 1 seed): not distinguishable with these 4 prompts (+25.0 ["
    )
    assert finding.brief.endswith(
        " Of the 6 pairs 6 are above, 0 below (sign test p = 0.031, the smallest that 6 pairs can give)."
    )
    assert [result.p for result in section.results[1:]] == [pytest.approx(2 / 64)] * 2
    assert section.results[1].effect == pytest.approx(25)
    assert not section.limits


def test_what_is_drawn_is_what_the_chart_and_the_file_hold():
    made, family = study(both("en", "ar", 1.0), both("cs", "et", 0.5), *(alone(code, 0.0) for code in SIX))
    [exhibit] = look(made, family, OPTIONS).exhibits
    scores, gaps = exhibit.charts
    assert [name for _, name in gaps.ticks] == ["en + ar", "cs + et", "these 2 pairs", "2 pairs as a sample"]
    assert (
        [dot.y for dot in scores.dots if dot.group == "the pair"]
        == [row["score"] for row in exhibit.rows[:2]]
        == [100, 50]
    )
    assert [dot.y for dot in gaps.dots] == [row["difference"] for row in exhibit.rows] == [100, 50, 75, 75]
    assert exhibit.rows[0]["pair"] == "en+ar"
    assert exhibit.rows[0]["languages"] == "cs+et+fi+he"


def test_two_pairs_cannot_establish_anything_for_other_pairs():
    made, family = study(both("en", "ar", 1.0), both("cs", "et", 1.0), *(alone(code, 0.0) for code in SIX))
    section = look(made, family, OPTIONS)
    assert (
        "the smallest p that 2 pairs can give is 0.500, so no outcome could reach 0.05" in section.findings[0].points[1]
    )
    assert "not distinguishable with 2 pairs (+100.0 [+100.0, +100.0])" in section.findings[0].points[1]
    assert "2 pairs without a common language can give no p below 0.5" in section.limits[0]


def test_pairs_that_share_a_language_are_no_sample():
    made, family = study(both("en", "ar", 1.0), both("en", "cs", 1.0), *(alone(code, 0.0) for code in SIX))
    section = look(made, family, OPTIONS)
    [exhibit] = section.exhibits
    assert "no score decides); * marks the others" in exhibit.caption
    assert [name for _, name in exhibit.charts[0].ticks][:2] == ["en + ar", "en + cs *"]
    assert [row.get("without_common_language") for row in exhibit.rows] == [True, False, None]
    assert section.findings[0].points[1] == "other pairs: nothing can be said from one pair without a common language"
    assert "sign test" not in section.findings[0].brief
    assert len(section.results) == 1
    assert [name for _, name in exhibit.charts[1].ticks][2:] == ["these 2 pairs"]


def test_new_seeds_stand_beside_new_prompts():
    """75 points better with seed 0, 25 with seed 1, on every prompt the same."""
    made, family = study(
        *(both("en", "ar", value, seed=seed) for seed, value in ((0, 1.0), (1, 0.5))),
        *(alone(code, value, seed=seed) for code, value in (("en", 0.0), ("ar", 0.5)) for seed in (0, 1)),
    )
    found = pairs_of(made, family, OPTIONS)
    assert found.by_seed == (75, 25)
    assert (found.seeds.of_both.mean, found.seeds.seeds, found.seeds.prompts) == (50, 2, 4)
    section = look(made, family, OPTIONS)
    assert "; over new seeds and prompts [" in section.findings[0].brief
    assert section.findings[0].points[0].endswith("; by seed +75.0, +25.0")
    assert [row.n for row in section.results] == ["1 pair, 4 prompts", "1 pair, 2 seeds, 4 prompts"]


def test_pairs_without_a_common_seed_say_nothing_of_seeds():
    made, family = study(
        both("en", "ar", 1.0),
        both("cs", "et", 1.0, seed=1),
        *(alone(code, 0.0, seed=seed) for code, seed in (("en", 0), ("ar", 0), ("cs", 1), ("et", 1))),
    )
    found = pairs_of(made, family, OPTIONS)
    assert (found.by_seed, found.seeds) == ((), None)


def test_one_pair_alone():
    made, family = study(both("en", "ar", 1.0), alone("en", 0.0), alone("ar", 0.5))
    section = look(made, family, OPTIONS)
    assert section.findings[0].text.startswith("Tuned half and half on en + ar, against")
    assert len(section.exhibits[0].rows) == 1
    assert "Under the line" not in section.exhibits[0].caption


def test_the_largest_set_of_disjoint_pairs():
    star = [("en", "ar"), ("en", "cs"), ("en", "et")]
    assert most_disjoint(star) == (("en", "ar"),)
    # en + ar first would leave sw and cs alone
    split = [("en", "cs"), ("ar", "sw"), ("en", "ar")]
    assert set(most_disjoint(split)) == {("en", "cs"), ("ar", "sw")}
    assert most_disjoint([]) == ()
    triangle = [("en", "ar"), ("ar", "cs"), ("en", "cs")]
    assert most_disjoint(triangle) == most_disjoint(triangle[::-1]) == (("en", "ar"),)
    hubs = [(hub, code) for hub in TWELVE[:3] for code in TWELVE[3:]]
    assert len(most_disjoint(hubs)) == 3


@pytest.mark.parametrize("languages", [TWELVE, tuple(LANGUAGES)])
def test_all_pairs_there_are(languages):
    ordered = sorted(languages, key=list(LANGUAGES).index)
    chosen = most_disjoint(list(itertools.combinations(ordered, 2)))
    assert len(chosen) == len(languages) // 2
    assert len({code for pair in chosen for code in pair}) == 2 * len(chosen)


def test_without_pairs_the_command_is_named():
    made, family = study(alone("en", 0.5), alone("ar", 0.5))
    [gap] = look(made, family, OPTIONS).gaps
    assert (gap.name, gap.arguments) == ("pairs", "+experiment=pairs")


def test_unjudged_pairs_are_a_gap():
    pair = cell({"en": 5, "ar": 5})
    made, _ = study((pair, items(pair, SIX, 4, lambda *_: None)), alone("en", 0.5), alone("ar", 0.5))
    assert look(made, families(made)[0], OPTIONS).gaps
