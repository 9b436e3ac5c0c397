"""A matrix in words: what it lacks, by name; what its places say; the chart's notes."""

import math

import numpy as np
import pytest

from matrix_study import square, study_of_scores, without
from pinch import stats
from pinch.analysis import places
from pinch.analysis.matrices import monolingual_matrix
from pinch.analysis.study import Options
from pinch.analysis.words import p_text
from pinch.languages import SLAVIC, TWELVE


def matrix_of(scores, against="monolingual", languages=None):
    study, family = study_of_scores(scores, against)
    return monolingual_matrix(study, family, against, Options(resamples=50), languages)


def test_holes_are_named():
    scores = square(("en", "ar", "it", "ru", "sw"), [1.0, 0.0])
    assert places.holes(matrix_of(scores)) == ""
    del scores["it", 0], scores["sw", 0], scores["ru", 0]["en"]
    scores["ru", 1] = {"ru": [0.5, 0.5]}
    text = places.holes(matrix_of(scores))
    assert text == (
        "no model is tuned on Italian or Swahili alone; without scores: Russian asked in English; "
        "seed 1 is missing for English and Arabic"
    )


def test_many_unjudged_places_are_counted():
    scores = square(("en", "ar", "it"), [1.0, 0.0])
    scores["ar", 0] = {"ar": [0.5, 0.5]}
    scores["it", 0] = {"it": [0.5, 0.5]}
    text = places.holes(matrix_of(scores, languages=("en", "ar", "it")))
    assert text == (
        "without scores: Arabic asked in English, Arabic asked in Italian, Italian asked in English and 1 more"
    )


def test_against_the_untuned_model_a_language_without_a_model_is_still_a_column():
    scores = square(("en", "ar", "it"), [1.0, 0.0])
    del scores["it", 0]
    matrix = matrix_of(scores, "base")
    assert matrix.columns == ("en", "ar", "it")
    assert places.holes(matrix) == "no model is tuned on Italian alone"


def test_places_against_par_come_with_n_widths_and_the_detectable_effect():
    scores = square(("en", "ar"), [1.0] * 6 + [0.0] * 2)
    matrix = matrix_of(scores)
    text = places.against_par(matrix)
    se = 100 * math.sqrt(0.75 * 0.25 * 8 / 7 / 8)
    reach = stats.detectable(se, 8, alpha=0.05 / 2)
    assert text.startswith("of 2 places 0 are above par, 0 below, 2 not distinguishable from it (Holm")
    assert "8 prompts a place" in text
    assert f"{reach:.1f} points)" in text
    assert places.detectable(matrix) == pytest.approx(reach)


def test_places_that_never_vary_have_no_detectable_effect():
    matrix = matrix_of(square(("en", "ar"), [1.0] * 8))
    assert places.detectable(matrix) is None
    assert "detectable" not in places.against_par(matrix)
    assert "2 are above par" in places.against_par(matrix)


def test_the_chart_has_the_matrix_and_its_means():
    matrix = matrix_of(without(square(("en", "ar", "it"), [1.0] * 8), "it"))
    chart = places.chart(matrix, {"en": "English!"})
    assert chart.rows == ("English!", "ar", "it")
    assert chart.columns == ("en", "ar", "it", "mean")
    assert chart.values == ((50, 100, None, 100), (100, 50, None, 100), (None, None, None, None))
    assert chart.bare[0] == (True, False, False, True)
    assert chart.notes[0][0] == "a model against itself: 50 by definition"
    assert "above par (p = 0.016 after Holm), 8 prompts, 1 seed" in chart.notes[0][1]
    assert chart.notes[0][2] == "no scores"
    assert chart.notes[0][3].endswith("simultaneous 95 %, 1 language")
    assert chart.notes[2][0] == chart.notes[2][3] == "no model"


def test_the_caption_says_n_tests_and_what_is_hatched():
    whole = matrix_of(square(("en", "ar"), [1.0, 0.0, 0.5]))
    text = places.caption(whole, Options(resamples=50))
    assert "over 2 places" in text
    assert "3 prompts a place, 1 seed a row" in text
    assert "Hatched" not in text
    scores = without(square(("en", "ar", "it"), [1.0, 0.0, 0.5]), "it")
    scores["en", 0]["ar"] = [1.0, None, 0.5]
    text = places.caption(matrix_of(scores), Options(resamples=50))
    assert "Hatched: no model or no scores yet." in text
    assert "2 to 3 prompts a place" in text


def test_arguments_name_the_languages_only_where_they_are_others():
    assert places.asked_for("monolingual", "languages", sorted(TWELVE)) == "+experiment=monolingual"
    assert places.asked_for("slavic", "relatives", SLAVIC) == "+experiment=slavic"
    assert places.asked_for("slavic", "relatives", ["ru", "uk"]) == "+experiment=slavic 'experiment.relatives=[ru,uk]'"


def test_words():
    assert places.named(["en"]) == "English"
    assert places.named(["en", "ar", "it"], "or") == "English, Arabic or Italian"
    assert [p_text(p) for p in (1e-9, 0.0123, 0.0476, np.nan)] == [
        "p < 0.001",
        "p = 0.012",
        "p = 0.0476",
        "p undefined",
    ]
    assert places.detectable_at(1.0, 1.96) == pytest.approx(stats.detectable(1.0), abs=1e-3)
    assert np.isclose(places.detectable_at(2.0, 2.83), 2 * (2.83 + 0.8416), atol=1e-3)
