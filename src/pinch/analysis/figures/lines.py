"""Stage: figures of lines with bands: over the multilingual share, and over the number of tuning languages."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from pinch.analysis.curves import GROUPS, Curve, Line, Lines
from pinch.analysis.figures.style import LIGHT, NARROW, WIDTH, Draw, short
from pinch.analysis.line_charts import COUNT_AXIS, SHARE_AXIS, TITLES, curve_labels, every_labels, metrics_of
from pinch.analysis.questions.count.counts import Count
from pinch.analysis.study import Metric
from pinch.analysis.words import percent

STROKES: dict[str, dict[str, Any]] = {
    "seen": {"color": LIGHT.seen, "marker": "o", "linestyle": "-"},
    "unseen": {"color": LIGHT.unseen, "marker": "s", "linestyle": "--"},
    "base": {"color": LIGHT.base, "marker": "^", "linestyle": (0, (5, 1.5, 1, 1.5))},
}

MOST_TICKS = 7
"""A share axis with more points than this labels every other one, without per cent signs."""


def draw_curve(curve: Curve) -> Draw:
    """Panels of score, exact match and answer language over the multilingual share, with simultaneous bands."""
    panels, labels = metrics_of(curve.lines), curve_labels(curve)

    def draw(narrow: bool) -> Figure:
        figure, axes = _panels(len(panels), narrow)
        for axis, metric in zip(axes, panels, strict=True):
            _curve_panel(axis, curve, metric, labels, narrow)
            axis.set_title(TITLES[metric])
            _percent_axis(axis, metric, _means(curve.lines, metric))
        _legend(figure, axes, narrow)
        return figure

    return draw


def draw_every_language(curve: Curve) -> Draw:
    """Panels of score and answer language over the multilingual share: each language thin, their mean and the base thick."""
    panels = [metric for metric in metrics_of(curve.lines) if metric is not Metric.exact]
    labels, last = every_labels(curve), len(curve.fractions) - 1

    def draw(narrow: bool) -> Figure:
        figure, axes = _panels(len(panels), narrow, roomy=True)
        for axis, metric in zip(axes, panels, strict=True):
            _curve_panel(axis, curve, metric, labels, narrow)
            axis.set_title(TITLES[metric])
            thin = [line for code in curve.seen if (line := curve.lines.get((code, metric)))]
            _percent_axis(axis, metric, _means(curve.lines, metric), thin)
            _thin_lines(axis, thin, np.arange(last + 1))
        _legend(figure, axes, narrow, thin="one language")
        return figure

    return draw


def draw_small_curves(drawn: Sequence[Curve]) -> Draw:
    """The score alone, one small panel per set of tuning languages, on one y axis."""
    lines = [line for curve in drawn for line in _means(curve.lines, Metric.score)]

    def draw(narrow: bool) -> Figure:
        figure, axes = _panels(len(drawn), narrow, share=True)
        for axis, curve in zip(axes, drawn, strict=True):
            labels = {"seen": "seen languages", "unseen": "unseen languages", "base": "base language"}
            _curve_panel(axis, curve, Metric.score, labels, narrow)
            names = " ".join(short(code) for code in curve.tuning)
            axis.set_title(names if len(curve.tuning) <= 6 else f"{len(curve.tuning)} languages")
            if narrow or axis is axes[0]:
                axis.set_ylabel(TITLES[Metric.score].lower())
            _percent_axis(axis, Metric.score, lines)
        _legend(figure, axes, narrow)
        return figure

    return draw


def draw_count(count: Count) -> Draw:
    """Panels over the number of tuning languages: the unseen languages one by one, thin, and their mean with its band."""
    panels, numbers = metrics_of(count.lines), count.numbers

    def draw(narrow: bool) -> Figure:
        figure, axes = _panels(len(panels), narrow)
        for axis, metric in zip(axes, panels, strict=True):
            axis.set_title(TITLES[metric])
            thin = [line for code in count.unseen if (line := count.lines.get((code, metric)))]
            _percent_axis(axis, metric, _means(count.lines, metric), thin)
            axis.set_xticks(numbers, [str(x) for x in numbers])
            axis.set_xlabel(COUNT_AXIS)
            axis.set_xlim(numbers[0] - 0.15, numbers[-1] + 0.15)
            mean = count.lines.get(("unseen", metric))
            if mean is not None:
                _draw_line(axis, mean, np.array(mean.x), f"mean of {len(mean.languages)} unseen languages")
            _thin_lines(axis, thin, np.array(numbers))
        _legend(figure, axes, narrow, thin="one unseen language")
        return figure

    return draw


def _means(lines: Lines, metric: Metric) -> list[Line]:
    """The lines of a metric that are means over languages."""
    return [line for (name, kind), line in lines.items() if kind is metric and name in GROUPS]


def _thin_lines(axis: Axes, lines: Sequence[Line], x: NDArray[Any]) -> None:
    """Single languages, thin, with their names at the end."""
    for line in lines:
        axis.plot(x, line.mean, color=LIGHT.faint, linewidth=0.9, zorder=2)
    _end_labels(axis, float(x[-1]), [(float(line.mean[-1]), short(line.name)) for line in lines])


def _curve_panel(axis: Axes, curve: Curve, metric: Metric, labels: dict[str, str], narrow: bool) -> None:
    for name in GROUPS:
        line = curve.lines.get((name, metric))
        if line is not None and name in labels:
            _draw_line(axis, line, np.arange(len(line.x)), labels[name])
    budget, last = curve.family.budget, len(curve.fractions) - 1
    crowded = last + 1 > MOST_TICKS
    ticks = [
        f"{percent(x).removesuffix(' %') if crowded else percent(x)}\n{round(x * budget):,}"
        if not crowded or at < 2 or at == last or (at % 2 and at < last - 1)
        else ""
        for at, x in enumerate(curve.fractions)
    ]
    axis.set_xticks(range(len(ticks)), ticks)
    axis.tick_params(axis="x", labelsize=7 if crowded else 8)
    axis.set_xlim(-0.35, last + 0.4)
    axis.set_xlabel(SHARE_AXIS.format(budget=budget) + (", in %" if crowded else ""))


def _panels(number: int, narrow: bool, share: bool = False, roomy: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure of panels side by side (up to four, else in rows of three), or below each other when narrow; `roomy` is for
    panels of many lines."""
    across = 1 if narrow else number if number <= 4 else 3
    down = -(-number // across)
    more = 0.9 if roomy else 0.0
    wide = WIDTH * min(across, 2) / 2 if roomy else max(5.4, WIDTH * min(across, 3) / 3)
    size = (NARROW, 0.6 + (2.8 + more) * down) if narrow else (wide, 0.6 + (3.1 + more) * down)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharey=share)
    for axis in list(grid.flat)[number:]:
        axis.remove()
    return figure, list(grid.flat)[:number]


def _draw_line(axis: Axes, line: Line, x: NDArray[Any], label: str) -> None:
    """A mean with its band and, right beside, a small mark for every single cell where there are several."""
    stroke = STROKES[line.name]
    axis.fill_between(x, line.low, line.high, color=stroke["color"], alpha=0.16, linewidth=0, zorder=1)
    axis.plot(x, line.mean, label=label, zorder=4, markeredgecolor=LIGHT.paper, **stroke)
    for at, values in zip(x, line.each, strict=True):
        if len(values) > 1:
            beside = [at + 0.025 * (x[-1] - x[0])] * len(values)
            marks = {"s": 9, "color": stroke["color"], "marker": stroke["marker"], "alpha": 0.75, "linewidth": 0}
            axis.scatter(beside, values, zorder=3, **marks)


def _percent_axis(axis: Axes, metric: Metric, lines: Sequence[Line], thin: Sequence[Line] = ()) -> None:
    """Whole range for rates; for scores what is drawn (of thin lines no bands) and par, in steps of ten."""
    if metric is not Metric.score:
        axis.set_ylim(-2, 102)
        axis.yaxis.set_major_formatter("{x:.0f} %")
        return
    top = max(50.0, *(float(line.high.max()) for line in lines), *(float(line.mean.max()) for line in thin))
    low = min(50.0, *(float(line.low.min()) for line in lines), *(float(line.mean.min()) for line in thin))
    axis.set_ylim(max(0, 10 * np.floor((low - 3) / 10)), min(100, 10 * np.ceil((top + 3) / 10)))
    axis.axhline(50, color=LIGHT.muted, linewidth=0.9, linestyle=":", zorder=1.5)


def _legend(figure: Figure, axes: Sequence[Axes], narrow: bool, thin: str = "") -> None:
    """One legend above all panels, each label once."""
    pairs = [pair for axis in axes for pair in zip(*axis.get_legend_handles_labels(), strict=True)]
    colours = [stroke["color"] for stroke in STROKES.values()]
    lines = {label: handle for handle, label in pairs if isinstance(handle, Line2D)}
    found = dict(sorted(lines.items(), key=lambda row: colours.index(row[1].get_color())))
    if thin:
        found[thin] = Line2D([], [], color=LIGHT.faint, linewidth=0.9)
    fits = sum(len(label) for label in found) + 8 * len(found) < 50
    columns = len(found) if not narrow or fits else 1
    figure.legend(list(found.values()), list(found), loc="outside upper left", ncols=columns, handlelength=3.2)


def _end_labels(axis: Axes, x: float, ends: Sequence[tuple[float, str]]) -> None:
    """Names right of the lines' ends, moved apart where they would lie over each other, each tied to its line."""
    bottom, top = axis.get_ylim()
    left, right = axis.get_xlim()
    ordered = sorted(ends)
    places = spread([y for y, _ in ordered], _label_height(axis) * (top - bottom), bottom, top)
    elbow, text = right + 0.03 * (right - left), right + 0.04 * (right - left)
    for place, (y, name) in zip(places, ordered, strict=True):
        axis.plot([x, elbow], [y, place], color=LIGHT.faint, linewidth=0.5, clip_on=False, zorder=1.2)
        axis.text(text, place, name, va="center", fontsize=7, color=LIGHT.muted)
    axis.set_xlim(left, right)


def _label_height(axis: Axes) -> float:
    """What a line of small text takes of an axis' height, about: the rest of a panel is title and ticks (0.9 inches)."""
    place = axis.get_subplotspec()
    rows = place.get_geometry()[0] if place else 1
    inches = axis.figure.get_figheight() / rows - 0.9  # type: ignore[union-attr]
    return 9 / 72 / max(inches, 1.0)


def spread(wanted: Sequence[float], gap: float, bottom: float, top: float) -> list[float]:
    """Places nearest to the wanted ones (ascending) that keep a gap: isotonic regression of wanted minus its rank's share,
    by pooling neighbours, then moved as a whole into bottom..top."""
    blocks: list[list[float]] = []  # of [mean, number]
    for rank, value in enumerate(wanted):
        blocks.append([value - rank * gap, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, number = blocks.pop()
            before = blocks[-1]
            before[0] = (before[0] * before[1] + mean * number) / (before[1] + number)
            before[1] += number
    flat = [mean for mean, number in blocks for _ in range(int(number))]
    places = [value + rank * gap for rank, value in enumerate(flat)]
    if not places:
        return []
    shift = min(0.0, top - places[-1]) or max(0.0, bottom - places[0])
    return [place + shift for place in places]
