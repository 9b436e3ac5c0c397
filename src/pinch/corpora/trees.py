"""Edge: trees of messages, one row per message, as the first turn of each: the prompt and its best reply. Pure.

OpenAssistant's layout (arXiv 2304.07327): a message names its parent; people ranked the replies to a message, 0 the best.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pinch.config import ColumnsConfig
from pinch.corpora.turns import ASSISTANT, USER

Row = dict[str, Any]


def first_turns(rows: Iterable[Row], columns: ColumnsConfig) -> Iterator[tuple[Row, Row | None]]:
    """Every root with its reply of the lowest rank, the first of those that have none or the same; None without a reply."""
    roots: dict[str, Row] = {}
    best: dict[str, Row] = {}
    for row in rows:
        parent = row[str(columns.parent)]
        if parent is None:
            if row[str(columns.role)] in USER:
                roots[row[str(columns.id)]] = row
        elif row[str(columns.role)] in ASSISTANT and _rank(row, columns) < _rank(best.get(parent), columns):
            best[parent] = row
    for name, row in roots.items():
        yield row, best.get(name)


def _rank(row: Row | None, columns: ColumnsConfig) -> float:
    """None for no reply yet is behind every reply, one without a rank behind every one with a rank."""
    if row is None:
        return float("inf")
    rank = row[columns.rank] if columns.rank else None
    return 1e9 if rank is None else float(rank)
