"""Pure: what a study found, as computed sentences with numbers, intervals and n.

In: the queries of `curves` and `matrices`. Out: `Finding`s. Differences are paired by prompt, after averaging over languages
and seeds, so their intervals are clustered over languages; they cover the choice of prompts, and what the seeds did stands
beside them. An interval that holds 0 is "not distinguishable", with the effect that could have been found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from pinch import stats
from pinch.cells import Cell
from pinch.curves import Count, Curve
from pinch.languages import LANGUAGES
from pinch.matrices import Matrix
from pinch.study import Metric, Options, Study

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Finding:
    """One computed statement; `key` says which, `title` what it is about."""

    key: str
    title: str
    text: str


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


def detectable(se: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true difference that a two-sided test of level `alpha` finds with probability `power`, given the
    standard error of the difference: (z of 1 - alpha / 2 + z of power) * se, in the unit of `se`."""
    return float((norm.isf(alpha / 2) + norm.ppf(power)) * se)


def findings(
    study: Study, curve: Curve | None, count: Count | None, matrix: Matrix | None, options: Options
) -> list[Finding]:
    """Every sentence the cells allow, in the order of the study's questions."""
    found: list[Finding | None] = []
    if curve is not None:
        found += [_alone(study, curve, options), *_doses(study, curve, options), _base_cost(study, curve, options)]
    if count is not None:
        found.append(_numbers(study, count, options))
    if matrix is not None:
        found.append(_transfer(matrix))
    return [finding for finding in found if finding is not None]


def target(curve: Curve) -> tuple[str, tuple[str, ...]]:
    """The languages that findings speak of: the unseen ones, or the tuned ones where none is left unseen."""
    return ("unseen", curve.unseen) if curve.unseen else ("tuned", curve.seen)


def _alone(study: Study, curve: Curve, options: Options) -> Finding | None:
    if curve.fractions[0] != 0:
        return None
    kind, languages = target(curve)
    cells = curve.cells(0.0)
    score, exact, right = (_estimate(study, cells, languages, metric, curve, options) for metric in Metric)
    said = []
    if score:
        said.append(f"scores {spread(score)} against {reference_name(curve.against)} (50 = par)")
    if right:
        said.append(f"answers in the language asked in {spread(right)} %")
    if exact:
        said.append(f"gives exactly the reference answer in {spread(exact)} %")
    known = next((one for one in (score, exact, right) if one), None)
    if known is None:
        return None
    text = (
        f"Tuned on {name_of(curve.base)} alone ({curve.family.budget:,} examples), the model {join(said)}, on the "
        f"{len(languages)} {kind} languages ({support(known.n, cells)})."
    )
    return Finding("base_alone", f"{name_of(curve.base)} alone", text)


def _doses(study: Study, curve: Curve, options: Options) -> list[Finding | None]:
    """The smallest and the largest multilingual share against none."""
    if curve.fractions[0] != 0:
        return []
    doses = [x for x in curve.fractions if x > 0]
    if len(doses) == 1:
        return [_dose(study, curve, doses[0], "full" if doses[0] == 1 else "pinch", options)]
    return [_dose(study, curve, doses[0], "pinch", options), _dose(study, curve, doses[-1], "full", options)]


def _dose(study: Study, curve: Curve, fraction: float, key: str, options: Options) -> Finding | None:
    kind, languages = target(curve)
    cells, alone = curve.cells(fraction), curve.cells(0.0)
    changes = [
        change(study, cells, alone, languages, metric, curve.against, options)
        for metric in (Metric.score, Metric.right_language, Metric.exact)
    ]
    known = [one for one in changes if one is not None]
    if not known:
        return None
    budget = curve.family.budget
    number = round(fraction * budget)
    base = name_of(curve.base)
    where = f"the {len(languages)} {kind} languages" if len(languages) > 1 else f"the one {kind} language"
    part = "All" if number == budget else f"{number:,}"
    text = (
        f"{part} of the {budget:,} examples are spread over {_others(curve, cells)}. "
        f"Against {base} alone, on {where}: {'; '.join(_said(one) for one in known)} "
        f"(paired by prompt, {support(known[0].gap.n, cells)})."
    )
    return Finding(key, f"{100 * fraction:.3g} % multilingual", text)


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
    head = f"{what[one.metric]} {one.second.mean:.1f} \N{RIGHTWARDS ARROW} {one.first.mean:.1f}, {gap_text(one.gap)}"
    if len(one.by_seed) > 1 and one.metric is not Metric.exact:
        head += f", by seed {', '.join(signed(value) for value in one.by_seed)}"
    return head


def _base_cost(study: Study, curve: Curve, options: Options) -> Finding | None:
    top = curve.fractions[-1]
    if curve.fractions[0] != 0 or top == 0:
        return None
    cells, base = curve.cells(top), (curve.base,)
    changes = [
        change(study, cells, curve.cells(0.0), base, metric, curve.against, options)
        for metric in (Metric.score, Metric.exact)
    ]
    known = [one for one in changes if one is not None]
    if not known:
        return None
    name = name_of(curve.base)
    text = (
        f"Asked in {name}, the models with {100 * top:.3g} % multilingual examples against those tuned on {name} alone: "
        f"{'; '.join(_said(one) for one in known)} (paired by prompt, {support(known[0].gap.n, cells)})."
    )
    return Finding("base_cost", f"What it costs {name}", text)


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
    steps = []
    for before, after in zip(count.groups, count.groups[1:], strict=False):
        step = change(study, after[1], before[1], count.unseen, metric, count.against, options)
        if step is not None and len(count.groups) > 2:
            steps.append(f"{before[0]:.0f} \N{RIGHTWARDS ARROW} {after[0]:.0f}: {gap_text(step.gap)}")
    detail = f" Step by step: {'; '.join(steps)}." if steps else ""
    text = (
        f"From {first[0]:.0f} to {last[0]:.0f} tuning languages, on the {len(whole.languages)} languages that none of these "
        f"models saw: {_said(whole)} (paired by prompt, {support(whole.gap.n, last[1])}).{detail}"
    )
    return Finding("language_count", "Number of languages", text)


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


# --- words -----------------------------------------------------------------------------------------------------------


def gap_text(gap: stats.Difference) -> str:
    """A difference in points with its interval, said to be one only when the interval leaves out 0."""
    interval = f"{signed(gap.mean)} [{signed(gap.low)}, {signed(gap.high)}]"
    if gap.low <= 0 <= gap.high:
        reach = f"; detectable effect: {detectable(gap.se):.1f} points" if gap.se > 0 else ""
        return f"not distinguishable with these {gap.n} prompts ({interval}{reach})"
    return f"difference {interval}"


def signed(value: float) -> str:
    """+1.2 or -1.2 with a real minus sign."""
    return f"{value:+.1f}".replace("-", MINUS)


def spread(estimate: stats.Estimate) -> str:
    """A mean with its interval."""
    return f"{estimate.mean:.1f} [{estimate.low:.1f}, {estimate.high:.1f}]"


def support(prompts: int, cells: Sequence[Cell]) -> str:
    """n in words: prompts and seeds."""
    seeds = len({cell.axes.seed for cell in cells})
    return f"{prompts} prompts, {seeds} seed{'s' if seeds != 1 else ''}"


def name_of(code: str) -> str:
    return LANGUAGES[code].name if code in LANGUAGES else code


def reference_name(against: str) -> str:
    return {"monolingual": "the monolingual references", "base": "the untuned model"}.get(against, against)


def join(parts: Sequence[str]) -> str:
    """a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
