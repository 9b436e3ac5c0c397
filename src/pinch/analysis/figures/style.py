"""Stage: the one style of all figures, and how a figure becomes files and text.

Lines wear Okabe and Ito's colours (2008, made for colour-blind readers) and differ in marker and dash too; maps are cividis
(Nunez, Anderton and Renslow 2018), maps of shares one colour of rising opacity; numbers are printed.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pinch.records import write_text

WIDTH = 10.8
"""Inches of a wide figure; 72 points an inch, so it fills a page of some 1,040 pixels."""

NARROW = 4.3
"""Inches of a narrow figure, for telephones."""


@dataclass(frozen=True)
class Theme:
    """The colours of a page. `faint` is for single languages, `blank` for places without a value."""

    paper: str
    ink: str
    muted: str
    grid: str
    faint: str
    blank: str
    seen: str
    unseen: str
    base: str


# A colour of LIGHT stands for its name: the page exchanges it for the one of its own theme (`pinch.analysis.inline`).
LIGHT = Theme("#ffffff", "#1b1f24", "#5b6470", "#e4e7eb", "#9aa3ad", "#f2f4f6", "#0072b2", "#d55e00", "#007a5a")
DARK = Theme("#14171c", "#e8eaed", "#a3abb5", "#2b3038", "#6f7884", "#20242b", "#56b4e9", "#e69f00", "#2bc79a")

ON_DARK, ON_LIGHT = "#fdfdfd", "#050505"
"""Numbers on coloured places, the same in both themes."""


STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.edgecolor": LIGHT.muted,
    "axes.facecolor": LIGHT.paper,
    "axes.labelcolor": LIGHT.muted,
    "axes.titlecolor": LIGHT.ink,
    "figure.facecolor": LIGHT.paper,
    "grid.color": LIGHT.grid,
    "grid.linewidth": 0.8,
    "hatch.color": LIGHT.faint,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "savefig.facecolor": LIGHT.paper,
    "svg.fonttype": "path",
    "svg.hashsalt": "pinch",
    "text.color": LIGHT.ink,
    "xtick.color": LIGHT.muted,
    "ytick.color": LIGHT.muted,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "ytick.major.size": 0,
}
"""rcParams over matplotlib's own defaults, so that no file on the user's machine changes a figure."""


@dataclass(frozen=True)
class Picture:
    """One figure as the report needs it; `variants` maps wide and narrow to SVG text in the colours of LIGHT."""

    name: str
    variants: dict[str, str]


Draw = Callable[[bool], Figure]
"""Draws a figure in the colours of LIGHT; True for the narrow one."""


def render(name: str, folder: Path, draw: Draw) -> Picture:
    """Draw a figure wide and narrow and write NAME.png (150 dpi) and NAME.svg of the wide one into the folder."""
    variants = {}
    for width in ("wide", "narrow"):
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(STYLE)
            figure = draw(width == "narrow")
            variants[width] = _svg(figure)
            if width == "wide":
                _write_png(figure, folder / f"{name}.png")
    write_text(folder / f"{name}.svg", variants["wide"])
    return Picture(name, variants)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _write_png(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    temporary = path.with_name(f".{path.name}")
    figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
    temporary.replace(path)


def short(code: str) -> str:
    """A language's code as figures print it: zh for zh-Hans, since there is one Chinese."""
    return {"zh-Hans": "zh"}.get(code, code)
