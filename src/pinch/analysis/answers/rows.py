"""Edge: the answers and items of some prompts, out of files that hold many more.

Files are read line by line, and lines of other prompts are passed over without being understood: the answers and items of a
large study take gigabytes, and the page shows a part of them.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pinch.errors import UserError
from pinch.records import Answer, Item

Record = TypeVar("Record")

# how these files are written; a line of another form is understood before it is passed over
_ANSWER = re.compile(rb'\{"id": "([^"\\]*)"')
_ITEM = re.compile(
    rb'"against": "([^"\\]*)", "reference_cell": "[^"\\]*", "language": "([^"\\]*)", "prompt": "([^"\\]*)"'
)


def answers_of(path: Path, prompts: Collection[str]) -> Iterator[Answer]:
    """The answers of a file to some prompts. Raises UserError for a row that is no answer."""
    names = {_bytes(name) for name in prompts}

    def wanted(line: bytes) -> bool:
        head = _ANSWER.match(line)
        return head is None or head[1] in names

    def build(row: dict[str, Any]) -> Answer | None:
        return Answer(**row) if row["id"] in prompts else None

    return _rows(path, wanted, build)


def items_of(path: Path, kinds: Mapping[str, str | None], prompts: Collection[str]) -> Iterator[Item]:
    """The items of a file on some prompts, in every language against the kind of reference that `kinds` names for it; none
    where there is no such file. Raises UserError for a row that is no item."""
    names = {_bytes(name) for name in prompts}
    places = {(_bytes(kind), _bytes(language)) for language, kind in kinds.items() if kind is not None}

    def wanted(line: bytes) -> bool:
        head = _ITEM.search(line)
        return head is None or (head[3] in names and head.group(1, 2) in places)

    def build(row: dict[str, Any]) -> Item | None:
        return Item(**row) if row["prompt"] in prompts and kinds.get(row["language"]) == row["against"] else None

    return _rows(path, wanted, build) if path.exists() else iter(())


def _rows(
    path: Path, wanted: Callable[[bytes], bool], build: Callable[[dict[str, Any]], Record | None]
) -> Iterator[Record]:
    number = 0
    try:
        with path.open("rb") as file:
            for line in file:
                number += 1
                if not wanted(line) or not line.strip():
                    continue
                record = build(json.loads(line.decode("utf-8", "surrogatepass")))
                if record is not None:
                    yield record
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}, line {number}: no such row belongs into this file; mend or remove it") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
