"""Stage: figures of matrices with their numbers: tuned on x asked in, and asked in x answered in."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from pinch.analysis.figures.style import LIGHT, NARROW, ON_DARK, ON_LIGHT, WIDTH, Draw, short
from pinch.analysis.matrices import Matrix, Shares
from pinch.analysis.study import Array

Colour = tuple[float, float, float, float]
PRINTED = 9.5
"""Shares from here on (in percent) have their number printed."""
OPAQUE = 55
"""Shares above this (in percent) are dark enough for a light number."""
MARKS = {1: "^", -1: "v"}
"""Triangles for places above and below par."""
SPANS = 2.3
"""Places that a row's mean and its interval take on a wide map."""
LEGEND_WIDTH = 6.2
"""Inches that the legend of a wide map needs."""


def draw_matrix(matrix: Matrix, labels: Mapping[str, str] | None = None, groups: Sequence[int] = ()) -> Draw:
    """Scores as a map: colours per column, marks where a place is told from par, own references uncoloured, missing cells
    hatched, row means beside. `labels` replace the codes of rows; `groups` are the sizes of groups that lines part."""
    rows, columns = len(matrix.rows), len(matrix.columns)
    names = [(labels or {}).get(code, short(code)) for code in matrix.rows]
    holes = not np.isfinite(matrix.values).all()

    def draw(narrow: bool) -> Figure:
        beside = 1.2 if narrow else SPANS
        label = 0.07 * max(map(len, names))
        wide = 0.5 + label + min(0.56, (WIDTH - 0.5 - label) / (columns + beside)) * (columns + beside)
        width = NARROW if narrow else max(wide, LEGEND_WIDTH)
        figure = Figure(
            figsize=(width, (1.3 if narrow else 1.25) + (0.27 if narrow else 0.36) * rows), layout="constrained"
        )
        axis = figure.subplots()
        font = min(6.3 if narrow else 8.5, 90 / columns if narrow else 8.5)
        _places(axis, matrix, font)
        _row_means(axis, matrix, font, narrow)
        _map_axes(axis, names, [short(code) for code in matrix.columns], font)
        axis.set_xlim(0, columns + beside)
        head = "mean" if narrow else f"mean [{100 * matrix.confidence:.0f} %]"
        ticks = [*(np.arange(columns) + 0.5), columns + beside / 2 + 0.1]
        axis.set_xticks(ticks, [*(short(code) for code in matrix.columns), head])
        axis.set_ylabel("tuned on", fontsize=font)
        axis.set_xlabel("asked in", fontsize=font, loc="left")
        for edge in np.cumsum(groups)[:-1]:
            axis.plot([edge, edge], [0, rows], color=LIGHT.ink, linewidth=1.2, zorder=6)
            axis.plot([0, columns], [edge, edge], color=LIGHT.ink, linewidth=1.2, zorder=6)
        _legend(figure, matrix, holes, font, narrow)
        return figure

    return draw


def _places(axis: Axes, matrix: Matrix, font: float) -> None:
    """Every place in the colour of its column's scale, with its number and its mark."""
    marks = matrix.marks
    corners: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    for c in range(len(matrix.columns)):
        low, high = _range(matrix.values[~matrix.own[:, c], c])
        for r in range(len(matrix.rows)):
            value, own = float(matrix.values[r, c]), bool(matrix.own[r, c])
            colour = None if own else _colour((value - low) / (high - low) if high > low else 0.5)
            _place(axis, r, c, value, colour, font)
            if marks[r, c] and colour is not None:
                corners[int(marks[r, c]), _on(colour)].append((c + 0.85, r + 0.24))
    for (mark, ink), corner in corners.items():
        x, y = zip(*corner, strict=True)
        axis.scatter(x, y, marker=MARKS[mark], s=(0.42 * font) ** 2, color=ink, linewidths=0, zorder=6)


def _row_means(axis: Axes, matrix: Matrix, font: float, narrow: bool) -> None:
    """Beside each row its mean, and where there is room the interval that holds for all rows at once."""
    columns = len(matrix.columns)
    for r, value in enumerate(matrix.row_means):
        if not np.isfinite(value):
            continue
        if narrow:
            _write(axis, columns + 0.7, r + 0.5, f"{value:.0f}", font, LIGHT.ink, weight="bold")
            continue
        _write(axis, columns + 0.62, r + 0.5, f"{value:.0f}", font, LIGHT.ink, weight="bold")
        if np.isfinite(matrix.row_low[r]):
            span = f"[{matrix.row_low[r]:.0f}, {matrix.row_high[r]:.0f}]"
            _write(axis, columns + 1.62, r + 0.5, span, font - 0.5, LIGHT.muted)


def _legend(figure: Figure, matrix: Matrix, holes: bool, font: float, narrow: bool) -> None:
    """What marks, hatches and colours mean, in one line below a wide map."""
    mark: dict[str, Any] = {"color": LIGHT.ink, "linestyle": "none", "markersize": 0.6 * font}
    handles: list[Artist] = [
        Line2D([], [], marker=MARKS[1], label="above par (50)", **mark),
        Line2D([], [], marker=MARKS[-1], label="below par", **mark),
        Line2D([], [], linestyle="none", label=f"no mark: not told from par (Holm, {matrix.tests.tests} places)"),
    ]
    if holes:
        handles.append(
            Patch(facecolor=LIGHT.blank, hatch="//////", edgecolor=LIGHT.paper, label="no model or no scores")
        )
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=3 if narrow else len(handles),
        fontsize=font - (0 if narrow else 0.5),
        title="Colours: each column on its own, dark lowest, light highest",
        title_fontsize=font - (0 if narrow else 0.5),
        alignment="left",
        handlelength=1,
        handletextpad=0.4,
        columnspacing=1.2,
    )


def draw_shares(shares: Sequence[Shares]) -> Draw:
    """Maps of language asked x language answered, one per group of cells; the language asked is framed."""

    def draw(narrow: bool) -> Figure:
        across = 1 if narrow else min(2, len(shares))
        down = -(-len(shares) // across)
        rows, columns = len(shares[0].asked), len(shares[0].answered)
        wide = (across * max(2.8, 0.7 + 0.335 * columns), down * max(1.2, 0.75 + 0.27 * rows))
        layout = ConstrainedLayoutEngine(hspace=0.04, wspace=0.04)
        figure = Figure(figsize=(NARROW, down * max(1.2, 0.75 + 0.23 * rows)) if narrow else wide, layout=layout)
        grid = figure.subplots(down, across, squeeze=False)
        for axis in list(grid.flat)[len(shares) :]:
            axis.remove()
        for axis, one in zip(grid.flat, shares, strict=False):
            _draw_share(axis, one, 5.8 if narrow else 6.6)
        return figure

    return draw


def _draw_share(axis: Axes, shares: Shares, font: float) -> None:
    for r, asked in enumerate(shares.asked):
        for c, answered in enumerate(shares.answered):
            value = float(shares.values[r, c])
            _shade(axis, r, c, value, font)
            if asked == answered:
                axis.add_patch(Rectangle((c, r), 1, 1, fill=False, edgecolor=LIGHT.ink, linewidth=1, zorder=5))
    _map_axes(axis, [short(code) for code in shares.asked], [short(code) for code in shares.answered], font)
    axis.set_title(shares.label, pad=7)
    axis.set_ylabel("asked in", fontsize=font)
    axis.set_xlabel("answered in", fontsize=font, loc="left")


def _shade(axis: Axes, r: int, c: int, value: float, font: float) -> None:
    """One place of a map of shares: the more, the more opaque, so that a little looks like little on light and dark."""
    edge: dict[str, Any] = {"linewidth": 1, "edgecolor": LIGHT.paper}
    axis.add_patch(Rectangle((c, r), 1, 1, facecolor=LIGHT.blank, **edge))
    if value > 0:
        axis.add_patch(Rectangle((c, r), 1, 1, facecolor=LIGHT.seen, alpha=value / 100, linewidth=0))
    if value >= PRINTED:
        _write(axis, c + 0.5, r + 0.5, f"{value:.0f}", font, LIGHT.paper if value > OPAQUE else LIGHT.ink)


def _place(axis: Axes, r: int, c: int, value: float, colour: Colour | None, font: float) -> None:
    """One place of a map: coloured with its number, bare where there is no colour, hatched where there is no value."""
    edge: dict[str, Any] = {"linewidth": 1, "edgecolor": LIGHT.paper}
    if not np.isfinite(value):
        axis.add_patch(Rectangle((c, r), 1, 1, facecolor=LIGHT.blank, hatch="////", **edge))
        return
    if colour is not None:
        axis.add_patch(Rectangle((c, r), 1, 1, facecolor=colour, **edge))
    _write(axis, c + 0.5, r + 0.5, f"{value:.0f}", font, LIGHT.muted if colour is None else _on(colour))


def _write(axis: Axes, x: float, y: float, text: str, font: float, colour: str, weight: str = "normal") -> None:
    """A number in a place; it lies inside the axes, so the layout need not measure it."""
    axis.text(
        x, y, text, ha="center", va="center_baseline", fontsize=font, color=colour, weight=weight, in_layout=False
    )


def _map_axes(axis: Axes, rows: Sequence[str], columns: Sequence[str], font: float) -> None:
    axis.set_xlim(0, len(columns))
    axis.set_ylim(len(rows), 0)
    axis.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axis.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axis.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False, pad=2, labelsize=font)
    axis.xaxis.set_label_position("top")
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _range(values: Array) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)


def _colour(share: float) -> Colour:
    """cividis at 0..1."""
    red, green, blue, alpha = mpl.colormaps["cividis"](0.0 if np.isnan(share) else share)
    return (red, green, blue, alpha)


def _on(colour: Colour) -> str:
    """A dark or a light ink, whichever reads better on a colour (relative luminance, WCAG 2)."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3])
    return ON_DARK if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.18 else ON_LIGHT
