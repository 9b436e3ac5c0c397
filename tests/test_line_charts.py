"""Figures of lines as numbers: the same as drawn, single languages off where the picture shows only means."""

import json
from dataclasses import asdict

import pytest

from pinch.analysis.curves import curves
from pinch.analysis.line_charts import count_charts, curve_charts
from pinch.analysis.questions.count.counts import language_count
from pinch.analysis.study import Metric, Options
from test_curves import cells, family, study  # noqa: F401

OPTIONS = Options(resamples=50)


@pytest.fixture(scope="module")
def found(study, family):  # noqa: F811
    return curves(study, family, OPTIONS)


def test_a_curve_has_means_on_and_languages_off(found):
    (chart,) = curve_charts(found[0])
    score = chart.panels[0]
    assert [(series.name, series.role, series.on) for series in score.series] == [
        ("seen languages (3)", "seen", True),
        ("unseen languages (2)", "unseen", True),
        ("English (base language)", "base", True),
        *((name, "one", False) for name in ("Arabic", "Finnish", "Italian", "Czech", "Spanish")),
    ]
    assert (score.unit, score.par, chart.panels[2].unit, chart.panels[2].par) == ("", 50, " %", None)
    assert chart.ticks[1] == (1.0, "1 % (6)")


def test_the_numbers_are_those_of_the_lines(found):
    (chart,) = curve_charts(found[0])
    line, series = found[0].lines["cs", Metric.exact], chart.panels[1].series[6]
    assert series.name == "Czech"
    assert (series.x, series.y) == ((0, 1, 2, 3), tuple(line.mean))
    assert (series.low, series.high) == (tuple(line.low), tuple(line.high))
    one, two = line.each[2]
    assert series.notes[2] == f"2 models ({one:.1f}, {two:.1f}), 40 prompts"


def test_with_every_language_on_there_are_no_exact_matches_and_no_unseen(found):
    (chart,) = curve_charts(found[0], every=True)
    assert [panel.title for panel in chart.panels] == ["Score (50 = par)", "Answers in the language asked"]
    assert all(series.on for panel in chart.panels for series in panel.series)
    assert "unseen" not in {series.role for series in chart.panels[0].series}


def test_counts(study, family):  # noqa: F811
    (chart,) = count_charts(language_count(study, family, OPTIONS))
    assert chart.panels[0].series[0].x == (1, 2, 3, 4)
    assert [series.name for series in chart.panels[0].series] == ["mean of 2 unseen languages", "Czech", "Spanish"]
    assert json.loads(json.dumps(asdict(chart)))["kind"] == "lines"
