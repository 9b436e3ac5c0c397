"""Stage: the verdicts of one judge on disk, append-only, addressed by content.

    multirun/<workspace>/verdicts/<judge>.jsonl     one records.Verdict per line

What was judged once is not judged again, in whatever cell, experiment or session it comes up: the key is a hash of the
judge's identity and of what it was shown, in that order. A reply without a verdict is kept as invalid and asked again only
when that is wanted; a pair that got no reply at all is asked again next time. Stored replies can be read again by other
rules: what they say then is appended too, and counts from there on.
Several processes may append, on several hosts: whole lines, under a lock, and never what another one has appended
meanwhile. A line torn by a crash is dropped by the next reader and cut off by the next writer.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinch.cells import exclusive
from pinch.errors import UserError
from pinch.judges.known import Known
from pinch.judges.protocol import Judge, Judgement
from pinch.judges.replies import OUTCOMES, Addresses
from pinch.records import Outcome, Pair, Verdict, append_text, to_line


@dataclass(frozen=True)
class Change:
    """A stored reply that says something else when it is read by today's rules."""

    language: str
    prompt: str
    before: Outcome
    after: Outcome
    raw: str


class VerdictStore:
    """Known verdicts of one judge in one workspace; `outcomes` maps keys to what counts, `revision` changes whenever what
    was known once is overruled."""

    def __init__(self, workspace: Path, judge: Judge) -> None:
        self.judge = judge
        self.path = workspace / "verdicts" / f"{judge.name}.jsonl"
        self._workspace = workspace
        self._addresses = Addresses(judge.identity)
        self.outcomes = Known()
        self._overruled = hashlib.sha256()
        self._known = 0  # bytes of the file that were read here: whole lines
        for number, line in enumerate(self._news(), start=1):
            if line and not self._take_in(line):
                raise UserError(f"{self.path}, line {number}: not a verdict; remove the row, it will be judged again")

    @property
    def revision(self) -> str:
        """Digest of all that was overruled, by a later reply or by reading a reply again."""
        return self._overruled.hexdigest()[:16]

    def key(self, pair: Pair) -> str:
        """Address of the judgement of a pair, in its order."""
        return self._addresses.key(pair, self.judge.sees_reference)

    def missing(self, pairs: Iterable[Pair], retry_invalid: bool = False) -> dict[str, Pair]:
        """The pairs that are to be judged by their keys, each content once: those never asked, those that got no reply,
        and on request those whose reply held no verdict."""
        found: dict[str, Pair] = {}
        for pair in pairs:
            key = self.key(pair)
            known = self.outcomes.get(key)
            if known is None or self.outcomes.unanswered(key) or (retry_invalid and known is Outcome.invalid):
                found[key] = pair
        return found

    def outcome(self, pair: Pair) -> Outcome | None:
        """What is known of a pair; None when it was never asked."""
        return self.outcomes.get(self.key(pair))

    def unanswered(self, pair: Pair) -> bool:
        """Whether the pair was asked and got no reply."""
        return self.outcomes.unanswered(self.key(pair))

    def judgements(self, pairs: Iterable[Pair]) -> dict[Pair, Judgement]:
        """What is known of the pairs, with the reply that counts; pairs without any reply are left out."""
        wanted = {self.key(pair): pair for pair in pairs}
        found: dict[Pair, Judgement] = {}
        for row in map(json.loads, self._all()):
            pair = wanted.get(row["key"])
            facts = row.get("facts", {})
            if pair is None or row.get("reread") or facts.get("error"):
                continue
            if pair not in found or found[pair].outcome is Outcome.invalid:
                outcome = self.outcomes[row["key"]]
                said = row["raw"] if OUTCOMES[row["outcome"]] is outcome or pair not in found else found[pair].raw
                found[pair] = Judgement(pair, outcome, said, facts)
        return found

    def judge_missing(self, pairs: Sequence[Pair]) -> Iterator[int]:
        """Judge the pairs and keep what is said, batch by batch as the judge gives them; yields numbers judged.

        What came in before an error or an interrupt is kept, what is under way then is waited for."""
        waiting: list[Judgement] = []
        try:
            for batch in self.judge.judge(pairs):
                waiting = list(batch)
                self.keep(waiting)
                waiting = []
                yield len(batch)
        finally:
            late = [*waiting, *self.judge.stop()]
            self.keep(late)
        if late:
            yield len(late)

    def keep(self, judgements: Sequence[Judgement]) -> None:
        """Write down what the store does not know yet: of a verdict that two processes came to, the first one counts."""
        if not judgements:
            return
        keyed = [(self.key(judgement.pair), judgement) for judgement in judgements]
        with self._writing():
            new: dict[str, Judgement] = {}
            for key, judgement in keyed:
                if self._adds(key, judgement) and (key not in new or new[key].outcome is Outcome.invalid):
                    new[key] = judgement
            self._write("".join(self._line(key, judgement) for key, judgement in new.items()))

    def reread(self) -> tuple[int, list[Change]]:
        """Read every stored reply again by the judge's rules of today, without any call, and keep what changes.

        Gives the number of keys with a reply, and the changes. Raises UserError for a judge that reads no replies."""
        with self._writing():
            said: dict[str, tuple[Outcome, dict[str, Any]]] = {}
            for row in map(json.loads, self._all()):
                if row.get("reread") or row.get("facts", {}).get("error"):
                    continue
                outcome = self.judge.read(row["raw"], row.get("facts", {}))
                if row["key"] not in said or said[row["key"]][0] is Outcome.invalid:
                    said[row["key"]] = (outcome, row)
            changed = {key: pair for key, pair in said.items() if pair[0] is not self.outcomes[key]}
            changes = [
                Change(row["language"], row["prompt"], self.outcomes[key], outcome, row["raw"])
                for key, (outcome, row) in changed.items()
            ]
            rows = (
                row | {"outcome": outcome.value, "reread": True, "raw": "", "facts": {}}
                for outcome, row in changed.values()
            )
            self._write("".join(to_line(row) + "\n" for row in rows))
        return len(said), changes

    def _adds(self, key: str, judgement: Judgement) -> bool:
        """Whether a judgement says more than what is known: a verdict, or at least a reply."""
        known = self.outcomes.get(key)
        if known is None:
            return True
        replied = not judgement.facts.get("error")
        return known is Outcome.invalid and (judgement.outcome is not Outcome.invalid or replied)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the store's lock, with all taken in that others have appended."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(self._workspace, f"verdicts-{self.judge.name}"):
                self._catch_up()
                yield
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); free space or check permissions, then run again"
            ) from error

    def _line(self, key: str, judgement: Judgement) -> str:
        pair = judgement.pair
        facts = dict(judgement.facts)
        verdict = Verdict(key, self.judge.name, pair.language, pair.prompt, judgement.outcome, judgement.raw, facts)
        row = vars(verdict) | {"outcome": judgement.outcome.value}
        return to_line({name: value for name, value in row.items() if value or name not in ("facts", "reread")}) + "\n"

    def _write(self, lines: str) -> None:
        """Append whole lines and take them in."""
        if not lines:
            return
        append_text(self.path, lines, self._known)
        self._catch_up()

    def _catch_up(self) -> None:
        for line in self._news():
            self._take_in(line)  # a broken row of somebody else's is reported by the next start

    def _all(self) -> Iterator[bytes]:
        """The whole lines of the file that are known, one by one: all of them may be more than the memory holds."""
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if file.tell() > self._known:
                        return
                    if line != b"\n":
                        yield line
        except FileNotFoundError:
            return

    def _news(self) -> Iterator[bytes]:
        """The whole lines that were appended since the last look."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(self._known - 1, 0))
                if self._known and file.read(1) != b"\n":  # somebody has edited the file meanwhile
                    self._known = file.seek(0)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    self._known += len(line)
                    yield line[:-1]
        except FileNotFoundError:
            self._known = 0
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error.strerror}); check its permissions") from None

    def _take_in(self, line: bytes) -> bool:
        """Know a line of the file. False when it is no verdict."""
        try:
            row = json.loads(line.decode("utf-8", "surrogatepass"))
            key, outcome, reread = row["key"], OUTCOMES[row["outcome"]], bool(row.get("reread"))
            unanswered = bool((row.get("facts") or {}).get("error"))
            known = self.outcomes.get(key)
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
        if known is Outcome.invalid and outcome is Outcome.invalid and not self.outcomes.unanswered(key):
            return True
        if known is None or reread or known is Outcome.invalid:
            self.outcomes.put(key, outcome, unanswered)
            if known is not None and known is not outcome:
                self._overruled.update(f"{key}{outcome.value}".encode())
        return True
