"""What the wrong language and the length do to scores, on comparisons that can be counted by hand."""

import dataclasses

import numpy as np
import pytest

from made_up import cell, items, study
from pinch.analysis.questions import confounds
from pinch.analysis.study import Options
from pinch.records import Item

OPTIONS = Options()
ONE, OTHER = cell({"en": 10}), cell({"ar": 10})


def judged(
    of, score=1.0, right=lambda n: True, length=lambda n: 10, reference=OTHER, prompts=40, **changes
) -> list[Item]:
    """A cell asked in Arabic and compared with another one; its answers to the prompts n are right(n) and length(n)."""
    made = items(of, ["ar"], prompts, score if callable(score) else lambda code, n: score)
    return [
        dataclasses.replace(one, reference_cell=reference.id, right_language=right(n), length=length(n), **changes)
        for n, one in enumerate(made)
    ]


def look(*told, shown=None):
    made, family = study(*told)
    return confounds.look(made, family, shown or {"English alone": [ONE]}, OPTIONS)


def reference(**changes):
    return OTHER, judged(OTHER, score=0.5, outcome="self", **changes)


def test_wins_in_the_wrong_language_are_lost_behind_the_gate():
    mine = judged(ONE, 1.0, right=lambda n: n % 4 != 0, reference_length=10)  # a quarter in the wrong language, all won
    gate = look((ONE, mine), reference()).findings[0]
    assert gate.key == "language_gate"
    (point,) = gate.points
    assert point.startswith("English alone: 100.0 [")
    assert "75.0 [" in point
    assert "25.0 % of its answers and 0.0 % of the references'" in point
    assert "40 comparisons, 40 prompts" in point
    result = look((ONE, mine), reference()).results[0]
    assert result.effect == pytest.approx(-25)
    assert result.p < 0.05
    assert result.detectable > 0


def test_references_in_the_wrong_language_lose_too_and_both_tie():
    mine = judged(ONE, 0.0, right=lambda n: n >= 10)
    section = look((ONE, mine), reference(right=lambda n: n >= 20))  # 10 ties, 10 turned into wins, 20 lost as before
    assert section.results[0].effect == pytest.approx(100 * (10 * 0.5 + 10) / 40)
    assert "50.0 % of the references'" in section.findings[0].points[0]


def test_a_language_that_could_not_be_told_passes():
    mine = judged(ONE, 1.0, right=lambda n: None if n < 20 else True)
    section = look((ONE, mine), reference())
    assert section.results[0].effect == 0
    assert "50.0 % of the comparisons have a language that could not be told" in section.findings[0].points[0]


def test_the_slope_over_length():
    mine = judged(
        ONE, lambda code, n: float(n % 2 or n == 20), length=lambda n: 30 if n % 2 else 10, reference_length=20
    )
    found = [one for one in look((ONE, mine), reference()).findings if one.key == "length"]
    assert "English alone: difference +" in found[0].points[0]
    assert "0 of 40 comparisons, 0.0 %, are of nearly equal length: too few for a score there" in found[0].points[0]
    near = judged(
        ONE, lambda code, n: float(n % 2 or n == 20), length=lambda n: 90 if n == 3 else 20, reference_length=20
    )
    assert (
        "39 of 40 comparisons, 97.5 %, are of nearly equal length: where they are equal the line is at 5"
        in (look((ONE, near), reference()).findings[-1].points[0])
    )


def test_lengths_that_were_not_kept_or_do_not_vary_say_nothing():
    for length in (0, 10):
        mine = judged(ONE, lambda code, n: float(n % 2), length=lambda n: length, reference_length=length)  # noqa: B023
        assert [one.key for one in look((ONE, mine), reference()).findings] == ["language_gate"]


def test_a_model_against_itself_and_unscored_answers_are_no_comparisons():
    made, family = study(reference())
    assert confounds.compared(made, [OTHER]) is None
    section = confounds.look(made, family, {"Arabic alone": [OTHER]}, OPTIONS)
    assert (section.findings, section.results, section.gaps) == ([], [], [])
    unscored = [dataclasses.replace(one, against="", reference_cell="", score=None) for one in judged(ONE)]
    assert confounds.look(*study((ONE, unscored)), {"one": [ONE]}, OPTIONS).findings == []


def test_tables_are_of_prompts_and_places():
    made, _ = study((ONE, judged(ONE, 0.0, prompts=6)), reference(prompts=6))
    found = confounds.compared(made, [ONE])
    assert found.scores.shape == found.reference_right.shape == (6, 1)
    assert np.all(found.reference_right == 1)
