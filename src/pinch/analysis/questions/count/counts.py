"""Pure: the lines over the number of tuning languages, and the orders in which languages were added.

In: a `Study`. Out: a `Count`, which holds exactly what is drawn, and its `Order`s: sets of languages, each the one before
and more. Cells do not say in which order their languages were added, so orders are read off from which set holds which.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pinch.analysis.curves import Groups, Lines, draw_lines, grouped, line_rows
from pinch.analysis.study import Family, Metric, Options, Study
from pinch.cells import Cell

Languages = frozenset[str]

Order = tuple[Languages, ...]
"""The sets of one order, one for each number of languages."""


@dataclass(frozen=True)
class Count:
    """The effect of the number of tuning languages on the languages that are unseen at every point.

    `left_out` are numbers of languages whose cells would have left too little unseen. `orders` together hold every set (two
    may share some, which are then one model); none where the sets form no orders."""

    family: Family
    base: str
    fraction: float
    unseen: tuple[str, ...]
    left_out: tuple[int, ...]
    against: str
    groups: Groups
    lines: Lines
    orders: tuple[Order, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(round(x) for x, _ in self.groups)

    @property
    def sets(self) -> tuple[tuple[Languages, ...], ...]:
        """The distinct sets of languages at every number."""
        return tuple(_sets(cells) for _, cells in self.groups)

    @property
    def fixed(self) -> tuple[Languages, ...]:
        """Sets that every order has: the base alone, and at the end the full set where all orders meet in it."""
        return tuple(sets[0] for sets in (self.sets[0], self.sets[-1]) if len(sets) == 1)

    def cells(self, languages: Languages) -> list[Cell]:
        """The cells of one set, one per seed."""
        return [cell for _, cells in self.groups for cell in cells if languages == set(cell.axes.languages)]

    def rows(self) -> Iterator[dict[str, Any]]:
        """What is drawn, one dict a point."""
        shared = {"family": self.family.name, "fraction": self.fraction, "against": self.against}
        return line_rows(self.lines, "n_languages", shared)


def language_count(study: Study, family: Family, options: Options) -> Count | None:
    """The curve over the number of tuning languages at the largest share, from the base language alone on; None if the
    cells hold fewer than two numbers. Cells that would leave too little unseen (the full set, pairs) are left out."""
    mixed = [cell for cell in family.cells if cell.axes.n_languages > 1 and cell.axes.base in cell.axes.languages]
    if not mixed:
        return None
    base = Counter(cell.axes.base for cell in mixed).most_common(1)[0][0]
    top = max(round(cell.axes.fraction, 6) for cell in mixed)
    mixed = [cell for cell in mixed if round(cell.axes.fraction, 6) == top and cell.axes.base == base]
    against = study.main_reference
    evaluated = study.covered([*mixed, *family.monolingual(base)], study.languages, Metric.right_language, against)
    kept, unseen = _leave_unseen(mixed, evaluated)
    points: dict[float, list[Cell]] = defaultdict(list)
    points[1] = family.monolingual(base)
    for cell in kept:
        points[cell.axes.n_languages].append(cell)
    groups = grouped(points)
    if len(groups) < 2 or not unseen:
        return None
    lines = draw_lines(study, {"unseen": unseen, **{code: (code,) for code in unseen}}, groups, against, options)
    left_out = tuple(sorted({cell.axes.n_languages for cell in mixed} - set(points)))
    orders = orders_of([_sets(cells) for _, cells in groups])
    return Count(family, base, top, unseen, left_out, against, groups, lines, orders) if lines else None


def _sets(cells: Iterable[Cell]) -> tuple[Languages, ...]:
    return tuple(dict.fromkeys(frozenset(cell.axes.languages) for cell in cells))


def _leave_unseen(cells: Sequence[Cell], evaluated: Sequence[str]) -> tuple[list[Cell], tuple[str, ...]]:
    """All cells if together they leave a third of the languages unseen; else the subsets of one cell's languages, chosen
    for as many numbers of languages, then as many unseen languages as possible."""

    def outside(chosen: Iterable[Cell]) -> tuple[str, ...]:
        union = {code for cell in chosen for code in cell.axes.languages}
        return tuple(code for code in evaluated if code not in union)

    if 3 * len(outside(cells)) >= len(evaluated):
        return list(cells), outside(cells)
    parts = [[cell for cell in cells if set(cell.axes.languages) <= set(top.axes.languages)] for top in cells]
    parts = [part for part in parts if outside(part)]
    if not parts:
        return [], ()
    best = max(parts, key=lambda part: (len({cell.axes.n_languages for cell in part}), len(outside(part)), len(part)))
    return best, outside(best)


def orders_of(levels: Sequence[Sequence[Languages]]) -> tuple[Order, ...]:
    """As few orders as hold every set of every level, each going through one set a level; () where a set has none above or
    below it that it fits. Where several would do, which sets go on to which is decided by their names."""
    orders: list[Order] = [(one,) for one in _named(levels[0])]
    for level in levels[1:]:
        orders = _continued(orders, _named(level))
        if not orders:
            return ()
    return tuple(sorted(orders, key=lambda order: [sorted(one) for one in order]))


def _named(sets: Iterable[Languages]) -> list[Languages]:
    return sorted(sets, key=sorted)


def _continued(orders: Sequence[Order], level: Sequence[Languages]) -> list[Order]:
    """Every order one level further: first as many as possible to a set of their own, then what is left on either side."""
    fits = [[at for at, one in enumerate(level) if order[-1] < one] for order in orders]
    taken: dict[int, int] = {}  # set -> order

    def place(order: int, tried: set[int]) -> bool:
        """Kuhn's augmenting path: a set of its own for this order, moving others on where that helps."""
        for at in fits[order]:
            if at not in tried:
                tried.add(at)
                if at not in taken or place(taken[at], tried):
                    taken[at] = order
                    return True
        return False

    alone = [order for order in range(len(orders)) if not place(order, set())]
    if any(not fits[order] for order in alone):
        return []
    found = [(*orders[order], level[at]) for at, order in taken.items()]
    found += [(*orders[order], level[fits[order][0]]) for order in alone]
    for at, one in enumerate(level):
        if at not in taken:
            parent = next((order for order in orders if order[-1] < one), None)
            if parent is None:
                return []
            found.append((*parent, one))
    return found


def independent(rows: Sequence[Sequence[Languages]], fixed: Collection[Languages]) -> tuple[int, ...]:
    """Which of the rows, e.g. orders, share no set with each other: those that share with fewest come first. Sets that are
    `fixed`, the same in whatever order (the base alone, the full set), do not count; rows of nothing else are one row."""
    own = [frozenset(row) - frozenset(fixed) for row in rows]
    if not any(own):
        return tuple(range(min(1, len(rows))))
    clashes = [sum(bool(one & other) for other in own) for one in own]
    chosen: list[int] = []
    for at in sorted(range(len(own)), key=lambda at: (clashes[at], at)):
        if own[at] and not any(own[at] & own[other] for other in chosen):
            chosen.append(at)
    return tuple(sorted(chosen))
