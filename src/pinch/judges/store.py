"""Stage: the verdicts of one judge on disk, append-only, addressed by content.

    multirun/<workspace>/verdicts/<judge>.jsonl     one records.Verdict per line

What was judged once is not judged again, in whatever cell, experiment or session it comes up: the key is a hash of the
judge's identity and of what it was shown, in that order. Invalid verdicts are kept as evidence and never count as known.
Several processes may append, on several hosts: whole lines, under a lock, and never what another one has appended
meanwhile. A line torn by a crash is dropped by the next reader and cut off by the next writer.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pinch.cells import exclusive
from pinch.errors import UserError
from pinch.judges.protocol import Judge, Judgement
from pinch.records import Outcome, Pair, Verdict, to_line

BATCH = 2000
"""Verdicts handed to the disk at a time, by default ..."""

SECONDS = 2.0
"""... and at least this often, as far as the judge says anything: what a slow judge said was paid for."""

OUTCOMES = {outcome.value: outcome for outcome in Outcome}


class VerdictStore:
    """Known verdicts of one judge in one workspace; `outcomes` maps keys to valid outcomes."""

    def __init__(self, workspace: Path, judge: Judge) -> None:
        if not judge.name or judge.name != Path(judge.name).name or judge.name.startswith("."):
            raise UserError(f"judge.name={judge.name!r} becomes a file name; use a plain word, without slashes")
        self.judge = judge
        self.path = workspace / "verdicts" / f"{judge.name}.jsonl"
        self._workspace = workspace
        self._seed = hashlib.sha256(json.dumps(judge.identity, sort_keys=True, ensure_ascii=False).encode())
        self.outcomes: dict[str, Outcome] = {}
        self._invalid: set[str] = set()
        self._known = 0  # bytes of the file that were read or written here: whole lines
        self._torn = 0  # bytes behind them
        for number, line in enumerate(self._news(), start=1):
            if line and not self._take_in(line):
                raise UserError(f"{self.path}, line {number}: not a verdict; remove the row, it will be judged again")

    def key(self, pair: Pair) -> str:
        """Address of a judgement: SHA-256 (first 128 bits) of the judge's identity, the language asked, the instruction,
        both answers in their order, and the reference answer if the judge sees it."""
        shown = [pair.language, pair.instruction, pair.first, pair.second]
        if self.judge.sees_reference:
            shown.append("" if pair.reference is None else f"={pair.reference}")
        state = self._seed.copy()
        state.update(json.dumps(shown, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        return state.hexdigest()[:32]

    def missing(self, pairs: Iterable[Pair]) -> list[Pair]:
        """The pairs without a valid verdict, each content once."""
        return list({key: pair for pair in pairs if (key := self.key(pair)) not in self.outcomes}.values())

    def outcome(self, pair: Pair) -> Outcome:
        """What is known of a pair; invalid when nothing is."""
        return self.outcomes.get(self.key(pair), Outcome.invalid)

    def judge_missing(self, pairs: Sequence[Pair], batch: int = BATCH) -> Iterator[int]:
        """Judge the pairs that have no verdict and keep what is said, `batch` at a time or what came in
        within SECONDS; yields numbers judged.

        What came in before an error or an interrupt is kept."""
        buffer: list[tuple[Judgement, str]] = []
        flushed = time.monotonic()
        try:
            for judgement in self.judge.judge(pairs):
                buffer.append((judgement, self.key(judgement[0])))
                if len(buffer) >= batch or time.monotonic() - flushed > SECONDS:
                    full, buffer = buffer, []
                    flushed = time.monotonic()
                    self._append(full)
                    yield len(full)
        finally:
            self._append(buffer)
        yield len(buffer)

    def _append(self, judgements: Sequence[tuple[Judgement, str]]) -> None:
        """Write down what the store does not know yet: of a verdict that two processes came to, the first one counts."""
        if not judgements:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(self._workspace, f"verdicts-{self.judge.name}"):
                for line in self._news():
                    self._take_in(line)  # a broken row of somebody else's is reported by the next start
                new: dict[tuple[str, bool], Judgement] = {}
                for judgement, key in judgements:
                    invalid = judgement[1] is Outcome.invalid
                    if key not in self.outcomes and not (invalid and key in self._invalid):
                        new.setdefault((key, invalid), judgement)
                self._write("".join(self._line(key, judgement) for (key, _), judgement in new.items()))
            for (key, _), (_, outcome, _) in new.items():
                self._know(key, outcome)
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); free space or check permissions, then run again"
            ) from error

    def _line(self, key: str, judgement: Judgement) -> str:
        pair, outcome, raw = judgement
        verdict = Verdict(key, self.judge.name, pair.language, pair.prompt, outcome, raw)
        return to_line(vars(verdict) | {"outcome": outcome.value}) + "\n"

    def _write(self, lines: str) -> None:
        """Append whole lines. Under the lock nobody else is writing: a torn line is a crash's remains."""
        data = lines.encode("utf-8", "surrogatepass")
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            if self._torn:
                os.ftruncate(handle, self._known)
            rest = data
            while rest:  # a write is whole except on a full disk or an interrupted one; then it goes on
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
            self._known += len(data)
        finally:
            os.close(handle)

    def _news(self) -> list[bytes]:
        """The whole lines that were appended since the last look."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(self._known - 1, 0))
                if self._known and file.read(1) != b"\n":  # somebody has edited the file meanwhile
                    self._known = file.seek(0)
                data = file.read()
        except FileNotFoundError:
            self._known = self._torn = 0
            return []
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error.strerror}); check its permissions") from None
        *lines, torn = data.split(b"\n")
        self._known += len(data) - len(torn)
        self._torn = len(torn)
        return lines

    def _take_in(self, line: bytes) -> bool:
        """Know a line of the file. False when it is no verdict."""
        try:
            row = json.loads(line.decode("utf-8", "surrogatepass"))
            self._know(row["key"], OUTCOMES[row["outcome"]])
        except (ValueError, KeyError, TypeError):
            return False
        return True

    def _know(self, key: str, outcome: Outcome) -> None:
        if outcome is Outcome.invalid:
            self._invalid.add(key)
        else:
            self.outcomes.setdefault(key, outcome)
