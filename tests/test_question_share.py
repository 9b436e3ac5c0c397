"""How much must be multilingual: figures, what is said of them, what is missing, and only what a test allows."""

import numpy as np
import pytest

from made_cells import made_cell, made_study
from pinch.analysis.curves import curves
from pinch.analysis.questions.share import section as share
from pinch.analysis.study import Metric, Options
from test_curves import cells, family, study  # noqa: F401

OPTIONS = Options(resamples=100)
SHARES = (0.1, 0.5, 1.0)


def asked(study, family):  # noqa: F811
    return share.look(study, family, curves(study, family, OPTIONS), OPTIONS)


@pytest.fixture(scope="module")
def section(study, family):  # noqa: F811
    return asked(study, family)


@pytest.fixture(scope="module")
def said(section):
    return {one.key: "\n".join((one.text, *one.points)) for one in section.findings}


def noise(n):
    return 0.05 * (-1) ** n


@pytest.fixture(scope="module")
def full():
    """Three languages of three: Arabic above par at the largest share, Finnish below, English at it; a set of two beside."""
    made = [made_cell("en"), *(made_cell(names, fraction=p) for names in ("en ar fi", "en ar") for p in SHARES)]

    def score(cell, code, n):
        if code == "en":
            return 0.5 + noise(n)
        top = {"ar": 0.8, "fi": 0.3}[code]
        return 0.1 + (top - 0.1) * (cell.axes.fraction > 0) + noise(n)

    return asked(*made_study(made, "en ar fi", score, prompts=30))


def test_every_question_is_answered(said):
    main = ["short", "base_alone", "pinch", "full", "steps", "base_cost"]
    assert list(said) == [*main, "every_language"]


def test_the_numbers_are_those_of_the_cells(said, study, family):  # noqa: F811
    curve = curves(study, family, OPTIONS)[0]
    unseen = ("cs", "es")
    alone, pinch = (
        np.nanmean(study.by_prompt(curve.cells(x), unseen, Metric.score, "monolingual")) for x in (0.0, 0.01)
    )
    assert f"score {alone:.1f} → {pinch:.1f}: difference +{pinch - alone:.1f} [" in said["pinch"]
    assert f"is {alone:.1f} when tuned on English alone and {pinch:.1f} when 6 examples of 600 (1 %)" in said["short"]
    assert "6 of 600 examples in 3 more languages (ar fi it)." in said["pinch"]
    assert "All 600 examples in English and 3 more languages (ar fi it)." in said["full"]
    assert "40 prompts, 2 seeds" in said["pinch"]


def test_with_two_seeds_the_headline_has_both_intervals(said):
    assert said["short"].startswith("On 2 unseen languages (40 prompts, 2 seeds) the score is ")
    assert said["short"].count("over new seeds and prompts [") == 2
    assert "2 seeds: sd " in said["pinch"]


def test_figures_and_their_charts_are_there(section):
    assert [exhibit.name for exhibit in section.exhibits] == ["p_curve", "p_curve_sets"]
    main, sets = section.exhibits
    (chart,) = main.charts
    assert [panel.title for panel in chart.panels] == [
        "Score (50 = par)",
        "Exact match",
        "Answers in the language asked",
    ]
    assert sets.charts == (), "its picture says it all"
    assert {row["line"] for row in main.rows} == {"seen", "unseen", "base", "ar", "fi", "it", "cs", "es"}
    assert {row["metric"] for row in sets.rows} == {"score"}


def test_a_study_without_all_languages_misses_that_figure(section):
    (gap,) = section.gaps
    assert (gap.name, gap.arguments) == ("p_curve_all", "+experiment=pinch_twelve")
    assert "(en ar cs fi it es)" in gap.reason


def test_every_language_is_drawn_where_the_largest_set_leaves_none_unseen(full):
    assert [exhibit.name for exhibit in full.exhibits] == ["p_curve", "p_curve_all", "p_curve_sets"]
    every = full.exhibits[1]
    assert {row["line"] for row in every.rows} == {"seen", "base", "ar", "fi"}
    assert {row["metric"] for row in every.rows} == {"score", "right_language"}
    names = {series.name: series.on for series in every.charts[0].panels[0].series}
    assert names == {"mean of 2 languages": True, "English (base language)": True, "Arabic": True, "Finnish": True}
    assert not [gap for gap in full.gaps if gap.name == "p_curve_all"]


def test_languages_are_counted_by_their_tests_not_by_their_means(full):
    text = {one.key: "\n".join((one.text, *one.points)) for one in full.findings}
    assert (
        "of 3 languages 1 above par, 1 below par, 1 not distinguishable from par (30 prompts, 1 seed"
        in text["every_language"]
    )
    assert "above par: Arabic 80.0 [" in text["every_language"]
    assert "below par: Finnish 30.0 [" in text["every_language"]
    assert (
        "Means of 50 or more, 2 of 3 (in the paper 8 of 12), are no test; detectable effect of one"
        in text["every_language"]
    )
    assert "100 of 100" not in text["every_language"]
    briefs = {one.key: one.brief for one in full.findings if one.brief}
    assert list(briefs) == ["every_language", "every_pinch"]
    assert briefs["every_language"].startswith(
        "With 100 % of 100 examples spread over 3 languages the score is above par (50) in 1 of 3 languages, below in 1 and "
        "not distinguishable from it in 1 (Holm over 3; 30 prompts, 1 seed; detectable effect of one language alone: up to "
    )
    assert "Their mean against par: difference +3.3 [" in briefs["every_language"]
    assert briefs["every_pinch"].startswith(
        "On 2 languages (30 prompts, 1 seed) the score is 10.0 when tuned on English alone and 55.0 when 10 examples of 100 "
        "(10 %) are spread over them: difference +45.0 ["
    )
    assert list(text)[-4:] == ["every_language", "every_pinch", "every_steps", "every_base_cost"]
    rows = {row.question: row for row in full.results}
    arabic = rows["Arabic at 100 %: score against par"]
    assert (arabic.effect, arabic.test) == (pytest.approx(30), "t over prompts, Holm over 3")


def test_a_step_that_is_not_distinguishable_is_not_called_flat(full):
    text = {one.key: (one.text, *one.points) for one in full.findings}["every_steps"]
    assert "does not say that the curve is flat" in text[0]
    assert text[1].startswith("0 % → 10 %: difference +45.0 [")
    assert text[2].startswith("the other 2 steps: not distinguishable (largest ")


def test_one_share_is_no_curve_and_the_experiments_are_named():
    study, family = made_study([made_cell("en"), made_cell("fi")], "en fi", lambda cell, code, n: 0.1 * n)  # noqa: F811
    found = asked(study, family)
    assert (found.exhibits, found.findings) == ([], [])
    assert [(gap.name, gap.arguments) for gap in found.gaps] == [
        ("p_curve", "+experiment=pinch_six"),
        ("p_curve_all", "+experiment=pinch_twelve"),
    ]


def test_languages_without_a_reference_are_named():
    made = [made_cell("en"), *(made_cell("en ar", fraction=p) for p in SHARES)]
    study, family = made_study(made, "en ar fi", lambda cell, code, n: 0.1 * n)  # noqa: F811
    for (cell, against, code), sheet in study.sheets.items():
        if code == "fi":
            sheet.score[:] = np.nan
        assert against == "monolingual", cell
    gap = next(gap for gap in asked(study, family).gaps if gap.name == "scores")
    assert gap.reason.startswith("Finnish has no reference: it needs models tuned on each language alone")
    assert (gap.title, gap.arguments) == ("Scores in every language", "+experiment=monolingual")


def test_many_sets_are_not_all_drawn():
    sets = [
        f"en {' '.join(rest)}"
        for rest in (["ar"], ["fi"], ["it"], ["es"], ["sw"], ["he"], ["hi"], ["ru"], ["cs"], ["et"])
    ]
    made = [made_cell("en"), *(made_cell(names, fraction=p) for names in sets for p in (0.1, 1.0))]
    asked_in = "en ar fi it es sw he hi ru cs et"
    found = asked(*made_study(made, asked_in, lambda cell, code, n: 0.5 + noise(n)))
    exhibit = next(one for one in found.exhibits if one.name == "p_curve_sets")
    assert len({row["tuning"] for row in exhibit.rows}) == share.SETS
    assert exhibit.caption.endswith("1 smaller set not drawn.")


def test_the_caption_says_n_bands_and_models(section):
    caption = section.exhibits[0].caption
    for part in (
        "spread over ar fi it",
        "Unseen: cs es",
        "100 resamplings of the 40 prompts",
        "single models, 2 at each",
    ):
        assert part in caption
