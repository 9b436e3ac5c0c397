"""Stage: the answers of a study side by side, as many as the page can hold.

In: a `Study` and the files of its workspace. Out: a `Browser`: samples that can be read as they are, and a bundle of
prompts that the page's script lets a reader look through. Prompts come in the order of the hash of their id, the same in
every language and for every model, so nobody picked them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pinch.analysis.answers import samples
from pinch.analysis.answers.bundle import LONGEST, Bundle
from pinch.analysis.answers.evidence import Evidence
from pinch.analysis.answers.samples import Sample
from pinch.analysis.answers.scope import Scope, head, scope
from pinch.analysis.study import Study
from pinch.analysis.words import counted, reference_name
from pinch.cells import Cell

SAMPLED = 3
"""Prompts per language that are shown without the script."""

ENOUGH = 24
"""Prompts that the page should hold at least; where they do not fit for all models, it holds fewer models."""

MOST = 120_000
"""Answers that are looked up at most, unless ENOUGH prompts take more: reading them is what takes time."""

FIRST = 20_000
"""Answers that are read first, to see how much they take, and so many prompts at least:"""

PROBE = 16

AT_ONCE = 250_000
"""Answers in the memory at a time."""


@dataclass(frozen=True)
class Browser:
    """What the page shows of the answers. `data` is the bundle (see `bundle`); `cut_off` the share of all answers of the
    shown groups that were cut off at the token limit, in percent by label; `notes` say what is here and what is not."""

    samples: tuple[Sample, ...]
    cut_off: dict[str, float]
    data: str
    prompts: int
    models: int
    notes: tuple[str, ...]
    against: str

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return self.prompts > 0 or bool(self.samples)


def browse(
    study: Study,
    cells: Sequence[Cell],
    shown: Mapping[str, Sequence[Cell]],
    against: str,
    workspace: Path,
    judge: str,
    budget_bytes: int = 4_000_000,
) -> Browser:
    """The answers of `cells`, first those of the first cell of every group in `shown`, in at most `budget_bytes`."""
    judged = {cell.id for cell in study.cells}
    firsts = {label: group[0] for label, group in shown.items() if group and group[0].id in judged}
    evidence = Evidence(study, against, workspace, judge)
    ranked = sorted(study.prompts, key=_rank)
    read = samples.read_all(evidence, firsts)
    picked = samples.choose(evidence, firsts, read, ranked, SAMPLED)
    others = sorted((cell for cell in cells if cell.id in judged), key=lambda cell: _rank(cell.id))
    wanted = {cell.id: cell for cell in [*firsts.values(), *others]}
    bundle, kept = _fill(evidence, list(wanted.values()), [cell.id for cell in firsts.values()], ranked, budget_bytes)
    notes = _notes(evidence, bundle, kept, len(wanted), len(ranked))
    text = bundle.text if bundle.prompts else ""
    return Browser(picked, samples.cut_off(read), text, bundle.prompts, len(kept.kept), notes, reference_name(against))


def _rank(name: str) -> bytes:
    """Where a prompt or a cell stands: by its hash, which nobody chose."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


def _fill(
    evidence: Evidence, wanted: Sequence[Cell], firsts: Sequence[str], ranked: Sequence[str], budget: int
) -> tuple[Bundle, Scope]:
    """A bundle of all the cells, or of as many that it holds ENOUGH prompts."""
    enough = min(ENOUGH, len(ranked))
    kept = wanted
    while True:
        shown = scope(evidence, kept)
        bundle = Bundle(head(evidence, shown, firsts), budget)
        _add(bundle, evidence, shown, ranked[: max(enough, MOST // max(shown.per_prompt, 1))])
        fewer = max(len(firsts), 2, len(kept) * bundle.prompts // max(enough, 1))
        if not bundle.full or bundle.prompts >= enough or fewer >= len(kept):
            return bundle, shown
        kept = kept[:fewer]


def _add(bundle: Bundle, evidence: Evidence, shown: Scope, ranked: Sequence[str]) -> None:
    """Put in the prompts, one after the other, until it is full. The files are read again for every batch of them, which is
    as large as will fit by what those before took."""
    start, size = 0, max(PROBE, FIRST // max(shown.per_prompt, 1))
    while start < len(ranked) and not bundle.full:
        names = ranked[start : start + size]
        given = evidence.gather(shown.places, names)
        for name in names:
            rows = {
                code: (evidence.prompts.get(code, {}).get(name), [given.get((cell, code, name)) for cell in here])
                for code, here in shown.answers.items()
            }
            answered = {code: row for code, row in rows.items() if any(row[1])}
            if answered and not bundle.add(name, answered):
                return
        start += size
        fitting = bundle.left * start // max(bundle.size, 1)
        size = max(PROBE, min(fitting * 6 // 5, AT_ONCE // max(shown.per_prompt, 1)))


def _notes(evidence: Evidence, bundle: Bundle, shown: Scope, wanted: int, prompts: int) -> tuple[str, ...]:
    """What is here, and what is not."""
    every = bundle.prompts == prompts and len(shown.kept) == wanted
    held = f"{_of(bundle.prompts, prompts, 'prompt')} and {_of(len(shown.kept), wanted, 'model')}"
    notes = [
        f"This page holds {held}{'' if every else ', as many as fit'}. They come in the order of a hash of their ids, the "
        "same in every language and for every model, so nobody picked them.",
        f"Texts of more than {LONGEST:,} characters are cut. Everything, whole, is in the models' folders (answers/ and "
        "items/) and in verdicts/.",
    ]
    if evidence.hearing.silent:
        names = ", ".join(sorted(evidence.hearing.silent))
        notes.append(
            f"The raw texts of some verdicts by {names} were not found: verdicts/ lacks them, or the models' scores.json "
            "does not say with which settings they were judged."
        )
    return tuple(notes)


def _of(part: int, whole: int, noun: str) -> str:
    return f"all {counted(whole, noun)}" if part == whole else f"{part:,} of {counted(whole, noun)}"
