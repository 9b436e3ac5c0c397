"""Stage: the verdicts of one judge on disk, append-only, addressed by content.

    multirun/<workspace>/verdicts/<judge>.jsonl     one records.Verdict per line

What was judged once is not judged again, in whatever cell, experiment or session it comes up: the key is a hash of the
judge's identity and of what it was shown, in that order. Invalid verdicts are kept as evidence and never count as known.
Several processes may append: whole lines, in one write, under a lock. A line torn by a crash is dropped by the next
reader and cut off by the next writer.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from filelock import FileLock

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
        self._lock = FileLock(workspace / ".locks" / f"verdicts-{judge.name}.lock")
        self._seed = hashlib.sha256(json.dumps(judge.identity, sort_keys=True, ensure_ascii=False).encode())
        self.outcomes: dict[str, Outcome] = {}
        self._invalid: set[str] = set()
        for key, outcome in _read(self.path):
            self._note(key, outcome)

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
        lines = []
        for (pair, outcome, raw), key in judgements:
            if outcome is not Outcome.invalid or key not in self._invalid:
                verdict = Verdict(key, self.judge.name, pair.language, pair.prompt, outcome, raw)
                lines.append(to_line(vars(verdict) | {"outcome": outcome.value}))
        if lines:
            text = "".join(f"{line}\n" for line in lines)
            self._write(text.encode("utf-8", "surrogatepass"))
        for (_, outcome, _), key in judgements:
            self._note(key, outcome)

    def _write(self, data: bytes) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            Path(self._lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            with self._lock:
                _cut_torn_line(self.path)
                handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
                try:
                    while data:  # a write is whole except on a full disk or an interrupted one; then it goes on
                        data = data[os.write(handle, data) :]
                    os.fsync(handle)
                finally:
                    os.close(handle)
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); free space or check permissions, then run again"
            ) from error

    def _note(self, key: str, outcome: Outcome) -> None:
        if outcome is Outcome.invalid:
            self._invalid.add(key)
        else:
            self.outcomes[key] = outcome


def _read(path: Path) -> Iterator[tuple[str, Outcome]]:
    """Keys and outcomes of a store. Raises UserError for a bad row that is not the torn last one."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last line's end is torn, or nothing
        if not line:
            continue
        try:
            row = json.loads(line.decode("utf-8", "surrogatepass"))
            yield row["key"], OUTCOMES[row["outcome"]]
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path}, line {number}: not a verdict; remove the row, it will be judged again") from None


def _cut_torn_line(path: Path) -> None:
    """Cut off what follows the last line's end. Under the lock nobody else is writing, so it is a crash's remains."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(end - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
