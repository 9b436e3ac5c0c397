"""The matrices: which places are missing, own or averaged, and shares that add up."""

import numpy as np
import pytest

from fake_study import Shape, build
from pinch.analysis.matrices import answer_language, monolingual_matrix
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
