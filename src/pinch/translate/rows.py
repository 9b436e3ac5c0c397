"""Edge: rows to be translated, from a corpus or prompts of one language, and the rows that come of them.

In: JSONL with id, instruction and response (or reference, for prompts), or a conversation of one turn as "messages"; a row
with `"translate": false` is taken over as it is, for example one about the grammar of its own language.
Out: the same fields per language, as `pinch.corpora` reads them, each row with where it came from and what was noticed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pinch.cells import digest
from pinch.corpora.turns import turns
from pinch.errors import UserError
from pinch.languages import canonical
from pinch.records import read_jsonl, text_field

FIELDS = {"corpus": ("instruction", "response"), "prompts": ("instruction", "reference")}
"""Texts of a row that are translated, by the kind of file; a reference may be missing."""


@dataclass(frozen=True)
class Row:
    """One row of a source, or a finished one of another language."""

    id: str
    texts: dict[str, str]
    fixed: bool = False

    @property
    def digest(self) -> str:
        """Of the texts, for the rows that are made from them."""
        return digest(self.texts, 12)


@dataclass
class Made:
    """A row in another language: its texts, None where there is no translation, and by field the checks it does not pass."""

    id: str
    language: str
    texts: dict[str, str] | None
    faults: dict[str, list[str]] = field(default_factory=dict)
    why: str = ""

    @property
    def flags(self) -> list[str]:
        """Names of the checks, each once."""
        return sorted({name for names in self.faults.values() for name in names})

    def reasons(self, reject: Sequence[str]) -> list[str]:
        """The checks that take the row out."""
        return [name for name in self.flags if name in reject]


def read_source(kind: str, name: str, language: str) -> list[Row]:
    """The rows of a source in its language. Raises UserError naming file and line for what cannot be used."""
    found = [row for code, row in _read(Path(name), kind, language) if code == language]
    if not found:
        raise UserError(f"{name}: no rows in {language!r}; give a file with some, or set source")
    return _unique(found, f"{name} ({language})")


def read_finished(kind: str, names: Sequence[str], targets: Sequence[str]) -> dict[str, dict[str, Row]]:
    """Finished rows of files and folders, {language: {id: row}}. Raises UserError as `read_source` does."""
    found: dict[str, list[Row]] = {code: [] for code in targets}
    for path in map(Path, names):
        for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
            for code, row in _read(file, kind, _of_name(file, targets)):
                if code in found:
                    found[code].append(row)
    return {code: {row.id: row for row in _unique(rows, f"files ({code})")} for code, rows in found.items()}


def _of_name(file: Path, targets: Sequence[str]) -> str | None:
    """The language that a file is named after, if it is."""
    try:
        return canonical(file.stem)
    except UserError:
        return targets[0] if len(targets) == 1 else None


def _read(path: Path, kind: str, language: str | None) -> list[tuple[str, Row]]:
    def build(fields: dict[str, Any]) -> tuple[str, Row]:
        named = fields.get("language", language)
        if named is None:
            raise KeyError("language")
        try:
            code = canonical(str(named), "field 'language'")
        except UserError as error:
            raise ValueError(str(error)) from None
        if kind == "corpus" and "messages" in fields and "instruction" not in fields:
            fields = fields | _only_turn(fields["messages"])
        first, second = FIELDS[kind]
        texts = {first: text_field(fields, first)}
        if kind == "corpus" or fields.get(second) is not None:
            texts[second] = text_field(fields, second)
        return code, Row(text_field(fields, "id"), texts, fields.get("translate") in (False, "no"))

    return read_jsonl(path, build)


def _only_turn(messages: Any) -> dict[str, str]:
    """The fields of a conversation of one turn. Raises ValueError for several: a turn says little without those before it,
    and rows of several turns are not written."""
    said = turns(messages)
    if len(said) > 1:
        raise ValueError(
            f"a conversation of {len(said)} turns, and only rows of one turn are translated; keep the first, or take the "
            "row out"
        )
    return dict(zip(FIELDS["corpus"], said[0], strict=True))


def _unique(rows: list[Row], where: str) -> list[Row]:
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise UserError(f"{where}: id {row.id!r} stands there twice; give every row its own id")
        seen.add(row.id)
    return rows
