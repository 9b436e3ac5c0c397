"""Findings: the numbers are those of the items, differences are paired, and only what is distinguishable is claimed."""

import numpy as np
import pytest

from pinch import stats
from pinch.analysis.curves import curves, language_count
from pinch.analysis.findings import change, findings
from pinch.analysis.matrices import monolingual_matrix
from pinch.analysis.study import Metric, Options, arrange
from pinch.analysis.words import counted, detectable, gap_text
from test_curves import cells, family, study  # noqa: F401
from test_study import item, small  # noqa: F401

OPTIONS = Options(resamples=100)


@pytest.fixture(scope="module")
def said(study, family):  # noqa: F811
    curve = curves(study, family, OPTIONS)[0]
    matrix = monolingual_matrix(study, family, "monolingual", OPTIONS)
    found = findings(study, curve, language_count(study, family, OPTIONS), matrix, OPTIONS)
    return {finding.key: "\n".join((finding.text, *finding.points)) for finding in found}


def test_every_question_is_answered(said):
    assert list(said) == ["short", "base_alone", "pinch", "full", "base_cost", "language_count", "monolingual"]


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


def test_differences_are_paired_by_prompt(small):  # noqa: F811
    one, two = small[0], small[1]
    rng = np.random.default_rng(1)
    second = rng.integers(0, 2, 60) / 2
    rows = [
        (cell, [item(cell, prompt=f"p{n:02d}", score=float(v + d)) for n, v in enumerate(second)])
        for cell, d in ((one, 0.5), (two, 0.0))
    ]
    found = change(arrange(rows), [one], [two], ["es"], Metric.score, "monolingual", OPTIONS)
    assert found.gap.mean == 50
    assert found.gap.se == 0, "the same shift of every prompt has no spread, however much prompts differ"
    assert found.gap.n == 60


def test_by_seed_compares_cells_of_one_seed(study, family):  # noqa: F811
    curve = curves(study, family, OPTIONS)[0]
    found = change(study, curve.cells(1.0), curve.cells(0.0), ("cs",), Metric.exact, "monolingual", OPTIONS)
    assert len(found.by_seed) == 2
    assert np.mean(found.by_seed) == pytest.approx(found.gap.mean)


def test_an_interval_with_zero_is_not_distinguishable_and_says_what_could_have_been_found():
    gap = stats.Difference(mean=1.0, se=2.0, low=-3.0, high=5.0, n=60, t=0.5, p=0.6)
    text = gap_text(gap)
    assert text == "not distinguishable with these 60 prompts (+1.0 [−3.0, +5.0]; detectable effect: 5.6 points)"
    assert "no difference" not in text
    assert gap_text(stats.Difference(4.0, 1.0, 2.0, 6.0, 60, 4.0, 0.0)) == "difference +4.0 [+2.0, +6.0]"


def test_detectable_is_the_power_formula():
    assert detectable(1.0) == pytest.approx(1.959964 + 0.841621, abs=1e-5)


def test_nothing_to_say_without_curves():
    assert findings(None, None, None, None, OPTIONS) == []


def test_counted_things():
    assert (counted(1, "seed"), counted(2, "seed"), counted(1200, "prompt")) == ("1 seed", "2 seeds", "1,200 prompts")


def test_equal_on_every_prompt_is_said_as_that():
    same = np.array([50.0, 100.0, 0.0])
    assert gap_text(stats.paired(same, same)) == "the same on each of these 3 prompts"
