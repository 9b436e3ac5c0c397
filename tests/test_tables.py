"""scores.csv: hand-countable rows."""

import pytest

from pinch.analysis.study import arrange
from pinch.analysis.tables import tidy
from test_study import item


@pytest.fixture
def cell(tmp_path):
    from fake_study import Shape, build

    shape = Shape(
        seeds=(3,), counts=(2,), fractions=(0.5,), monolingual=(), evaluation=("en", "es"), prompts=2, untuned=False
    )
    return build(tmp_path, shape)[0]


def rows_of(cell, scores, **changes):
    outcomes = {1.0: "win", 0.5: "tie", 0.0: "loss", None: "invalid"}
    items = [item(cell, prompt=f"p{n}", score=s, outcome=outcomes[s], **changes) for n, s in enumerate(scores)]
    return tidy(arrange([(cell, items)]), "j", 0.95)


def test_a_row_counts_outcomes_and_scores_in_percent(cell):
    (row,) = rows_of(cell, (1.0, 1.0, 0.5, 0.0, None))
    assert (row.prompts, row.n, row.wins, row.ties, row.losses, row.invalid) == (5, 4, 2, 1, 1, 1)
    assert row.score == 62.5
    assert (row.bound_low, row.bound_high) == (50.0, 70.0)
    assert row.low < 62.5 < row.high
    assert row.se == pytest.approx(23.9357, abs=1e-4)


def test_a_row_carries_its_axes(cell):
    (row,) = rows_of(cell, (1.0, 0.0))
    assert (row.languages, row.n_languages, row.fraction, row.seed, row.budget) == ("en+ar", 2, 0.5, 3, 600)
    assert (row.role, row.against, row.judge, row.reference_cell) == ("unseen", "monolingual", "j", "r")
    assert (row.exact, row.chrf, row.right_language, row.undecided) == (100, 80, 100, 0)


def test_a_cell_against_itself_is_50_without_interval(cell):
    items = [item(cell, prompt=f"p{n}", outcome="self", score=0.5, language="en") for n in range(4)]
    (row,) = tidy(arrange([(cell, items)]), "j", 0.95)
    assert (row.score, row.se, row.low, row.high, row.role, row.ties) == (50, None, None, None, "base", 4)


def test_only_invalid_judgements_give_no_score_but_bounds(cell):
    (row,) = rows_of(cell, (None, None))
    assert (row.score, row.n, row.bound_low, row.bound_high) == (None, 0, 0, 100)


def test_identical_answers_are_ties(cell):
    items = [item(cell, prompt=f"p{n}", outcome="identical", score=0.5) for n in range(3)]
    (row,) = tidy(arrange([(cell, items)]), "j", 0.95)
    assert (row.ties, row.score, row.n) == (3, 50, 3)
    assert row.low < 50 < row.high, "equal items do not mean that the mean is known exactly"


def test_without_reference_answers_exact_and_chrf_are_empty(cell):
    (row,) = rows_of(cell, (1.0, 0.0), exact=None, chrf=None)
    assert (row.exact, row.chrf) == (None, None)


def test_answers_that_were_compared_with_nothing_have_no_score_and_no_bounds(cell):
    items = [item(cell, prompt=f"p{n}", against="", reference_cell="", outcome="", score=None) for n in range(3)]
    (row,) = tidy(arrange([(cell, items)]), "j", 0.95)
    assert (row.prompts, row.n, row.invalid, row.score, row.bound_low, row.bound_high) == (3, 0, 0, None, None, None)
    assert row.exact == 100
