"""Stage: one pair is put to the server, as often as it takes to get a verdict that can be read, within limits.

A reply without a verdict, one that is empty, and one that was cut off are asked for again, with another boundary and
another seed; what was said before is kept beside the last reply. A request that fails for this pair alone (too long,
content not wanted) is a refusal; one that fails for reasons of the server leaves the pair without any reply.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from pinch.config import JudgeConfig
from pinch.errors import UserError
from pinch.judges.api import replies
from pinch.judges.api.courier import ClosedError, Courier
from pinch.judges.api.failures import RequestError, Trouble
from pinch.judges.api.manner import Manner, longest
from pinch.judges.api.replies import Reply
from pinch.judges.protocol import Judgement
from pinch.judges.questions import Template
from pinch.records import Outcome, Pair

IN_A_ROW = 20
"""Pairs whose requests fail one after the other, with no reply in between, before judging ends."""

KEPT = ("raw", "boundary", "finish", "imitated")
"""What is kept of the replies before the last one."""

UNFINISHED = "judging ended before it was asked again"


class Interview:
    """Judges pairs one at a time in one manner; several may be under way at once."""

    def __init__(self, config: JudgeConfig, template: Template, courier: Courier, manner: Manner) -> None:
        self._config, self._template, self._courier, self._manner = config, template, courier, manner
        self._failures = 0

    async def judgement(self, pair: Pair) -> Judgement:
        """What the server says of the pair. Raises ClosedError when nothing may be asked any more, UserError when nothing
        will work any more."""
        heard: list[dict[str, Any]] = []
        tries, logprobs = 0, self._config.logprobs
        for attempt in range(self._config.asks):
            try:
                facts, sent = await self._ask(pair, attempt)
            except ClosedError:
                if not heard:
                    raise
                return closed(pair, heard, tries, {"error": UNFINISHED}, logprobs)
            except RequestError as failure:
                return closed(pair, heard, tries + failure.tries, self._failed(failure), logprobs)
            self._failures = 0
            tries += sent
            heard.append(facts)
            if replies.outcome(facts["raw"], facts, logprobs) is not Outcome.invalid:
                break
        return closed(pair, heard, tries, {}, logprobs)

    async def _ask(self, pair: Pair, attempt: int) -> tuple[dict[str, Any], int]:
        question = self._template.ask(pair, attempt)
        seed = seed_of(self._config.seed, question.boundary) if self._manner.seed else None
        body = self._manner.body(self._config, question, seed)
        reply, tries = await self._courier.send(body, longest(self._config))
        return heard_of(reply, question.boundary, seed) | replies.imitated(pair, self._manner.reply), tries

    def _failed(self, failure: RequestError) -> dict[str, Any]:
        """What a request that failed leaves behind. Raises UserError when the same awaits every other one."""
        if failure.trouble is Trouble.pair:
            return {"refused": str(failure)}
        if failure.trouble is Trouble.lasting:
            raise self._courier.server.give_up(failure)
        self._failures += 1
        if self._failures >= IN_A_ROW:
            raise UserError(
                f"{self._courier.server.address}: {IN_A_ROW} pairs in a row got no reply, the last one because of "
                f"({failure}); if the server has changed, add judge.probe=true, else run this again when it works"
            )
        return {"error": str(failure)}


def closed(
    pair: Pair, heard: Sequence[Mapping[str, Any]], tries: int, end: Mapping[str, Any], logprobs: bool
) -> Judgement:
    """The judgement: the last reply, its facts, what was said before, and how it ended if not with a reply."""
    facts: dict[str, Any] = dict(heard[-1]) if heard else {}
    raw = facts.pop("raw", str(end.get("refused", "")))
    for name in ("prompt_tokens", "completion_tokens"):
        known = [row[name] for row in heard if name in row]
        facts |= {name: sum(known)} if known else {}
    facts |= {"tries": tries, "asks": len(heard)}
    if heard[:-1]:
        facts["unread"] = [{k: row[k] for k in KEPT if k in row} for row in heard[:-1]]
    facts |= end
    return Judgement(pair, replies.outcome(raw, facts, logprobs), raw, facts)


def heard_of(reply: Reply, boundary: str, seed: int | None) -> dict[str, Any]:
    """Raw text and facts of one reply; what is not known is left out."""
    tokens = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens, "seed": seed}
    known = {name: value for name, value in tokens.items() if value is not None}
    return {"raw": reply.text, "boundary": boundary} | reply.says() | known


def seed_of(seed: int | None, boundary: str) -> int | None:
    """The seed of one question: another one for every pair, order and attempt, the same whenever it is asked."""
    return None if seed is None else int(hashlib.sha256(f"{seed}:{boundary}".encode()).hexdigest()[:7], 16)
