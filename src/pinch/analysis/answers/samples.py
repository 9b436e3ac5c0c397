"""Stage: some answers of some cells side by side, readable in the page as it is, without a script.

In: the first cells of the groups that are shown. Out: `Sample`s, a few prompts in every language, the first ones of the
order that everything in the page has.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pinch.analysis.answers.bundle import LONGEST
from pinch.analysis.answers.evidence import Evidence, Given
from pinch.analysis.answers.testimony import Place
from pinch.analysis.words import name_of
from pinch.cells import Cell
from pinch.languages import LANGUAGES
from pinch.records import Answer, read_jsonl

OUTCOMES = {"self": "is the reference", "identical": "same as the reference", "unjudged": "not judged"}
"""Words for outcomes that do not speak for themselves."""

_HALVES = re.compile("[\ud800-\udfff]")
"""Of surrogate pairs: broken answers contain them, UTF-8 cannot."""


@dataclass(frozen=True)
class Reply:
    """One answer: who gave it, its text (shortened when `cut`), and what was found about it; None where unknown. The
    language that it is in by name and code, empty if undecided."""

    label: str
    text: str
    cut: bool
    outcome: str
    right_language: bool | None
    exact: bool | None
    answered_in: str = ""
    code: str = ""


@dataclass(frozen=True)
class Asked:
    """One prompt and the replies to it."""

    prompt: str
    instruction: str
    reference: str | None
    replies: tuple[Reply, ...]


@dataclass(frozen=True)
class Sample:
    """Some prompts of one language. `direction` is rtl or ltr."""

    language: str
    name: str
    direction: str
    asked: tuple[Asked, ...]


Texts = Mapping[str, Mapping[str, Mapping[str, Answer]]]
"""Answers by label, language and prompt."""


def read_all(evidence: Evidence, firsts: Mapping[str, Cell]) -> dict[str, dict[str, dict[str, Answer]]]:
    """Every answer of some cells."""

    def read(cell: Cell, language: str) -> dict[str, Answer]:
        return {row.id: row for row in read_jsonl(cell.answers_path(language), lambda row: Answer(**row))}

    return {
        label: {language: read(cell, language) for language in evidence.spoken(cell.id)}
        for label, cell in firsts.items()
    }


def cut_off(answers: Texts) -> dict[str, float]:
    """Share of all answers that were cut off at the token limit, in percent by label."""
    every = {label: [one for found in by.values() for one in found.values()] for label, by in answers.items()}
    return {label: 100 * sum(not one.complete for one in found) / len(found) for label, found in every.items() if found}


def choose(
    evidence: Evidence, firsts: Mapping[str, Cell], answers: Texts, ranked: Sequence[str], number: int
) -> tuple[Sample, ...]:
    """The first prompts that all the cells have answered, in every language that they all have."""
    chosen: dict[str, list[str]] = {}
    for language in evidence.languages if firsts else ():
        found = [by.get(language, {}) for by in answers.values()]
        asked = evidence.prompts.get(language, {})
        names = [name for name in ranked if name in asked and all(name in by for by in found)]
        if names:
            chosen[language] = names[:number]
    places = {cell.id: list(chosen) for cell in firsts.values()}
    given = evidence.gather(places, sorted({name for names in chosen.values() for name in names}), said=False)
    return tuple(_sample(evidence, language, names, firsts, given) for language, names in chosen.items())


def _sample(
    evidence: Evidence,
    language: str,
    names: Sequence[str],
    firsts: Mapping[str, Cell],
    given: Mapping[Place, Given],
) -> Sample:
    asked = []
    for name in names:
        prompt = evidence.prompts[language][name]
        replies = tuple(
            _reply(label, given[cell.id, language, name])
            for label, cell in firsts.items()
            if (cell.id, language, name) in given
        )
        asked.append(Asked(name, prompt.instruction, prompt.reference, replies))
    row = LANGUAGES.get(language)
    return Sample(language, row.name if row else language, "rtl" if row and row.rtl else "ltr", tuple(asked))


def _reply(label: str, given: Given) -> Reply:
    marks, text = given.marks, _HALVES.sub("\ufffd", given.text)
    short = text[:LONGEST]
    if marks is None:
        return Reply(label, short, short != text, "", None, None)
    outcome = OUTCOMES.get(marks.outcome, marks.outcome)
    known = "" if marks.right_language is None else marks.answered_in
    return Reply(
        label, short, short != text, outcome, marks.right_language, marks.exact, name_of(known) if known else "", known
    )
