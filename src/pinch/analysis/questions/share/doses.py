"""Pure: what a curve over the multilingual share says, as findings and as lines of the table of results.

In: a `Study` and a `Curve`. Out: (finding, results) pairs, the answer to the study's question first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pinch import stats
from pinch.analysis.curves import Curve
from pinch.analysis.findings import LEVEL, TOLD, WHAT, Change, change, from_par, gap_and_both, result, results, said
from pinch.analysis.sections import Finding, Result
from pinch.analysis.study import Metric, Options, Study
from pinch.analysis.words import (
    ARROW,
    counted,
    gap_span,
    listed,
    name_of,
    p_text,
    percent,
    reference_name,
    spread,
    support,
)
from pinch.cells import Cell

PAPER = {
    "pinch": "In the paper 40 examples of 4,640 lift languages already, unseen ones too. ",
    "full": "",
    "base_cost": "In the paper the base language falls slowly as the share grows. ",
}
"""What the paper found, to read the numbers against."""

Told = tuple[Finding, list[Result]]


def target(curve: Curve) -> tuple[str, tuple[str, ...]]:
    """The languages that findings speak of: the unseen ones, or the tuned ones where none is left unseen."""
    return ("unseen", curve.unseen) if curve.unseen else ("tuned", curve.seen)


def tell(study: Study, curve: Curve, options: Options) -> list[Told]:
    """Everything the main curve says; nothing where it lacks the base language alone."""
    if curve.fractions[0] != 0:
        return []
    found = [_short(study, curve, options), _alone(study, curve, options), *_doses(study, curve, options)]
    kind, languages = target(curve)
    found.append(steps(study, curve, f"{kind} languages", languages, "steps", "Share by share", options))
    found.append(base_cost(study, curve, "base_cost", options))
    return [one for one in found if one is not None]


def _short(study: Study, curve: Curve, options: Options) -> Told | None:
    """The answer in one sentence: the score, or where there is none the answer language, at no, least and most dose."""
    kind, languages = target(curve)
    first, last = curve.fractions[1], curve.fractions[-1]
    least, most = (changes(study, curve, curve.cells(x), languages, options) for x in (first, last))
    if not least or not most:
        return None
    one, other = least[0], most[0]
    what, unit = LEVEL[one.metric]
    budget = curve.family.budget
    text = (
        f"On {counted(len(languages), f'{kind} language')} ({support(one.gap.n, curve.cells(first))}) the {what} is "
        f"{one.second.mean:.1f}{unit} when tuned on {name_of(curve.base)} alone and {one.first.mean:.1f}{unit} when "
        f"{counted(round(first * budget), 'example')} of {budget:,} ({percent(first)}) are multilingual: "
        f"{gap_and_both(one)}."
    )
    if last > first:
        text += f" With {percent(last)} it is {other.first.mean:.1f}{unit}: {gap_and_both(other)}."
    return Finding("short", "In short", text), []


def _alone(study: Study, curve: Curve, options: Options) -> Told | None:
    kind, languages = target(curve)
    cells = curve.cells(0.0)
    known = {metric: _estimate(study, cells, languages, metric, curve, options) for metric in Metric}
    there = {metric: one for metric, one in known.items() if one is not None}
    if not there:
        return None
    words = {
        Metric.score: f"score {{}} against {reference_name(curve.against)} (50 = par)",
        Metric.right_language: "answers in the language asked: {} %",
        Metric.exact: "exact match with the reference answer: {} %",
    }
    points = tuple(words[metric].format(spread(there[metric])) for metric in TOLD if metric in there)
    base, n = name_of(curve.base), next(iter(there.values())).n
    text = (
        f"Tuned on {curve.family.budget:,} examples in {base} and asked in {counted(len(languages), f'{kind} language')} "
        f"({support(n, cells)}):"
    )
    asked = f"{base} alone, asked in {kind} languages, against par"
    par = from_par(study, cells, languages, curve.against, options)
    rows = results(asked, par) if par else []
    return Finding("base_alone", f"{base} alone", text, points), rows


def _doses(study: Study, curve: Curve, options: Options) -> list[Told | None]:
    """The smallest and the largest multilingual share against none."""
    first, last = curve.fractions[1], curve.fractions[-1]
    smallest = _dose(study, curve, first, "full" if first == last == 1 else "pinch", options)
    return [smallest] if first == last else [smallest, _dose(study, curve, last, "full", options)]


def _dose(study: Study, curve: Curve, fraction: float, key: str, options: Options) -> Told | None:
    kind, languages = target(curve)
    cells = curve.cells(fraction)
    known = changes(study, curve, cells, languages, options)
    if not known:
        return None
    budget = curve.family.budget
    number = round(fraction * budget)
    part = f"All {budget:,} examples" if number == budget else f"{number:,} of {counted(budget, 'example')}"
    text = (
        f"{part} in {_others(curve, cells)}. {PAPER[key]}Against {name_of(curve.base)} alone, asked in "
        f"{counted(len(languages), f'{kind} language')} (paired by prompt, {support(known[0].gap.n, cells)}):"
    )
    finding = Finding(key, f"{percent(fraction)} multilingual", text, tuple(said(one) for one in known))
    asked = f"{percent(fraction)} multilingual against none, {kind} languages"
    return finding, [row for one in known for row in results(asked, one)]


def changes(
    study: Study, curve: Curve, cells: Sequence[Cell], languages: Sequence[str], options: Options
) -> list[Change]:
    """What the cells change against the base language alone, of all that can be measured."""
    found = (change(study, cells, curve.cells(0.0), languages, metric, curve.against, options) for metric in TOLD)
    return [one for one in found if one is not None]


def _others(curve: Curve, cells: Sequence[Cell]) -> str:
    """Which languages the multilingual part is in, as realised."""
    names = [code for code in curve.tuning if any(code in cell.axes.languages for cell in cells) and code != curve.base]
    number = round(max(cell.axes.fraction for cell in cells) * curve.family.budget)
    shared = any(cell.axes.counts.get(curve.base, 0) > curve.family.budget - number for cell in cells)
    more = f"{counted(len(names), 'more language')} ({' '.join(names)})"
    return f"{name_of(curve.base)} and {more}" if shared else more


@dataclass(frozen=True)
class Contrast:
    """One of several comparisons along a curve: share `to` against share `of`, with its p corrected over all (Holm)."""

    of: float
    to: float
    one: Change
    p: float

    @property
    def label(self) -> str:
        return f"{percent(self.of)} {ARROW} {percent(self.to)}"


def _contrasts(
    study: Study, curve: Curve, pairs: Sequence[tuple[float, float]], languages: Sequence[str], options: Options
) -> list[Contrast]:
    """What each share (second of a pair) changes against another (first), of the first thing that can be measured."""
    for metric in TOLD:
        found = {
            (of, to): one
            for of, to in pairs
            if (one := change(study, curve.cells(to), curve.cells(of), languages, metric, curve.against, options))
        }
        if found:
            holm = stats.holm(np.array([one.gap.p for one in found.values()]))
            return [Contrast(*pair, one, float(p)) for (pair, one), p in zip(found.items(), holm, strict=True)]
    return []


def steps(
    study: Study, curve: Curve, who: str, languages: Sequence[str], key: str, title: str, options: Options
) -> Told | None:
    """Every share against the one before, so that nobody reads off where a curve stops rising without a test."""
    pairs = list(zip(curve.fractions, curve.fractions[1:], strict=False))
    found = _contrasts(study, curve, pairs, languages, options) if len(pairs) > 1 else []
    if not found:
        return None
    told = [row for row in found if row.p < 1 - options.confidence]
    quiet = [row for row in found if row not in told]
    points = [f"{row.label}: difference {gap_span(row.one.gap)}, {p_text(row.p)}" for row in told]
    if quiet:
        points.append(_quiet(quiet, len(found), "step"))
    first, what = found[0].one, WHAT[found[0].one.metric]
    text = (
        f"Each share against the one before, {what} on the {who} (paired by prompt, "
        f"{support(first.gap.n, curve.cells(curve.fractions[-1]))}; p by Holm over {len(found)} steps, intervals of each "
        "alone). A step that is not distinguishable does not say that the curve is flat there:"
    )
    test = f"paired t, Holm over {len(found)}"
    rows = [
        result(f"{row.label} multilingual, {who}: {what}", row.one.gap, f"{row.one.gap.n} prompts", test, row.p)
        for row in found
    ]
    return Finding(key, title, text, tuple(points)), rows


def _quiet(rows: Sequence[Contrast], of: int, noun: str) -> str:
    """Comparisons that nothing was seen in, in one line: the largest of them, and what could have been seen."""
    largest = max(rows, key=lambda row: abs(row.one.gap.mean))
    reach = [row.one.gap.detectable for row in rows if row.one.gap.se > 0]
    could = f"; detectable effect of one alone: {_range(reach)} points" if reach else ""
    every = f"all {counted(of, noun)}" if len(rows) == of else f"the other {counted(len(rows), noun)}"
    return f"{every}: not distinguishable (largest {largest.label}: {gap_span(largest.one.gap)}{could})"


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.1f}", f"{max(values):.1f}"
    return low if low == high else f"{low} to {high}"


def base_cost(study: Study, curve: Curve, key: str, options: Options) -> Told | None:
    """What the largest share changes in the base language, and from which share on it can be told."""
    top = curve.fractions[-1]
    cells = curve.cells(top)
    known = changes(study, curve, cells, (curve.base,), options)
    if not known:
        return None
    name = name_of(curve.base)
    text = (
        f"{PAPER['base_cost']}Asked in {name}, {percent(top)} multilingual against {name} alone (paired by prompt, "
        f"{support(known[0].gap.n, cells)}):"
    )
    points = [said(one) for one in known]
    asked = f"{percent(top)} multilingual against none, {name}"
    rows = [row for one in known for row in results(asked, one)]
    each = _contrasts(study, curve, [(0.0, x) for x in curve.fractions[1:]], (curve.base,), options)
    if len(each) > 1:
        points.append(_costs(each, WHAT[each[0].one.metric], options))
    title = f"What it costs {name}" + (f" ({len(curve.tuning)} languages)" if key != "base_cost" else "")
    return Finding(key, title, text, tuple(points)), rows


def _costs(each: Sequence[Contrast], what: str, options: Options) -> str:
    """From which shares on the base language differs from itself alone."""
    told = [row for row in each if row.p < 1 - options.confidence]
    parts = []
    for side, word in ((-1, "below"), (1, "above")):
        names = [percent(row.to) for row in told if np.sign(row.one.gap.mean) == side]
        if names:
            parts.append(f"{word} it at {listed(names)}")
    quiet = [row for row in each if row not in told]
    if quiet:
        parts.append(_quiet(quiet, len(each), "share"))
    return f"every share against 0 %, {what} (p by Holm over {len(each)}, intervals of each alone): {'; '.join(parts)}"


def _estimate(
    study: Study, cells: Sequence[Cell], languages: Sequence[str], metric: Metric, curve: Curve, options: Options
) -> stats.Estimate | None:
    kept = study.covered(cells, languages, metric, curve.against)
    if not kept:
        return None
    return stats.mean(study.by_prompt(cells, kept, metric, curve.against), options.confidence)
