"""Stage: the figure of training losses, drawn from the `LineChart` that answers to the pointer."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from pinch.analysis.charts import LineChart, Panel
from pinch.analysis.figures.style import LIGHT, NARROW, Draw

STROKES: dict[str, dict[str, Any]] = {
    "base": {"color": LIGHT.base, "linestyle": (0, (5, 1.5, 1, 1.5))},
    "seen": {"color": LIGHT.seen, "linestyle": "-"},
    "unseen": {"color": LIGHT.unseen, "linestyle": "--"},
    "other": {"color": LIGHT.muted, "linestyle": ":"},
}
ROLES = tuple(STROKES)
"""Of the groups of a figure, one after the other."""

STEEP = 20
"""Losses that fall by more than this factor are drawn over a logarithmic axis."""


def draw_losses(chart: LineChart) -> Draw:
    """Lines of a group in its colour, one after the other in each panel: the mean thick, then its models (`one`) thin."""

    def draw(narrow: bool) -> Figure:
        figure = Figure(figsize=(NARROW, 3.6) if narrow else (7.6, 4.0), layout="constrained")
        axis = figure.subplots()
        for panel in chart.panels:
            _panel(axis, panel)
        axis.set_xticks([x for x, _ in chart.ticks], [label for _, label in chart.ticks])
        axis.set_xlabel(chart.x_label)
        names = len(axis.get_legend_handles_labels()[1])
        figure.legend(loc="outside upper left", ncols=1 if narrow else names, handlelength=3.2)
        return figure

    return draw


def _panel(axis: Axes, panel: Panel) -> None:
    stroke = STROKES["other"]
    for series in panel.series:
        if series.role == "one":
            axis.plot(series.x, series.y, color=stroke["color"], linewidth=0.7, alpha=0.6, zorder=2)
        else:
            stroke = STROKES[series.role]
            axis.plot(series.x, series.y, label=series.name, zorder=3, **stroke)
    values = [value for series in panel.series for value in series.y]
    if values and min(values) > 0 and max(values) > STEEP * min(values):
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.yaxis.set_major_formatter("{x:g}")
    axis.set_title(panel.title)
