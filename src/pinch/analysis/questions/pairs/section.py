"""Stage: do models tuned on two languages do better elsewhere than the two models tuned on one of them (the paper's Fig. 6)?

In: a `Study` and one of its families. Out: a `Section` with the exhibit `pairs`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pinch import stats
from pinch.analysis.charts import Dot, DotChart
from pinch.analysis.figures.dots import draw_rows
from pinch.analysis.figures.style import short
from pinch.analysis.findings import result
from pinch.analysis.questions.pairs.halves import Pair, Pairs, pairs_of
from pinch.analysis.sections import Exhibit, Finding, Gap, Result, Section
from pinch.analysis.study import Family, Options, Study
from pinch.analysis.words import both_text, counted, gap_text, p_text, reference_name, seeds_text, signed, support

NAME, TITLE = "pairs", "Two languages or one"


def look(study: Study, family: Family, options: Options) -> Section:
    """The pairs of a family, or what is missing for them."""
    found = pairs_of(study, family, options)
    if found is None:
        reason = "it needs models tuned half and half on two languages and on each of these alone, all of them judged"
        return Section(gaps=[Gap(NAME, TITLE, reason, "+experiment=pairs")])
    charts = _charts(found)
    exhibit = Exhibit(
        NAME,
        TITLE,
        _caption(found, options),
        list(_rows(found)),
        draw_rows(charts, [(50, 50), (0, 0)], apart=len(_averages(found))),
        charts,
    )
    return Section([exhibit], [_finding(found)], results=_results(found), limits=_limits(found))


def _label(pair: Pair) -> str:
    return " + ".join(short(code) for code in pair.names)


def _rows(found: Pairs) -> Iterator[dict[str, Any]]:
    """What is drawn, one dict a pair, then the averages of the differences."""
    shared = {"family": found.family.name, "against": found.against}
    for pair, (both, first, second), gap in zip(found.pairs, found.scores, found.every.each, strict=True):
        yield {
            **shared,
            "pair": "+".join(pair.names),
            "languages": "+".join(pair.others),
            "seeds": len(pair.both),
            "score": both.mean,
            "low": both.low,
            "high": both.high,
            "first_alone": first.mean,
            "second_alone": second.mean,
            **_gap_row(gap),
            "without_common_language": pair.names in found.disjoint,
        }
    for name, gap in _averages(found).items():
        yield {**shared, "pair": name, **_gap_row(gap)}


def _averages(found: Pairs) -> dict[str, stats.Difference]:
    """The average difference of these pairs, and of those that may stand for others, each if there are two or more."""
    averages = {}
    if len(found.pairs) > 1:
        averages[f"these {len(found.pairs)} pairs"] = found.every.of_prompts
    if len(found.disjoint) > 1:
        averages[f"{len(found.disjoint)} pairs as a sample"] = found.apart.over_pairs.gap
    return averages


def _gap_row(gap: stats.Difference) -> dict[str, Any]:
    return {"difference": gap.mean, "difference_low": gap.low, "difference_high": gap.high, "n": gap.n}


def _charts(found: Pairs) -> list[DotChart]:
    averages = _averages(found)
    names = [_label(pair) + ("" if pair.names in found.disjoint else " *") for pair in found.pairs] + [*averages]
    ticks = tuple((float(at), name) for at, name in enumerate(names))
    dots, gaps = [], []
    for at, (name, pair, three) in enumerate(zip(names, found.pairs, found.scores, strict=False)):
        both, *alone = three
        dots.append(Dot(name, at, both.mean, both.low, both.high, counted(both.n, "prompt"), "the pair"))
        for group, code, one in zip(
            ("its first language alone", "its second language alone"), pair.names, alone, strict=True
        ):
            dots.append(Dot(name, at, one.mean, note=f"{short(code)} alone", group=group))
    for at, (name, gap) in enumerate(zip(names, (*found.every.each, *averages.values()), strict=True)):
        unit = "pair" if gap is found.apart.over_pairs.gap else "prompt"
        gaps.append(Dot(name, at, gap.mean, gap.low, gap.high, counted(gap.n, unit), "the pair"))
    return [
        DotChart("pair", "Score elsewhere (50 = par)", tuple(dots), ticks, par=50),
        DotChart("pair", "Pair \N{MINUS SIGN} mean of its two", tuple(gaps), ticks, par=0),
    ]


def _caption(found: Pairs, options: Options) -> str:
    sizes = sorted({len(pair.others) for pair in found.pairs})
    languages = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    cells = [cell for pair in found.pairs for cell in pair.both]
    under = {
        0: "",
        1: " Under the line the average difference of these pairs with other prompts.",
        2: " Under the line the average difference: of these pairs with other prompts, and of other pairs (t interval over "
        "pairs).",
    }[len(_averages(found))]
    starred = ""
    if len(found.disjoint) < len(found.pairs):
        starred = (
            " Pairs that share a language are not independent, so only the largest set of pairs without a common language "
            "is taken as a sample (of several such sets the one found first when languages with fewest partners are paired "
            "first, then in the order of the table of languages; no score decides); * marks the others."
        )
    return (
        f"{found.family.label}: models tuned half and half on two languages and, with as many examples, on one of the two. "
        f"Score against {reference_name(found.against)}, averaged over the {languages} evaluation languages outside the "
        f"pair, and the difference, paired by prompt ({support(found.every.of_prompts.n, cells)}). "
        f"{100 * options.confidence:.0f} % intervals over prompts, the languages of a prompt staying together; they do not "
        f"cover new seeds.{under}{starred}"
    )


def _finding(found: Pairs) -> Finding:
    every, over, signs = found.every.of_prompts, found.apart.over_pairs, found.apart.signs
    number, sample = len(found.pairs), len(found.disjoint)
    cells = [cell for pair in found.pairs for cell in pair.both]
    which = f"on {_label(found.pairs[0])}" if number == 1 else f"on two languages ({counted(number, 'pair')})"
    text = (
        f"Tuned half and half {which}, against the mean of the models tuned on one of the two, asked in the languages "
        f"outside the pair (paired by prompt, {support(every.n, cells)}):"
    )
    points = [f"these pairs, other prompts: {gap_text(every)}{_seeds(found)}"]
    if sample < 2:
        points.append("other pairs: nothing can be said from one pair without a common language")
        return Finding(NAME, TITLE, text, tuple(points), _brief(found))
    which = f"the {sample} pairs" if sample == number else f"the {sample} of {number} pairs without a common language"
    points.append(
        f"other pairs, from {which}: {signs.above} above, {signs.below} below"
        f"{f', {signs.equal} equal' if signs.equal else ''} (sign test {p_text(signs.p)} two-sided); {_over_pairs(over)}, "
        f"sign-flip {p_text(over.p)}; the smallest p that {sample} pairs can give is {over.smallest_p:.3f}"
        f"{'' if over.can_tell else ', so no outcome could reach 0.05'}"
    )
    return Finding(NAME, TITLE, text, tuple(points), _brief(found))


def _seeds(found: Pairs) -> str:
    """What new seeds would change in the difference, and each seed's own, where there are several."""
    if found.seeds is None:
        return ""
    return f"; {seeds_text(found.seeds)}; by seed {', '.join(signed(value) for value in found.by_seed)}"


def _brief(found: Pairs) -> str:
    """The pairs against their halves, and how many of those that may stand for others are above."""
    every, signs = found.every.of_prompts, found.apart.signs
    number, sample = len(found.pairs), len(found.disjoint)
    cells = [cell for pair in found.pairs for cell in pair.both]
    both = float(np.mean([one.mean for one, _, _ in found.scores]))
    alone = float(np.mean([one.mean for _, *two in found.scores for one in two]))
    text = (
        f"In languages outside the pair, models of two languages score {both:.1f} on average and the models of one of the "
        f"two {alone:.1f} ({counted(number, 'pair')}, {support(every.n, cells)}): {gap_text(every)}"
        f"{f'; {both_text(found.seeds)}' if found.seeds else ''}."
    )
    if sample < 2:
        return text
    which = f"the {sample} pairs" if sample == number else f"the {sample} pairs without a common language"
    lowest = found.apart.over_pairs.smallest_p
    least = f"the smallest that {sample} pairs can give" if signs.p <= lowest else f"never below {lowest:.2g}"
    return f"{text} Of {which} {signs.above} are above, {signs.below} below (sign test {p_text(signs.p)}, {least})."


def _over_pairs(over: stats.Flips) -> str:
    """The mean over pairs, called a difference only when interval and test both say so."""
    gap = over.gap
    interval = f"{signed(gap.mean)} [{signed(gap.low)}, {signed(gap.high)}]"
    if over.p < 0.05 and not gap.low <= 0 <= gap.high:
        return f"difference {interval}"
    reach = f"; detectable effect: {gap.detectable:.1f} points" if gap.se > 0 else ""
    return f"not distinguishable with {counted(gap.n, 'pair')} ({interval}{reach})"


def _results(found: Pairs) -> list[Result]:
    every, over, signs = found.every.of_prompts, found.apart.over_pairs, found.apart.signs
    number, sample = counted(len(found.pairs), "pair"), f"{len(found.disjoint)} pairs without a common language"
    asked = "Two languages against one of them, elsewhere"
    these = Result(
        f"{asked}: these pairs", every.mean, every.low, every.high, f"{number}, {counted(every.n, 'prompt')}",
        "paired t test, clustered by prompt", every.p, _known(every.detectable),
    )  # fmt: skip
    told = [these]
    if found.seeds is not None:
        n = f"{number}, {found.seeds.seeds} seeds, {found.seeds.prompts} prompts"
        test = "paired t, two-way over seeds and prompts"
        told.append(result(f"{asked}: these pairs, new seeds too", found.seeds.of_both, n, test))
    if len(found.disjoint) < 2:
        return told
    gap = over.gap
    return [
        *told,
        Result(
            f"{asked}: other pairs", gap.mean, gap.low, gap.high, sample, "sign-flip over pairs", over.p,
            _known(gap.detectable),
        ),
        Result(
            f"{asked}: share of pairs above", 100 * signs.share, 100 * signs.low, 100 * signs.high, sample,
            "sign test, two-sided", signs.p, None, "% of pairs",
        ),
    ]  # fmt: skip


def _known(value: float) -> float | None:
    return None if value != value else value


def _limits(found: Pairs) -> list[str]:
    said = []
    over = found.apart.over_pairs
    if len(found.disjoint) > 1 and not over.can_tell:
        said.append(
            f"{len(found.disjoint)} pairs without a common language can give no p below {over.smallest_p:.3g}: whatever "
            "they show, nothing is established for other pairs. From six on p can fall below 0.05."
        )
    return said
