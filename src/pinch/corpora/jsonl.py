"""Edge: a user's own corpus and prompts from JSONL files.

A corpus is one file whose rows carry a language, {"id", "language", "instruction", "response"}, or a folder of files
named after their language (en.jsonl, sr-Latn.jsonl) whose rows need none. "messages", a conversation of one turn (see
corpora.turns), may stand in place of instruction and response. Prompts: the same with an optional "reference" in place of
"response". Other fields are ignored.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pinch.corpora.corpus import Corpus
from pinch.corpora.turns import turns
from pinch.errors import UserError
from pinch.languages import canonical
from pinch.records import Example, Prompt, read_jsonl, text_field

Row = TypeVar("Row", Example, Prompt)
Build = Callable[[dict[str, Any], str | None], Row | None]
"""A row of a file, and the language that its name says, as a record; None for a conversation of several turns."""


def load_jsonl(corpus: str, prompts: str) -> Corpus:
    """Read both. Raises UserError naming file and line for rows that cannot be used, empty or duplicate ids included."""
    return Corpus(_read(Path(corpus), _example), read_prompts(prompts), f"{corpus} and {prompts}")


def read_prompts(prompts: str) -> dict[str, dict[str, Prompt]]:
    """Prompts alone, {language: {id: prompt}}. Raises UserError as `load_jsonl`."""
    return _read(Path(prompts), _prompt)


def files(path: Path) -> list[Path]:
    """The files that are read for a corpus or for prompts."""
    return sorted(path.glob("*.jsonl")) if path.is_dir() else [path]


def _example(row: dict[str, Any], language: str | None) -> Example | None:
    if "messages" in row and "instruction" not in row:
        said = turns(row["messages"])
        if len(said) > 1:
            return None
        return Example(text_field(row, "id"), _language(row, language), *said[0])
    return Example(
        text_field(row, "id"), _language(row, language), text_field(row, "instruction"), text_field(row, "response")
    )


def _prompt(row: dict[str, Any], language: str | None) -> Prompt:
    reference = None if row.get("reference") is None else text_field(row, "reference")
    return Prompt(text_field(row, "id"), _language(row, language), text_field(row, "instruction"), reference)


def _language(row: dict[str, Any], language: str | None) -> str:
    named = row["language"] if language is None else row.get("language", language)
    code = canonical(str(named), "field 'language'")
    if language is not None and code != language:
        raise ValueError(f"field 'language' says {code!r}, the file's name says {language!r}")
    return code


def _read(path: Path, build: Build[Row]) -> dict[str, dict[str, Row]]:
    found: dict[str, dict[str, Row]] = {}
    for file, language in _files(path):
        read = read_jsonl(file, _with_language(build, language))
        if several := read.count(None):
            raise UserError(
                f"{file}: {several} of {len(read)} rows are conversations of several turns, row {read.index(None) + 1} the "
                "first; examples have one turn: keep the first, or take these rows out"
            )
        for number, row in enumerate(read, start=1):
            assert row is not None
            rows = found.setdefault(row.language, {})
            if row.id in rows:
                raise UserError(
                    f"{file}, row {number}: id {row.id!r} ({row.language}) stands there twice; give every row its own id"
                )
            rows[row.id] = row
    if not found:
        raise UserError(f"{path}: no rows in it; give a JSONL file or a folder of <language>.jsonl files")
    return found


def _with_language(build: Build[Row], language: str | None) -> Callable[[dict[str, Any]], Row | None]:
    """`build` for `read_jsonl`, with an unknown language reported like any other fault of a row: with its line."""

    def row(fields: dict[str, Any]) -> Row | None:
        try:
            return build(fields, language)
        except UserError as error:
            raise ValueError(str(error)) from None

    return row


def _files(path: Path) -> Iterator[tuple[Path, str | None]]:
    for file in files(path):
        yield file, canonical(file.stem, f"{file}: the file's name") if file != path else None
