"""Stage: which cell is another cell's reference, and why one that looks like it is not."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pinch.cells import Cell

KINDS = ("monolingual", "base")
"""Kinds of reference that depend on the cell and the language; any other reference is one cell, named by its id."""


def main_families(cells: Iterable[Cell]) -> dict[str, str]:
    """For every root_key the family with most cells, which stands in for the family that the untuned model lacks."""
    sizes = Counter((cell.root_key, cell.family) for cell in cells if not cell.untuned)
    return {root: family for (root, family), _ in sorted(sizes.items(), key=lambda row: (row[1], row[0]))}


def choose(kind: str, cell: Cell, language: str, rivals: Sequence[Cell], families: Mapping[str, str]) -> Cell | None:
    """Who a cell is compared with in a language, among the cells that answered the same prompts; None: nobody.

    base: the untuned model. monolingual: the cell of the same family tuned on the language alone, the cell itself if it
    is one, else that of the same seed, else that of the lowest seed there is. Any other kind is the id of one cell, which
    may be of any family and model."""
    if kind not in KINDS:
        return next((rival for rival in rivals if rival.id == kind), None)
    fitting = [rival for rival in rivals if rival.root_key == cell.root_key and _is(kind, rival, language)]
    if kind == "monolingual":
        family = families.get(cell.root_key) if cell.untuned else cell.family
        fitting = [rival for rival in fitting if rival.family == family]
    if cell in fitting:
        return cell
    return min(
        fitting, key=lambda rival: (rival.axes.seed != cell.axes.seed, rival.axes.seed or 0, rival.id), default=None
    )


def near_miss(kind: str, cell: Cell, language: str, others: Iterable[Cell]) -> list[str]:
    """Settings by which the nearest cell of that kind is no reference; empty when there is none of that kind, or when
    only its prompts are others."""
    if kind not in KINDS:
        return []
    found = [_differences(cell, other) for other in others if _is(kind, other, language)]
    return min(found, key=len, default=[])


def _is(kind: str, cell: Cell, language: str) -> bool:
    return cell.untuned if kind == "base" else cell.axes.languages == (language,)


def _differences(cell: Cell, other: Cell) -> list[str]:
    """Names of the identity's settings in which two cells differ, apart from mixture, seed and what the untuned lack."""
    shared = ("model", "generation") if cell.untuned or other.untuned else ("model", "generation", "corpus", "tuning")
    one, two = (
        {name: value for part in shared for name, value in _flat(part, c.identity[part])} for c in (cell, other)
    )
    found = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
    if "tuning" in shared and cell.axes.budget != other.axes.budget:
        found.append("mixture.budget")
    return found


def _flat(name: str, value: Any) -> list[tuple[str, Any]]:
    return [(f"{name}.{key}", entry) for key, entry in value.items()] if isinstance(value, dict) else [(name, value)]
