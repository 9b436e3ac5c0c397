"""Shapes: where the corpus and the evaluation prompts come from, and what is left out of them."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pinch.config.checks import positive
from pinch.errors import UserError
from pinch.languages import canonical, canonical_all


class DataSource(Enum):
    embedded = "embedded"
    jsonl = "jsonl"
    hub = "hub"


class Turns(Enum):
    refuse = "refuse"
    drop = "drop"
    first = "first"
    keep = "keep"


class Missing(Enum):
    drop_ids = "drop_ids"
    drop_languages = "drop_languages"
    fail = "fail"


class Overlap(Enum):
    report = "report"
    drop = "drop"


@dataclass
class ColumnsConfig:
    """What a table of the Hub calls things; none: it has no such column. `{language}` in the name of a text column stands
    for the table's word for a language: one column per language. Dotted names lead into a column: turns.0, answer.text."""

    id: str | None = "id"
    """The same in every language; none: the number of the row, from 0."""
    language: str | None = None
    """Where every row says its language."""
    script: str | None = None
    """The script beside it (ISO 15924), where one word for a language stands for several."""
    instruction: str | None = "instruction"
    """In a tree of messages: their text."""
    input: str | None = None
    """What the instruction is about; it follows after an empty line."""
    response: str | None = "response"
    """Of examples only."""
    reference: str | None = None
    """Of prompts only."""
    messages: str | None = None
    """A conversation, in place of instruction and response."""
    parent: str | None = None
    """One row per message, with the id of the message it answers to: trees, whose first turns are read."""
    role: str | None = "role"
    """Of trees: prompter or assistant."""
    rank: str | None = "rank"
    """Of trees: the reply with the lowest rank is taken."""


@dataclass
class TableConfig:
    """A table in Parquet, JSON or JSON lines: a data set of the Hugging Face Hub, or a folder laid out like one."""

    path: str | None = None
    """A folder, a file or a hub id."""
    revision: str | None = None
    """The hub's commit, tag or branch; a commit is the same for ever."""
    config: str | None = None
    """Subset by its name; `{language}`: one subset per language."""
    files: str | None = None
    """These files instead of a subset and split, e.g. data/*.parquet; `{language}`: files per language."""
    split: str = "train"
    languages: list[str] | None = None
    """Languages to read; none: all that are there and that the table of languages knows."""
    words: Any = None
    """{language: the table's word for it}, where that is neither the code nor an ISO 639 code. (Any: see mixture.counts.)"""
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    keep: Any = None
    """{column: value or list of values}: only rows that have these."""
    prefix: str = ""
    """Stands before every id, so that two tables or examples and prompts do not share any."""
    limit: int | None = None
    """At most so many ids in each language, in the order of their hash; none: all."""
    turns: Turns = Turns.refuse
    """Conversations of several turns. refuse: an error; drop: left out and counted; first: their first turn; keep: all
    turns, which are learnt as tuning.loss_turns says."""

    def __post_init__(self) -> None:
        if self.turns is Turns.keep and self.columns.parent:
            raise UserError("turns=keep is for columns.messages; of trees of messages only the first turns are read")
        if self.languages is not None:
            self.languages = canonical_all(self.languages, "languages of a table")
        for name, given in (("words", self.words), ("keep", self.keep)):
            if not isinstance(given, dict | None):
                raise UserError(f"{name} of a table: {given!r} is no mapping; write {name}={{name: value}}")
        if self.words is not None:
            self.words = {canonical(str(code), "words of a table"): str(word) for code, word in self.words.items()}
        positive("limit of a table", self.limit)


@dataclass
class DataConfig:
    name: str = "embedded"
    """Short name for folders and figures."""
    source: DataSource = DataSource.embedded
    """embedded: the tiny world's corpus; jsonl: files of yours; hub: data sets of the Hub."""
    corpus: str | None = None
    """jsonl only: a JSONL file with a language field, or a folder with one <language>.jsonl each."""
    prompts: str | None = None
    """jsonl and hub: evaluation prompts, a JSONL file or a folder of such; in place of `asked`."""
    table: TableConfig = field(default_factory=TableConfig)
    """hub only: the corpus."""
    second: TableConfig = field(default_factory=TableConfig)
    """hub only: a second table whose examples are added."""
    asked: TableConfig = field(default_factory=TableConfig)
    """hub only: the evaluation prompts."""
    turns: Turns = Turns.refuse
    """jsonl only: conversations of several turns, as `turns` of a table."""
    min_chars: int | None = None
    """Shortest response in characters; an id whose response is shorter in one language, or one turn, is left out in all."""
    max_chars: int | None = None
    """Longest instruction and response together in characters, of all turns, likewise."""
    missing: Missing = Missing.drop_ids
    """Ids that some language lacks. drop_ids: in no budget; drop_languages: what lacks any goes; fail: an error."""
    overlap: Overlap = Overlap.report
    """Examples whose instruction is nearly an evaluation prompt. report: the plan says so; drop: out in all languages."""
    near: float = 0.8
    """Share of common character 5-grams (intersection over union) from which two instructions are nearly the same, 0..1."""
    budget: int | None = None
    """Examples a mixture of this corpus holds unless mixture.budget says otherwise; none: the whole corpus."""
    answer_tokens: int = 256
    """Longest answer in tokens that this corpus' prompts call for, unless generation.max_new_tokens says otherwise."""
    max_prompts: int | None = None
    """Evaluate on the first so many prompts only (ids in the order of their hash); none: all."""

    def __post_init__(self) -> None:
        if self.source is DataSource.jsonl and not (self.corpus and self.prompts):
            raise UserError("data=jsonl needs data.corpus=FILE_OR_FOLDER and data.prompts=FILE_OR_FOLDER")
        if self.source is DataSource.hub and not self.table.path:
            raise UserError(
                "data=hub needs data.table.path=HUB_ID_OR_FOLDER, or use a ready data set, e.g. data=bactrian_x"
            )
        if self.source is DataSource.hub and not (self.asked.path or self.prompts):
            raise UserError(
                "no evaluation prompts: set data.prompts=FILE_OR_FOLDER, or name a set, e.g. prompts@data.asked=multiq"
            )
        if not 0 < self.near <= 1:
            raise UserError(
                f"data.near={self.near} is a share of common character sequences; it must be above 0, at most 1"
            )
        positive("data.min_chars", self.min_chars)
        positive("data.max_chars", self.max_chars)
        positive("data.budget", self.budget)
        positive("data.answer_tokens", self.answer_tokens)
        positive("data.max_prompts", self.max_prompts)
