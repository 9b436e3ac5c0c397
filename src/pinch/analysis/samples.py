"""Stage: some answers of some cells side by side, for people to read.

In: the workspace's answer and prompt files, and the scores in a `Study`. Out: `Sample`s, a few prompts in every language.
The prompts are chosen by the hash of their id, the same ones in every language, so nobody picked them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pinch import cells
from pinch.analysis.study import Metric, Study
from pinch.cells import Cell
from pinch.errors import UserError
from pinch.languages import LANGUAGES
from pinch.records import Answer, Prompt, read_jsonl

LONGEST = 700
"""Characters of a text that the report shows."""


@dataclass(frozen=True)
class Reply:
    """One answer: who gave it, its text (shortened when `cut`), and what was found about it; None where unknown."""

    label: str
    text: str
    cut: bool
    outcome: str
    right_language: bool | None
    exact: bool | None


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


@dataclass(frozen=True)
class Browsed:
    """Samples, and the share of all answers of the shown cells that were cut off at the token limit, in percent by label."""

    samples: tuple[Sample, ...]
    cut_off: dict[str, float]


def browse(study: Study, shown: Mapping[str, Sequence[Cell]], against: str, per_language: int = 3) -> Browsed:
    """Samples of the first cell of every shown group, in every language that all of them answered."""
    firsts = {label: group[0] for label, group in shown.items() if group}
    answers = {label: _answers(cell) for label, cell in firsts.items()}
    samples = []
    for language in study.languages:
        if firsts and all(language in found for found in answers.values()):
            here = {label: found[language] for label, found in answers.items()}
            samples.append(_sample(study, firsts, here, language, against, per_language))
    every = {label: [one for by_id in found.values() for one in by_id.values()] for label, found in answers.items()}
    cut_off = {label: 100 * sum(not a.complete for a in found) / len(found) for label, found in every.items() if found}
    return Browsed(tuple(samples), cut_off)


def _answers(cell: Cell) -> dict[str, dict[str, Answer]]:
    """A cell's answers by language and prompt."""
    found = {}
    for language in cells.answered(cell):
        rows = read_jsonl(cell.answers_path(language), lambda row: Answer(**row))
        found[language] = {row.id: row for row in rows}
    return found


def _sample(
    study: Study,
    firsts: Mapping[str, Cell],
    answers: Mapping[str, Mapping[str, Answer]],
    language: str,
    against: str,
    number: int,
) -> Sample:
    prompts = _prompts(next(iter(firsts.values())), language)
    common = [name for name in prompts if all(name in found for found in answers.values())]
    chosen = sorted(common, key=lambda name: hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest())[:number]
    asked = []
    for name in chosen:
        replies = [
            _reply(study, label, cell, language, against, answers[label][name]) for label, cell in firsts.items()
        ]
        prompt = prompts[name]
        asked.append(Asked(name, prompt.instruction, prompt.reference, tuple(replies)))
    row = LANGUAGES.get(language)
    return Sample(language, row.name if row else language, "rtl" if row and row.rtl else "ltr", tuple(asked))


def _prompts(cell: Cell, language: str) -> dict[str, Prompt]:
    try:
        found = cells.load_prompts(cell.folder.parent, language, cells.answered(cell)[language])
    except UserError:
        return {}
    return {prompt.id: prompt for prompt in found}


def _reply(study: Study, label: str, cell: Cell, language: str, against: str, answer: Answer) -> Reply:
    values = {}
    own = False
    at = study.prompts.index(answer.id) if answer.id in study.prompts else None
    for metric in Metric:
        sheet = study.sheet(cell, language, metric, against)
        value = float(sheet.values(metric)[at]) if sheet is not None and at is not None else float("nan")
        values[metric] = None if np.isnan(value) else value
        own = own or (metric is Metric.score and sheet is not None and sheet.own_reference)
    score, exact, right = (values[metric] for metric in Metric)
    outcome = "" if score is None else "win" if score > 50 else "loss" if score < 50 else "tie"
    text = answer.text[:LONGEST]
    return Reply(
        label,
        text,
        len(text) < len(answer.text),
        "is the reference" if own else outcome,
        None if right is None else right > 0,
        None if exact is None else exact > 0,
    )
