"""Pure: how far judges agree, two by two and all together, per language and over all of them.

Items of two judges belong together when they are of the same cell, reference, language and prompt. What they said is
read from the verdicts in both orders where both have them, else from the outcomes of both: a language gate that both
were put through would otherwise pass for agreement. A prompt with all its languages and cells is one independent unit.
"""

import itertools
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pinch import agreement, scoring
from pinch.agreement import USUAL, Agreement, Resampling
from pinch.panels import VALID
from pinch.records import Item, Outcome

Key = tuple[str, str, str, str]
"""Cell, against, language, prompt."""

Said = tuple[str, str | None]
"""The outcome as scored (win, tie, loss, invalid), and what both verdicts make it where there are two."""


@dataclass(frozen=True)
class Concord:
    """Agreement of two judges on the `n` items on which both have a win, tie or loss.

    `invalid` counts the items on which both were asked and at least one had no valid verdict; `low` and `high` are the
    raw agreement if they disagreed, or agreed, on all of those."""

    n: int
    invalid: int
    raw: Agreement
    low_if_invalid_differ: float
    high_if_invalid_agree: float
    tie_discounted: Agreement
    kappa: Agreement
    ac1: Agreement


@dataclass(frozen=True)
class Agreements:
    """Per language, in the order of their first item, and over all of them."""

    languages: dict[str, Concord]
    overall: Concord


@dataclass(frozen=True)
class Among:
    """Agreement of several judges: of each pair of them, and of all together on the items that all of them judged
    (raw: averaged over pairs)."""

    pairs: dict[tuple[str, str], Agreements]
    raw: Agreement
    fleiss: Agreement
    ac1: Agreement


def agreement_with(
    items: Iterable[Item], humans: Iterable[Item], tie_rule: str = "strict", by: Resampling = USUAL
) -> Agreements:
    """How far a judge agrees with humans, or any two judges with each other, on the items that both were asked about.

    Raises ValueError where one of them has an item twice: combine several annotators first."""
    known = _said(humans, tie_rule)
    return _agreements(_said(items, tie_rule, known), known, by)


def agreement_among(judges: Mapping[str, Iterable[Item]], tie_rule: str = "strict", by: Resampling = USUAL) -> Among:
    """How far two judges or more agree. Raises ValueError for fewer, and for a judge that has an item twice."""
    if len(judges) < 2:
        raise ValueError("agreement among judges needs two of them or more")
    said = {name: _said(items, tie_rule) for name, items in judges.items()}
    rows = {key: _alike([one[key] for one in said.values()]) for key in _shared(*said.values())}
    valid = {key: row for key, row in rows.items() if all(outcome in VALID for outcome in row)}
    labels = np.array(list(valid.values()), dtype=str).reshape(-1, len(said))
    prompts = np.array([key[3] for key in valid], dtype=str)
    return Among(
        {(a, b): _agreements(said[a], said[b], by) for a, b in itertools.combinations(said, 2)},
        agreement.raw(labels, prompts, by),
        agreement.fleiss(labels, prompts, by),
        agreement.ac1(labels, prompts, by, categories=len(VALID)),
    )


def _agreements(first: Mapping[Key, Said], second: Mapping[Key, Said], by: Resampling) -> Agreements:
    pairs = {key: _alike([first[key], second[key]]) for key in _shared(first, second)}
    by_language: dict[str, dict[Key, list[str]]] = defaultdict(dict)
    for key, pair in pairs.items():
        by_language[key[2]][key] = pair
    return Agreements({code: _concord(rows, by) for code, rows in by_language.items()}, _concord(pairs, by))


def _concord(pairs: Mapping[Key, list[str]], by: Resampling) -> Concord:
    valid = {key: pair for key, pair in pairs.items() if pair[0] in VALID and pair[1] in VALID}
    labels = np.array(list(valid.values()), dtype=str).reshape(-1, 2)
    prompts = np.array([key[3] for key in valid], dtype=str)
    equal, missing = sum(a == b for a, b in valid.values()), len(pairs) - len(valid)
    low, high = agreement.bounds(equal, len(valid), missing)
    return Concord(
        n=len(valid),
        invalid=missing,
        raw=agreement.raw(labels, prompts, by),
        low_if_invalid_differ=low,
        high_if_invalid_agree=high,
        tie_discounted=agreement.tie_discounted(labels, "tie", prompts, by),
        kappa=agreement.cohen(labels, prompts, by),
        ac1=agreement.ac1(labels, prompts, by, categories=len(VALID)),
    )


def _shared(first: Mapping[Key, Said], *others: Mapping[Key, Said]) -> list[Key]:
    return [key for key in first if all(key in other for other in others)]


def _alike(said: list[Said]) -> list[str]:
    """What judges said of one item, read in the same way of all of them."""
    verdicts = [verdict for _, verdict in said if verdict is not None]
    return verdicts if len(verdicts) == len(said) else [outcome for outcome, _ in said]


def _said(items: Iterable[Item], tie_rule: str, only: Container[Key] | None = None) -> dict[Key, Said]:
    """Of the items that the judge was asked about."""
    found: dict[Key, Said] = {}
    for item in items:
        key = (item.cell, item.against, item.language, item.prompt)
        if item.outcome not in (*VALID, "invalid") or (only is not None and key not in only):
            continue
        if key in found:
            raise ValueError(f"the item {' '.join(key)} occurs twice")
        verdict = None
        if item.forth and item.back:
            verdict = scoring.resolve(Outcome(item.forth), Outcome(item.back), tie_rule).outcome
        found[key] = (item.outcome, verdict)
    return found
