"""Stage: what people said of pairs, on disk, append-only.

    multirun/<workspace>/verdicts/<judge>.jsonl     one records.Verdict per line

Unlike a machine's, a person's verdict is of a pair as such: it is asked once, in the order drawn for the page, and serves
both orders. `key` is the pair's address, in whichever order; `outcome` is as shown (first: the left answer); a skipped pair
is invalid and no label. Of several labels of one annotator for a pair the latest counts, by the time it was given; those
that it replaced stay in the file. Several processes may append: whole lines, under a lock; a torn last line is cut off.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pinch.cells import digest, exclusive
from pinch.errors import UserError
from pinch.judges.people.annotations import OUTCOMES, Label
from pinch.judges.people.page import address, distinct
from pinch.records import Outcome, Pair, Verdict, append_text, to_line

MIRROR = {Outcome.first: Outcome.second, Outcome.second: Outcome.first}


class Added(NamedTuple):
    """How many labels of a file were new, changed what the same annotator had said before, or said nothing new."""

    new: int
    changed: int
    same: int


class _Known(NamedTuple):
    """One annotator's label of a pair: which answer stood left (its digest), what was said, and when."""

    left: str
    outcome: Outcome
    note: str
    at: str

    def seen(self, left: str) -> Outcome:
        """What was said, in the order in which this answer comes first."""
        return self.outcome if self.left == left else MIRROR.get(self.outcome, self.outcome)


class HumanVerdicts:
    """Known labels of one workspace under one judge's name."""

    def __init__(self, workspace: Path, name: str) -> None:
        self.name = name
        self.path = workspace / "verdicts" / f"{name}.jsonl"
        self._workspace = workspace
        self._labels: dict[str, dict[str, _Known]] = {}
        self._read()

    @property
    def annotators(self) -> list[str]:
        """Everybody who has labelled a pair, by name."""
        return sorted({name for said in self._labels.values() for name, label in said.items() if _counts(label)})

    @property
    def revision(self) -> str:
        """Digest of every label that counts; another one means that scores may have changed."""
        counting = [
            [key, name, label.left, label.outcome]
            for key, said in sorted(self._labels.items())
            for name, label in sorted(said.items())
            if _counts(label)
        ]
        return digest(counting, 16)

    def add(self, labels: Iterable[Label]) -> Added:
        """Write down what is not known yet. Raises UserError when the file cannot be read or written."""
        counts = {"new": 0, "changed": 0, "same": 0}
        lines = []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(self._workspace, f"verdicts-{self.name}"):
                whole = self._read()
                for label in labels:
                    verdict = self._verdict(label)
                    news, fresh = self._know(vars(verdict))
                    counts[news] += 1
                    if fresh:
                        lines.append(to_line(verdict) + "\n")
                append_text(self.path, "".join(lines), whole)
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); free space or check permissions, then run again"
            ) from error
        return Added(**counts)

    def labels(self, pair: Pair) -> dict[str, Outcome]:
        """What the annotators said of the pair, in its order; whoever skipped it is left out."""
        said = self._labels.get(address(pair), {})
        return {name: label.seen(_mark(pair)) for name, label in sorted(said.items()) if _counts(label)}

    def missing(self, pairs: Iterable[Pair]) -> list[Pair]:
        """The pairs that nobody has labelled, each content once, in whichever order."""
        return [pair for pair in distinct(pairs).values() if not self.labels(pair)]

    def _verdict(self, label: Label) -> Verdict:
        pair = label.pair
        facts = {
            "annotator": label.annotator,
            "page": label.page,
            "left": _mark(pair),
            "seconds": label.seconds,
            "note": label.note,
            "at": label.at,
        }
        outcome = OUTCOMES[label.choice]
        return Verdict(address(pair), self.name, pair.language, pair.prompt, outcome, label.choice.value, facts)

    def _know(self, row: dict[str, Any]) -> tuple[str, bool]:
        """Take a verdict in; says whether it is new, changed or the same, and whether it is later than what was known."""
        facts = row["facts"]
        label = _Known(str(facts["left"]), Outcome(row["outcome"]), str(facts["note"]), str(facts["at"]))
        said, name = self._labels.setdefault(str(row["key"]), {}), str(facts["annotator"])
        before = said.get(name)
        if before is None:
            said[name] = label
            return "new", True
        same = (label.seen(before.left), label.note) == (before.outcome, before.note)
        if label.at < before.at or (same and label.at == before.at):
            return "same", False
        said[name] = label
        return "same" if same else "changed", True

    def _read(self) -> int:
        """Know what the file says, and nothing else; gives the length of its whole lines in bytes."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error.strerror}); check its permissions") from None
        self._labels = {}
        *lines, torn = data.split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                if line:
                    self._know(json.loads(line.decode("utf-8", "surrogatepass")))
            except (ValueError, KeyError, TypeError):
                raise UserError(
                    f"{self.path}, line {number}: not a person's verdict; choose another judge.name, or remove the row"
                ) from None
        return len(data) - len(torn)


def _counts(label: _Known) -> bool:
    return label.outcome is not Outcome.invalid


def _mark(pair: Pair) -> str:
    """Tells which of a pair's two answers stands first."""
    return digest(pair.first, 16)
