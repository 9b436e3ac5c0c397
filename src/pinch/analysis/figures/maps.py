"""Stage: figures of matrices with their numbers: tuned on x asked in, and asked in x answered in."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from pinch.analysis.figures.style import LIGHT, NARROW, ON_DARK, ON_LIGHT, Draw, short
from pinch.analysis.matrices import Matrix, Shares
from pinch.analysis.study import Array

Colour = tuple[float, float, float, float]
PRINTED = 9.5
"""Shares from here on (in percent) have their number printed."""
OPAQUE = 55
"""Shares above this (in percent) are dark enough for a light number."""


def draw_matrix(matrix: Matrix) -> Draw:
    """Scores as a map: colours per column, own references uncoloured, missing cells hatched, row means beside."""
    rows, columns = len(matrix.rows), len(matrix.columns)

    def draw(narrow: bool) -> Figure:
        size = (NARROW, 0.6 + 0.27 * rows) if narrow else (2.2 + 0.56 * columns, 0.9 + 0.36 * rows)
        figure = Figure(figsize=size, layout="constrained")
        axis = figure.subplots()
        font = 6.3 if narrow else 8.5
        for c in range(columns):
            low, high = _range(matrix.values[~matrix.own[:, c], c])
            for r in range(rows):
                value, own = float(matrix.values[r, c]), bool(matrix.own[r, c])
                colour = None if own else _colour((value - low) / (high - low) if high > low else 0.5)
                _place(axis, r, c, value, colour, font)
        means = [(r, float(value)) for r, value in enumerate(matrix.row_means) if np.isfinite(value)]
        for r, value in means:
            _write(axis, columns + 0.7, r + 0.5, f"{value:.0f}", font, LIGHT.ink, weight="bold")
        _map_axes(axis, matrix.rows, matrix.columns, font)
        axis.set_xlim(0, columns + 1.2)
        labels = [*(short(code) for code in matrix.columns), "mean"]
        axis.set_xticks([*(np.arange(columns) + 0.5), columns + 0.7], labels)
        axis.set_ylabel("tuned on", fontsize=font)
        axis.set_xlabel("asked in", fontsize=font, loc="left")
        return figure

    return draw


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
    _map_axes(axis, shares.asked, shares.answered, font)
    axis.set_title(shares.label, pad=7)
    axis.set_ylabel("asked in", fontsize=font)


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
    axis.set_xticks(np.arange(len(columns)) + 0.5, [short(code) for code in columns])
    axis.set_yticks(np.arange(len(rows)) + 0.5, [short(code) for code in rows])
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
