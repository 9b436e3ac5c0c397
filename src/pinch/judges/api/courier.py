"""Stage: how a request gets to the server and comes back with a reply: budget, pauses, tries.

Every request of judge=api goes this way, those of the probe too, so that a busy server, a budget that runs out and an
interrupt mean the same everywhere.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from pinch.judges.api.budget import Budget, Cost
from pinch.judges.api.failures import RequestError, Trouble
from pinch.judges.api.replies import Reply
from pinch.judges.api.server import Server
from pinch.judges.api.waiting import Patience

BYTES = 4
"""Bytes of a question per token, by rule of thumb; no tokenizer makes more than one token of a byte."""

FRAME = 64
"""Tokens that a server's chat template may add to a question."""


class ClosedError(Exception):
    """Nothing more is sent: the budget is used up, or judging is being stopped."""


class Courier:
    """Sends requests to one server within one budget, until `closing` is set; sets it when the budget is used up."""

    def __init__(
        self, server: Server, budget: Budget, retries: int, patience: Patience, closing: asyncio.Event
    ) -> None:
        self.server = server
        self._budget, self._retries, self._patience, self._closing = budget, retries, patience, closing
        self._settled = asyncio.Condition()

    async def send(self, body: Mapping[str, Any], longest: int) -> tuple[Reply, int]:
        """The reply to a request, and how often it was sent. `longest` is the reply's limit in tokens.

        Raises RequestError when the request fails for good or too often, with the number of tries as its `tries`, and
        ClosedError when it may not be sent (again)."""
        size = question_bytes(body)
        tries = 0
        while True:
            await self._pause(self._patience.held())
            reserved = await self._reserve(size + FRAME, longest)
            tries += 1
            question, answer = size // BYTES, longest  # unless the server says better
            try:
                reply = await self.server.ask(body)
                said = len(reply.text.encode("utf-8", "replace")) // BYTES
                question = question if reply.prompt_tokens is None else reply.prompt_tokens
                answer = said if reply.completion_tokens is None else reply.completion_tokens
                return reply, tries
            except RequestError as failure:
                if not failure.worked:
                    question = answer = 0
                failure.tries = tries
                if failure.wait is not None and failure.trouble is Trouble.passing:
                    self._patience.hold(failure.wait)
                if failure.trouble is not Trouble.passing or tries > self._retries:
                    raise
                wait = 0.0 if failure.wait is not None else self._patience.backoff(tries)
            finally:
                await self._settle(reserved, question, answer)
            await self._pause(wait)

    async def _pause(self, seconds: float) -> None:
        """Wait so long, and until the server is ready for requests again."""
        while seconds > 0 and not self._closing.is_set():
            await self._patience.rest(seconds, self._closing)
            seconds = self._patience.held()  # meanwhile the server may have asked for more

    async def _reserve(self, question: int, reply: int) -> Cost:
        """What the request takes at most, put aside; waits for requests under way as long as it does not fit."""
        async with self._settled:
            while True:
                if self._closing.is_set():
                    raise ClosedError
                reserved = self._budget.reserve(question, reply)
                if reserved is not None:
                    return reserved
                if self._budget.exhausted:
                    self._closing.set()
                    self._settled.notify_all()
                    raise ClosedError
                await self._settled.wait()

    async def _settle(self, reserved: Cost, question: int, reply: int) -> None:
        self._budget.settle(reserved, question, reply)
        async with self._settled:
            self._settled.notify_all()


def question_bytes(body: Mapping[str, Any]) -> int:
    """UTF-8 bytes of a request's messages."""
    return sum(len(message["content"].encode("utf-8", "replace")) for message in body["messages"])
