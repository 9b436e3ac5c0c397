"""Stage: which figures a study allows, with their captions and data, and what is missing for the others.

In: a `Study` and one of its families. Out: `Exhibit`s ready to be drawn and `Gap`s with the command that would fill them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pinch.analysis import captions, curves, figures, matrices
from pinch.analysis.curves import Count, Curve
from pinch.analysis.matrices import Matrix
from pinch.analysis.sections import Exhibit, Gap
from pinch.analysis.study import Family, Metric, Options, Study
from pinch.languages import TWELVE


@dataclass
class Views:
    """What one family shows: the queries' results, their figures, and the figures that are not there."""

    family: Family
    curves: list[Curve] = field(default_factory=list)
    count: Count | None = None
    matrix: Matrix | None = None
    exhibits: list[Exhibit] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    drawn: set[str] = field(default_factory=set)

    @property
    def curve(self) -> Curve | None:
        """The main curve: the largest set of tuning languages that leaves some unseen."""
        return self.curves[0] if self.curves else None


def views(study: Study, family: Family, options: Options, suffix: str = "", several: bool = False) -> Views:
    """Every figure of a family, or the reason why not; `suffix` keeps the files of several families apart."""
    found = Views(
        family,
        curves.curves(study, family, options),
        curves.language_count(study, family, options),
        matrices.monolingual_matrix(study, family, "monolingual", options),
    )
    for exhibit in _exhibits(study, found, options):
        if isinstance(exhibit, Gap):
            found.gaps.append(exhibit)
        else:
            title = f"{exhibit.title}: {family.label}" if several else exhibit.title
            found.exhibits.append(replace(exhibit, name=f"{exhibit.name}{suffix}", title=title))
            found.drawn.add(exhibit.name)
    return found


def _exhibits(study: Study, found: Views, options: Options) -> Iterator[Exhibit | Gap]:
    yield from _curve_exhibits(found, options)
    yield _count_exhibit(found.count, options)
    yield _matrix_exhibit(found.matrix, "monolingual_heatmap", study, options)
    versus_base = matrices.monolingual_matrix(study, found.family, "base", options)
    if versus_base is not None:
        yield _matrix_exhibit(versus_base, "monolingual_heatmap_base", study, options)
    yield _shares_exhibit(study, found)


def _curve_exhibits(found: Views, options: Options) -> Iterator[Exhibit | Gap]:
    title = captions.WHAT["p_curve"]
    if not found.curves:
        reason = "it needs at least two multilingual shares of one set of languages"
        yield Gap("p_curve", title, reason, "-m languages=four mixture.fraction=0,0.01,0.1,0.5,1 seed=0,1,2")
        return
    main = found.curves[0]
    if not any(metric is Metric.score and name != "base" for name, metric in main.lines):
        reason = (
            "no other language has a reference: it needs models tuned on each language alone, with the same settings"
        )
        yield Gap(
            "scores", "Scores beyond the base language", reason, f"-m languages=one languages.base={','.join(TWELVE)}"
        )
    text = captions.curve_caption(main, options)
    yield Exhibit("p_curve", title, text, list(main.rows()), figures.draw_curve(main))
    scored = [curve for curve in found.curves if {("seen", Metric.score), ("unseen", Metric.score)} & set(curve.lines)]
    if len(scored) > 1:
        rows = [row for curve in scored for row in curve.rows() if row["metric"] == "score"]
        text = captions.sets_caption(scored, options)
        yield Exhibit("p_curve_sets", captions.WHAT["p_curve_sets"], text, rows, figures.draw_small_curves(scored))


def _count_exhibit(count: Count | None, options: Options) -> Exhibit | Gap:
    title = captions.WHAT["language_count"]
    if count is None:
        reason = "it needs models of two numbers of languages at one share, and a language that none of them saw"
        return Gap("language_count", title, reason, "-m languages=one,two,three,four seed=0,1,2")
    return Exhibit(
        "language_count", title, captions.count_caption(count, options), list(count.rows()), figures.draw_count(count)
    )


def _matrix_exhibit(matrix: Matrix | None, name: str, study: Study, options: Options) -> Exhibit | Gap:
    title = captions.WHAT[name]
    if matrix is None:
        reason = "it needs at least two models that were tuned on one language each"
        return Gap(name, title, reason, f"-m languages=one languages.base={','.join(study.languages)}")
    return Exhibit(
        name, title, captions.matrix_caption(matrix, options), list(matrix.flat()), figures.draw_matrix(matrix)
    )


def _shares_exhibit(study: Study, found: Views) -> Exhibit | Gap:
    title = captions.WHAT["answer_language"]
    shares = [
        one
        for label, cells in curves.showcase(found.family, found.curve).items()
        if (one := matrices.answer_language(study, label, cells)) is not None
    ]
    if not shares:
        return Gap("answer_language", title, "it needs judged answers in at least one language", "")
    rows = [row for one in shares for row in one.flat()]
    text = captions.shares_caption(shares, found.family)
    return Exhibit("answer_language", title, text, rows, figures.draw_shares(shares))
