"""Pure: what a user should know of a judge, in sentences; nothing of a judge that gives no cause."""

import math
from collections.abc import Iterator

from pinch.agreement import Agreement
from pinch.diagnostics.concord import Agreements
from pinch.diagnostics.judge import Diagnosis, Diagnostics
from pinch.diagnostics.shares import Share

ALPHA = 0.05
"""Level of the tests that are spoken of."""

NOTABLE_BIAS = 0.02
"""Smaller leanings to a position are not spoken of, however significant: with many items any of them is."""

CONSISTENT, MANY_INVALID, MANY_TIES = 0.7, 0.1, 0.6
"""Consistency below, invalid and tied shares above which a user is told."""

ENOUGH = 20
"""Pairs of answers from which on a judge, or one of its languages, is spoken of."""

SHOWN = 5
"""Languages that are named of those in which a judge favours a position."""


def lines(diagnostics: Diagnostics) -> Iterator[str]:
    """One sentence a line."""
    judge, every = diagnostics.judge, diagnostics.overall
    yield from _position(diagnostics)
    if every.n >= ENOUGH and every.consistency.value < CONSISTENT:
        yield (
            f"judge {judge} contradicts itself: when the answers of a pair change places it names the other one on "
            f"{_per_cent(_rest(every.consistency))} of {every.n:,} pairs{_worst(diagnostics, 'consistency', -1)}, all ties"
        )
    if every.asked >= ENOUGH and every.invalid_share.value > MANY_INVALID:
        yield (
            f"judge {judge} gave no valid verdict on {_per_cent(every.invalid_share)} of {every.asked:,} pairs"
            f"{_worst(diagnostics, 'invalid_share', 1)}; read its scores with their bounds"
        )
    if every.n >= ENOUGH and every.ties.value > MANY_TIES:
        contradiction, said = 100 * every.ties_by_contradiction, 100 * every.ties_said
        yield (
            f"judge {judge} decides little: {_per_cent(every.ties)} of {every.n:,} pairs are ties, {contradiction:.1f} % by "
            f"contradiction and {said:.1f} % said{_worst(diagnostics, 'ties', 1)}, which draws scores to 50"
        )


def agreement_lines(name: str, agreements: Agreements) -> Iterator[str]:
    """How far a judge agrees with `name`, in one sentence; none where nothing was judged by both."""
    every = agreements.overall
    if every.n == 0:
        if every.invalid:
            yield f"agreement with {name}: none of {every.invalid:,} pairs has a valid verdict of both"
        return
    invalid = (
        f"; with {every.invalid} invalid ones between {100 * every.low_if_invalid_differ:.1f} and "
        f"{100 * every.high_if_invalid_agree:.1f} %"
        if every.invalid
        else ""
    )
    known = {code: row.raw.value for code, row in agreements.languages.items() if row.n >= ENOUGH}
    worst = min(known, key=lambda code: known[code], default="")
    least = f", least in {worst} ({100 * known[worst]:.1f} %)" if len(known) > 1 else ""
    chance = "; by kappa no better than chance" if every.kappa.low <= 0 else ""
    yield (
        f"agreement with {name} on {every.n:,} pairs: {_per_cent(every.raw)}{least}{invalid}; "
        f"{100 * every.tie_discounted.value:.1f} % with half a point for one tie, kappa {_beyond(every.kappa)}, AC1 "
        f"{_beyond(every.ac1)}{chance}"
    )


def _position(diagnostics: Diagnostics) -> Iterator[str]:
    judge, every, unequal = diagnostics.judge, diagnostics.overall, diagnostics.heterogeneity
    if _leans(every, every.p):
        yield (
            f"judge {judge} favours the answer shown {_side(every)}: {_per_cent(_named(every))} of its verdicts name it, "
            f"{_p(every.p)}; both orders are asked, so this costs decisions, not fairness"
        )
    leaning = {code: row for code, row in diagnostics.languages.items() if _leans(row, row.p_holm)}
    if leaning and len(diagnostics.languages) > 1:
        strongest = sorted(leaning, key=lambda code: -abs(leaning[code].bias))
        named = [
            f"{code} {_side(leaning[code])} {100 * _named(leaning[code]).value:.1f} %" for code in strongest[:SHOWN]
        ]
        more = f" and {len(leaning) - SHOWN} more" if len(leaning) > SHOWN else ""
        yield (
            f"judge {judge} favours a position, corrected for {len(diagnostics.languages)} languages, in: "
            f"{', '.join(named)}{more}"
        )
    if every.n >= ENOUGH and unequal.p < ALPHA:
        yield (
            f"judge {judge} favours positions unequally from language to language (chi-square {unequal.chi2:.1f}, "
            f"{unequal.freedom} degrees of freedom, {_p(unequal.p)}): compare its scores within a language"
        )


def _leans(row: Diagnosis, p: float) -> bool:
    return row.n >= ENOUGH and p < ALPHA and abs(row.bias) >= NOTABLE_BIAS


def _side(row: Diagnosis) -> str:
    return "first" if row.bias > 0 else "second"


def _named(row: Diagnosis) -> Share:
    """Share of the verdicts that name the favoured position."""
    return row.p_first if row.bias > 0 else _rest(row.p_first)


def _rest(found: Share) -> Share:
    return Share(1 - found.value, 1 - found.high, 1 - found.low, found.n)


def _worst(diagnostics: Diagnostics, name: str, sign: int) -> str:
    """', worst in xx (12.3 %)' where there are several languages with pairs enough; with sign -1 the least share is the
    worst, and what is said is the rest."""
    shares: dict[str, Share] = {code: getattr(row, name) for code, row in diagnostics.languages.items()}
    known = {code: found if sign > 0 else _rest(found) for code, found in shares.items() if found.n >= ENOUGH}
    if len(known) < 2:
        return ""
    code = max(known, key=lambda code: known[code].value)
    return f", worst in {code} ({100 * known[code].value:.1f} %)"


def _beyond(found: Agreement) -> str:
    return "undefined" if math.isnan(found.value) else f"{found.value:.2f} ({found.low:.2f}..{found.high:.2f})"


def _per_cent(found: Share | Agreement) -> str:
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f}..{100 * found.high:.1f})"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
