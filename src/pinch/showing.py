"""Flow: what an example looks like to the model: `python train.py show=example`.

The first example of each tuning language as one line of tokens, those that the loss counts in colour, or in ⟦ ⟧ where there
is none. Reads the tokenizer and the config of the model, never its weights.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.text import Text

from pinch import models
from pinch.frames import Encoded, Frame
from pinch.jobs import Job
from pinch.records import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BORDER = "│"
"""Between two tokens."""

COLOUR = "bold black on green"
BRACKETS = "⟦", "⟧"
"""How supervised tokens are marked."""

VISIBLE = {"\n": "↵", "\t": "⇥", "\r": "␍"}
"""For characters that would break the line; others of these kinds by their number."""

UNSHOWN = {"Cc", "Cs", "Zl", "Zp"}
STEERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Kinds of characters that break the line, and that turn the direction of writing."""

ISOLATE, END_OF_ISOLATE = "\u2068", "\u2069"
"""Around text that is written from right to left: what stands beside it keeps its place (Unicode Annex 9)."""

MOST = 8
"""Tokens that a piece has at most: a character is four bytes, the rest may be halves of its neighbours."""


class Piece(NamedTuple):
    """Tokens that make whole characters together, as text; whether the loss counts them."""

    text: str
    supervised: bool


def show(jobs: Iterable[Job], console: Console) -> None:
    """Print the examples of each job. Raises UserError for a model or a template that cannot be used."""
    frames: dict[str, tuple[Frame, int]] = {}
    for job in jobs:
        console.print(job.cell.id, soft_wrap=True, highlight=False)
        if job.cell.untuned:
            console.print("tuning=none: nothing is learnt", highlight=False)
            continue
        key = repr(job.settings.model)
        frames[key] = frame, context = frames.get(key) or _frame(job, console)
        tuning = job.settings.tuning
        examples = _first(job)
        length = min(tuning.max_length, context)
        for example, row in zip(examples, frame.encode_all(examples, length, tuning.loss_turns), strict=True):
            console.print(f"[bold]{example.language}[/bold] {_escaped(example.id)}", soft_wrap=True, highlight=False)
            console.print(line(pieces(frame.tokenizer, row), _colours(console)), soft_wrap=True, highlight=False)
            console.print(facts(row, frame, length), soft_wrap=True, highlight=False, markup=False)


def _first(job: Job) -> list[Example]:
    """The first example of the mixture in each of its languages."""
    first: dict[str, str] = {}
    for name, code in job.plan.languages.items():
        first.setdefault(code, name)
    return [job.corpus.examples[code][first[code]] for code in job.cell.axes.counts]


def _frame(job: Job, console: Console) -> tuple[Frame, int]:
    """The frame of a job's model, and the longest sequence that it reads."""
    with console.status("") as status:
        where = models.locate(job.settings.model, job.settings.cache_folder(), lambda _, what: status.update(what))
    return models.read_frame(job.settings.model, where)


def _colours(console: Console) -> bool:
    return console.is_terminal and console.color_system is not None and not console.no_color


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def facts(row: Encoded, frame: Frame, length: int) -> str:
    """The line below an example."""
    cut = f"cut at {length}" if row.truncated else "whole"
    return f"{len(row.ids)} tokens, {row.supervised} supervised, {cut}; template {frame.template} ({frame.digest})\n"


def line(shown: Iterable[Piece], colours: bool) -> Text:
    """Pieces with borders between them, runs of supervised ones marked."""
    text, within = Text(), False
    for number, piece in enumerate(shown):
        if colours or piece.supervised == within:
            text.append(BORDER if number else "", "dim")
        else:
            text.append(BRACKETS[within])
        within = piece.supervised and not colours
        text.append(_visible(piece.text), COLOUR if piece.supervised and colours else "")
    text.append(BRACKETS[1] if within else "")
    return text


def _visible(text: str) -> str:
    shown = "".join(map(_shown, text))
    from_right = any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in text)
    return f"{ISOLATE}{shown}{END_OF_ISOLATE}" if from_right else shown


def _shown(char: str) -> str:
    if unicodedata.category(char) in UNSHOWN or unicodedata.bidirectional(char) in STEERING:
        return VISIBLE.get(char, f"<U+{ord(char):04X}>")
    return char


def pieces(tokenizer: "PreTrainedTokenizerBase", row: Encoded) -> Iterator[Piece]:
    """The tokens of a sequence as text. Tokens that split a character are taken together, up to the border of a span."""
    marks = [False] * len(row.ids)
    for start, end in row.spans:
        marks[start:end] = [True] * (end - start)
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    before: list[int] = []  # decoders treat the first token in a way of its own
    piece: list[int] = []
    for place, token in enumerate(row.ids):
        if token in special:
            text = str(tokenizer.convert_ids_to_tokens(token))
        else:
            text = _behind(tokenizer, before, [*piece, token])
        piece.append(token)
        last = place + 1 == len(row.ids) or marks[place + 1] != marks[place] or row.ids[place + 1] in special
        if text.endswith("\ufffd") and not last and len(piece) < MOST:
            continue  # the rest of the character is to come
        yield Piece(text, marks[place])
        before, piece = piece, []


def _behind(tokenizer: "PreTrainedTokenizerBase", before: list[int], ids: list[int]) -> str:
    front, whole = (
        str(tokenizer.decode(part, clean_up_tokenization_spaces=False)) if part else ""
        for part in (before, before + ids)
    )
    return whole[len(front) :] if whole.startswith(front) else str(tokenizer.decode(ids))
