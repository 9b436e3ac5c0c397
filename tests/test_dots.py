"""Figures of points and losses: written, alike each time, names apart, light colours only."""

import numpy as np
import pytest

from pinch.analysis.charts import Dot, DotChart, LineChart, Panel, Series
from pinch.analysis.figures.dots import MARKS, Fit, draw_rows, draw_scatter
from pinch.analysis.figures.losses import STROKES, draw_losses
from pinch.analysis.figures.names import Place, beside
from pinch.analysis.figures.style import LIGHT, render

TICKS = ((0.0, "en + ar"), (1.0, "all"))
PAIR = Dot("en + ar", 0, 60.0, 50.0, 70.0, group="a")
ROWS = DotChart("pair", "Score", (PAIR, Dot("en + ar", 0, 40.0, group="b"), Dot("all", 1, 55.0)), TICKS, par=50)
EMPTY = DotChart("pair", "Nothing", (), TICKS)
CLOUD = DotChart("share", "score", (Dot("en", 1.0, 50.0, 40.0, 60.0), Dot("zh", 30.0, 20.0)), log_x=True, par=50)
LINE = Fit(np.array([1.0, 30.0]), np.array([50.0, 20.0]), np.array([40.0, 10.0]), np.array([60.0, 30.0]))
LOSSES = LineChart(
    "step", ((0.0, "0"), (2.0, "2")),
    (Panel("Loss", (Series("one", "base", (1, 2), (4.0, 0.1)), Series("seed 0", "one", (1, 2), (4.0, 0.2)))),),
)  # fmt: skip
DRAWINGS = {
    "rows": draw_rows([ROWS, EMPTY], [(0, 100), (0, 1)], apart=1),
    "many": draw_rows([ROWS] * 5, [(0, 100)] * 5),
    "scatter": draw_scatter(CLOUD),
    "fitted": draw_scatter(CLOUD, LINE),
    "losses": draw_losses(LOSSES),
}


@pytest.mark.parametrize("name", list(DRAWINGS))
def test_every_figure_is_written_and_repeats_itself(name, tmp_path):
    first = render(name, tmp_path / "one", DRAWINGS[name])
    assert first == render(name, tmp_path / "two", DRAWINGS[name])
    assert set(first.variants) == {"wide", "narrow"}


def lines_of(draw, narrow=False):
    return [line for axis in draw(narrow).axes for line in axis.lines]


def test_rows_stand_where_the_chart_says():
    [axis, empty] = DRAWINGS["rows"](False).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["en + ar", "all"]
    assert [label.get_text() for label in empty.get_yticklabels()] == ["", ""]
    assert axis.get_ylim() == (1.6, -0.6)  # from the top down
    ends = [list(line.get_xdata()) for line in axis.lines]
    assert [50.0, 70.0] in ends
    assert [60.0] in ends
    low, high = empty.get_xlim()
    assert low < 0 < 1 < high


def test_values_that_are_all_the_same_have_an_axis_around_them():
    same = DotChart("pair", "Same", (Dot("en + ar", 0, 1.0),), TICKS[:1])
    assert draw_rows([same], [(1, 1)])(False).axes[0].get_xlim() == (0.9, 1.1)


def test_groups_of_a_row_differ_in_marker_and_filling():
    assert len({mark["marker"] for mark in MARKS}) == len({mark["color"] for mark in MARKS}) == len(MARKS)
    assert MARKS[0]["markerfacecolor"] != LIGHT.paper == MARKS[1]["markerfacecolor"]
    assert len({str(stroke["linestyle"]) for stroke in STROKES.values()}) == len(STROKES)


def test_a_narrow_figure_has_panels_below_each_other():
    tops = {round(axis.get_position().y0, 2) for axis in DRAWINGS["many"](True).axes}
    assert len(tops) == 3
    assert len({round(axis.get_position().y0, 2) for axis in DRAWINGS["many"](False).axes}) == 1


def test_thin_lines_have_the_colour_of_the_mean_before_them():
    mean, one = lines_of(DRAWINGS["losses"])
    assert mean.get_color() == one.get_color() == LIGHT.base
    assert mean.get_linewidth() > one.get_linewidth()


def test_steep_losses_have_a_logarithmic_axis_and_losses_of_0_none():
    assert DRAWINGS["losses"](False).axes[0].get_yscale() == "log"
    flat = LineChart("step", (), (Panel("Loss", (Series("one", "base", (1, 2), (4.0, 0.0)),)),))
    assert draw_losses(flat)(False).axes[0].get_yscale() == "linear"


FRAME = Place(0, 0, 200, 100)


def boxes(points, names, offsets, size=8):
    return [
        Place(
            x + dx - 0.66 * size * len(name) / 2,
            y + dy - 0.55 * size,
            x + dx + 0.66 * size * len(name) / 2,
            y + dy + 0.55 * size,
        )
        for (x, y), name, (dx, dy) in zip(points, names, offsets, strict=True)
    ]


def test_a_name_alone_stands_right_of_its_point():
    [(dx, dy)] = beside([(50, 50)], ["en"], [], FRAME, 8)
    assert dx > 4
    assert dy == 0


def test_at_the_right_edge_it_stands_left():
    [(dx, _)] = beside([(198, 50)], ["en"], [], FRAME, 8)
    assert dx < -4


def test_names_keep_clear_of_each_other_of_points_and_of_intervals():
    rng = np.random.default_rng(3)
    points = [(float(x), float(y)) for x, y in rng.uniform([20, 20], [180, 80], (9, 2))]
    names = ["en", "ar", "zh", "sr-Latn", "et", "fi", "he", "hi", "it"]
    bars = [Place(x - 1, y - 10, x + 1, y + 10) for x, y in points]
    found = boxes(points, names, beside(points, names, bars, FRAME, 8))
    around = [Place(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    for at, one in enumerate(found):
        assert all(one.overlap(other) == 0 for other in (*found[:at], *found[at + 1 :], *around, *bars))
        assert one.overlap(FRAME) == pytest.approx(one.area)


def test_points_on_each_other_still_get_their_names():
    offsets = beside([(50.0, 50.0)] * 3, ["en", "ar", "cs"], [], FRAME, 8)
    assert len(set(offsets)) == 3
