"""Stage: the figures, the only place that knows matplotlib (Agg, without pyplot).

In: what the questions' queries hold. Out: a `Picture` per figure: PNG and SVG files, and SVG texts for the report, wide and
narrow (panels below each other, for telephones). Drawing the same data twice gives the same bytes.

lines, maps, dots, losses: one kind of drawing each; names: labels beside points; style: the one style of all.
"""

from pinch.analysis.figures.style import Draw, Picture, render

__all__ = ["Draw", "Picture", "render"]
