"""Pure: the titles and captions of the figures: what is drawn, n, and what the intervals mean."""

from collections.abc import Sequence

from pinch.analysis.curves import Count, Curve, Lines
from pinch.analysis.matrices import Matrix, Shares
from pinch.analysis.study import Family, Metric, Options
from pinch.analysis.words import counted, name_of, reference_name

WHAT = {
    "p_curve": "How much multilingual data",
    "p_curve_sets": "The same for each set of tuning languages",
    "language_count": "How many languages",
    "monolingual_heatmap": "Tuned on one language, asked in another",
    "monolingual_heatmap_base": "Tuned on one language, against the untuned model",
    "answer_language": "Which language is answered in",
}


def curve_caption(curve: Curve, options: Options) -> str:
    """Of the curve over the multilingual share."""
    budget = f"{curve.family.budget:,}"
    tuning = " ".join(code for code in curve.tuning if code != curve.base)
    unseen = f" Unseen: {' '.join(curve.unseen)}, the same at every point." if curve.unseen else ""
    score = f"Score against {reference_name(curve.against)}: win 100, tie 50, loss 0."
    if all(metric is not Metric.score for _, metric in curve.lines):
        score = "No scores: the evaluated languages have no reference."
    return (
        f"{curve.family.label}: share of the {budget} examples that is spread over {tuning}, the rest in "
        f"{name_of(curve.base)} (evenly spaced points, not to scale; below each the number of examples).{unseen} {score} "
        f"{band_text(curve.lines, options)} {cells_text(curve)}"
    )


def sets_caption(curves: Sequence[Curve], options: Options) -> str:
    """Of the small curves, one per set of tuning languages."""
    return (
        f"{curves[0].family.label}: score over the multilingual share, one panel per set of tuning languages. In each "
        f"panel the unseen languages are those outside its own set, so panels average over different languages. "
        f"{band_text({k: v for curve in curves for k, v in curve.lines.items()}, options)}"
    )


def count_caption(count: Count, options: Options) -> str:
    """Of the curve over the number of tuning languages."""
    share = f"{100 * count.fraction:.3g} %"
    left = ""
    if count.left_out:
        numbers = ", ".join(str(number) for number in count.left_out)
        left = f" Models of {numbers} languages are not drawn: they leave too few languages unseen."
    cells = ", ".join(f"{x:.0f}: {len(found)}" for x, found in count.groups)
    return (
        f"{count.family.label}: {share} of the {count.family.budget:,} examples spread over the tuning languages, "
        f"{name_of(count.base)} among them. Averaged over the languages that no model of the figure saw: "
        f"{' '.join(count.unseen)}. {band_text(count.lines, options)} Small marks: single models (by number of languages "
        f"{cells}).{left}"
    )


def matrix_caption(matrix: Matrix, options: Options) -> str:
    """Of a matrix of monolingual models."""
    own = (
        " The diagonal, a model against itself, is 50 by definition: not coloured, not averaged."
        if matrix.own.any()
        else ""
    )
    missing = " Hatched: no model or no scores yet." if _has_gaps(matrix) else ""
    widest = max(
        (float(h - v) for h, v in zip(matrix.high.flat, matrix.values.flat, strict=True) if h == h), default=0.0
    )
    seeds = sorted({number for number in matrix.seeds if number})
    rows = counted(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    return (
        f"{matrix.family.label}: score against {reference_name(matrix.against)}; rows: language tuned on, columns: language "
        f"asked in; every column has its own colour scale.{own}{missing} {counted(matrix.prompts, 'prompt')}, {rows} a row; "
        f"{100 * options.confidence:.0f} % intervals (in the CSV) reach at most {widest:.1f} points to either side."
    )


def shares_caption(shares: Sequence[Shares], family: Family) -> str:
    """Of the maps of answered languages."""
    numbers = "; ".join(
        f"{one.label}: {counted(one.answers, 'answer')} of {counted(len(one.cells), 'model')}" for one in shares
    )
    return (
        f"{family.label}: share of answers by identified language, in per cent of a row; framed: answered in the "
        f"language asked; numbers under 10 are not printed; und: undecided (too short, or several languages fit), other: a "
        f"language that is not evaluated. {numbers}."
    )


def band_text(lines: Lines, options: Options) -> str:
    """What the bands mean, with n."""
    prompts = sorted({line.prompts for line in lines.values()})
    number = f"{prompts[0]}" if len(prompts) == 1 else f"{prompts[0]} to {prompts[-1]}"
    return (
        f"Bands: simultaneous {100 * options.confidence:.0f} % over the points of a line, from {options.resamples:,} "
        f"resamplings of the {number} prompts (languages and seeds of a prompt stay together); they do not cover new seeds."
    )


def cells_text(curve: Curve) -> str:
    """How many models stand at each point."""
    numbers = {len(found) for _, found in curve.groups}
    if numbers == {1}:
        return "One model at each point."
    if len(numbers) == 1:
        return f"Small marks: single models, {numbers.pop()} at each point."
    return f"Small marks: single models ({', '.join(f'{100 * x:.3g} %: {len(found)}' for x, found in curve.groups)})."


def _has_gaps(matrix: Matrix) -> bool:
    return bool((matrix.values != matrix.values).any())
