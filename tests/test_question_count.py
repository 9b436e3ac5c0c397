"""How many languages: these models and other orders are two questions, and shared models are one witness."""

import pytest

from made_cells import made_cell, made_study
from pinch.analysis.questions.count import section as count
from pinch.analysis.study import Options
from test_curves import cells, family, study  # noqa: F401

OPTIONS = Options(resamples=100)
EVALUATED = "en ar fi it ru es cs he"


def looked(sets, score, prompts=20):
    cells = [made_cell(names) for names in sets]  # noqa: F811
    found, one = made_study(cells, EVALUATED, score, prompts)
    return count.look(found, one, OPTIONS)


def rising(cell, code, n):
    """Each language more is worth 10 points, on every prompt the same."""
    return 0.1 * cell.axes.n_languages + 0.02 * (n % 3)


THREE = ("en", "en ar", "en fi", "en it", "en ar fi", "en fi it", "en ar it", "en ar fi it")


def told(section):
    return {one.key: (one.text, *one.points) for one in section.findings}


def test_a_constant_step_is_found_in_both_questions():
    section = looked(THREE, rising)
    these, orders = told(section)["language_count"], told(section)["language_orders"]
    assert these[1].startswith("1 → 4 languages: score 11.9 → 41.9: difference +30.0 [+30.0, +30.0]")
    assert these[2] == "1 → 2: difference +10.0 [+10.0, +10.0], p < 0.001"
    assert "there are 1, 3, 3 and 1 sets of 1, 2, 3 and 4 languages" in orders[0]
    assert "two orders none below 0.5, three 0.25" in orders[0]
    for at, label in enumerate(("1 → 2", "2 → 3", "3 → 4"), start=1):
        assert orders[at].startswith(
            f"{label}: +10.0, +10.0, +10.0; mean +10.0 [+10.0, +10.0], p = 0.25 (3 orders: never below 0.25"
        )
    assert "Page's trend over 2 and 3 languages in 3 orders that share no model: L = 15 (13.5 expected" in orders[4]
    assert (
        "one-sided p = 0.12 for a rise (never below 0.12); slope for each language more, new prompts: difference +10.0"
        in orders[4]
    )
    assert section.limits == []
    assert section.findings[0].brief == (
        "From 1 to 4 tuning languages (8 sets of languages, 20 prompts, 1 seed) the score on 4 unseen languages goes from "
        "11.9 to 41.9: difference +30.0 [+30.0, +30.0]. Of the 3 steps (p by Holm) 3 rise."
    )


def test_a_step_that_cannot_be_told_is_named_with_what_could_have_been_seen():
    def score(cell, code, n):
        return {1: 0.3, 2: 0.5, 3: 0.4, 4: 0.4 + 0.02 * (-1) ** n}[cell.axes.n_languages]

    brief = looked(THREE, score).findings[0].brief
    assert (
        "Of the 3 steps (p by Holm) 1 rise; 1 fall; not distinguishable: 3 → 4 (detectable effect of one alone: up to"
        in brief
    )


def test_orders_that_share_a_model_count_once():
    """Two orders go through en+ar, so of the first step there are two values, of the second two."""
    section = looked(("en", "en ar", "en fi", "en ar fi", "en ar it", "en fi it", "en ar fi it"), rising)
    orders = told(section)["language_orders"]
    assert "there are 1, 2, 3 and 1 sets" in orders[0]
    assert "p = 0.5 (2 orders: never below 0.5" in orders[1]
    assert "p = 0.5 (2 orders: never below 0.5" in orders[2]
    assert "p = 0.25 (3 orders: never below 0.25" in orders[3], "the last step is from three models to one"


def test_what_holds_for_these_prompts_may_not_hold_for_orders():
    """One order rises by 20 points in its first step, one by 10, one falls by 15."""
    worth = {"ar": 0.2, "fi": 0.1, "it": -0.15}

    def score(cell, code, n):
        gain = {1: 0.0, 2: worth.get(cell.axes.languages[-1], 0.0)}.get(cell.axes.n_languages, 0.1)
        return 0.4 + gain + 0.01 * (n % 3)

    section = looked(THREE, score)
    assert "1 → 2: difference +5.0 [+5.0, +5.0], p < 0.001" in told(section)["language_count"]
    assert told(section)["language_orders"][1].startswith(
        "1 → 2: +20.0, +10.0, −15.0; mean +5.0 [−39.8, +49.8], p = 0.75"
    )
    row = next(row for row in section.results if row.question.startswith("1 → 2 tuning languages, over orders"))
    assert (row.n, row.p, row.test) == ("3 orders", 0.75, "sign flips over orders, never below 0.25")
    assert row.detectable > 30


def test_one_order_says_nothing_of_others(study, family):  # noqa: F811
    section = count.look(study, family, OPTIONS)
    assert list(told(section)) == ["language_count"]
    (limit,) = section.limits
    assert "in one order" in limit
    assert "in 3 orders" in limit


def test_sets_without_orders_keep_the_comparison_and_say_so():
    section = looked(("en", "en ar", "en fi it"), rising)
    assert list(told(section)) == ["language_count"]
    assert "form no orders" in section.limits[0]


def test_a_step_that_orders_share_says_nothing_over_orders():
    """Both orders begin with Arabic: the first step has one value."""
    section = looked(("en", "en ar", "en ar fi", "en ar it", "en ar fi it"), rising)
    assert told(section)["language_orders"][1] == "1 → 2: one order alone, so nothing is said"


def test_seeds_stand_beside_the_first_against_the_last(study, family):  # noqa: F811
    section = count.look(study, family, OPTIONS)
    assert "; over new seeds and prompts [" in section.findings[0].brief
    found = told(section)["language_count"]
    assert "over new seeds and prompts [" in found[1]
    assert "(paired by prompt, 40 prompts, 2 seeds;" in found[0]


def test_too_few_models_name_the_experiment():
    section = looked(("en",), rising)
    assert section.exhibits == []
    assert [(gap.name, gap.arguments) for gap in section.gaps] == [("language_count", "+experiment=language_count")]


def test_the_figure_has_its_numbers_as_a_chart_and_its_sets_in_the_caption():
    (exhibit,) = looked(THREE, rising).exhibits
    (chart,) = exhibit.charts
    assert chart.ticks == ((1.0, "1"), (2.0, "2"), (3.0, "3"), (4.0, "4"))
    mean = chart.panels[0].series[0]
    assert (mean.name, mean.role, mean.y[0]) == ("mean of 4 unseen languages", "unseen", pytest.approx(11.9))
    assert [series.name for series in chart.panels[0].series[1:]] == ["Czech", "Hebrew", "Russian", "Spanish"]
    assert "2: 3 models of 3 sets" in exhibit.caption
