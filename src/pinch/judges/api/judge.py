"""Stage: the judge behind a chat server: any that speaks the OpenAI protocol, over the network or on this machine.

    python evaluate.py judge=api judge.model=NAME [judge.base_url=http://localhost:8000/v1]

`probe` finds out which `manner` of asking the server accepts, `interview` asks of one pair, `courier` carries requests
through a budget, busy times and broken connections, `desk` keeps many of them under way, `batches` writes them to files
instead. The key comes from the environment and goes to the server alone.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pinch.config import JudgeConfig
from pinch.judges import questions
from pinch.judges.api import manner, replies
from pinch.judges.api.budget import Budget, Cost
from pinch.judges.api.courier import BYTES, Courier
from pinch.judges.api.desk import Ask, Desk
from pinch.judges.api.interview import Interview
from pinch.judges.api.manner import Manner
from pinch.judges.api.probe import Probe
from pinch.judges.api.server import Server
from pinch.judges.api.waiting import Patience
from pinch.judges.protocol import Judgement
from pinch.records import Outcome, Pair

REPLY_TOKENS = 150
"""Tokens of a usual reply with reasons, for estimates."""


class ApiJudge:
    """Asks a chat server. Cheap to make: without a key, without the network; both are needed when judging starts.

    `workspace` is where what was found out about the server is kept; None: it is found out again every time."""

    def __init__(self, config: JudgeConfig, workspace: Path | None = None, patience: Patience | None = None) -> None:
        self.config = config
        self.name = config.label()
        self.sees_reference = False
        self.template = questions.load(config.prompt or ("labels" if config.logprobs else "pairwise"))
        self.budget = Budget(config.budget, config.price)
        self._server = Server(config)
        self._patience = patience or Patience()
        self.identity: dict[str, Any] = {
            "judge": "api",
            "version": 1,
            "server": self._server.identity,
            "model": config.model,
            "prompt": self.template.digest,
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
            "reply": config.reply.value,
            "seed": config.seed,
            "logprobs": config.logprobs,
        }
        self._wanted = self.identity | {"address": self._server.address, "tokens_field": config.tokens_field.value}
        self._path = None if workspace is None else workspace / "verdicts" / f"{self.name}.server.json"
        self._manner: Manner | None = None
        self._desk: Desk | None = None

    @property
    def spent(self) -> Cost:
        """What this judge has cost so far, the probe included."""
        return self.budget.spent

    @property
    def exhausted(self) -> str:
        """One line that says which budget is used up; empty if none is."""
        if not self.budget.exhausted:
            return ""
        if not self.spent.calls:
            return f"{self.name}: {self.budget.exhausted} is too small for one request; raise it"
        told = self.budget.describe()
        return f"{self.name}: {self.budget.exhausted} allows nothing more after {told}; run this again to go on"

    def judge(self, pairs: Iterable[Pair]) -> Iterator[list[Judgement]]:
        """Judgements as they come in. Raises UserError for what would go wrong with every pair."""
        if self.budget.exhausted:
            return
        self._desk = Desk(self._opening, pairs, self.config.concurrency)
        yield from self._desk.batches()

    def stop(self) -> Sequence[Judgement]:
        """Ask nothing more; what is under way is waited for, a few seconds, since it is paid for."""
        desk, self._desk = self._desk, None
        return desk.stop() if desk is not None else []

    def read(self, raw: str, facts: Mapping[str, Any]) -> Outcome:
        """What stored replies say: the first one that holds a verdict, of those that the pair got."""
        for earlier in facts.get("unread", []):
            found = replies.outcome(earlier.get("raw", ""), earlier, self.config.logprobs)
            if found is not Outcome.invalid:
                return found
        return replies.outcome(raw, facts, self.config.logprobs)

    def tokens(self, pairs: Iterable[Pair], reply: float | None = None) -> tuple[int, int]:
        """Estimate for the pairs: tokens of the questions, by the length of their bytes, and of the replies, `reply` each
        if it is known better."""
        each = 1 if self.config.logprobs else min(REPLY_TOKENS, self.config.max_tokens) if reply is None else reply
        number = size = 0
        for pair in pairs:
            question = self.template.ask(pair)
            size += len((question.system + question.user).encode("utf-8", "replace"))
            number += 1
        return size // BYTES, round(number * each)

    def notes(self) -> list[str]:
        """What judging has cost, what the server would not take, and which budget is used up."""
        spent = [f"{self.name}: {self.budget.describe()}"] if self.spent.calls else []
        unsent = [
            f"judge.{name}={getattr(self.config, name)}"
            for name in ("temperature", "seed")
            if self._manner and getattr(self.config, name) is not None and not getattr(self._manner, name)
        ]
        refused = [f"{self.name}: the server takes no {' and no '.join(unsent)}; its own was used"] if unsent else []
        return [*spent, *refused, *([self.exhausted] if self.exhausted else [])]

    def asking(self) -> Manner:
        """How the server is asked as far as that is known, else as the settings say."""
        return self._manner or self._stored() or manner.unprobed(self.config)

    def _stored(self) -> Manner | None:
        return None if self._path is None else manner.load(self._path, self._wanted)

    @asynccontextmanager
    async def _opening(self, closing: asyncio.Event) -> AsyncIterator[Ask]:
        """What is needed to ask: the connection, and a manner that the server accepts."""
        async with self._server as server:
            courier = Courier(server, self.budget, self.config.retries, self._patience, closing)
            if self._manner is None:
                self._manner = None if self.config.probe else self._stored()
            if self._manner is None:
                search = Probe(self.config, self.template, courier)
                self._manner = await search.find()
                if self._path is not None:
                    manner.save(self._path, self._wanted, self._manner, search.server_model)
            yield Interview(self.config, self.template, courier, self._manner).judgement
