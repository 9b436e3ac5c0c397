"""Edge: a user's own corpus and prompts from JSONL files.

A corpus is one file whose rows carry a language, {"id", "language", "instruction", "response"}, or a folder of files
named after their language (en.jsonl, sr-Latn.jsonl) whose rows need none. "messages", a conversation (see corpora.turns),
may stand in place of instruction and response; the settings say what becomes of several turns. Prompts: the same with an
optional "reference" in place of "response". Other fields are ignored.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pinch.config import Turns
from pinch.corpora.corpus import Corpus
from pinch.corpora.turns import SEVERAL, conversation, turns
from pinch.errors import UserError
from pinch.languages import canonical
from pinch.records import Example, Prompt, read_jsonl, text_field

Row = TypeVar("Row", Example, Prompt)
Build = Callable[[dict[str, Any], str | None], Row | None]
"""A row of a file, and the language that its name says, as a record; None for a conversation that cannot be one."""


def load_jsonl(corpus: str, prompts: str, several: Turns = Turns.refuse) -> Corpus:
    """Read both; `several` says what becomes of conversations of several turns. Raises UserError naming file and line for
    rows that cannot be used, empty or duplicate ids included."""
    lost: Counter[str] = Counter()
    examples = _read(Path(corpus), partial(_example, several), None if several is Turns.refuse else lost)
    return Corpus(examples, read_prompts(prompts), f"{corpus} and {prompts}", losses=dict(lost))


def read_prompts(prompts: str) -> dict[str, dict[str, Prompt]]:
    """Prompts alone, {language: {id: prompt}}. Raises UserError as `load_jsonl`."""
    return _read(Path(prompts), _prompt)


def files(path: Path) -> list[Path]:
    """The files that are read for a corpus or for prompts."""
    return sorted(path.glob("*.jsonl")) if path.is_dir() else [path]


def _example(several: Turns, row: dict[str, Any], language: str | None) -> Example | None:
    if "messages" in row and "instruction" not in row:
        said = conversation(turns(row["messages"]), several)
        if said is None:
            return None
        return Example(text_field(row, "id"), _language(row, language), *said[-1], tuple(said[:-1]))
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


def _read(path: Path, build: Build[Row], lost: Counter[str] | None = None) -> dict[str, dict[str, Row]]:
    """The rows of all files. Those that are None are counted in `lost`, or refused where there is none."""
    found: dict[str, dict[str, Row]] = {}
    for file, language in _files(path):
        read = read_jsonl(file, _with_language(build, language))
        several = read.count(None)
        if several and lost is None:
            raise UserError(
                f"{file}: {several} of {len(read)} rows are {SEVERAL}, row {read.index(None) + 1} the first; set "
                "data.turns=keep for all turns, first for their first one, or drop to leave them out"
            )
        if several and lost is not None:
            lost[SEVERAL] += several
        for number, row in enumerate(read, start=1):
            if row is None:
                continue
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
