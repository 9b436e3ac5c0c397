"""Cells and items made by hand for the tests of the questions: every score is named."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pinch.analysis.study import Family, Study, arrange, families
from pinch.cells import Cell
from pinch.cells.cell import Axes
from pinch.records import Item

Score = Callable[[str, int], float | None]
"""The score of a cell, 0..1, in a language on a prompt's number."""


def cell(counts: Mapping[str, int], seed: int = 0, base: str = "", folder: Path = Path(), **identity: Any) -> Cell:
    """A cell tuned on that many examples of each language, the first being the base unless one is named."""
    names = tuple(counts)
    total = sum(counts.values())
    fraction = 1.0 if len(names) > 1 else 0.0
    axes = Axes("toy", "toy", "lora", base or names[0], names, len(names), fraction, 0.0, total, seed, dict(counts))
    name = f"{'+'.join(f'{code}{number}' for code, number in counts.items())}-s{seed}"
    return Cell(name, folder, axes, identity, "family", "root")


def items(of: Cell, languages: Sequence[str], prompts: int, score: Score, against: str = "monolingual") -> list[Item]:
    """What became of the prompts p0, p1 ...; a score of None is an invalid judgement."""
    found = []
    for code in languages:
        for number in range(prompts):
            value = score(code, number)
            outcome = "invalid" if value is None else {0.0: "loss", 0.5: "tie", 1.0: "win"}[value]
            where = (of.id, "toy", against, "reference", code, f"p{number}", outcome, value)
            found.append(Item(*where, exact=None, chrf=None, answered_in=code, right_language=True))
    return found


def study(*judged: tuple[Cell, list[Item]]) -> tuple[Study, Family]:
    """The cells as a study, and their family."""
    made = arrange(judged)
    return made, families(made)[0]
