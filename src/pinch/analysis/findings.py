"""Pure: what a study found, as computed statements with numbers, intervals and n.

In: the queries of `curves` and `matrices`. Out: `Finding`s. Differences are paired by prompt, after averaging over languages
and seeds, so their intervals are clustered over languages; they cover the choice of prompts, and what the seeds did stands
beside them. An interval that holds 0 is "not distinguishable", with the effect that could have been found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pinch import stats
from pinch.analysis.curves import Count, Curve
from pinch.analysis.matrices import Matrix
from pinch.analysis.sections import Finding
from pinch.analysis.study import Metric, Options, Study
from pinch.analysis.words import ARROW, counted, gap_text, name_of, reference_name, signed, spread, support
from pinch.cells import Cell


@dataclass(frozen=True)
class Change:
    """How one group of cells differs from another on some languages: `first` and `second` are their means."""

    metric: Metric
    languages: tuple[str, ...]
    first: stats.Estimate
    second: stats.Estimate
    gap: stats.Difference
    by_seed: tuple[float, ...]


def change(
    study: Study,
    cells: Sequence[Cell],
    than: Sequence[Cell],
    languages: Sequence[str],
    metric: Metric,
    against: str,
    options: Options,
) -> Change | None:
    """How `cells` differ from `than`, paired by prompt; `by_seed` where both have the seed. None without common values."""
    kept = study.covered([*cells, *than], languages, metric, against)
    if not kept:
        return None
    one, two = (study.by_prompt(group, kept, metric, against) for group in (cells, than))
    if np.isfinite(one - two).sum() < 2:
        return None
    by_seed = []
    for seed in sorted({cell.axes.seed for cell in cells if cell.axes.seed is not None}):
        parts = [[cell for cell in group if cell.axes.seed == seed] for group in (cells, than)]
        if all(parts):
            pair = [study.by_prompt(part, kept, metric, against) for part in parts]
            by_seed.append(float(np.nanmean(pair[0] - pair[1])))
    first, second = (stats.mean(values, options.confidence) for values in (one, two))
    return Change(metric, kept, first, second, stats.paired(one, two, options.confidence), tuple(by_seed))


def findings(
    study: Study, curve: Curve | None, count: Count | None, matrix: Matrix | None, options: Options
) -> list[Finding]:
    """Every statement the cells allow, the answer to the study's question first."""
    found: list[Finding | None] = []
    if curve is not None and curve.fractions[0] == 0:
        found += [_short(study, curve, options), _alone(study, curve, options), *_doses(study, curve, options)]
        found.append(_base_cost(study, curve, options))
    if count is not None:
        found.append(_numbers(study, count, options))
    if matrix is not None:
        found.append(_transfer(matrix))
    return [finding for finding in found if finding is not None]


def target(curve: Curve) -> tuple[str, tuple[str, ...]]:
    """The languages that findings speak of: the unseen ones, or the tuned ones where none is left unseen."""
    return ("unseen", curve.unseen) if curve.unseen else ("tuned", curve.seen)


def _short(study: Study, curve: Curve, options: Options) -> Finding | None:
    """The answer in one sentence: the score, or where there is none the answer language, at no, least and most dose."""
    kind, languages = target(curve)
    first, last = curve.fractions[1], curve.fractions[-1]
    least, most = (_changes(study, curve, curve.cells(x), languages, options) for x in (first, last))
    if not least or not most:
        return None
    one, other = least[0], most[0]
    what, unit = ("score", "") if one.metric is Metric.score else ("share of answers in the language asked", " %")
    budget = curve.family.budget
    text = (
        f"On {counted(len(languages), f'{kind} language')} the {what} is {one.second.mean:.1f}{unit} when tuned on "
        f"{name_of(curve.base)} alone and {one.first.mean:.1f}{unit} when {counted(round(first * budget), 'example')} of "
        f"{budget:,} ({100 * first:.3g} %) are multilingual: {gap_text(one.gap)}."
    )
    if last > first:
        text += f" With {100 * last:.3g} % it is {other.first.mean:.1f}{unit}: {gap_text(other.gap)}."
    return Finding("short", "In short", text)


def _alone(study: Study, curve: Curve, options: Options) -> Finding | None:
    kind, languages = target(curve)
    cells = curve.cells(0.0)
    score, exact, right = (_estimate(study, cells, languages, metric, curve, options) for metric in Metric)
    points = []
    if score:
        points.append(f"score {spread(score)} against {reference_name(curve.against)} (50 = par)")
    if right:
        points.append(f"answers in the language asked: {spread(right)} %")
    if exact:
        points.append(f"exact match with the reference answer: {spread(exact)} %")
    known = next((one for one in (score, exact, right) if one), None)
    if known is None:
        return None
    base = name_of(curve.base)
    text = (
        f"Tuned on {curve.family.budget:,} examples in {base} and asked in {counted(len(languages), f'{kind} language')} "
        f"({support(known.n, cells)}):"
    )
    return Finding("base_alone", f"{base} alone", text, tuple(points))


def _doses(study: Study, curve: Curve, options: Options) -> list[Finding | None]:
    """The smallest and the largest multilingual share against none."""
    first, last = curve.fractions[1], curve.fractions[-1]
    smallest = _dose(study, curve, first, "full" if first == last == 1 else "pinch", options)
    return [smallest] if first == last else [smallest, _dose(study, curve, last, "full", options)]


def _dose(study: Study, curve: Curve, fraction: float, key: str, options: Options) -> Finding | None:
    kind, languages = target(curve)
    cells = curve.cells(fraction)
    known = _changes(study, curve, cells, languages, options)
    if not known:
        return None
    budget = curve.family.budget
    number = round(fraction * budget)
    part = f"All {budget:,} examples" if number == budget else f"{number:,} of {counted(budget, 'example')}"
    text = (
        f"{part} in {_others(curve, cells)}. Against {name_of(curve.base)} alone, asked in "
        f"{counted(len(languages), f'{kind} language')} (paired by prompt, {support(known[0].gap.n, cells)}):"
    )
    return Finding(key, f"{100 * fraction:.3g} % multilingual", text, tuple(_said(one) for one in known))


def _changes(
    study: Study, curve: Curve, cells: Sequence[Cell], languages: Sequence[str], options: Options
) -> list[Change]:
    """What the cells change against the base language alone, of all that can be measured."""
    metrics = (Metric.score, Metric.right_language, Metric.exact)
    found = (change(study, cells, curve.cells(0.0), languages, metric, curve.against, options) for metric in metrics)
    return [one for one in found if one is not None]


def _others(curve: Curve, cells: Sequence[Cell]) -> str:
    """Which languages the multilingual part is in, as realised."""
    names = [code for code in curve.tuning if any(code in cell.axes.languages for cell in cells) and code != curve.base]
    number = round(max(cell.axes.fraction for cell in cells) * curve.family.budget)
    shared = any(cell.axes.counts.get(curve.base, 0) > curve.family.budget - number for cell in cells)
    more = f"{len(names)} more language{'s' if len(names) > 1 else ''} ({' '.join(names)})"
    return f"{name_of(curve.base)} and {more}" if shared else more


def _said(one: Change) -> str:
    """A change in words: what it is, from where to where, the difference and its interval, and its seeds."""
    what = {Metric.score: "score", Metric.exact: "exact match", Metric.right_language: "answers in the language asked"}
    unit = "" if one.metric is Metric.score else " %"
    seeds = f"; by seed {', '.join(signed(value) for value in one.by_seed)}" if len(one.by_seed) > 1 else ""
    return f"{what[one.metric]} {one.second.mean:.1f} {ARROW} {one.first.mean:.1f}{unit}: {gap_text(one.gap)}{seeds}"


def _base_cost(study: Study, curve: Curve, options: Options) -> Finding | None:
    top = curve.fractions[-1]
    cells = curve.cells(top)
    known = _changes(study, curve, cells, (curve.base,), options)
    if not known:
        return None
    name = name_of(curve.base)
    text = (
        f"Asked in {name}, {100 * top:.3g} % multilingual against {name} alone (paired by prompt, "
        f"{support(known[0].gap.n, cells)}):"
    )
    return Finding("base_cost", f"What it costs {name}", text, tuple(_said(one) for one in known))


def _numbers(study: Study, count: Count, options: Options) -> Finding | None:
    for metric in (Metric.score, Metric.right_language):
        found = _numbers_of(study, count, metric, options)
        if found is not None:
            return found
    return None


def _numbers_of(study: Study, count: Count, metric: Metric, options: Options) -> Finding | None:
    first, last = count.groups[0], count.groups[-1]
    whole = change(study, last[1], first[1], count.unseen, metric, count.against, options)
    if whole is None:
        return None
    points = [f"{first[0]:.0f} {ARROW} {last[0]:.0f} languages: {_said(whole)}"]
    for before, after in zip(count.groups, count.groups[1:], strict=False):
        step = change(study, after[1], before[1], count.unseen, metric, count.against, options)
        if step is not None and len(count.groups) > 2:
            points.append(f"{before[0]:.0f} {ARROW} {after[0]:.0f}: {gap_text(step.gap)}")
    text = (
        f"More tuning languages at {100 * count.fraction:.3g} % multilingual, asked in the {len(whole.languages)} languages "
        f"that none of these models saw (paired by prompt, {support(whole.gap.n, last[1])}):"
    )
    return Finding("language_count", "Number of languages", text, tuple(points))


def _transfer(matrix: Matrix) -> Finding | None:
    known = [
        (float(value), row) for value, row in zip(matrix.row_means, matrix.rows, strict=True) if np.isfinite(value)
    ]
    if len(known) < 2:
        return None
    best, worst = max(known), min(known)
    free = matrix.values[~matrix.own & np.isfinite(matrix.values)]
    text = (
        f"Tuned on one language and asked in the others, models score {free.mean():.1f} on average against "
        f"{reference_name(matrix.against)} ({len(free)} pairs of languages, {matrix.prompts} prompts). The highest row mean "
        f"is that of {name_of(best[1])} ({best[0]:.1f}), the lowest that of {name_of(worst[1])} ({worst[0]:.1f}); the order "
        "is not tested."
    )
    return Finding("monolingual", "One language each", text)


def _estimate(
    study: Study, cells: Sequence[Cell], languages: Sequence[str], metric: Metric, curve: Curve, options: Options
) -> stats.Estimate | None:
    kept = study.covered(cells, languages, metric, curve.against)
    if not kept:
        return None
    return stats.mean(study.by_prompt(cells, kept, metric, curve.against), options.confidence)
