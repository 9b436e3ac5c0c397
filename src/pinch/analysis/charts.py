"""Shapes: a figure as numbers, for the page to draw again so that it answers to the pointer.

In: nothing. Out: plain values, which become JSON in the report. The picture that matplotlib drew is what is shown without
JavaScript; a chart shows the same numbers, never others. NaN and None both mean that there is nothing.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """One line of a panel. `role` gives its colour and dash: seen, unseen, base, one (thin and grey), other. `low` and
    `high` are its band, empty without one; `notes` are said beside the value of a point; `on` shows it from the start."""

    name: str
    role: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    on: bool = True


@dataclass(frozen=True)
class Panel:
    """Axes with some lines. `unit` follows every value, e.g. ' %'; `par` draws a line at that value."""

    title: str
    series: tuple[Series, ...]
    unit: str = ""
    par: float | None = None


@dataclass(frozen=True)
class LineChart:
    """Panels beside each other over one x axis. `ticks` are (x, label); a series of the same name in several panels is
    switched on and off as one."""

    x_label: str
    ticks: tuple[tuple[float, str], ...]
    panels: tuple[Panel, ...]
    kind: str = "lines"


@dataclass(frozen=True)
class MapChart:
    """A matrix of numbers. `notes[r][c]` is what is said of a place beside its value, `bare` places are not coloured (None
    in `values`: nothing there). Colours are per column when `by_column`, else over 0..100."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    notes: tuple[tuple[str, ...], ...]
    bare: tuple[tuple[bool, ...], ...]
    row_label: str
    column_label: str
    by_column: bool = True
    title: str = ""
    kind: str = "map"


@dataclass(frozen=True)
class Dot:
    """One point with its interval (low and high of y; None without one) and what is said beside it."""

    label: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None
    note: str = ""
    group: str = ""


@dataclass(frozen=True)
class DotChart:
    """Points. `ticks` (x, label) replace the numbers of the x axis where it has names; `log_x` draws x in logarithms;
    `par` draws a level line."""

    x_label: str
    y_label: str
    dots: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...] = ()
    log_x: bool = False
    par: float | None = None
    kind: str = "dots"


Chart = LineChart | MapChart | DotChart
"""What the page can draw."""
