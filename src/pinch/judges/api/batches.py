"""Stage: judge=api through files for a batch API, which takes half the price and up to a day.

    python evaluate.py judge=api judge.model=NAME judge.batch=write      writes verdicts/<judge>.batch-<digest>-NNN.jsonl
    python evaluate.py judge=api judge.model=NAME judge.batch=read 'judge.results=[FILE, ...]'

Requests are rows of OpenAI's batch format, which other servers take too; a row's `custom_id` is the address of the verdict
in the store, so results find their pairs in whatever order they come, and those of other settings find none. No network.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pinch.cells import digest
from pinch.judges.api import replies
from pinch.judges.api.interview import closed, heard_of, seed_of
from pinch.judges.api.judge import ApiJudge
from pinch.judges.api.replies import Reply
from pinch.judges.protocol import Judgement
from pinch.records import Pair, iterate_jsonl, write_text

ROWS, BYTES = 50_000, 150_000_000
"""Most rows and bytes of one file; OpenAI takes 50,000 and 200 MB."""

PATH = "/v1/chat/completions"


def write_requests(judge: ApiJudge, wanted: Mapping[str, Pair], workspace: Path) -> list[Path]:
    """Write the requests for the pairs, by their addresses in the store, and give the files. The same pairs make the same
    files again; no pairs, no file."""
    name = f"{judge.name}.batch-{digest([judge.identity, vars(judge.asking()), sorted(wanted)], 8)}"
    paths = []
    for number, lines in enumerate(_files(_rows(judge, wanted)), start=1):
        paths.append(workspace / "verdicts" / f"{name}-{number:03}.jsonl")
        write_text(paths[-1], "".join(lines))
    return paths


def _rows(judge: ApiJudge, wanted: Mapping[str, Pair]) -> Iterator[str]:
    manner = judge.asking()
    for key, pair in wanted.items():
        question = judge.template.ask(pair)
        body = manner.body(judge.config, question, seed_of(judge.config.seed, question.boundary))
        # ASCII: some who read such files break lines at U+2028
        yield json.dumps({"custom_id": key, "method": "POST", "url": PATH, "body": body}) + "\n"


def _files(rows: Iterator[str]) -> Iterator[list[str]]:
    lines: list[str] = []
    size = 0
    for row in rows:
        if lines and (len(lines) >= ROWS or size + len(row) > BYTES):
            yield lines
            lines, size = [], 0
        lines.append(row)
        size += len(row)
    if lines:
        yield lines


@dataclass
class Results:
    """Result files of a batch API, read by iterating: a judgement for every wanted pair with a reply, the first one of a
    pair. The rest is counted: `errors`, by the server's words, leave their pair unjudged, `unknown` rows belong to no
    wanted pair, `repeated` ones to a pair that had its reply."""

    judge: ApiJudge
    paths: Sequence[Path]
    wanted: Mapping[str, Pair]
    read: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    repeated: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __iter__(self) -> Iterator[Judgement]:
        """Raises UserError, naming file and line, for what is no row of results."""
        seen: set[str] = set()
        for path in self.paths:
            for key, response, error in iterate_jsonl(path, _row):
                if key not in self.wanted:
                    self.unknown += 1
                elif key in seen:
                    self.repeated += 1
                elif (reply := self._reply(response, error)) is not None:
                    seen.add(key)
                    yield self._judgement(self.wanted[key], reply)

    def describe(self) -> str:
        """What was found, in words."""
        words = [
            f"{self.read:,} replies ({self.prompt_tokens:,} tokens of questions, {self.completion_tokens:,} of replies)"
        ]
        if self.errors:
            most, times = self.errors.most_common(1)[0]
            words.append(f"{self.errors.total():,} errors, which leave their pairs unjudged ({times:,} times: {most})")
        words += (
            [f"{self.unknown:,} rows of pairs that are judged already or of other settings"] if self.unknown else []
        )
        words += [f"{self.repeated:,} rows of pairs that had their reply"] if self.repeated else []
        return "; ".join(words)

    def _reply(self, response: Mapping[str, Any], error: Any) -> Reply | None:
        """The reply in a row; None, and counted, for an error."""
        try:
            return _completion(response, error)
        except replies.BrokenError as broken:
            self.errors[" ".join(str(broken).split())[:120]] += 1
            return None

    def _judgement(self, pair: Pair, reply: Reply) -> Judgement:
        self.read += 1
        self.prompt_tokens += reply.prompt_tokens or 0
        self.completion_tokens += reply.completion_tokens or 0
        boundary = self.judge.template.ask(pair).boundary
        seed = seed_of(self.judge.config.seed, boundary) if self.judge.asking().seed else None
        heard = heard_of(reply, boundary, seed) | replies.imitated(pair, self.judge.asking().reply)
        return closed(pair, [heard], 1, {}, self.judge.config.logprobs)


def _completion(response: Mapping[str, Any], error: Any) -> Reply:
    """The reply in a row. Raises BrokenError for a row that holds an error."""
    body = response.get("body")
    if error or response.get("status_code", 200) != 200:
        inner = body.get("error") if isinstance(body, Mapping) else None
        raise replies.error_of(error or inner or f"status {response.get('status_code')}")
    return replies.read(body)


def _row(row: dict[str, Any]) -> tuple[str, Mapping[str, Any], Any]:
    """Address, response and error of a row. Raises KeyError or TypeError for what is no row of results."""
    response, error = row.get("response"), row.get("error")
    if not isinstance(response, dict | None) or (response is None and error is None):
        raise TypeError("no result of a batch API (it has neither response nor error)")
    return str(row["custom_id"]), response or {}, error
