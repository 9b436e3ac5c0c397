"""Edge: examples and prompts from tables of the Hub (see corpora.tables), by a mapping of columns.

A table holds its languages in one of four ways: subsets or files per language, a column that says the language of each row,
one text column per language, or a single language. Rows without text are left out and counted, as are conversations of
several turns where the settings say so.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinch.config import DataConfig, TableConfig, Turns
from pinch.corpora.corpus import Corpus
from pinch.corpora.jsonl import read_prompts
from pinch.corpora.spellings import meant, spelled
from pinch.corpora.tables import LANGUAGE, Table, open_table
from pinch.corpora.trees import first_turns
from pinch.corpora.turns import SEVERAL, conversation, turns
from pinch.errors import UserError
from pinch.languages import LANGUAGES
from pinch.records import Example, Prompt

Row = dict[str, Any]

EMPTY = "rows without text"
NAMELESS = "rows without an id"
BROKEN = "conversations in which user and assistant do not take turns"
"""Why rows are left out."""


@dataclass(frozen=True)
class Said:
    """A row in one language; `answer` is the response or the reference, `before` the earlier turns."""

    id: str
    language: str
    instruction: str
    answer: str | None
    before: tuple[tuple[str, str], ...] = ()


def load_hub(data: DataConfig, cache: Path) -> Corpus:
    """The corpus of one or two tables, and the prompts of a third or of a user's files."""
    lost: Counter[str] = Counter()
    examples: dict[str, dict[str, Example]] = {}
    for table in (data.table, data.second):
        for row in _read(table, cache, lost, asked=False) if table.path else ():
            rows = examples.setdefault(row.language, {})
            if row.id in rows:
                raise UserError(f"{table.path}: id {row.id!r} ({row.language}) is in both tables; give one a prefix")
            rows[row.id] = Example(row.id, row.language, row.instruction, str(row.answer), row.before)
    where = " and ".join(filter(None, (data.table.path, data.second.path)))
    if not examples:
        raise UserError(f"{where}: no examples in it ({_counted(lost)}); check the columns and languages of data.table")
    return Corpus(examples, _prompts(data, cache, lost), where, losses=dict(lost))


def _prompts(data: DataConfig, cache: Path, lost: Counter[str]) -> dict[str, dict[str, Prompt]]:
    if data.prompts:
        return read_prompts(data.prompts)
    prompts: dict[str, dict[str, Prompt]] = {}
    left_out: Counter[str] = Counter()
    for row in _read(data.asked, cache, left_out, asked=True):
        prompts.setdefault(row.language, {})[row.id] = Prompt(row.id, row.language, row.instruction, row.answer)
    if not prompts:
        raise UserError(
            f"{data.asked.path}: no prompts in it ({_counted(left_out)}); check the columns and languages of data.asked"
        )
    lost.update({f"{what} among the prompts": number for what, number in left_out.items()})
    return prompts


def _counted(lost: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in lost.items()) or "no rows"


def _read(table: TableConfig, cache: Path, lost: Counter[str], asked: bool) -> Iterator[Said]:
    """The rows of a table, at most table.limit of a language: those whose id has the smallest hash. Raises UserError for an
    id that a language has twice."""
    seen: dict[str, set[str]] = {}
    chosen: dict[str, list[tuple[int, int, Said]]] = {}
    for place, row in enumerate(_said(table, cache, lost, asked)):
        ids = seen.setdefault(row.language, set())
        if row.id in ids:
            raise UserError(
                f"{table.path}: id {row.id!r} ({row.language}) stands there twice; "
                "choose another column for the id, or rows with keep"
            )
        ids.add(row.id)
        if table.limit is None:
            yield row
            continue
        rank = int.from_bytes(hashlib.sha256(row.id.encode("utf-8", "surrogatepass")).digest()[:8])
        heap = chosen.setdefault(row.language, [])
        if len(heap) < table.limit:
            heapq.heappush(heap, (-rank, place, row))
        else:
            heapq.heappushpop(heap, (-rank, place, row))
    for heap in chosen.values():
        yield from (row for _, _, row in sorted(heap, key=lambda entry: entry[1]))


def _said(table: TableConfig, cache: Path, lost: Counter[str], asked: bool) -> Iterator[Said]:
    reader = _Reader(table, lost, asked)
    if any(LANGUAGE in (name or "") for name in (table.config, table.files)):
        if not table.languages:
            raise UserError(
                f"{table.path}: one subset or file per language; name them, e.g. data.table.languages=[en,fi]"
            )
        for code in table.languages:
            yield from reader.read(open_table(table, spelled(code, table.words or {}), cache), code)
    else:
        yield from reader.read(open_table(table, "", cache), None)
    if reader.several and (table.turns is Turns.refuse or (asked and table.turns is Turns.keep)):
        keep = "prompts have one turn: set " if asked else "set turns=keep for all turns, "
        raise UserError(
            f"{table.path}: {reader.several} {SEVERAL}; {keep}turns=first for their first one, "
            "or turns=drop to leave them out"
        )


class _Reader:
    """Rows of a table as what they say, in the columns that the settings name."""

    def __init__(self, table: TableConfig, lost: Counter[str], asked: bool) -> None:
        self.table, self.lost, self.columns = table, lost, table.columns
        self.answer = table.columns.reference if asked else table.columns.response
        self.asked = asked
        self.several = 0

    def read(self, opened: Table, code: str | None) -> Iterator[Said]:
        """All that an opened table says; `code` is its language where it has one only."""
        wide = self._wide(opened)
        languages = [code] if code else list(wide) if wide else self._single(opened)
        texts = [name.replace(LANGUAGE, wide.get(each, "")) for each in languages or [""] for name in self._texts()]
        others = [self.columns.id, self.columns.language, self.columns.script, *(self.table.keep or ())]
        if self.columns.parent:
            others += [self.columns.parent, self.columns.role, self.columns.rank]
        rows = opened.rows([*texts, *filter(None, others)])
        for number, row, reply in self._kept(rows):
            given = row[self.columns.id] if self.columns.id else number
            if given is None:
                self.lost[NAMELESS] += 1
                continue
            name = f"{self.table.prefix}{given}"
            for each in languages or self._language(row):
                if said := self._turns(row, reply, wide.get(each, "")):
                    text, answer = said[-1]
                    yield Said(name, each, text, answer or None, tuple(said[:-1]))

    def _texts(self) -> list[str]:
        """Names of the columns that hold text."""
        columns = self.columns
        if columns.messages:
            return [columns.messages]
        answer = None if columns.parent else self.answer
        return [name for name in (columns.instruction, columns.input, answer) if name]

    def _wide(self, opened: Table) -> dict[str, str]:
        """{language: the table's word for it} where every language has a column of its own."""
        pattern = next((name for name in self._texts() if LANGUAGE in name), None)
        if pattern is None:
            return {}
        table = self.table
        if table.languages:
            found = {code: self._word(code, pattern, opened) for code in table.languages}
        else:
            words = {code: self._word(code, pattern, opened) for code in LANGUAGES}
            free = set(opened.columns) - {self.columns.id, *(self.table.keep or ())}  # id may mean Indonesian, or not
            found = {code: word for code, word in words.items() if pattern.replace(LANGUAGE, word) in free}
        if not found:
            raise UserError(f"{opened.where}: no column {pattern} of any language; it has {', '.join(opened.columns)}")
        return found

    def _word(self, code: str, pattern: str, opened: Table) -> str:
        """The word of a language, or its full code where only that is a column."""
        word = spelled(code, self.table.words or {})
        return code if pattern.replace(LANGUAGE, code) in opened.columns else word

    def _single(self, opened: Table) -> list[str]:
        if self.columns.language:
            return []
        if len(self.table.languages or ()) != 1:
            raise UserError(
                f"{opened.where}: nothing says its languages; name one, e.g. data.table.languages=[en], "
                "or set data.table.columns.language"
            )
        return list(self.table.languages or ())

    def _language(self, row: Row) -> list[str]:
        """The row's language, nothing for one that is not asked for."""
        script = row[self.columns.script] if self.columns.script else None
        code = meant(str(row[str(self.columns.language)]), script, self.table.words or {})
        return [code] if code and (self.table.languages is None or code in self.table.languages) else []

    def _kept(self, rows: Iterator[Row]) -> Iterator[tuple[int, Row, Row | None]]:
        """The number, the row and, of trees, its best reply."""
        wanted = {
            name: {str(value) for value in (values if isinstance(values, list) else [values])}
            for name, values in (self.table.keep or {}).items()
        }
        kept = (
            (number, row)
            for number, row in enumerate(rows)
            if all(str(row[name]) in values for name, values in wanted.items())
        )
        if not self.columns.parent:
            yield from ((number, row, None) for number, row in kept)
            return
        for number, (row, reply) in enumerate(first_turns((row for _, row in kept), self.columns)):
            yield number, row, reply or {}

    def _turns(self, row: Row, reply: Row | None, word: str) -> list[tuple[str, str]]:
        """Instruction and answer of each turn, none and counted where the row cannot be used."""
        columns = self.columns
        if columns.messages:
            return self._conversation(row[columns.messages])
        asked, answered = (row.get((name or "").replace(LANGUAGE, word)) for name in (columns.instruction, self.answer))
        if isinstance(asked, list) or isinstance(answered, list):  # a column of what was said, and one of the answers
            return self._conversation(_in_turns(asked, [] if self.asked else answered))

        def cell(name: str | None, source: Row = row) -> str:
            value = source.get(name.replace(LANGUAGE, word)) if name else None
            return "" if value is None else str(value)

        text, more = cell(columns.instruction), cell(columns.input)
        if more.strip():
            text = f"{text}\n\n{more}" if text.strip() else more
        answer = cell(self.answer) if reply is None else cell(columns.instruction, reply)
        if not text.strip() or not (self.asked or answer.strip()):
            self.lost[EMPTY] += 1
            return []
        return [(text, answer if answer.strip() else "")]

    def _conversation(self, messages: Any) -> list[tuple[str, str]]:
        try:
            said = turns(messages)
        except (TypeError, ValueError):
            self.lost[BROKEN] += 1
            return []
        self.several += len(said) > 1
        kept = conversation(said, self.table.turns)
        if kept is None:
            self.lost[SEVERAL] += 1
            return []
        return [(text, "" if self.asked else answer) for text, answer in kept]


def _in_turns(asked: Any, answered: Any) -> list[Any]:
    """A conversation from a list of what was said and one of the answers; empty where they do not belong together."""
    if not isinstance(asked, list) or not isinstance(answered, list) or len(asked) != len(answered):
        return []
    return [text for pair in zip(asked, answered, strict=True) for text in pair]
