"""Edge: translations that were paid for, one append-only JSONL file per engine.

A translation is known by the engine with its version and settings, the two languages and the source text; the same text in
another row costs nothing. Several processes may append: whole lines, under a lock. A line torn by a crash is cut off.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinch.cells import digest, exclusive
from pinch.errors import UserError
from pinch.records import append_text, to_line


@dataclass(frozen=True)
class Wanted:
    """A text to be translated, as the engine gets it."""

    text: str
    source: str
    target: str


@dataclass(frozen=True)
class Given:
    """What the engine gave: the translation, or else why there is none for this text (`fault`). `again` says that it was a
    matter of the moment, to be asked for again by the next run."""

    wanted: Wanted
    text: str
    fault: str = ""
    again: bool = False


class Memory:
    """Known translations of one engine under a folder; `identity` is what they depend on, `variants` the varieties that were
    chosen for single languages."""

    def __init__(self, folder: Path, identity: Mapping[str, Any], variants: Mapping[str, str] | None = None) -> None:
        self._folder, self._variants = folder, variants or {}
        self._name = f"{identity['engine']}-{digest(dict(identity), 12)}"
        self._head = json.dumps(dict(identity), sort_keys=True, ensure_ascii=False)
        self.path = folder / "memory" / f"{self._name}.jsonl"
        self._known: dict[str, tuple[str, str]] = {}  # translation and fault
        self._read = 0  # bytes of whole lines that were read
        for number, line in enumerate(self._news(), start=1):
            if line and not self._take_in(line):
                raise UserError(f"{self.path}, line {number}: no translation; remove the row, it will be made again")

    def __contains__(self, wanted: Wanted) -> bool:
        return self._key(wanted) in self._known

    def __getitem__(self, wanted: Wanted) -> Given:
        text, fault = self._known[self._key(wanted)]
        return Given(wanted, text, fault)

    def keep(self, given: Sequence[Given]) -> None:
        """Write down what is not known yet."""
        rows = {self._key(one.wanted): one for one in given if not one.again}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(self._folder, f"memory-{self._name}"):
                for line in self._news():
                    self._take_in(line)
                new = {key: one for key, one in rows.items() if key not in self._known}
                append_text(self.path, "".join(map(_line, new, new.values())), self._read)
                for line in self._news():
                    self._take_in(line)
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); free space or check permissions, then run again"
            ) from error

    def _key(self, wanted: Wanted) -> str:
        target = self._variants.get(wanted.target, wanted.target)
        shown = json.dumps([wanted.source, target, wanted.text], ensure_ascii=False)
        return hashlib.sha256(f"{self._head}\n{shown}".encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _news(self) -> list[bytes]:
        """The whole lines that were appended since the last look."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error.strerror}); check its permissions") from None
        *lines, torn = data.split(b"\n")
        self._read += len(data) - len(torn)
        return lines

    def _take_in(self, line: bytes) -> bool:
        try:
            row = json.loads(line.decode("utf-8", "surrogatepass"))
            self._known.setdefault(str(row["key"]), (str(row["text"]), str(row.get("fault", ""))))
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
        return True


def _line(key: str, given: Given) -> str:
    wanted = given.wanted
    row = {"key": key, "from": wanted.source, "to": wanted.target, "source": wanted.text, "text": given.text}
    return to_line(row | ({"fault": given.fault} if given.fault else {})) + "\n"
