"""Stage: what a judge is asked, rendered from a prompt file in one pass.

A prompt file is plain text in two parts, each headed by a line of its own: `[system]` (optional; the same for all questions
in a language, so that servers can keep it) and `[user]`. The placeholders are {language}, the English name of the
language asked in, {instruction}, {first}, {second}, the two answers, {boundary}, and {instruction_boundary} and the like;
the system part may hold {language} alone. {{first}} stands for a literal {first}; all other braces, such as those of JSON,
are text as they are.

Texts are put in once and never looked at again, so a placeholder inside an answer stays text. The boundary is a token for
one question: a hash over the template, the texts and their order. No text can foresee it, since it would have to contain a
hash of itself, and none contains it; yet whoever asks again asks the same, byte by byte. A text's own boundary hashes that
text and those before it alone, so questions that begin with the same texts begin with the same bytes, and a server that
keeps prefixes reads them once. An answer could foresee the boundary of a text before it; if it contains that, another one
is taken, so that none of a question's boundaries stands in any of its texts.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from pinch.cells import digest
from pinch.errors import UserError, did_you_mean
from pinch.languages import LANGUAGES
from pinch.records import Pair

NAMES = ("pairwise", "labels")
"""Prompts that come with Pinch: a comparison with a verdict line at its end, and a single letter."""

NEEDED = ("instruction", "first", "second")
MARKS = {f"{name}_boundary": name for name in NEEDED}
"""Boundaries of single texts, by their placeholders."""

ALLOWED = {"system": ("language",), "user": ("language", *NEEDED, "boundary", *MARKS)}

BOUNDARY_LENGTH = 12
"""Hex digits: 48 bits, short enough to be copied by a model without a slip."""

_PART = re.compile(r"^\[(system|user)\][ \t]*$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}|\{(\w+)\}")
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")
_MARK = re.compile(rf"\{{(?:{'|'.join(MARKS)})\}}")


@dataclass(frozen=True)
class Question:
    """What is sent for one pair; `boundary` is the token that its verdict line carries."""

    system: str
    user: str
    boundary: str


@dataclass(frozen=True)
class Template:
    """A prompt file: its two parts, and a digest of them, which does not tell the boundaries of single texts from that of
    the question: they are tokens without a meaning, and what was judged before there were any stays judged."""

    name: str
    digest: str
    system: str
    user: str

    def ask(self, pair: Pair, attempt: int = 0) -> Question:
        """The question of an ordered pair. Another `attempt` has another boundary, which also gets around the caches of
        servers; everything else is the same."""
        texts = {"instruction": pair.instruction, "first": pair.first, "second": pair.second}
        values = {name: scrub(text) for name, text in texts.items()}
        row = LANGUAGES.get(pair.language)
        values["language"] = row.name if row else pair.language
        around = [value.lower() for value in (self.system, self.user, *values.values())]
        boundary = self._boundary(values, around, attempt)
        marks = {word: self._boundary(self._until(name, values), around, attempt) for word, name in self._marks.items()}
        values |= {"boundary": boundary, **marks}
        return Question(_render(self.system, values), _render(self.user, values), boundary)

    @cached_property
    def _texts(self) -> list[str]:
        """The names of the texts in the order they are shown in."""
        return [word for word in dict.fromkeys(_placeholders(self.user)) if word in NEEDED]

    @cached_property
    def _marks(self) -> dict[str, str]:
        """The boundaries of single texts that the template shows."""
        return {word: MARKS[word] for word in dict.fromkeys(_placeholders(self.user)) if word in MARKS}

    def _until(self, name: str, values: Mapping[str, str]) -> dict[str, str]:
        """What is shown up to the end of a text, and whose boundary it is to be."""
        shown = self._texts[: self._texts.index(name) + 1]
        return {"boundary of": name, **{word: values[word] for word in ("language", *shown)}}

    def _boundary(self, shown: Mapping[str, str], around: Sequence[str], attempt: int) -> str:
        """The hash of what is shown; another one as long as it stands in a text around it."""
        while True:  # ends with the first turn but in 10 ** -10 of the cases, or where a text foresaw it
            found = hashlib.sha256(json.dumps([self.digest, attempt, shown], sort_keys=True).encode()).hexdigest()
            boundary = found[:BOUNDARY_LENGTH]
            if not any(boundary in text for text in around):
                return boundary
            shown = {**shown, "again": found}


def load(name: str) -> Template:
    """The prompt `pairwise` or `labels`, or that of a file. Raises UserError for a file that cannot be used."""
    if name in NAMES:
        text = resources.files("pinch.judges").joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")
        return parse(text, name)
    path = Path(name).expanduser()
    try:
        return parse(path.read_text(encoding="utf-8-sig"), str(path))
    except UnicodeDecodeError:
        raise UserError(f"judge.prompt={name}: not UTF-8; convert the file, e.g. iconv -f LATIN1 -t UTF-8") from None
    except FileNotFoundError:
        plain = Path(name).name == name and not path.suffix
        hint = did_you_mean(name, NAMES) if plain else ""
        raise UserError(f"judge.prompt={name}: no such file{hint}; give pairwise, labels or a file") from None
    except OSError as error:
        raise UserError(
            f"judge.prompt={name}: cannot be read ({error.strerror}); give pairwise, labels or a file"
        ) from None


def parse(text: str, name: str) -> Template:
    """A template from a prompt file's text; `name` is its name in messages."""
    head, *rest = _PART.split(text.replace("\r\n", "\n"))
    titles, bodies = rest[::2], [body.strip("\n") for body in rest[1::2]]
    if head.strip():
        raise UserError(f"judge.prompt={name}: text before the first part; begin with a line [system] or [user]")
    for title in ("system", "user"):
        if titles.count(title) > 1:
            raise UserError(f"judge.prompt={name}: two [{title}] parts; join them")
    parts = dict(zip(titles, bodies, strict=True))
    if not parts.get("user", "").strip():
        raise UserError(f"judge.prompt={name}: no [user] part; put the question under a line [user]")
    for title, body in parts.items():
        _check(title, body, name)
    missing = [f"{{{word}}}" for word in NEEDED if word not in _placeholders(parts["user"])]
    if missing:
        raise UserError(f"judge.prompt={name}: the [user] part lacks {', '.join(missing)}; say where it goes")
    system = scrub(parts.get("system", ""))
    user = scrub(parts["user"])
    return Template(name, digest([system, _MARK.sub("{boundary}", user)], 16), system, user)


def scrub(text: str) -> str:
    """Text that can be sent as UTF-8 JSON everywhere: NULs and halves of surrogate pairs become U+FFFD, all else stays."""
    return _UNSENDABLE.sub("\ufffd", text)


def _check(title: str, body: str, name: str) -> None:
    for word in _placeholders(body):
        if word in ALLOWED[title]:
            continue
        if word in ALLOWED["user"]:
            raise UserError(f"judge.prompt={name}: {{{word}}} in the [system] part; move it to the [user] part")
        options = [f"{{{option}}}" for option in ALLOWED[title]]
        hint = did_you_mean(f"{{{word}}}", options)
        raise UserError(
            f"judge.prompt={name}: unknown placeholder {{{word}}}{hint}; write {{{{{word}}}}} for the text itself"
        )


def _placeholders(body: str) -> Iterable[str]:
    return [match[2] for match in _PLACEHOLDER.finditer(body) if match[2]]


def _render(body: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match[2]] if match[2] else f"{{{match[1]}}}", body)
