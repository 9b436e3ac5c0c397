"""Stage: do languages with a larger share of the pre-training documents transfer better when tuned on (the paper's Fig. 8)?

In: a `Study`, one of its families and the shares, see `pinch.analysis.shares`. Out: a `Section` with the exhibit
`pretraining_share`: the average cross-lingual score of every monolingual model but the base language's over its share.
"""

from collections.abc import Iterator
from typing import Any

from pinch import stats
from pinch.analysis.charts import Dot, DotChart
from pinch.analysis.figures.dots import Fit, draw_scatter
from pinch.analysis.figures.style import short
from pinch.analysis.questions.pretraining.correlated import FEWEST, Points, correlate, fit, points
from pinch.analysis.questions.pretraining.shares import Shares, known
from pinch.analysis.sections import Exhibit, Finding, Gap, Result, Section
from pinch.analysis.study import Family, Options, Study
from pinch.analysis.words import counted, name_of, p_text, r_text, reference_name

NAME, TITLE = "pretraining_share", "The share of the pre-training documents"


def look(study: Study, family: Family, options: Options, shares: Shares | None = None) -> Section:
    """The correlation, or what is missing for it. Without `shares` those of the embedded model are taken, if it is that."""
    shares = shares or known(family)
    if shares is None:
        reason = (
            "the shares of the pre-training documents are yours to supply, with their source: write FILE.csv with the "
            "columns language,share,source (share in percent) and run python analyze.py shares=FILE.csv"
        )
        return Section(gaps=[Gap(NAME, TITLE, reason)])
    found = points(study, family, shares, options)
    if len(found.languages) < FEWEST:
        reason = (
            f"it needs judged models tuned on one language each, {FEWEST} or more beside {name_of(found.base)} whose shares "
            f"are known; there are {len(found.languages)}"
        )
        return Section(gaps=[Gap(NAME, TITLE, reason, "+experiment=pretraining_share")])
    plain, log = (correlate(found, logged, options) for logged in (False, True))
    line = fit(found, log if found.log else plain, options)
    chart = _chart(found)
    caption = _caption(found, shares, line is not None, options)
    exhibit = Exhibit(NAME, TITLE, caption, list(_rows(found, line)), draw_scatter(chart, line), [chart])
    return Section(
        [exhibit],
        [_finding(found, plain, log, options)],
        results=_results(found, plain, log),
        limits=_limits(found, plain),
    )


def _rows(found: Points, line: Fit | None) -> Iterator[dict[str, Any]]:
    """What is drawn, one dict a point; the line, where there is one, in the same columns."""
    shared = {"family": found.family.name, "against": found.against}
    for code, share, score in zip(found.languages, found.share, found.score, strict=True):
        place = {"share": share, "score": score.mean, "low": score.low, "high": score.high, "prompts": score.n}
        yield {**shared, "drawn": "point", "language": code, **place}
    if line is not None:
        for x, y, low, high in zip(line.x, line.y, line.low, line.high, strict=True):
            yield {**shared, "drawn": "line", "language": "", "share": x, "score": y, "low": low, "high": high}


def _chart(found: Points) -> DotChart:
    dots = tuple(
        Dot(short(code), float(share), one.mean, one.low, one.high, f"{name_of(code)}, {counted(one.n, 'prompt')}")
        for code, share, one in zip(found.languages, found.share, found.score, strict=True)
    )
    scale = ", logarithmic" if found.log else ""
    return DotChart(
        f"percent of the pre-training documents{scale}", "average score elsewhere (50 = par)", dots, log_x=found.log
    )


def _caption(found: Points, shares: Shares, line: bool, options: Options) -> str:
    sources = "; ".join(shares.sources)
    left = (
        f" Left out, without a share or not asked in all of these: {' '.join(found.left_out)}."
        if found.left_out
        else ""
    )
    percent = f"{100 * options.confidence:.0f} %"
    fitted = (
        f"Dashed: least squares with the pointwise {percent} interval of the mean."
        if line
        else "No line is drawn, as the correlation is not distinguishable from none."
    )
    return (
        f"{found.family.label}: score of the models tuned on one language, without {name_of(found.base)}, against "
        f"{reference_name(found.against)}, over that language's share of the pre-training documents (source: {sources}). "
        f"It is averaged over the languages {' '.join(short(code) for code in found.asked)} but its own. Bars: {percent} "
        f"intervals, {counted(max(one.n for one in found.score), 'prompt')}, the languages of a prompt staying together, "
        f"{counted(found.seeds, 'seed')}. {fitted}{left}"
    )


def _finding(
    found: Points, plain: stats.Correlation | None, log: stats.Correlation | None, options: Options
) -> Finding:
    number = counted(len(found.languages), "language")
    if plain is None:
        low, high = found.share.min(), found.share.max()
        text = (
            f"The shares of {number} ({low:.3g} to {high:.3g} %), or the scores of the models tuned on them, are all but "
            "the same: there is nothing to correlate."
        )
        return Finding(NAME, TITLE, text)
    text = (
        f"The average score elsewhere of the models tuned on one language, and the language's share of the pre-training "
        f"documents ({number}, without {name_of(found.base)}):"
    )
    points = [
        f"Pearson {_said(plain)}, by permutation {p_text(plain.p_permuted)}; with one language left out r is between "
        f"{r_text(plain.without_one[0])} and {r_text(plain.without_one[1])}",
        f"Spearman's rank correlation {r_text(plain.spearman)}, by permutation {p_text(plain.p_spearman)}",
    ]
    if log is not None:
        zero = [code for code, share in zip(found.languages, found.share, strict=True) if share == 0]
        without = f" (without {' '.join(zero)}, whose share is 0)" if zero else ""
        points.append(f"with the logarithm of the share{without}: {_said(log)}")
    points.append(
        f"with {plain.n} languages |r| must exceed {plain.critical:.2f} for p < {1 - options.confidence:.2g}; a true r of "
        f"{plain.detectable:.2f} would be found in four of five studies, smaller ones less often"
    )
    brief = (
        f"The average score elsewhere of the models tuned on one language, and that language's share of the pre-training "
        f"documents ({number}, without {name_of(found.base)}): {_said(plain)}; a true r of {plain.detectable:.2f} would be "
        "found in four of five studies, smaller ones less often."
    )
    return Finding(NAME, TITLE, text, tuple(points), brief)


def _said(one: stats.Correlation) -> str:
    """r with its interval, called a correlation only where the interval leaves out 0."""
    r = f"r {r_text(one.r)} [{r_text(one.low)}, {r_text(one.high)}]"
    seen = one.low > 0 or one.high < 0
    return (
        f"{r}, {p_text(one.p)}" if seen else f"{r}, not distinguishable from 0 with {one.n} languages, {p_text(one.p)}"
    )


def _results(found: Points, plain: stats.Correlation | None, log: stats.Correlation | None) -> list[Result]:
    asked = "Share of the pre-training documents and average score elsewhere"
    lines = []
    for one, name in ((plain, asked), (log, f"{asked}, logarithm of the share")):
        if one is not None:
            test = "Pearson, Fisher interval, t test"
            lines.append(Result(name, one.r, one.low, one.high, f"{one.n} languages", test, one.p, one.detectable, "r"))
    if plain is not None:
        test, n = "Spearman, permutation", f"{plain.n} languages"
        lines.append(Result(f"{asked}, ranks", plain.spearman, None, None, n, test, plain.p_spearman, None, "r"))
    return lines


def _limits(found: Points, plain: stats.Correlation | None) -> list[str]:
    if plain is None or abs(plain.r) > plain.critical:
        return []
    return [
        f"Pre-training shares: with {plain.n} languages, four of five studies would find a correlation of "
        f"{plain.detectable:.2f}; that none was seen says little."
    ]
