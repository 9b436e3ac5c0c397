"""One language each: counted places, mean, best and worst rows corrected for picking, holes as gaps."""

import re

import numpy as np
import pytest

from matrix_study import square, study_of_scores, without
from pinch import stats
from pinch.analysis.extremes import extremes
from pinch.analysis.matrices import monolingual_matrix
from pinch.analysis.questions import transfer
from pinch.analysis.study import Options, arrange
from test_question_relatives import drawn

OPTIONS = Options(resamples=200)
CODES = ("en", "ar", "it", "ru")


def ranked(prompts=60, seed=1, rates=(0.9, 0.5, 0.5, 0.2)):
    """Four languages whose models win with these shares, other draws in every language."""
    rng = np.random.default_rng(seed)
    wins = {
        (one, 0): {
            c: [0.5] * prompts if c == one else (rng.random(prompts) < rate).astype(float).tolist() for c in CODES
        }
        for one, rate in zip(CODES, rates, strict=True)
    }
    return study_of_scores(wins)


def test_best_and_worst_are_compared_where_both_are_strangers_and_corrected():
    study, family = ranked()
    matrix = monolingual_matrix(study, family, "monolingual", OPTIONS)
    found = extremes(matrix, OPTIONS)
    assert (found.best, found.worst) == ("en", "ru")
    assert (found.languages, found.pairs, found.prompts) == (2, 6, 60)
    gaps = (matrix.points[0, [1, 2]] - matrix.points[3, [1, 2]]).mean(axis=0)
    alone = stats.paired(gaps, np.zeros(60))
    assert found.gap == pytest.approx(alone.mean)
    assert found.low < alone.low < alone.high < found.high
    assert found.p == pytest.approx(min(1, 6 * alone.p), rel=1e-6)
    assert 3 <= found.told <= 5


def test_rows_that_are_equal_are_not_said_to_differ():
    study, family = ranked(seed=5, rates=(0.5, 0.5, 0.5, 0.5))
    matrix = monolingual_matrix(study, family, "monolingual", OPTIONS)
    found = extremes(matrix, OPTIONS)
    assert found.gap > 0
    assert found.low <= 0 <= found.high
    text = transfer.look(study, family, OPTIONS).findings[0].points[2]
    assert "not distinguishable (" in text
    assert "detectable effect" in text
    brief = transfer.look(study, family, OPTIONS).findings[0].brief
    assert "12 cannot be distinguished from par (50; Holm over all; detectable effect of a place of median SE" in brief
    assert "0 of the 6 pairs of rows are distinguishable" in text


def test_only_rows_with_as_many_places_are_ranked():
    study, family = ranked()
    kept = {
        key: sheet for key, sheet in study.sheets.items() if not (key[0].startswith("embedded-ru") and key[2] == "it")
    }
    study = type(study)(study.cells, study.prompts, kept)
    matrix = monolingual_matrix(study, family, "monolingual", OPTIONS)
    assert matrix.row_places.tolist() == [3, 3, 3, 2]
    assert extremes(matrix, OPTIONS).worst != "ru"


def test_two_languages_have_no_third_to_compare_them_in():
    study, family = study_of_scores(square(("en", "ar"), [1.0, 0.0]))
    assert extremes(monolingual_matrix(study, family, "monolingual", OPTIONS), OPTIONS) is None


def test_the_finding_has_mean_counts_and_mark_and_the_results_their_numbers():
    scores = square(CODES, [1.0] * 6 + [0.0] * 34)
    scores["ru", 0]["it"] = [1.0] * 6 + [0.0] * 33 + [0.5]
    study, family = study_of_scores(scores)
    section = transfer.look(study, family, OPTIONS)
    (finding,) = section.findings
    assert finding.key == "monolingual"
    assert "12 places, 40 prompts, 1 seed a row" in finding.text
    assert "score 15.1 [" in finding.text
    assert "0 are above par, 12 below, 0 not distinguishable" in finding.points[0]
    assert finding.points[1].startswith("0 of 12 places (0 %) score over 30")
    assert "that of 12 wholly under it" in finding.points[1]
    assert finding.brief.startswith("Tuned on one language and asked in the others, models score 15.1 [")
    assert finding.brief.endswith(
        "] on average against the monolingual references (40 prompts, 1 seed a row). Of 12 places 12 are below par (50; "
        "Holm over all)."
    )
    mean, count, best = section.results
    gap = stats.paired(np.array([100.0] * 6 + [0.0] * 33 + [50 / 12]), np.full(40, 50.0))
    assert (mean.effect, mean.low, mean.high, mean.p) == pytest.approx((gap.mean, gap.low, gap.high, gap.p))
    assert (count.effect, count.unit) == (12, "places")
    assert best.effect == pytest.approx(50 / 40 / 2)  # in the two languages other than Russian and the worst
    assert [exhibit.name for exhibit in section.exhibits] == ["monolingual_heatmap"]
    assert [gap.name for gap in section.gaps] == ["monolingual_heatmap_base"]
    assert section.gaps[0].arguments == "+experiment=versus_base 'experiment.languages=[en,ar,it,ru]'"


def test_against_the_untuned_model_the_weakest_place_says_whether_it_helps_everywhere():
    scores = square(("en", "ar"), [1.0] * 9 + [0.5])
    for places in scores.values():
        places |= {code: [1.0] * 9 + [0.5] for code in places}
    study, family = study_of_scores(scores, "base")
    finding = transfer.look(study, family, OPTIONS).findings[0]
    assert finding.key == "versus_base"
    assert finding.points[1].startswith("tuning on one language helps in every place; the weakest is ")
    scores["ar", 0]["en"] = [1.0] * 5 + [0.0] * 5
    study, family = study_of_scores(scores, "base")
    text = transfer.look(study, family, OPTIONS).findings[0].points[1]
    assert text.startswith(
        "tuning on one language is seen to help in 3 of 4 places, not in all; the weakest is Arabic asked"
    )
    assert "50.0 [" in text


def test_with_seeds_their_spread_stands_beside_the_prompts():
    scores = square(("en", "ar"), [1.0, 1.0, 0.0, 0.0])
    for code in ("en", "ar"):
        scores[code, 1] = {c: [0.5] * 4 if c == code else [1.0, 1.0, 1.0, 0.5] for c in ("en", "ar")}
    study, family = study_of_scores(scores)
    matrix = monolingual_matrix(study, family, "monolingual", OPTIONS)
    table = transfer.by_seed(study, matrix)
    assert table.tolist() == [[100, 100, 0, 0], [100, 100, 100, 50]]
    variance = stats.seed_variance(table, 50)
    text = transfer.look(study, family, OPTIONS).findings[0].points[-1]
    assert f"[{variance.of_both.low:.1f}, {variance.of_both.high:.1f}] (2 seeds, 4 prompts" in text
    assert f"seeds {variance.seed_sd:.1f} [" in text
    both = f"; over new seeds and prompts [{variance.of_both.low:.1f}, {variance.of_both.high:.1f}]"
    assert both in transfer.look(study, family, OPTIONS).findings[0].brief


def test_with_seeds_best_and_worst_are_told_seed_by_seed():
    scores = square(CODES, [1.0, 1.0, 0.0, 0.0])
    for code in CODES:
        wins = {"en": 4, "ru": 1}.get(code, 3)
        scores[code, 1] = {c: [0.5] * 4 if c == code else [1.0] * wins + [0.0] * (4 - wins) for c in CODES}
    study, family = study_of_scores(scores)
    points = transfer.look(study, family, OPTIONS).findings[0].points
    assert points[2].startswith("highest row mean: English (75.0 [")
    assert points[2].endswith("are distinguishable; by seed +0.0, +75.0")


def test_a_map_with_holes_is_drawn_and_says_what_would_fill_them():
    study, family = study_of_scores(without(square(CODES, [1.0, 0.0, 1.0]), "it"))
    section = transfer.look(study, family, OPTIONS)
    assert len(section.exhibits) == 1
    gap = section.gaps[0]
    assert (gap.name, gap.reason) == ("monolingual_heatmap", "no model is tuned on Italian alone")
    assert gap.arguments == "+experiment=monolingual 'experiment.languages=[en,ar,it,ru]'"


def test_one_model_is_a_gap_that_names_the_missing_ones():
    study, family = study_of_scores({("en", 0): {"en": [0.5, 0.5], "ar": [1.0, 0.0]}})
    section = transfer.look(study, family, OPTIONS)
    assert not section.exhibits
    assert not section.findings
    (gap,) = section.gaps
    assert gap.reason == (
        "it needs at least two models that were tuned on one language each (no model is tuned on Arabic alone)"
    )


def test_models_that_are_compared_with_nobody_are_a_gap():
    study, family = study_of_scores({(code, 0): {code: [0.5, 0.5]} for code in ("en", "ar")})
    gap = transfer.look(study, family, OPTIONS).gaps[0]
    assert gap.reason == "no model that was tuned on one language is judged in the language of another"
    assert arrange([]).references == ()


def test_the_maps_are_drawn_wide_and_narrow():
    scores = without(square(CODES, [1.0] * 8), "it")
    scores["en", 0]["ru"] = [0.0] * 8
    scores["ru", 0]["ar"] = [1.0, 0.0] * 4
    study, family = study_of_scores(scores)
    (exhibit,) = transfer.look(study, family, OPTIONS).exhibits
    wide, narrow = drawn(exhibit)
    for figure in (wide, narrow):
        axis = figure.axes[0]
        triangles = sum(len(marks.get_offsets()) for marks in axis.collections)
        assert triangles == sum(row.get("par") in ("above", "below") for row in exhibit.rows) == 5
        assert sum(patch.get_hatch() is not None for patch in axis.patches) == 7
        said = [text.get_text() for text in figure.legends[0].get_texts()]
        assert said == [
            "above par (50)",
            "below par",
            "no mark: not told from par (Holm, 6 places)",
            "no model or no scores",
        ]
    spans = [text.get_text() for text in wide.axes[0].texts if re.match(r"\[", text.get_text())]
    assert len(spans) == 3
    assert narrow.get_size_inches()[0] < wide.get_size_inches()[0]


def test_a_whole_map_has_nothing_hatched():
    study, family = study_of_scores(square(CODES, [1.0] * 8))
    wide, _ = drawn(transfer.look(study, family, OPTIONS).exhibits[0])
    assert len(wide.legends[0].get_texts()) == 3
    assert not any(patch.get_hatch() for patch in wide.axes[0].patches)
