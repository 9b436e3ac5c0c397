"""Pure: which models the page shows in which languages, and what they are called there."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pinch.analysis.answers.evidence import Evidence
from pinch.analysis.study import table_order
from pinch.analysis.words import name_of
from pinch.cells import Cell
from pinch.languages import LANGUAGES

SPELLED_OUT = 6
"""Languages that the name of a model lists at most."""


@dataclass(frozen=True)
class Scope:
    """The models that a reader can choose (`kept`), and by language the cells whose answers are there: these, and those
    that they were compared with, in the order of `models`."""

    kept: tuple[Cell, ...]
    models: tuple[Cell, ...]
    answers: dict[str, list[str]]

    @property
    def per_prompt(self) -> int:
        """Answers to a prompt, of all models in all languages."""
        return sum(map(len, self.answers.values()))

    @property
    def places(self) -> dict[str, list[str]]:
        """The same by cell: its languages."""
        return {cell.id: [code for code, here in self.answers.items() if cell.id in here] for cell in self.models}


def scope(evidence: Evidence, kept: Sequence[Cell]) -> Scope:
    """What is shown when these cells are to be chosen from."""
    spoken = {cell.id: set(evidence.spoken(cell.id)) for cell in kept}
    for cell in kept:
        for code in evidence.spoken(cell.id):
            if other := evidence.reference(cell.id, code):
                spoken.setdefault(other, set()).add(code)
    models = ordered([evidence.cells[name] for name in spoken])
    answers = {code: [cell.id for cell in models if code in spoken[cell.id]] for code in evidence.languages}
    return Scope(tuple(kept), models, {code: here for code, here in answers.items() if here})


def head(evidence: Evidence, shown: Scope, firsts: Sequence[str]) -> dict[str, Any]:
    """What the script has to know before the prompts. Models have numbers; `shown` are chosen at first. A language has the
    models of its arrays in their order, and the one that each was compared with (null: none)."""
    number = {cell.id: at for at, cell in enumerate(shown.models)}
    names, kept = labels(shown.models), {cell.id for cell in shown.kept}
    return {
        "models": [
            {"id": cell.id, "name": names[cell.id], "languages": cell.axes.n_languages, "kept": cell.id in kept}
            for cell in shown.models
        ],
        "shown": [number[cell] for cell in firsts],
        "languages": [
            {
                "code": code,
                "name": name_of(code),
                "rtl": code in LANGUAGES and LANGUAGES[code].rtl,
                "models": [number[cell] for cell in here],
                "references": [number.get(evidence.reference(cell, code)) for cell in here],
            }
            for code, here in shown.answers.items()
        ],
    }


def ordered(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """By number of languages, then as the table of languages has them, share and seed."""

    def place(cell: Cell) -> tuple[object, ...]:
        axes = cell.axes
        names = tuple(table_order(code) for code in axes.languages)
        return (axes.n_languages, names, axes.fraction, axes.seed or 0, axes.model, axes.method, axes.budget, cell.id)

    return tuple(sorted(cells, key=place))


def labels(cells: Sequence[Cell]) -> dict[str, str]:
    """A name for every cell, by id: what it was tuned on, and what else tells it from the others."""
    tuned = [cell for cell in cells if not cell.untuned]
    seeds = len({cell.axes.seed for cell in tuned}) > 1
    models = len({(cell.axes.model, cell.axes.method, cell.axes.budget) for cell in tuned}) > 1
    names = {cell.id: _label(cell, seeds, models) for cell in cells}
    many = Counter(names.values())
    return {cell: f"{name} ({cell.rpartition('-')[2]})" if many[name] > 1 else name for cell, name in names.items()}


def _label(cell: Cell, seeds: bool, models: bool) -> str:
    axes = cell.axes
    if cell.untuned:
        return f"untuned {axes.model}" if models else "untuned"
    if len(axes.languages) == 1:
        label = f"{name_of(axes.languages[0])} alone"
    else:
        few = len(axes.languages) <= SPELLED_OUT
        spoken = " ".join(axes.languages) if few else f"{len(axes.languages)} languages"
        label = (
            f"{100 * axes.fraction:.3g} % {spoken}"  # the share first: what is behind it may be cut in a narrow list
        )
    before = f"{axes.model} {axes.method} {axes.budget}: " if models else ""
    return f"{before}{label}{f', seed {axes.seed}' if seeds else ''}"
