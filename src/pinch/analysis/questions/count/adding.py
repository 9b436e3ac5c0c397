"""Pure: what a figure over the number of tuning languages says: of these models and new prompts, and of new orders.

In: a `Study` and a `Count`. Out: (finding, results) pairs. The first finding compares what is drawn, the means over all
models of a number. The second is of orders: two that share a model are no two witnesses, so a statement over orders
rests on such as share none, but for the base alone and the full set, which every order has.
"""

from collections.abc import Sequence

import numpy as np

from pinch import stats
from pinch.analysis.findings import LEVEL, WHAT, Change, change, gap_and_both, result, results, said
from pinch.analysis.questions.count.counts import Count, Languages, Order, independent
from pinch.analysis.questions.share.doses import Told
from pinch.analysis.sections import Finding, Result
from pinch.analysis.study import Array, Metric, Options, Study
from pinch.analysis.words import (
    ARROW,
    claim_text,
    counted,
    gap_span,
    gap_text,
    listed,
    p_text,
    percent,
    signed,
    support,
)

PAPER = "The paper's curve rises up to four languages and is flat from there on."


def tell(study: Study, count: Count, options: Options) -> list[Told]:
    """Both statements; the second only where there are orders to tell apart."""
    metric = next((kind for kind in (Metric.score, Metric.right_language) if ("unseen", kind) in count.lines), None)
    if metric is None:
        return []
    found = [_these_models(study, count, metric, options), _other_orders(study, count, metric, options)]
    return [one for one in found if one is not None]


def _these_models(study: Study, count: Count, metric: Metric, options: Options) -> Told | None:
    """The first number against the last, and each against the one before, corrected over these steps."""
    first, last = count.groups[0], count.groups[-1]
    whole = change(study, last[1], first[1], count.unseen, metric, count.against, options)
    if whole is None:
        return None
    steps = {
        f"{before:.0f} {ARROW} {after:.0f}": one
        for (before, than), (after, cells) in zip(count.groups, count.groups[1:], strict=False)
        if (one := change(study, cells, than, count.unseen, metric, count.against, options))
    }
    points = [f"{first[0]:.0f} {ARROW} {last[0]:.0f} languages: {said(whole)}"]
    rows = results(f"{first[0]:.0f} {ARROW} {last[0]:.0f} tuning languages, unseen languages", whole)
    brief = _whole_brief(count, whole)
    if len(steps) > 1:
        told, more = _steps(steps, 1 - options.confidence)
        points, rows = points + told, rows + more
        brief += f" {_steps_brief(steps, 1 - options.confidence)}"
    corrected = f"; p of steps by Holm over {len(steps)}, intervals of each alone" if len(steps) > 1 else ""
    text = (
        f"More tuning languages at {percent(count.fraction)} multilingual, asked in the "
        f"{counted(len(whole.languages), 'language')} that none of these models saw: these models, new prompts (paired by "
        f"prompt, {support(whole.gap.n, last[1])}{corrected}). {PAPER}"
    )
    return Finding("language_count", "Number of languages", text, tuple(points), brief), rows


def _whole_brief(count: Count, whole: Change) -> str:
    """The first number of languages against the last, in a sentence."""
    what, unit = LEVEL[whole.metric]
    sets = counted(sum(len(sets) for sets in count.sets), "set")
    return (
        f"From {count.numbers[0]} to {count.numbers[-1]} tuning languages ({sets} of languages, "
        f"{support(whole.gap.n, count.groups[-1][1])}) the {what} on {counted(len(whole.languages), 'unseen language')} "
        f"goes from {whole.second.mean:.1f}{unit} to {whole.first.mean:.1f}{unit}: {gap_and_both(whole)}."
    )


def _steps_brief(steps: dict[str, Change], level: float) -> str:
    """How many steps rise and fall by the corrected tests, and which cannot be told."""
    told = stats.holm(np.array([one.gap.p for one in steps.values()])) < level
    rises = sum(bool(one.gap.mean > 0) for one, seen in zip(steps.values(), told, strict=True) if seen)
    sides = {"rise": rises, "fall": int(told.sum()) - rises}
    parts = [f"{number} {word}" for word, number in sides.items() if number]
    quiet = {label: one.gap for (label, one), seen in zip(steps.items(), told, strict=True) if not seen}
    if quiet:
        reach = [gap.detectable for gap in quiet.values() if gap.se > 0]
        could = f" (detectable effect of one alone: up to {max(reach):.1f} points)" if reach else ""
        parts.append(f"not distinguishable: {listed(list(quiet))}{could}")
    return f"Of the {counted(len(steps), 'step')} (p by Holm) {'; '.join(parts)}."


def _steps(steps: dict[str, Change], level: float) -> tuple[list[str], list[Result]]:
    """Each step with its p corrected over all of them."""
    holm = stats.holm(np.array([one.gap.p for one in steps.values()]))
    points, rows = [], []
    for (label, one), p in zip(steps.items(), holm, strict=True):
        points.append(f"{label}: {claim_text(one.gap, float(p), level)}")
        asked = f"{label} tuning languages, unseen languages: {WHAT[one.metric]}"
        rows.append(result(asked, one.gap, f"{one.gap.n} prompts", f"paired t, Holm over {len(steps)}", float(p)))
    return points, rows


def _other_orders(study: Study, count: Count, metric: Metric, options: Options) -> Told | None:
    """Would other orders of adding languages show the same?"""
    if len(count.orders) < 2:
        return None
    languages = study.covered([c for _, cells in count.groups for c in cells], count.unseen, metric, count.against)
    points, rows = [], []
    for at in range(len(count.numbers) - 1):
        told = _step_over_orders(study, count, at, metric, languages, options)
        if told is not None:
            points.append(told[0])
            rows.append(told[1])
    trend = _trend(study, count, metric, languages, options)
    if trend is not None:
        points.append(trend[0])
        rows += trend[1]
    models = listed([str(len(sets)) for sets in count.sets])
    text = (
        f"Would other orders of adding languages show the same? The models form {len(count.orders)} orders; a set that two "
        f"of them share is one model, so there are {models} sets of {listed([str(n) for n in count.numbers])} languages. "
        "Of orders that share a model only one counts. Each order is one value, and so few can never show a small p: two "
        f"orders none below 0.5, three 0.25, six 0.031. {WHAT[metric].capitalize()}, sign flips over orders:"
    )
    return Finding("language_orders", "Number of languages, over orders", text, tuple(points)), rows


def _step_over_orders(
    study: Study, count: Count, at: int, metric: Metric, languages: Sequence[str], options: Options
) -> tuple[str, Result] | None:
    """One step in the orders that share none of its models; None where only one is left, as in the whole."""
    rows = sorted({(order[at], order[at + 1]) for order in count.orders}, key=lambda row: [sorted(one) for one in row])
    chosen = [rows[place] for place in independent(rows, count.fixed)]
    before, after = (_table(study, count, [row[side] for row in chosen], metric, languages) for side in (0, 1))
    numbers = count.numbers[at], count.numbers[at + 1]
    found = stats.step(before, after, numbers, options.seed, options.confidence).over_orders
    label = f"{numbers[0]} {ARROW} {numbers[1]}"
    if len(chosen) < 2:
        return f"{label}: one order alone, so nothing is said", _bare(f"{label} tuning languages, over orders", metric)
    each = ", ".join(signed(float(value)) for value in np.nanmean(after - before, axis=(1, 2)))
    text = (
        f"{label}: {each}; mean {gap_span(found.gap)}, {p_text(found.p)} ({counted(len(chosen), 'order')}: never below "
        f"{found.smallest_p:.2g}; detectable effect: {found.gap.detectable:.1f} points)"
    )
    asked = f"{label} tuning languages, over orders: {WHAT[metric]}"
    test = f"sign flips over orders, never below {found.smallest_p:.2g}"
    return text, result(asked, found.gap, f"{len(chosen)} orders", test, found.p)


def _bare(asked: str, metric: Metric) -> Result:
    return Result(f"{asked}: {WHAT[metric]}", None, None, None, "1 order", "none: one order", None, None)


def _trend(
    study: Study, count: Count, metric: Metric, languages: Sequence[str], options: Options
) -> tuple[str, list[Result]] | None:
    """Page's test of a rise, and the slope, over the numbers at which orders have models of their own."""
    inner = [at for at, sets in enumerate(count.sets) if len(sets) > 1]
    rows: list[Order] = [tuple(order[at] for at in inner) for order in count.orders]
    chosen = [rows[place] for place in independent(rows, count.fixed)] if len(inner) > 1 else []
    if len(chosen) < 2:
        return None
    numbers = [count.numbers[at] for at in inner]
    tables = [_table(study, count, [row[at] for row in chosen], metric, languages) for at in range(len(inner))]
    found = stats.adding(np.stack(tables, axis=1), numbers, options.seed, options.confidence)
    trend, slope = found.trend, found.slope
    which = f"{listed([str(n) for n in numbers])} languages in {counted(len(chosen), 'order')} that share no model"
    text = (
        f"Page's trend over {which}: L = {trend.statistic:g} ({trend.expected:g} expected without one), one-sided "
        f"{p_text(trend.p_rising)} for a rise (never below {trend.smallest_p:.2g}); "
        f"slope for each language more, new prompts: {gap_text(slope.of_prompts)}; numbers at which all orders have the "
        "same model are left out"
    )
    asked = f"Rise over {which}: {WHAT[metric]}"
    return text, [
        Result(f"{asked}, Page's L - expected", trend.statistic - trend.expected, None, None, f"{trend.n} orders",
               "Page, one-sided", trend.p_rising, None, "ranks"),
        result(f"{asked}, points a language", slope.of_prompts, f"{slope.of_prompts.n} prompts", "t over prompts"),
    ]  # fmt: skip


def _table(study: Study, count: Count, sets: Sequence[Languages], metric: Metric, languages: Sequence[str]) -> Array:
    """Scores [sets, prompts, languages], seeds averaged prompt by prompt."""
    return np.array(
        [
            np.stack([study.by_prompt(count.cells(one), [code], metric, count.against) for code in languages], axis=1)
            for one in sets
        ]
    )
