"""Cells and studies by hand, for tests of the analysis that must count on their fingers; nothing is on disk."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pinch.analysis.study import Family, Study, arrange, families
from pinch.cells import Axes, Cell
from pinch.records import Item

BUDGET = 100


def made_cell(languages: str, seed: int = 0, fraction: float = 1.0) -> Cell:
    """A cell tuned on these languages (codes with blanks between, the base first)."""
    names = tuple(languages.split())
    share = fraction if len(names) > 1 else 0.0
    counts = dict.fromkeys(names, BUDGET // len(names))
    axes = Axes("toy", "data", "lora", names[0], names, len(names), share, share, BUDGET, seed, counts)
    return Cell(f"{'+'.join(names)}-p{100 * share:g}-s{seed}", Path("/nowhere"), axes, {}, "family", "root")


def made_study(
    cells: Sequence[Cell], asked: str, score: Callable[[Cell, str, int], float | None], prompts: int = 4
) -> tuple[Study, Family]:
    """A study of cells and its family; `score` gives 0..1 of a cell in a language on a prompt, None: not asked."""
    rows = []
    for cell in cells:
        items = []
        for code in asked.split():
            for n in range(prompts):
                value = score(cell, code, n)
                if value is not None:
                    items.append(
                        Item(cell.id, "j", "monolingual", "r", code, f"p{n}", "win", value, True, 80.0, code, True)
                    )
        rows.append((cell, items))
    study = arrange(rows)
    return study, families(study)[0]
