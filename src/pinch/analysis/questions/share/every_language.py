"""Pure: what a curve over the share says of each of its languages: who is at par at the largest share?

In: a `Study` and the `Curve` of the largest set of tuning languages. Out: (finding, results) pairs.
"""

from collections.abc import Sequence

from pinch.analysis.curves import Curve
from pinch.analysis.findings import (
    LEVEL,
    PAR,
    Against,
    against_par,
    from_par,
    gap_and_both,
    gap_and_seeds,
    result,
    results,
    said,
)
from pinch.analysis.questions.share.doses import Told, base_cost, changes, steps
from pinch.analysis.sections import Finding, Result
from pinch.analysis.study import Options, Study
from pinch.analysis.words import (
    counted,
    name_of,
    p_text,
    percent,
    reference_name,
    support,
)

SIDES = {"above": "above par", "below": "below par", "open": "not distinguishable from par"}


def tell(study: Study, curve: Curve, main: bool, options: Options) -> list[Told]:
    """Who is at par; and what the shares do to the mean of the languages, where no other curve (`main`) tells it."""
    found = [_at_par(study, curve, options)]
    if not main and curve.fractions[0] == 0 and curve.seen:
        who, title = f"{len(curve.seen)} other languages", "Every language, share by share"
        found.append(_lifted(study, curve, options))
        found.append(steps(study, curve, who, curve.seen, "every_steps", title, options))
        found.append(base_cost(study, curve, "every_base_cost", options))
    return [one for one in found if one is not None]


def _at_par(study: Study, curve: Curve, options: Options) -> Told | None:
    """The languages of the set at the largest share, each against par, corrected over the languages."""
    top = curve.fractions[-1]
    cells = curve.cells(top)
    found = against_par(study, cells, curve.tuning, curve.against, options)
    if found is None:
        return None
    sides = found.sides(options.confidence)
    counts = ", ".join(f"{len(sides[side])} {word}" for side, word in SIDES.items())
    budget, k = curve.family.budget, len(found.languages)
    shares = [cell.axes.counts.get(code, 0) for cell in cells for code in found.languages]
    each = f"{min(shares):,}" if min(shares) == max(shares) else f"{min(shares):,} to {max(shares):,}"
    text = (
        f"With {percent(top)} of {budget:,} examples spread over {len(curve.tuning)} languages, a language has {each} of "
        f"them. Asked in each, against {reference_name(curve.against)}: of {counted(k, 'language')} {counts} "
        f"({support(found.prompts, cells)}; t tests over prompts, corrected by Holm over the languages, at "
        f"{100 * options.confidence:g} %; simultaneous intervals). {_at_or_over(found, top)}"
    )
    points = [f"{SIDES[side]}: {_each(found, rows, side != 'open')}" for side, rows in sides.items() if rows]
    rows = [_result(found, at, top) for at in range(k)]
    above, below, quiet = (len(sides[side]) for side in SIDES)
    brief = (
        f"With {percent(top)} of {budget:,} examples spread over {len(curve.tuning)} languages the score is above par "
        f"({PAR:.0f}) in {above} of {counted(k, 'language')}, below in {below} and not distinguishable from it in {quiet} "
        f"(Holm over {k}; {support(found.prompts, cells)}{_reach(found)})."
    )
    mean = from_par(study, cells, found.languages, curve.against, options)
    if mean is not None and k > 1:
        brief += f" Their mean against par: {gap_and_both(mean)}."
        points.append(f"mean of the {k} languages against par: {gap_and_seeds(mean)}")
        rows += results(f"Mean of {k} languages at {percent(top)}, against par", mean)
    title = f"Each of {counted(len(curve.tuning), 'language')}"
    return Finding("every_language", title, text, tuple(points), brief), rows


def _at_or_over(found: Against, top: float) -> str:
    """How many means are 50 or more, which is what a reader of the curve counts, and why it is not the answer."""
    over = sum(score >= 50 for score in found.scores)
    paper = " (in the paper 8 of 12)" if top == 1 else ""
    return f"Means of 50 or more, {over} of {len(found.gaps)}{paper}, are no test{_reach(found)}."


def _reach(found: Against) -> str:
    """What could have been seen in one language; nothing where no score varies."""
    reach = [gap.detectable for gap in found.gaps if gap.se > 0]
    return f"; detectable effect of one language alone: up to {max(reach):.1f} points" if reach else ""


def _each(found: Against, rows: Sequence[int], tested: bool) -> str:
    """Languages with their scores and intervals, the highest first, and with their p where they are `tested` apart."""
    ordered = sorted(rows, key=lambda at: -found.scores[at])
    return ", ".join(
        f"{name_of(found.languages[at])} {found.scores[at]:.1f} [{found.low[at]:.1f}, {found.high[at]:.1f}]"
        + (f" ({p_text(float(found.holm[at]))})" if tested else "")
        for at in ordered
    )


def _result(found: Against, at: int, top: float) -> Result:
    gap, asked = found.gaps[at], f"{name_of(found.languages[at])} at {percent(top)}: score against par"
    test = f"t over prompts, Holm over {len(found.gaps)}"
    return result(asked, gap, f"{gap.n} prompts", test, float(found.holm[at]))


def _lifted(study: Study, curve: Curve, options: Options) -> Told | None:
    """The smallest share against none, on the mean of all languages but the base."""
    first = curve.fractions[1]
    cells = curve.cells(first)
    known = changes(study, curve, cells, curve.seen, options)
    if not known:
        return None
    number = counted(round(first * curve.family.budget), "example")
    text = (
        f"{number} of {curve.family.budget:,} over {counted(len(curve.seen), 'language')} against {name_of(curve.base)} "
        f"alone, asked in those languages (paired by prompt, {support(known[0].gap.n, cells)}):"
    )
    asked = f"{percent(first)} multilingual against none, {counted(len(curve.seen), 'language')}"
    rows = [row for one in known for row in results(asked, one)]
    one, (what, unit) = known[0], LEVEL[known[0].metric]
    brief = (
        f"On {counted(len(curve.seen), 'language')} ({support(one.gap.n, cells)}) the {what} is {one.second.mean:.1f}{unit} "
        f"when tuned on {name_of(curve.base)} alone and {one.first.mean:.1f}{unit} when {number} of "
        f"{curve.family.budget:,} ({percent(first)}) are spread over them: {gap_and_both(one)}."
    )
    title = f"{percent(first)} over every language"
    return Finding("every_pinch", title, text, tuple(said(one) for one in known), brief), rows
