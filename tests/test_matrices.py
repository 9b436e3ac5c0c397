"""The matrices: which places are missing, own or averaged, and shares that add up."""

import itertools

import numpy as np
import pytest

from fake_study import Shape, build
from matrix_study import square, study_of_scores
from pinch import stats
from pinch.analysis.matrices import _cliques, answer_language, blocks, monolingual_matrix
from pinch.analysis.study import Options, arrange, families
from test_curves import study_of
from test_study import item


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    shape = Shape((0, 1), (), (), ("en", "ar", "es"), ("en", "ar", "es", "cs"), prompts=10)
    return build(tmp_path_factory.mktemp("matrices"), shape)


def test_the_diagonal_is_its_own_reference_and_not_averaged(cells):
    study = study_of(cells)
    matrix = monolingual_matrix(study, families(study)[0], "monolingual", Options())
    assert matrix.rows == matrix.columns == ("en", "ar", "cs", "es")
    at = matrix.rows.index("ar")
    own = matrix.columns.index("ar")
    assert matrix.own[at].sum() == 1
    assert matrix.values[at, own] == 50
    free = [matrix.values[at, c] for c in range(len(matrix.columns)) if c != own and np.isfinite(matrix.values[at, c])]
    assert matrix.row_means[at] == pytest.approx(np.mean(free))
    assert matrix.seeds == (2, 2, 0, 2)


def test_languages_that_nothing_was_tuned_on_are_missing(cells):
    study = study_of(cells)
    matrix = monolingual_matrix(study, families(study)[0], "monolingual", Options())
    at = matrix.columns.index("cs")
    assert np.isnan(matrix.values[:, at]).all()
    assert np.isnan(matrix.values[at]).all()
    assert np.isnan(matrix.row_means[at])


def test_against_the_untuned_model_the_diagonal_counts(cells):
    study = study_of(cells)
    matrix = monolingual_matrix(study, families(study)[0], "base", Options())
    assert not matrix.own.any()
    assert matrix.row_means[0] == pytest.approx(np.nanmean(matrix.values[0]))


def test_one_tuning_language_is_no_matrix(cells):
    study = study_of([cell for cell in cells if cell.axes.languages == ("en",)])
    assert monolingual_matrix(study, families(study)[0], "monolingual", Options()) is None


def test_flat_rows_are_what_is_drawn(cells):
    study = study_of(cells)
    matrix = monolingual_matrix(study, families(study)[0], "monolingual", Options())
    rows = list(matrix.flat())
    assert len(rows) == 4 * (4 + 1)
    assert sum(row["evaluation"] == "mean" for row in rows) == 4


def test_shares_of_answered_languages(cells):
    spoken = ["es", "es", "en", "und", "sw"]
    rows = [item(cells[0], language="es", prompt=f"p{n}", answered_in=code) for n, code in enumerate(spoken)]
    rows += [item(cells[0], language="en", prompt=f"p{n}", answered_in="en") for n in range(5)]
    study = arrange([(cells[0], rows)])
    shares = answer_language(study, "some", [cells[0]])
    assert shares.asked == ("en", "es")
    assert shares.answered == ("en", "es", "other", "und")
    np.testing.assert_allclose(shares.values, [[100, 0, 0, 0], [20, 40, 20, 20]])
    assert shares.answers == 10
    assert len(list(shares.flat())) == 8


def test_two_experiments_in_one_workspace_are_two_blocks_that_share_a_language():
    first, second = ("en", "ar", "it", "ru"), ("ru", "hr", "sk")
    scores = square(first, [1.0, 0.0])
    for (code, seed), places in square(second, [0.0, 1.0]).items():
        scores[code, seed] = {**scores.get((code, seed), {}), **places}
    study, family = study_of_scores(scores)
    assert blocks(study, family) == [first, second]
    assert monolingual_matrix(study, family, "monolingual", Options()).rows == first
    assert monolingual_matrix(study, family, "monolingual", Options(), second).rows == second


def test_a_block_keeps_a_language_without_a_model_and_one_without_answers():
    scores = square(("en", "ar", "it", "ru"), [1.0, 0.0])
    del scores["it", 0]
    del scores["ru", 0]["en"], scores["en", 0]["ru"]
    scores["ar", 0]["fi"] = [1.0, 1.0]
    study, family = study_of_scores(scores)
    assert blocks(study, family)[0] == ("en", "ar", "it")
    scores["ru", 0]["en"] = [1.0, 0.0]
    study, family = study_of_scores(scores)
    assert blocks(study, family) == [("en", "ar", "it", "ru")]


def test_blocks_are_all_maximal_groups():
    rng = np.random.default_rng(3)
    names = list("abcdefg")
    for _ in range(20):
        edges = {frozenset(pair) for pair in itertools.combinations(names, 2) if rng.random() < 0.5}
        together = {one: {other for other in names if frozenset((one, other)) in edges} for one in names}
        whole = [
            frozenset(group)
            for size in range(1, len(names) + 1)
            for group in itertools.combinations(names, size)
            if all(frozenset(pair) in edges for pair in itertools.combinations(group, 2))
        ]
        maximal = {group for group in whole if not any(group < other for other in whole)}
        found = list(_cliques(frozenset(), set(names), set(), together))
        assert len(found) == len(set(found))
        assert set(found) == maximal


def test_marks_say_what_is_told_from_par_after_correction():
    wins, losses = [1.0] * 8, [0.0] * 8
    scores = square(("en", "ar", "it"), [1.0, 0.0] * 4)
    scores["en", 0] |= {"ar": wins, "it": losses}
    scores["ar", 0]["it"] = [1.0] * 6 + [0.5] * 2  # p .0002, times 4 places that are left: told
    scores["it", 0]["en"] = [1.0] * 6 + [0.0] * 2  # 75 +- 16.4: p .17
    study, family = study_of_scores(scores)
    matrix = monolingual_matrix(study, family, "monolingual", Options())
    assert matrix.tests.tests == 6
    assert matrix.marks.tolist() == [[0, 1, -1], [0, 0, 1], [0, 0, 0]]
    assert matrix.tests.p[0, 1] == pytest.approx(2**-7)
    assert matrix.tests.holm[0, 1] == pytest.approx(min(1, 5 * 2**-7))
    assert np.isnan(matrix.tests.p.diagonal()).all()
    rows = {(row["tuning"], row["evaluation"]): row for row in matrix.flat()}
    assert rows["en", "ar"]["par"] == "above"
    assert rows["it", "en"]["par"] == "not distinguishable"
    assert rows["en", "en"]["par"] == ""
    assert rows["en", "mean"]["score"] == 50


def test_seeds_are_averaged_prompt_by_prompt():
    scores = square(("en", "ar"), [1.0, 0.0, 1.0, 0.0])
    scores["en", 1] = {"en": [0.5] * 4, "ar": [0.0, 1.0, 1.0, 0.0]}
    study, family = study_of_scores(scores)
    matrix = monolingual_matrix(study, family, "monolingual", Options())
    assert matrix.points[0, 1].tolist() == [50, 50, 100, 0]
    assert matrix.seeds == (2, 1)
    assert matrix.seed_names == ((0, 1), (0,))


def test_row_means_are_clustered_by_prompt_and_hold_together():
    rng = np.random.default_rng(0)
    codes = ("en", "ar", "it", "ru")
    scores = {
        (one, 0): {c: [0.5] * 40 if c == one else rng.integers(0, 2, 40).astype(float).tolist() for c in codes}
        for one in codes
    }
    study, family = study_of_scores(scores)
    matrix = monolingual_matrix(study, family, "monolingual", Options())
    by_prompt = matrix.points[0, 1:].mean(axis=0)
    alone = stats.mean(by_prompt)
    assert matrix.row_means[0] == pytest.approx(alone.mean)
    assert matrix.row_high[0] - matrix.row_means[0] > alone.high - alone.mean
    critical = (matrix.row_high[0] - matrix.row_means[0]) / alone.se
    assert 2.3 < critical < 2.9  # Sidak's of 4 independent rows: 2.49, on 39 degrees of freedom 2.6


def test_the_base_matrix_tests_its_diagonal():
    study, family = study_of_scores(square(("en", "ar"), [1.0, 0.0, 1.0, 1.0]), "base")
    matrix = monolingual_matrix(study, family, "base", Options())
    assert matrix.tests.tests == 4
    assert matrix.row_places.tolist() == [2, 2]
    assert monolingual_matrix(study, family, "monolingual", Options()) is None
