"""Stage: the figures, the only place that knows matplotlib (Agg, without pyplot).

In: what `curves` and `matrices` hold. Out: a `Picture` per figure: PNG and SVG files of the light version, and SVG texts for
the report: light and dark, wide and narrow (panels below each other, for telephones). Drawing the same data twice gives
the same bytes.
"""

from pinch.analysis.figures.lines import draw_count, draw_curve, draw_small_curves
from pinch.analysis.figures.maps import draw_matrix, draw_shares
from pinch.analysis.figures.style import Draw, Picture, render

__all__ = ["Draw", "Picture", "draw_count", "draw_curve", "draw_matrix", "draw_shares", "draw_small_curves", "render"]
