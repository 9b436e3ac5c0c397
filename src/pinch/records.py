"""Shapes: the records the stages hand each other, and how they are read from and written to JSONL.

Files are split on "\\n" only (U+2028 and U+0085 occur inside real answers), text is kept as it is (no normalisation), a
file is written under a temporary name and renamed, and a bad row is reported with its file and line.
"""

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, TypeVar

from pinch.errors import UserError

Record = TypeVar("Record")


@dataclass(frozen=True)
class Example:
    """One instruction/response pair of the corpus in one language; the same id is the same content in every language.

    `before` are the earlier turns of a conversation, (instruction, response) each; the pair is its last turn."""

    id: str
    language: str
    instruction: str
    response: str
    before: tuple[tuple[str, str], ...] = ()

    @property
    def turns(self) -> tuple[tuple[str, str], ...]:
        """All turns, the last one too."""
        return (*self.before, (self.instruction, self.response))


@dataclass(frozen=True)
class Prompt:
    """One evaluation instruction in one language, with a reference answer where the set has one."""

    id: str
    language: str
    instruction: str
    reference: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a cell's model said to a prompt. `complete` is False when the answer was cut off at the token limit."""

    id: str
    language: str
    text: str
    tokens: int
    complete: bool


class Outcome(StrEnum):
    """What a judge says of one ordered pair of answers."""

    first = "first"
    second = "second"
    tie = "tie"
    invalid = "invalid"


@dataclass(frozen=True)
class Pair:
    """One ordered question to a judge: which answer to the instruction is better, the first or the second?

    `language` is the language asked in; `reference` the prompt's reference answer, None where there is none."""

    prompt: str
    language: str
    instruction: str
    first: str
    second: str
    reference: str | None = None


@dataclass(frozen=True)
class Verdict:
    """One stored judgement: `key` addresses its content (see judges.store), `raw` is the judge's text as it came, `facts`
    how it came about (what the server said of itself, tokens, probabilities, errors), `reread` that the stored raw text was
    read again by other rules and now says this."""

    key: str
    judge: str
    language: str
    prompt: str
    outcome: Outcome
    raw: str
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    reread: bool = False


@dataclass(frozen=True)
class Item:
    """One prompt of one cell after judging, the unit of every statistic.

    `judge` is the judge's name, `against` the reference's name (monolingual, base or a cell's id), `reference_cell` its
    cell; both are empty, like `outcome`, for a language without any reference.
    `score` is 1 win, 0.5 tie, 0 loss, None when the judge's verdicts were invalid or are missing. `outcome` is win, tie,
    loss, invalid, unjudged (not asked yet), identical (a tie that cost no call) or self (the cell is its own reference).
    `forth` is what the judge said with the cell's answer shown first, `back` with the reference's first, as an Outcome of
    the order shown; both empty where nobody was asked. `length` and `reference_length` are the answers' in characters.
    `exact` and `chrf` (0..100) compare with the prompt's reference answer, None without one. `answered_in` is the
    identified language, "und" if undecided. `right_language` is None when undecided."""

    cell: str
    judge: str
    against: str
    reference_cell: str
    language: str
    prompt: str
    outcome: str
    score: float | None
    exact: bool | None
    chrf: float | None
    answered_in: str
    right_language: bool | None
    forth: str = ""
    back: str = ""
    length: int = 0
    reference_length: int = 0


def read_jsonl(path: Path, build: Callable[[dict[str, Any]], Record]) -> list[Record]:
    """All records of a JSONL file, each row through `build`. Empty lines are skipped.

    Raises UserError naming file and line for broken JSON, a row that is no object, or a row that `build` refuses with
    KeyError (missing field), TypeError or ValueError; and for a file that is missing or not UTF-8."""
    raw = _bytes(path)
    try:
        return [build(row) for row in _rows(raw)]
    except (KeyError, TypeError, ValueError):  # something is wrong somewhere: read line by line to say where
        return list(_lines(path, raw, build))


def iterate_jsonl(path: Path, build: Callable[[dict[str, Any]], Record]) -> Iterator[Record]:
    """As `read_jsonl`, one record at a time."""
    yield from _lines(path, _bytes(path), build)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None


def _rows(raw: bytes) -> list[dict[str, Any]]:
    """All rows parsed at once, which takes a third of the time. Raises ValueError or TypeError where not every line is one
    JSON object by itself."""
    lines = [line for line in raw.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()]
    rows = json.loads((b"[" + b",".join(lines) + b"]").decode("utf-8"))
    whole = all(line[:1] == b"{" and line.rstrip()[-1:] == b"}" for line in lines)
    if not whole or len(rows) != len(lines) or not all(type(row) is dict for row in rows):
        raise ValueError("not one object a line")
    return rows  # type: ignore[no-any-return]


def _lines(path: Path, raw: bytes, build: Callable[[dict[str, Any]], Record]) -> Iterator[Record]:
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if line.strip():
            yield _parse(path, number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, build)


def _parse(path: Path, number: int, line: bytes, build: Callable[[dict[str, Any]], Record]) -> Record:
    where = f"{path}, line {number}"
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"{where}: not UTF-8; convert the file, e.g. iconv -f LATIN1 -t UTF-8") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: broken JSON ({error.msg} at column {error.colno}); mend or remove the row") from None
    if not isinstance(row, dict):
        raise UserError(f"{where}: a row must be a JSON object, this is {type(row).__name__}; mend or remove the row")
    try:
        return build(row)
    except KeyError as error:
        raise UserError(f"{where}: field {error.args[0]!r} is missing; add it to the row") from None
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {error}; mend the row") from None


def text_field(row: Mapping[str, Any], name: str) -> str:
    """The text of a row's field, a number being one as an id. Raises KeyError, TypeError or ValueError, as `read_jsonl`
    reports them, for what is missing, no text, or empty."""
    value = row[name]
    if name == "id" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise TypeError(f"field {name!r} must be text, this is {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"field {name!r} is empty")
    return value


def to_row(record: Any) -> dict[str, Any]:
    """A record as a plain dict, enums as their values; the values themselves are not copied."""
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return {key: value.value if isinstance(value, Enum) else value for key, value in values.items()}


def to_line(record: Any) -> str:
    """One JSONL line for a record or a plain dict, without the line's end."""
    return json.dumps(record if isinstance(record, dict) else to_row(record), ensure_ascii=False)


def write_jsonl(path: Path, records: Iterable[Any]) -> None:
    """Write records (dataclasses or dicts), one JSON object a line, atomically."""
    write_text(path, "".join(f"{to_line(record)}\n" for record in records))


def write_json(path: Path, value: Any) -> None:
    """Write one JSON document atomically, indented, keys in the order given."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file that can be made again: empty when there is none, or when it is broken."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text under a temporary name in the same folder, then rename: readers see the old file or the new.

    Raises UserError when the folder cannot be written or the disk is full; what was there before is untouched."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n", errors="surrogatepass") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); free space or check the folder's permissions, then run again"
        ) from error


def append_text(path: Path, text: str, whole: int) -> None:
    """Append whole lines of UTF-8 text behind the first `whole` bytes of a file, and see them to the disk. The caller holds
    a lock, so what lies behind those bytes is the torn line that a crash left, and is cut off. Raises OSError."""
    if not text:
        return
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        if os.fstat(handle).st_size != whole:
            os.ftruncate(handle, whole)
        rest = text.encode("utf-8", "surrogatepass")
        while rest:  # a write is whole except on a full disk or an interrupted one; then it goes on
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
