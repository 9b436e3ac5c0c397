"""Pure: a text as pieces, those that stay as they are and those that are translated; and a text again.

What is no language stays: line ends, indents, marks of lists and headings, code, URLs, addresses, formulas, placeholders,
tags. Inside a sentence such a span is shown to the engine as a marker, [1], [2], ..., and put back afterwards. Pieces that
are not translated make the text again, byte for byte.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SPAN = re.compile(
    r"""
      ^[ \t]*(?P<fence>```+|~~~+)[^`\n]*\n.*?(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)  # code block, closed or not
    | ```.*?```
    | (?P<tick>`{1,2})(?!`)[^\n]+?(?<!`)(?P=tick)(?!`)                            # inline code
    | \$\$.+?\$\$ | \\\[.+?\\\] | \\\(.+?\\\)                                     # LaTeX
    | \\begin\{(?P<environment>[\w*]+)\}.*?\\end\{(?P=environment)\}
    | (?<![\\$\w])\$(?![\s$])[^$\n]*?[\\^_={}+*/<>A-Za-z][^$\n]*?(?<![\s\\])\$(?![\d$\w])
    | (?:https?://|ftp://|www\.)[^\s<>"'`]*[^\s<>"'`.,;:!?()\[\]{}\u3001\u3002\uff0c]
    | (?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+                                    # e-mail address
    | \$?\{\{?[ ]?[\w.:-]*[ ]?\}\}? | %\(\w+\)[sdif] | (?<![\w%])%[sdif](?!\w)    # placeholder
    | </?[A-Za-z][^<>\n]*> | <!--.*?-->                                           # tag
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
LEAD = re.compile(r"(?:[ \t>|]|#{1,6}[ \t]|[-*+\u2022][ \t]|\(?(?:\d{1,3}|[A-Za-z])[.)][ \t])*")
"""Indents, quotes, headings and marks of lists at the start of a line."""

CLOSERS = "\"'\u201d\u2019\u00bb)\\]"
END = re.compile(
    rf"[.!?\u2026\u0964\u061f]+[{CLOSERS}]*(?P<gap>[ \t]+)|[\u3002\uff01\uff1f]+[\u300d\u300f\u201d]*(?P<none>[ \t]*)"
)
"""Ends of sentences; those of Chinese and Japanese need no blank behind them."""

ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|e\.g|i\.e|etc|vs|cf|Mr|Mrs|Ms|Dr|Prof|St|No|Fig|Sen|Gen|Jr|Sr|approx)\.$"
)
MARKER = re.compile(r"[\[\uff3b]\s*(\d{1,4})\s*[\]\uff3d]")


@dataclass(frozen=True)
class Segment:
    """A sentence or line to be translated; `spans` are the offsets in `text` of what stays."""

    text: str
    spans: tuple[tuple[int, int], ...] = ()

    def masked(self) -> str:
        """The text with a marker in place of every span; blanks around markers are as in the text."""
        return "".join(name if name else part for part, name in self._parts())

    def restored(self, translation: str) -> str | None:
        """The translation with the spans in place of the markers; None unless each of them is there exactly once."""
        names = {name: part for part, name in self._parts() if name}
        seen: list[str] = []

        def put_back(match: re.Match[str]) -> str:
            name = f"[{int(match[1])}]"
            if name not in names:
                return match[0]
            seen.append(name)
            return names[name]

        text = MARKER.sub(put_back, translation)
        return text if sorted(seen) == sorted(names) else None

    def apart(self) -> list["Piece"]:
        """The spans as pieces that stay, and what is between them as segments of their own, for a translation that has lost
        a marker."""
        pieces: list[Piece] = []
        for part, name in self._parts():
            pieces += [part] if name else _trimmed(part, ())
        return pieces

    def _parts(self) -> Iterator[tuple[str, str]]:
        """The text in parts, each with its marker, empty for what is translated."""
        taken = {int(match[1]) for match in MARKER.finditer(self.text)}
        free = (number for number in range(1, len(taken) + len(self.spans) + 1) if number not in taken)
        place = 0
        for (start, end), number in zip(self.spans, free, strict=False):
            yield self.text[place:start], ""
            yield self.text[start:end], f"[{number}]"
            place = end
        yield self.text[place:], ""


Piece = str | Segment


def spans(text: str) -> list[tuple[int, int]]:
    """Offsets of what stays as it is, in order, without overlap."""
    return [match.span() for match in SPAN.finditer(text) if match.group()]


def cut(text: str, sentences: bool = True) -> list[Piece]:
    """The pieces of a text: sentences, or else whole lines, and what stays between them."""
    kept = spans(text)
    pieces: list[Piece] = []
    for start, end in _lines(text, kept):
        inside = [(a, b) for a, b in kept if start <= a and b <= end]
        if (start, end) in inside or not _speaks(text, start, end, inside):
            pieces.append(text[start:end])
            continue
        lead = LEAD.match(text, start, end)
        body = lead.end() if lead and not any(a < lead.end() for a, _ in inside) else start
        pieces.append(text[start:body])
        for a, b in _sentences(text, body, end, inside) if sentences else [(body, end)]:
            pieces += _trimmed(text[a:b], tuple((x - a, y - a) for x, y in inside if a <= x and y <= b))
    return [piece for piece in pieces if piece]


def plain(pieces: Sequence[Piece]) -> str:
    """The text that the pieces were cut from."""
    return "".join(piece if isinstance(piece, str) else piece.text for piece in pieces)


def join(pieces: Sequence[Piece], translations: Sequence[str], spaced: bool) -> str:
    """The text with the segments' translations, in order; `spaced`: the language puts a blank between sentences."""
    given = iter(translations)
    parts: list[str] = []
    for number, piece in enumerate(pieces):
        before = pieces[number - 1] if number else ""
        after = pieces[number + 1] if number + 1 < len(pieces) else ""
        if isinstance(piece, str):
            between = isinstance(before, Segment) and isinstance(after, Segment)
            parts.append("" if piece == " " and between and not spaced else piece)
            continue
        if isinstance(before, Segment) and spaced:
            parts.append(" ")
        parts.append(next(given))
    return "".join(parts)


def bare(text: str) -> str:
    """The text with a blank in place of every span."""
    return SPAN.sub(" ", text)


def _lines(text: str, kept: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Stretches of the text: spans over several lines, line ends, and what is between them."""
    long = [(start, end) for start, end in kept if "\n" in text[start:end]]
    place = 0
    for start, end in [*long, (len(text), len(text))]:
        while place < start:
            stop = text.find("\n", place, start)
            stop = start if stop < 0 else stop
            if place < stop:
                yield place, stop
            if stop < start:
                yield stop, stop + 1
            place = stop + 1 if stop < start else start
        if start < end:
            yield start, end
            place = end


def _sentences(text: str, start: int, end: int, kept: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Sentences with what follows them, up to the next one."""
    place = start
    for match in END.finditer(text, start, end):
        stop = match.end()
        inside = any(a < match.end() and match.start() < b for a, b in kept)
        if inside or stop >= end or text[stop].islower():
            continue
        if match["gap"] and ABBREVIATION.search(text, place, match.start() + 1):
            continue
        yield place, stop
        place = stop
    if place < end:
        yield place, end


def _trimmed(text: str, kept: tuple[tuple[int, int], ...]) -> list[Piece]:
    """A segment without the blanks around it, which are pieces of their own; a piece that stays where nothing is said."""
    if not _speaks(text, 0, len(text), kept):
        return [text] if text else []
    body = text.strip()
    start = text.index(body)
    moved = tuple((a - start, b - start) for a, b in kept)
    return [piece for piece in (text[:start], Segment(body, moved), text[start + len(body) :]) if piece]


def _speaks(text: str, start: int, end: int, kept: Sequence[tuple[int, int]]) -> bool:
    """Whether there is a letter outside of the spans."""
    place = start
    for a, b in [*kept, (end, end)]:
        if any(unicodedata.category(letter)[0] == "L" for letter in text[place:a]):
            return True
        place = b
    return False
