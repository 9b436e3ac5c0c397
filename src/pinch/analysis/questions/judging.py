"""Stage: can the judge be trusted? Shows what `evaluate.py` has found out about it; nothing is judged or counted again.

In: verdicts/<judge>.diagnostics.json and, if `evaluate.py check=true` wrote it, verdicts/<judge>.check.json of a workspace.
Out: a `Section` with the exhibits `judge_diagnostics` and, where others judged the same, `judge_agreement`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pinch import diagnostics
from pinch.analysis.charts import Dot, DotChart
from pinch.analysis.figures.dots import draw_rows
from pinch.analysis.figures.style import short
from pinch.analysis.sections import Exhibit, Finding, Gap, Result, Section
from pinch.analysis.study import table_order
from pinch.analysis.words import counted
from pinch.judges.check.report import Fooled, Kind, Report, Sanity, conclusions
from pinch.records import read_json

NAME, TITLE = "judge_diagnostics", "What kind of judge this is"
AGREEMENT, AGREEMENT_TITLE = "judge_agreement", "Who agrees with the judge"
CHECK_TITLE = "The judge under attack"

SHARES = {
    "p_first": "Names the first",
    "consistency": "Consistent",
    "ties": "Ties",
    "longer_wins": "Longer wins",
    "invalid_share": "Invalid",
}
"""Titles of the panels, by the name of the share in the file."""

SPANS = {"p_first": (40.0, 60.0), "kappa": (0.0, 1.0), "ac1": (0.0, 1.0)}
"""What an axis holds at least; 0..100 unless said here."""

PAR = {"p_first": 50.0, "kappa": 0.0, "ac1": 0.0}
"""Where there is nothing to see: no leaning, no more agreement than by chance."""

MEASURES = {"raw": "Equal", "tie_discounted": "Half for a tie", "kappa": "Cohen's kappa", "ac1": "Gwet's AC1"}
"""Panels of agreement."""

BEYOND_CHANCE = ("kappa", "ac1")
"""Measures that are no percent."""

LONG = 26
"""Letters of a row's label."""

Entry = Mapping[str, Any]
"""An object of the file."""


def look(workspace: Path, judge: str) -> Section:
    """Diagnostics, agreement and the injection check of a judge, as far as there are any."""
    folder = workspace / "verdicts"
    known = read_json(folder / f"{judge}.diagnostics.json")
    section = Section()
    try:
        if known.get("overall", {}).get("asked"):
            _diagnostics(section, known)
            _agreement(section, known)
        else:
            section.gaps.append(Gap(NAME, TITLE, _why_not(folder / f"{judge}.diagnostics.json", known)))
    except (KeyError, TypeError, AttributeError):  # of another version, or edited
        section = Section(
            gaps=[Gap(NAME, TITLE, f"{judge}.diagnostics.json is not as expected; run evaluate.py again")]
        )
    report = _report(read_json(folder / f"{judge}.check.json"))
    if report is not None:
        section.findings.append(_checked(report))
    return section


def _why_not(path: Path, known: Entry) -> str:
    if not path.exists():
        return "there are no diagnostics of this judge; run evaluate.py again"
    return "nobody was asked: there was nothing to judge" if known else f"{path.name} is broken; run evaluate.py again"


# --- diagnostics ---------------------------------------------------------------------------------------------------


def _diagnostics(section: Section, known: Entry) -> None:
    rows = _by_language(known["languages"], known["overall"], "asked")
    charts = [_chart(rows, name, title) for name, title in SHARES.items()]
    drawn = draw_rows(charts, [SPANS.get(name, (0.0, 100.0)) for name in SHARES], apart=len(rows) > 1)
    section.exhibits.append(Exhibit(NAME, TITLE, _caption(known), list(_flat(rows)), drawn, charts))
    section.findings.append(_finding(known))
    section.results.extend(_results(known))


def _by_language(languages: Mapping[str, Entry], overall: Entry, number: str) -> dict[str, Entry]:
    """Rows in the order of the table of languages, then `all`, which one language alone does without."""
    rows = {short(code): languages[code] for code in sorted(languages, key=table_order) if languages[code][number]}
    return {**rows, "all": overall} if len(rows) > 1 else rows


def _chart(rows: Mapping[str, Entry], name: str, title: str) -> DotChart:
    ticks = tuple((float(at), _brief(label)) for at, label in enumerate(rows))
    dots = []
    for at, (label, row) in enumerate(rows.items()):
        value, low, high = _columns(name, row).values()
        if value is not None:
            dots.append(Dot(label, at, value, low, high, f"n {row[name]['n']:,}"))
    return DotChart("language", title, tuple(dots), ticks, par=PAR.get(name))


def _columns(name: str, row: Entry) -> dict[str, float | None]:
    """A share or measure with its interval as it is drawn: in percent, but for what is none."""
    scale = 1 if name in BEYOND_CHANCE else 100
    ends = {name: "value", f"{name}_low": "low", f"{name}_high": "high"}
    return {key: None if row[name][end] is None else scale * row[name][end] for key, end in ends.items()}


def _brief(label: str) -> str:
    """A row's label, cut in its middle where it would leave no room for the panels."""
    return label if len(label) <= LONG else f"{label[: LONG // 2 - 1]}\N{HORIZONTAL ELLIPSIS}{label[-LONG // 2 :]}"


def _flat(rows: Mapping[str, Entry]) -> Iterator[dict[str, Any]]:
    """What is drawn in percent, one dict a language, with the counts behind it."""
    for name, row in rows.items():
        flat: dict[str, Any] = {"language": name, "asked": row["asked"], "valid": row["n"], "invalid": row["invalid"]}
        for share in SHARES:
            flat |= _columns(share, row)
        yield {**flat, "p": row["p"], "p_holm": row["p_holm"] if name != "all" else None}


def _caption(known: Entry) -> str:
    overall = known["overall"]
    unjudged = f" {overall['unjudged']:,} pairs are not judged yet." if overall["unjudged"] else ""
    return (
        f"The judge {known['judge']} on {counted(overall['asked'], 'pair')} of answers, each in both orders, in percent. "
        "Names the first: share of its verdicts for the answer shown first (a tie is half for each; 50 = no leaning). "
        "Consistent: pairs on which it does not name the same position twice. Ties: pairs without a winner. Longer wins: of "
        f"the pairs with a winner, those won by the longer answer. Invalid: pairs without a verdict in both orders. "
        f"{100 * known['confidence']:.0f} % intervals, the languages and models of a prompt staying together.{unjudged}"
    )


def _finding(known: Entry) -> Finding:
    overall, judge = known["overall"], known["judge"]
    said = [f"{title.lower()} {_per_cent(overall[name])}" for name, title in SHARES.items() if overall[name]["n"]]
    text = f"{judge}, {counted(overall['asked'], 'pair')} asked in both orders: {'; '.join(said)} (in percent)."
    notes = tuple(str(note) for note in known["notes"])
    return Finding(
        "judge", TITLE, text, notes or ("nothing of this is beyond the marks at which evaluate.py speaks of it",)
    )


def _per_cent(found: Entry) -> str:
    return f"{100 * found['value']:.1f} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


def _results(known: Entry) -> Iterator[Result]:
    overall, unequal = known["overall"], known["heterogeneity"]
    first = overall["p_first"]
    if first["value"] is not None and overall["p"] is not None:
        low, high = 100 * first["low"] - 50, 100 * first["high"] - 50
        n = counted(overall["n"], "pair")
        asked = "The judge's leaning to the answer shown first"
        yield Result(
            asked, 100 * overall["bias"], low, high, n, "signs by prompt", overall["p"], _reach(low, high, known)
        )
    if unequal["p"] is not None:
        languages, test = len(known["languages"]), f"chi-square, {unequal['freedom']} degrees of freedom"
        asked = "Its leaning differs between languages"
        n = f"{languages} languages"
        yield Result(asked, unequal["chi2"], None, None, n, test, unequal["p"], None, "chi-square")


def _reach(low: float, high: float, known: Entry) -> float:
    """The leaning that four of five such studies would find, from the width of the interval."""
    from scipy.special import ndtri

    se = (high - low) / 2 / float(ndtri((1 + known["confidence"]) / 2))
    return float((ndtri(0.8) + ndtri(0.975)) * se)


# --- agreement -----------------------------------------------------------------------------------------------------


def _agreement(section: Section, known: Entry) -> None:
    """Panels of agreement: a row per pair of judges, or per language where there is one pair."""
    judge = known["judge"]
    pairs = {f"{judge} & {other}": one for other, one in (known.get("agreement") or {}).items()}
    pairs |= (known.get("among") or {}).get("pairs", {})
    pairs = {name: one for name, one in pairs.items() if one["overall"]["n"]}
    if not pairs:
        return
    several = len(pairs) > 1
    (single, one), *_ = pairs.items()
    rows = {name: row["overall"] for name, row in pairs.items()} if several else _by_language(**one, number="n")
    charts = [_chart(rows, name, title) for name, title in MEASURES.items()]
    whose = "of the pairs of judges" if several else f"of {single}"
    number = counted(sum(row["overall"]["n"] for row in pairs.values()), "comparison")
    caption = (
        f"Agreement {whose} on the pairs of answers that both judged ({number}). Equal: percent of equal outcomes. Half for "
        "a tie: the same with half a point where one of the two said tie. Kappa and AC1: beyond chance, 1 = always, 0 = no "
        "better. Bootstrap intervals, the languages and models of a prompt staying together."
    )
    drawn = draw_rows(charts, [SPANS.get(name, (0.0, 100.0)) for name in MEASURES], apart=not several and len(rows) > 1)
    section.exhibits.append(Exhibit(AGREEMENT, AGREEMENT_TITLE, caption, list(_flat_agreement(rows)), drawn, charts))


def _flat_agreement(rows: Mapping[str, Entry]) -> Iterator[dict[str, Any]]:
    for name, row in rows.items():
        flat: dict[str, Any] = {"row": name, "n": row["n"], "invalid": row["invalid"]}
        for measure in MEASURES:
            flat |= _columns(measure, row)
        yield flat


# --- the injection check -------------------------------------------------------------------------------------------


def _report(known: Entry) -> Report | None:
    """The report of the check as it was; None without one, or where it is of another version."""
    try:
        parts = {"kinds": Kind, "fooled": Fooled, "sanity": Sanity}
        made = {name: tuple(shape(**row) for row in known[name]) for name, shape in parts.items()}
        return Report(**{**known, **made})
    except (KeyError, TypeError):
        return None


def _checked(report: Report) -> Finding:
    total = report.total()
    lines: Sequence[str] = conclusions(report)
    if not total.right:
        return Finding("judge_check", CHECK_TITLE, lines[0], tuple(lines[1:]))
    # the two orders of an attack are alike, so two neighbours count as one
    units = np.arange(total.right) // 2
    resisted = diagnostics.share(np.arange(total.right) < total.resisted, units)
    text = (
        f"Asked {counted(report.asked, 'question')}, with and without text that tries to talk it into a verdict: resisted "
        f"in {100 * resisted.value:.1f} % [{100 * resisted.low:.1f}, {100 * resisted.high:.1f}] of the {total.right} orders "
        "it had right without."
    )
    return Finding("judge_check", CHECK_TITLE, text, tuple(lines))
