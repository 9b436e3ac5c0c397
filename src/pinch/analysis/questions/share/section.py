"""Stage: how much of the budget must be multilingual? The paper's figures 4 and 3.

In: a study, a family of its cells and the family's curves. Out: a `Section` with the curve of the largest set of tuning
languages that leaves some unseen, with every language of the largest set at all, and small ones of all sets.
"""

from collections.abc import Sequence

from pinch.analysis import line_charts
from pinch.analysis.curves import Curve, grouped_lines, widest
from pinch.analysis.figures.lines import draw_curve, draw_every_language, draw_small_curves
from pinch.analysis.gaps import curve_gap
from pinch.analysis.line_charts import band_text
from pinch.analysis.questions.share import doses, every_language
from pinch.analysis.sections import Exhibit, Gap, Section
from pinch.analysis.study import Family, Metric, Options, Study, table_order
from pinch.analysis.words import counted, listed, name_of, percent, reference_name

TITLE = "How much multilingual data"
TITLE_ALL = "How much multilingual data, language by language"
TITLE_SETS = "The same for each set of tuning languages"

SETS = 9
"""More small panels than this are not drawn."""


def look(study: Study, family: Family, found: Sequence[Curve], options: Options) -> Section:
    """Everything about the share; `found` are the family's `curves.curves`."""
    if not found:
        reason = "it needs at least two multilingual shares of one set of languages"
        gaps = [Gap("p_curve", TITLE, reason, "+experiment=pinch_six"), _no_full(study.languages)]
        return Section(gaps=gaps)
    main, full = found[0], widest(found)
    exhibits = [_main_exhibit(main, options)]
    drawn = full is not main or not main.unseen
    if drawn:
        exhibits.append(_every_exhibit(full, options))
    exhibits += _sets_exhibit(found, options)
    told = doses.tell(study, main, options) + every_language.tell(study, full, full is main, options)
    gaps = [gap for gap in (*_unscored(main), *(curve_gap(curve) for curve in found)) if gap is not None]
    if not drawn:
        gaps.append(_no_full(sorted({main.base, *main.seen, *main.unseen}, key=table_order)))
    return Section(exhibits, [finding for finding, _ in told], gaps, [row for _, rows in told for row in rows])


def _main_exhibit(curve: Curve, options: Options) -> Exhibit:
    text = curve_caption(curve, options)
    return Exhibit("p_curve", TITLE, text, list(curve.rows()), draw_curve(curve), line_charts.curve_charts(curve))


def _every_exhibit(curve: Curve, options: Options) -> Exhibit:
    rows = [row for row in curve.rows() if row["metric"] != Metric.exact.value and row["line"] != "unseen"]
    charts = line_charts.curve_charts(curve, every=True)
    return Exhibit("p_curve_all", TITLE_ALL, every_caption(curve, options), rows, draw_every_language(curve), charts)


def _sets_exhibit(found: Sequence[Curve], options: Options) -> list[Exhibit]:
    """Small curves where more than one set has scores beyond the base."""
    scored = [curve for curve in found if {("seen", Metric.score), ("unseen", Metric.score)} & set(curve.lines)]
    if len(scored) < 2:
        return []
    shown = scored[:SETS]
    rows = [row for curve in shown for row in curve.rows() if row["metric"] == Metric.score.value]
    text = sets_caption(shown, len(scored) - len(shown), options)
    return [Exhibit("p_curve_sets", TITLE_SETS, text, rows, draw_small_curves(shown))]


def _no_full(languages: Sequence[str]) -> Gap:
    reason = f"it needs two shares of the budget or more over all languages that are evaluated ({' '.join(languages)})"
    return Gap("p_curve_all", TITLE_ALL, reason, "+experiment=pinch_twelve")


def _unscored(curve: Curve) -> list[Gap]:
    """Evaluated languages of the curve that have no reference to score against."""
    scored = {code for (_, metric), line in curve.lines.items() if metric is Metric.score for code in line.languages}
    asked = (*curve.seen, *curve.unseen)
    without = [code for code in asked if code not in scored]
    if not without:
        return []
    title = "Scores beyond the base language" if len(without) == len(asked) else "Scores in every language"
    reason = (
        f"{listed([name_of(code) for code in without])} {'has' if len(without) == 1 else 'have'} no reference: it needs "
        "models tuned on each language alone, with the same settings"
    )
    return [Gap("scores", title, reason, "+experiment=monolingual")]


def curve_caption(curve: Curve, options: Options) -> str:
    """Of the curve over the multilingual share."""
    tuning = " ".join(code for code in curve.tuning if code != curve.base)
    unseen = f" Unseen: {' '.join(curve.unseen)}, the same at every point." if curve.unseen else ""
    return (
        f"{curve.family.label}: share of the {curve.family.budget:,} examples that is spread over {tuning}, the rest in "
        f"{name_of(curve.base)} (evenly spaced points, not to scale; below each the number of examples).{unseen} "
        f"{score_text(curve)} {band_text(grouped_lines(curve.lines), options)} {cells_text(curve)}"
    )


def every_caption(curve: Curve, options: Options) -> str:
    """Of the curve with every language."""
    return (
        f"{curve.family.label}: share of the {curve.family.budget:,} examples that is spread over {len(curve.tuning)} "
        f"languages, the rest in {name_of(curve.base)} (evenly spaced points, not to scale; below each the number of "
        f"examples). Thin: each language ({' '.join(curve.seen)}), its band in the CSV; thick: their mean. "
        f"{score_text(curve)} {band_text(grouped_lines(curve.lines), options)} {cells_text(curve)}"
    )


def sets_caption(curves: Sequence[Curve], left: int, options: Options) -> str:
    """Of the small curves, one per set of tuning languages; `left` are not drawn."""
    more = f" {counted(left, 'smaller set')} not drawn." if left else ""
    lines = {key: line for curve in curves for key, line in grouped_lines(curve.lines).items()}
    several = any(len(cells) > 1 for curve in curves for _, cells in curve.groups)
    marks = " Small marks: single models." if several else ""
    return (
        f"{curves[0].family.label}: score over the multilingual share, one panel per set of tuning languages. In each "
        f"panel the unseen languages are those outside its own set, so panels average over different languages. "
        f"{band_text(lines, options)}{marks}{more}"
    )


def score_text(curve: Curve) -> str:
    """What the score is, or that there is none."""
    if all(metric is not Metric.score for _, metric in curve.lines):
        return "No scores: the evaluated languages have no reference."
    return f"Score against {reference_name(curve.against)}: win 100, tie 50, loss 0."


def cells_text(curve: Curve) -> str:
    """How many models stand at each point."""
    numbers = {len(found) for _, found in curve.groups}
    if numbers == {1}:
        return "One model at each point."
    if len(numbers) == 1:
        return f"Small marks: single models, {numbers.pop()} at each point."
    return f"Small marks: single models ({', '.join(f'{percent(x)}: {len(found)}' for x, found in curve.groups)})."
