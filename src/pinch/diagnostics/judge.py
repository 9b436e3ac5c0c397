"""Pure: what kind of judge this is: does it favour a position, contradict itself, prefer length, fail to answer?

In: the items of one judge. What is measured is what the judge said of both orders (`forth`: the cell's answer shown
first, `back`: the reference's), before any language gate. Shares lie in 0..1, p values are two-sided. A prompt with all
its languages, cells and references is one independent unit of every interval and test: items of one prompt are alike.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import bdtr, chdtrc

from pinch import stats
from pinch.diagnostics.shares import Array, Mask, Share, Units, design_effect, mean, share
from pinch.records import Item, Outcome

FIRST, SECOND, TIE, INVALID, NOBODY = range(5)
CODES = {Outcome.first: FIRST, Outcome.second: SECOND, Outcome.tie: TIE, Outcome.invalid: INVALID, "": NOBODY}

DRAWS = 10_000
"""Random tables behind the test of heterogeneity where counts are too small for the chi-square distribution."""


@dataclass(frozen=True)
class Diagnosis:
    """A judge in one language, or in all of them.

    `asked` items were shown in both orders, `invalid` of them lack a valid verdict in one order or both, `n` have two;
    `unjudged` were not asked yet. The n items fall into: the answer shown first both times (`first_first`), second both
    times, the cell's both times (`for_cell`), the reference's both times, tie both times (`tie_tie`), tie once and once
    the first, tie once and once the second (`tie_first`, `tie_second`).

    `p_first` is the share of the verdicts that name the answer shown first, a tie being half for each position, and
    `bias` is p_first - 0.5 = (first_first - second_second) / (2 n) + (tie_first - tie_second) / (4 n). `p` tests that
    it is 0: the exact binomial (McNemar) test of first_first against second_second where each prompt occurs once and
    ties come twice or not at all, else signs of the prompts' sums are flipped. `p_holm` corrects the languages' p for
    their number. `consistency` is 1 - (first_first + second_second) / n.

    Under the strict tie rule `ties` of the n items are ties: by contradiction (`ties_by_contradiction`, as a share of
    n), or because the judge said tie at least once (`ties_said`). `longer_wins` is the share won by the longer answer
    among items where both orders name the same answer and lengths differ. `invalid_share` is of those asked."""

    asked: int
    n: int
    invalid: int
    unjudged: int
    first_first: int
    second_second: int
    for_cell: int
    for_reference: int
    tie_tie: int
    tie_first: int
    tie_second: int
    p_first: Share
    bias: float
    p: float
    p_holm: float
    consistency: Share
    ties: Share
    ties_by_contradiction: float
    ties_said: float
    longer_wins: Share
    invalid_share: Share


@dataclass(frozen=True)
class Heterogeneity:
    """Does the position bias differ between languages? Chi-square test of the table languages x (first_first,
    second_second). The statistic is divided by the mean design effect of the prompts (Rao and Scott 1981). p is of the
    chi-square distribution, or of random tables with the same margins where an expected count is below 5; NaN where
    fewer than two languages have contradictions, or all of them lean to the same side."""

    chi2: float
    freedom: int
    p: float
    least_expected: float


@dataclass(frozen=True)
class Diagnostics:
    """One judge in each language, in the order of their first item, and in all of them together."""

    judge: str
    languages: dict[str, Diagnosis]
    overall: Diagnosis
    heterogeneity: Heterogeneity
    confidence: float


@dataclass(frozen=True)
class _Verdicts:
    """Columns, one entry per item: its prompt and language as numbers, what was said of both orders (CODES), and whether the
    cell's answer is longer (1), shorter (-1) or as long as the reference's (0)."""

    prompt: Units
    language: Units
    forth: Units
    back: Units
    longer: Units

    def where(self, chosen: Mask) -> "_Verdicts":
        columns = (self.prompt, self.language, self.forth, self.back, self.longer)
        return _Verdicts(*(column[chosen] for column in columns))

    @property
    def asked(self) -> Mask:
        both: Mask = (self.forth != NOBODY) & (self.back != NOBODY)
        return both

    @property
    def invalid(self) -> Mask:
        either: Mask = (self.forth == INVALID) | (self.back == INVALID)
        return either

    @property
    def contradicts(self) -> Mask:
        """The same position both times, so not the same answer."""
        same: Mask = (self.forth == self.back) & (self.forth <= SECOND)
        return same


def diagnose(items: Iterable[Item], confidence: float = 0.95) -> Diagnostics:
    """Items that nobody was asked about (identical, self, or not judged in both orders by anybody) do not count.

    Raises ValueError for items of several judges."""
    judge, names, verdicts = _read(items)
    asked = verdicts.where(verdicts.asked)
    unjudged = np.bincount(verdicts.language[~verdicts.asked], minlength=len(names))
    found = [
        _diagnosis(asked.where(asked.language == number), int(unjudged[number]), confidence)
        for number in range(len(names))
    ]
    adjusted = stats.holm(np.array([diagnosis.p for diagnosis in found]))
    return Diagnostics(
        judge=judge,
        languages={
            code: replace(diagnosis, p_holm=float(p)) for code, diagnosis, p in zip(names, found, adjusted, strict=True)
        },
        overall=_diagnosis(asked, int(unjudged.sum()), confidence),
        heterogeneity=_heterogeneity(asked.where(asked.contradicts)),
        confidence=confidence,
    )


def _read(items: Iterable[Item]) -> tuple[str, list[str], _Verdicts]:
    """The judge, the languages, and the columns; items are not kept, there may be millions."""
    judges, prompts, languages = dict[str, int](), dict[str, int](), dict[str, int]()
    rows = []
    for item in items:
        judges.setdefault(item.judge, 0)
        if item.outcome == "unjudged" or (item.forth and item.back):
            longer = (item.length > item.reference_length) - (item.length < item.reference_length)
            rows.append(
                (
                    prompts.setdefault(item.prompt, len(prompts)),
                    languages.setdefault(item.language, len(languages)),
                    CODES[item.forth],
                    CODES[item.back],
                    longer,
                )
            )
    if len(judges) > 1:
        raise ValueError(f"items of several judges ({', '.join(sorted(judges))}); diagnose them one by one")
    columns = np.array(rows, dtype=np.intp).reshape(-1, 5).T
    return next(iter(judges), ""), list(languages), _Verdicts(*columns)


def _diagnosis(asked: _Verdicts, unjudged: int, confidence: float) -> Diagnosis:
    said = asked.where(~asked.invalid)
    n = len(said.forth)
    count = np.bincount(3 * said.forth + said.back, minlength=9).reshape(3, 3)
    contradicts, tied = said.contradicts, (said.forth == TIE) | (said.back == TIE)
    value = np.array([1.0, 0.0, 0.5])
    leaning = value[said.forth] + value[said.back] - 1
    decided = said.where(~contradicts & ~tied & (said.longer != 0))
    p_first = mean((1 + leaning) / 2, said.prompt, confidence)
    p = _no_leaning(leaning, said.prompt)
    return Diagnosis(
        asked=len(asked.forth),
        n=n,
        invalid=len(asked.forth) - n,
        unjudged=unjudged,
        first_first=int(count[FIRST, FIRST]),
        second_second=int(count[SECOND, SECOND]),
        for_cell=int(count[FIRST, SECOND]),
        for_reference=int(count[SECOND, FIRST]),
        tie_tie=int(count[TIE, TIE]),
        tie_first=int(count[TIE, FIRST] + count[FIRST, TIE]),
        tie_second=int(count[TIE, SECOND] + count[SECOND, TIE]),
        p_first=p_first,
        bias=p_first.value - 0.5,
        p=p,
        p_holm=p,
        consistency=share(~contradicts, said.prompt, confidence),
        ties=share(contradicts | tied, said.prompt, confidence),
        ties_by_contradiction=float(contradicts.mean()) if n else math.nan,
        ties_said=float(tied.mean()) if n else math.nan,
        longer_wins=share((decided.forth == FIRST) == (decided.longer == 1), decided.prompt, confidence),
        invalid_share=share(asked.invalid, asked.prompt, confidence),
    )


def _no_leaning(leaning: Array, prompts: Units) -> float:
    """Two-sided p of the hypothesis that items (-1, -0.5, 0, 0.5, 1) lean to neither position, by prompts."""
    sums = np.bincount(prompts, weights=leaning) if leaning.size else leaning
    sums = sums[sums != 0]
    if sums.size == 0:
        return 1.0
    if np.ptp(np.abs(sums)) > 0:
        return stats.sign_flip(sums, DRAWS)
    fewer = int(min((sums > 0).sum(), (sums < 0).sum()))
    return min(1.0, 2 * float(bdtr(fewer, sums.size, 0.5)))


def _heterogeneity(flips: _Verdicts) -> Heterogeneity:
    """Of contradictions alone."""
    firsts = flips.forth == FIRST
    languages = np.unique(flips.language)
    table = np.array(
        [[firsts[flips.language == code].sum(), (~firsts)[flips.language == code].sum()] for code in languages]
    )
    freedom = max(len(table) - 1, 0)
    if freedom == 0 or 0 in table.sum(axis=0):
        return Heterogeneity(math.nan, freedom, math.nan, math.nan)
    effects = [design_effect(firsts[chosen], flips.prompt[chosen]) for chosen in flips.language == languages[:, None]]
    expected = table.sum(axis=1)[:, None] * table.sum(axis=0) / table.sum()
    chi2 = float((np.square(table - expected) / expected).sum() / np.mean(effects))
    if expected.min() >= 5:
        return Heterogeneity(chi2, freedom, float(chdtrc(freedom, chi2)), float(expected.min()))
    rng = np.random.default_rng(0)
    drawn = rng.multivariate_hypergeometric(table.sum(axis=1), int(table[:, 0].sum()), size=DRAWS)
    chance = (np.square(drawn - expected[:, 0]) * (1 / expected).sum(axis=1)).sum(axis=1)
    p = (1 + int((chance >= chi2 * (1 - 1e-12)).sum())) / (1 + DRAWS)
    return Heterogeneity(chi2, freedom, p, float(expected.min()))
