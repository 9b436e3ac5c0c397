"""Reshape JSONL into the rows that data=jsonl reads: {"id", "language", "instruction", "response" or "reference"}.

One row per language, with dotted paths into the row:
    python scripts/reshape.py in.jsonl out.jsonl --id question_id --language lang --instruction turns.0 --response answers.0
One row for all languages, a column each (wide):
    python scripts/reshape.py in.jsonl out.jsonl --id id --columns en,es,cs

--languages en,ru keeps these only. Rows that lack a field are refused with file and line.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pinch.errors import UserError
from pinch.languages import canonical
from pinch.records import read_jsonl, write_jsonl

Row = dict[str, Any]


def at(row: Row, path: str) -> Any:
    """The value at a dotted path; numbers index lists. Raises KeyError with the path when it is not there."""
    value: Any = row
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            raise KeyError(path) from None
    return value


def narrow(options: argparse.Namespace) -> Callable[[Row], list[Row]]:
    """A row that is one language already."""

    def build(row: Row) -> list[Row]:
        made = {"id": str(at(row, options.id)), "language": str(at(row, options.language))}
        made["instruction"] = at(row, options.instruction)
        for name in ("response", "reference"):
            if getattr(options, name):
                made[name] = at(row, getattr(options, name))
        return [made]

    return build


def wide(options: argparse.Namespace) -> Callable[[Row], list[Row]]:
    """A row with one column per language."""

    def build(row: Row) -> list[Row]:
        codes = options.columns.split(",")
        return [{"id": str(at(row, options.id)), "language": code, "instruction": at(row, code)} for code in codes]

    return build


def reshaped(options: argparse.Namespace) -> Iterator[Row]:
    """All rows of the output."""
    wanted = {canonical(code, "--languages") for code in options.languages.split(",")} if options.languages else None
    for rows in read_jsonl(options.source, wide(options) if options.columns else narrow(options)):
        for row in rows:
            if wanted is None or canonical(row["language"], "the rows' language") in wanted:
                yield row


def main() -> int:
    """Gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--id", default="id")
    parser.add_argument("--language", default="language")
    parser.add_argument("--instruction", default="instruction")
    parser.add_argument("--response", default="")
    parser.add_argument("--reference", default="")
    parser.add_argument("--columns", default="")
    parser.add_argument("--languages", default="")
    options = parser.parse_args()
    try:
        rows = list(reshaped(options))
        write_jsonl(options.target, rows)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.target}: {len(rows)} rows in {', '.join(sorted({row['language'] for row in rows}))}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
