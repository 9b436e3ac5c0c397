"""Stage: figures of points: rows of names with intervals beside each other, and a scatter whose points have names.

Both draw `DotChart`s, so that a picture and the chart that answers to the pointer show the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from pinch.analysis.charts import Dot, DotChart
from pinch.analysis.figures.names import Place, beside
from pinch.analysis.figures.style import LIGHT, NARROW, WIDTH, Draw
from pinch.analysis.study import Array

MARKS: tuple[dict[str, Any], ...] = (
    {"marker": "o", "color": LIGHT.seen, "markerfacecolor": LIGHT.seen},
    {"marker": "s", "color": LIGHT.unseen, "markerfacecolor": LIGHT.paper},
    {"marker": "^", "color": LIGHT.base, "markerfacecolor": LIGHT.paper},
    {"marker": "D", "color": LIGHT.muted, "markerfacecolor": LIGHT.muted},
)
"""How the groups of a figure look, in the order in which they occur: filled and hollow, so that grey tells them apart."""

ROW, NARROW_ROW = 0.27, 0.22
"""Inches between two rows of names."""

SIDE_BY_SIDE = 2
"""A narrow figure of more panels than this has two beside each other."""


@dataclass(frozen=True)
class Fit:
    """A straight line through points with its band, ready to be drawn: all arrays over x."""

    x: Array
    y: Array
    low: Array
    high: Array


def draw_rows(charts: Sequence[DotChart], spans: Sequence[tuple[float, float]], apart: int = 0) -> Draw:
    """A panel per chart, its ticks as rows from the top down and y along the panel. `spans` is what a panel's axis holds
    at least; the last `apart` rows, which are averages of the others, stand under a line."""
    groups = list(dict.fromkeys(dot.group for chart in charts for dot in chart.dots))

    def draw(narrow: bool) -> Figure:
        rows = max(len(chart.ticks) for chart in charts)
        across = len(charts) if not narrow else 2 if len(charts) > SIDE_BY_SIDE else 1
        down = -(-len(charts) // across)
        named = max(len(name) for chart in charts for _, name in chart.ticks)
        wide = (min(WIDTH, 0.9 + 0.05 * named + max(1.9, 5.4 - 1.2 * across) * across), 1.0 + ROW * rows)
        figure = Figure(
            figsize=(NARROW, 0.4 + down * (0.65 + NARROW_ROW * rows)) if narrow else wide, layout="constrained"
        )
        grid = figure.subplots(down, across, squeeze=False)
        for axis in list(grid.flat)[len(charts) :]:
            axis.remove()
        for at, (axis, chart, span) in enumerate(zip(grid.flat, charts, spans, strict=False)):
            _panel(axis, chart, groups, span, apart, named=at % across == 0)
        if len(groups) > 1:
            _legend(figure, groups, narrow)
        return figure

    return draw


def _panel(
    axis: Axes, chart: DotChart, groups: Sequence[str], span: tuple[float, float], apart: int, named: bool
) -> None:
    own = [name for name in groups if any(dot.group == name for dot in chart.dots)]
    for dot in chart.dots:
        lane = 0.22 * (own.index(dot.group) - (len(own) - 1) / 2)
        _point(axis, dot, dot.x + lane, MARKS[groups.index(dot.group) % len(MARKS)])
    places = [x for x, _ in chart.ticks]
    axis.set_ylim(max(places) + 0.6, min(places) - 0.6)
    axis.set_yticks(places, [name if named else "" for _, name in chart.ticks])
    axis.tick_params(axis="y", labelsize=7.5)
    ends = [end for dot in chart.dots for end in (dot.y, dot.low, dot.high) if end is not None]
    low, high = min([*ends, span[0]]), max([*ends, span[1]])
    margin = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
    axis.set_xlim(low - margin, high + margin)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    if chart.par is not None:
        axis.axvline(chart.par, color=LIGHT.muted, linewidth=0.9, linestyle=":", zorder=1.5)
    if apart:
        axis.axhline(sorted(places)[-apart] - 0.5, color=LIGHT.muted, linewidth=0.8, zorder=1.5)
    axis.set_title(chart.y_label)


def _point(axis: Axes, dot: Dot, row: float, mark: dict[str, Any]) -> None:
    if dot.low is not None and dot.high is not None:
        axis.plot([dot.low, dot.high], [row, row], color=mark["color"], linewidth=1.3, zorder=3)
    axis.plot([dot.y], [row], linestyle="", markersize=5, zorder=4, **mark)


def _legend(figure: Figure, groups: Sequence[str], narrow: bool) -> None:
    handles = [Line2D([], [], linestyle="", markersize=5, **MARKS[at % len(MARKS)]) for at in range(len(groups))]
    fits = sum(len(name) for name in groups) + 5 * len(groups) < 50
    columns = len(groups) if not narrow or fits else 1
    figure.legend(handles, list(groups), loc="outside upper left", ncols=columns, handletextpad=0.2)


def draw_scatter(chart: DotChart, fit: Fit | None = None) -> Draw:
    """Points with their intervals and, where there is room, their names; a line with its band where one is given."""

    def draw(narrow: bool) -> Figure:
        width, height = (NARROW, 3.5) if narrow else (7.2, 4.4)
        left, bottom, right, top = 0.62, 0.55, 0.15, 0.15  # inches, so that places of names can be told beforehand
        figure = Figure(figsize=(width, height))
        axis = figure.add_axes((left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height))
        _points(axis, chart, fit)
        axis.set_xlabel(chart.x_label)
        axis.set_ylabel(chart.y_label)
        _names(axis, chart.dots, fit)
        return figure

    return draw


def _points(axis: Axes, chart: DotChart, fit: Fit | None) -> None:
    if chart.log_x:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_formatter("{x:g}")
    if fit is not None:
        axis.fill_between(fit.x, fit.low, fit.high, color=LIGHT.unseen, alpha=0.14, linewidth=0, zorder=1)
        axis.plot(fit.x, fit.y, color=LIGHT.unseen, linestyle="--", linewidth=1.4, zorder=2)
    for dot in chart.dots:
        if dot.low is not None and dot.high is not None:
            axis.plot([dot.x, dot.x], [dot.low, dot.high], color=LIGHT.seen, linewidth=1.0, alpha=0.7, zorder=3)
        axis.plot([dot.x], [dot.y], linestyle="", markersize=5, zorder=4, **MARKS[0])
    if chart.par is not None:
        axis.axhline(chart.par, color=LIGHT.muted, linewidth=0.9, linestyle=":", zorder=1.5)
    axis.margins(x=0.06, y=0.08)


def _names(axis: Axes, dots: Sequence[Dot], fit: Fit | None) -> None:
    """Names beside their points, measured in points of the page, so the limits of the axes are fixed from here on."""
    axis.set_xlim(axis.get_xlim())
    axis.set_ylim(axis.get_ylim())
    scale = 72 / axis.figure.dpi

    def at(x: float, y: float) -> tuple[float, float]:
        across, up = axis.transData.transform((x, y)) * scale
        return float(across), float(up)

    box = axis.get_window_extent()
    frame = Place(box.x0 * scale, box.y0 * scale, box.x1 * scale, box.y1 * scale)
    points = [at(dot.x, dot.y) for dot in dots]
    ends = [(at(dot.x, dot.low), at(dot.x, dot.high)) for dot in dots if dot.low is not None and dot.high is not None]
    bars = [Place(x - 1, low, x + 1, high) for (x, low), (_, high) in ends]
    line = [] if fit is None else [at(float(x), float(y)) for x, y in zip(fit.x, fit.y, strict=True)]
    bars += [Place(x - 3, y - 1, x + 3, y + 1) for x, y in line]
    for dot, offset in zip(dots, beside(points, [dot.label for dot in dots], bars, frame, size=8), strict=True):
        where: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "fontsize": 8}
        axis.annotate(dot.label, (dot.x, dot.y), offset, color=LIGHT.ink, zorder=5, **where)
