"""Similar languages: which are related, what the QAP tests say, what cannot be told, and the map's labels."""

import math

import matplotlib as mpl
import numpy as np
import pytest

from matrix_study import square, study_of_scores
from pinch import stats
from pinch.analysis.figures.style import STYLE
from pinch.analysis.matrices import monolingual_matrix
from pinch.analysis.questions import relatives
from pinch.analysis.study import Options
from pinch.languages import LANGUAGES, SLAVIC

OPTIONS = Options(resamples=50)
ORDER = ("ru", "sr-Cyrl", "hr", "sl", "cs", "pl", "sk")


def drawn(exhibit):
    """The wide and the narrow figure, laid out."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figures = exhibit.draw(False), exhibit.draw(True)
        for figure in figures:
            figure.draw_without_rendering()
    return figures


def kin(languages, same, prompts=20):
    """Scores that are high, prompt by prompt, exactly where `same` says that two languages are alike."""
    return {
        (one, 0): {
            other: [0.5] * prompts
            if one == other
            else [1.0] * (prompts - 3 if same(one, other) else 4) + [0.0] * (3 if same(one, other) else prompts - 4)
            for other in languages
        }
        for one in languages
    }


def at_random(codes, prompts=12, seed=2):
    """Scores that follow nothing."""
    rng = np.random.default_rng(seed)
    return {
        (one, 0): {
            other: [0.5] * prompts if one == other else rng.integers(0, 2, prompts).astype(float).tolist()
            for other in codes
        }
        for one in codes
    }


def test_related_languages_come_by_branch_and_script():
    study, family = study_of_scores(square(("en", *SLAVIC), [1.0, 0.0]))
    assert relatives.related(study, family) == ORDER


def test_a_relative_without_a_model_stays_and_one_that_nobody_answers_in_does_not():
    scores = square(("ru", "hr", "sl", "pl", "sk"), [1.0, 0.0])
    del scores["hr", 0]
    scores["ru", 0]["bg"] = [1.0, 0.0]
    study, family = study_of_scores(scores)
    assert relatives.related(study, family) == ("ru", "hr", "sl", "pl", "sk")
    section = relatives.look(study, family, OPTIONS)
    assert section.gaps[0].reason == "no model is tuned on Croatian alone"
    assert section.gaps[0].arguments == "+experiment=slavic 'experiment.relatives=[ru,hr,sl,pl,sk]'"
    assert "4 related languages (ru sl pl sk)" in section.findings[0].text


def test_three_relatives_are_too_few():
    study, family = study_of_scores(square(("en", "ru", "cs", "pl"), [1.0, 0.0]))
    assert relatives.related(study, family) == ()
    (gap,) = relatives.look(study, family, OPTIONS).gaps
    assert gap.reason == (
        "it needs models of at least 4 closely related languages, each tuned on one of them; "
        "of Slavic languages there are Russian, Polish and Czech"
    )
    assert gap.arguments == "+experiment=slavic"


def test_relatives_that_are_not_judged_in_each_others_languages_are_a_gap():
    study, family = study_of_scores({(code, 0): {code: [0.5, 0.5]} for code in SLAVIC})
    (gap,) = relatives.look(study, family, OPTIONS).gaps
    assert "are not judged in each other's languages" in gap.reason


def test_scores_that_follow_the_branch_are_a_signal_and_the_p_values_are_exact():
    study, family = study_of_scores(kin(SLAVIC, lambda one, other: LANGUAGES[one].branch == LANGUAGES[other].branch))
    matrix = monolingual_matrix(study, family, "monolingual", OPTIONS, ORDER)
    branch, script, _ = relatives.ties(matrix, list(range(7)), OPTIONS)
    assert branch.found.r == pytest.approx(1)
    # two branches of three languages and one of one: 3! 3! 2 ways to rename that change nothing
    assert branch.found.p_greater == pytest.approx(72 / math.factorial(7))
    assert branch.found.permutations == 5040
    assert branch.told
    assert branch.p == pytest.approx(3 * branch.found.p)
    assert not script.told
    expected = stats.similarity(np.moveaxis(matrix.points, 2, 0), branch.predictor).effect
    assert branch.found.effect == expected
    finding = relatives.look(study, family, OPTIONS).findings[0]
    assert finding.points[0].startswith(
        "branch (6 pairs): goes with higher scores, partial r = +1.00, p = 0.014 (p = 0.043"
    )
    assert finding.points[1].startswith("script (11 pairs): no clear signal, partial r = ")
    assert "would have been needed uncorrected)" in finding.points[0]
    assert finding.points[2].startswith("mutual intelligibility (2 pairs): ")
    assert finding.points[3] == "mutually intelligible, but here in different scripts: Serbian (Cyrillic) and Croatian"
    assert "Holm's correction over 3 tests" in finding.text
    assert finding.brief.startswith(
        "Over 7 related languages (42 places, 20 prompts, 1 seed a row) branch goes with higher scores (partial r = +1.00, "
        "p = 0.043 after Holm; in points, similar less other languages: difference +"
    )
    assert "; no clear signal for script (partial r = " in finding.brief
    assert "before correction; script and mutual intelligibility alone can never pass it." in finding.brief


def test_what_row_and_column_effects_explain_is_said_to_be_untold():
    codes = ("ru", "hr", "sl", "sk", "pl")  # one Cyrillic language among Latin ones; nobody understands each other
    study, family = study_of_scores(at_random(codes))
    section = relatives.look(study, family, OPTIONS)
    points = section.findings[0].points
    assert points[1] == (
        "script: cannot be told here, what good tuning languages and easy evaluation languages explain leaves nothing of it"
    )
    assert points[2] == "mutual intelligibility: cannot be told here, no pair of these languages shares it"
    assert [result.question for result in section.results] == ["Related languages, the same branch"]
    assert "Holm over 1;" in section.results[0].test
    assert "Holm's correction over 1 test." in section.findings[0].text
    assert section.findings[0].brief.endswith("; script and mutual intelligibility cannot be told here.")


def test_four_relatives_of_one_branch_have_nothing_to_compare():
    study, family = study_of_scores(kin(("it", "es", "fr", "pt"), lambda one, other: one < other))
    section = relatives.look(study, family, OPTIONS)
    points = section.findings[0].points
    assert points[0] == "branch: cannot be told here, every pair of these languages shares it"
    assert points[1] == "script: cannot be told here, every pair of these languages shares it"
    assert section.results == []
    assert len(section.exhibits) == 1


def test_the_map_names_branch_and_script_and_parts_the_branches():
    study, family = study_of_scores(square(SLAVIC, [1.0] * 8))
    (exhibit,) = relatives.look(study, family, OPTIONS).exhibits
    labels = ["ru  East, Cyrl", "sr  South, Cyrl", "hr  South, Latn", "sl  South, Latn"]
    labels += ["cs  West, Latn", "pl  West, Latn", "sk  West, Latn"]
    for figure in drawn(exhibit):
        axis = figure.axes[0]
        assert [text.get_text() for text in axis.get_yticklabels()] == labels
        assert sorted({float(line.get_xdata()[0]) for line in axis.lines}) == [0, 1, 4]
    assert exhibit.charts[0].rows == tuple(labels)
    kinship = {(row["tuning"], row["evaluation"]): row for row in exhibit.rows}
    assert kinship["hr", "sr-Cyrl"]["mutually_intelligible"]
    assert not kinship["hr", "sr-Cyrl"]["same_script"]
    assert kinship["hr", "sl"]["same_branch"]
    assert "same_branch" not in kinship["hr", "mean"]


def test_a_tie_of_few_pairs_can_hardly_show_a_small_p():
    study, family = study_of_scores(at_random(SLAVIC))
    points = relatives.look(study, family, OPTIONS).findings[0].points
    # same script: two languages against five, 2! 5! ways to rename that change nothing, of 7! = 5,040
    alone = "would have been needed uncorrected, and alone it can never pass the correction over 3 tests)"
    assert "smallest attainable p 0.0476, |r| over" in points[1]
    assert alone in points[1]
    assert alone not in points[0] + points[2]
    study, family = study_of_scores(at_random(("ru", "sr-Cyrl", "sl", "pl", "sk", "cs")))
    points = relatives.look(study, family, OPTIONS).findings[0].points
    assert "smallest attainable p 0.0667, so that these languages can never show p below 0.05)" in points[2]
