"""Stage: what a chat server accepts, found out with a few requests before judging starts.

Servers refuse fields that others need: `max_tokens` or `max_completion_tokens`, `temperature`, `seed`, `response_format`,
a system message; some take a field and ignore it. So a tiny question is asked as the settings would have it, what is
refused is given up, and only what brings a verdict that can be read counts. What was found is kept beside the verdicts and
is no part of their address: nobody pays again because a server was moody.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pinch.config import JudgeConfig
from pinch.errors import UserError
from pinch.judges.api import replies
from pinch.judges.api.courier import Courier
from pinch.judges.api.failures import RequestError, Trouble
from pinch.judges.api.manner import Manner, longest, options
from pinch.judges.api.replies import Reply
from pinch.judges.questions import Question, Template
from pinch.records import Outcome, Pair

PAIR = Pair("probe", "en", "What is the capital of France? Reply in one word.", "Paris", "Bananas")
ASKS = 3
"""Questions that a server may leave without a readable verdict, in the last format there is."""

MOST = 24
"""Requests of one probe, tries not counted."""

NAMED = {
    "top_logprobs": r"\b(top_)?logprobs\b",
    "tokens_field": r"\bmax_(completion_)?tokens\b",
    "temperature": r"\btemperature\b",
    "seed": r"\bseed\b",
    "reply": r"\b(response_format|json_schema|json_object|json|structured|grammar)\b",
    "system": r"\bsystem\b",
}
"""Words in a refusal that say which field of the manner is meant."""

UNSENT = (False, 0, "text")
"""Values of fields that put nothing into a request."""


class Probe:
    """Finds the manner of one server."""

    def __init__(self, config: JudgeConfig, template: Template, courier: Courier) -> None:
        self._config, self._template, self._courier = config, template, courier
        self._options = options(config)
        self._sent = 0
        self.server_model = ""

    async def find(self) -> Manner:
        """The best manner that brings a verdict. Raises UserError, naming the setting to change, when there is none."""
        manner = Manner(**{name: choices[0] for name, choices in self._options.items()})
        while True:
            try:
                reply, question = await self._ask(manner)
                if await self._readable(manner, reply, question):
                    return manner
            except RequestError as failure:
                manner = await self._without(manner, failure)
                continue
            lesser = self._next(manner, "reply")
            if lesser is None:
                raise self._mute(reply)
            manner = lesser

    async def _ask(self, manner: Manner, attempt: int = 0) -> tuple[Reply, Question]:
        self._sent += 1
        if self._sent > MOST:
            address = self._courier.server.address
            raise UserError(f"{address}: the server takes a request and then refuses the same one; try again later")
        question = self._template.ask(PAIR, attempt)
        body = manner.body(self._config, question, self._config.seed)
        reply, _ = await self._courier.send(body, longest(self._config))
        self.server_model = reply.model
        return reply, question

    async def _readable(self, manner: Manner, reply: Reply, question: Question) -> bool:
        """Whether verdicts can be read from replies in this manner; in the last format, several are waited for."""
        if self._config.logprobs and reply.letters is None:
            raise UserError(
                f"{self._courier.server.address}: the server sends no probabilities of tokens; set judge.logprobs=false"
            )
        for attempt in range(1, ASKS + 1):
            facts = reply.says() | {"boundary": question.boundary}
            if replies.outcome(reply.text, facts, self._config.logprobs) is not Outcome.invalid:
                return True
            if attempt == ASKS or self._next(manner, "reply") is not None:
                return False
            reply, question = await self._ask(manner, attempt)
        return False

    async def _without(self, manner: Manner, failure: RequestError) -> Manner:
        """The next manner to try after a failure. Raises UserError when the failure is none of the manner's."""
        if failure.trouble is Trouble.refused:
            for name in _named(failure):
                lesser = self._next(manner, name)
                if lesser is not None:
                    return lesser
                if name == "top_logprobs" or (len(self._options[name]) == 1 and getattr(manner, name) not in UNSENT):
                    raise self._insists(name, failure)
            return await self._from_below(failure)
        if failure.trouble is Trouble.pair:
            raise UserError(
                f"{self._courier.server.address}: the server refuses a test question ({failure}); "
                f"check judge.max_tokens={self._config.max_tokens}"
            )
        stumbles = failure.trouble is Trouble.passing and (failure.status or 0) >= 500  # over the format, perhaps
        lesser = self._next(manner, "reply") if stumbles else None
        if lesser is None:
            raise self._courier.server.give_up(failure)
        return lesser

    async def _from_below(self, failure: RequestError) -> Manner:
        """The best manner of a server that refuses something without saying what: the least that may be sent, then more,
        piece by piece, as long as it is taken."""
        least = Manner(**{name: choices[-1] for name, choices in self._options.items()})
        for field in self._options["tokens_field"]:
            taken = replace(least, tokens_field=field)
            if await self._takes(taken):
                break
        else:
            raise UserError(
                f"{self._courier.server.address}: the server refuses every form of request ({failure}); "
                f"check judge.model={self._config.model} and judge.max_tokens={self._config.max_tokens}"
            )
        for name in ("temperature", "seed", "system", "top_logprobs", "reply"):
            for choice in self._options[name]:
                better = replace(taken, **{name: choice})
                if better == taken or await self._takes(better):
                    taken = better
                    break
        self._options = {name: _from(self._options[name], getattr(taken, name)) for name in self._options}
        return taken

    async def _takes(self, manner: Manner) -> bool:
        try:
            await self._ask(manner)
        except RequestError as failure:
            if failure.trouble is not Trouble.refused:
                raise self._courier.server.give_up(failure) from None
            return False
        return True

    def _next(self, manner: Manner, name: str) -> Manner | None:
        """The manner with the next choice for a field; None if there is none left."""
        left = _from(self._options[name], getattr(manner, name))[1:]
        return replace(manner, **{name: left[0]}) if left else None

    def _insists(self, name: str, failure: RequestError) -> UserError:
        tokens = f"set judge.tokens_field=auto, or change judge.max_tokens={self._config.max_tokens}"
        setting, remedy = {
            "tokens_field": ("tokens_field", tokens),
            "temperature": ("temperature", "set judge.temperature=null"),
            "seed": ("seed", "set judge.seed=null"),
            "reply": ("reply", "set judge.reply=auto"),
            "top_logprobs": ("logprobs", "set judge.logprobs=false"),
        }.get(name, (name, "use another model"))
        value = getattr(self._config, setting, "")
        written = str(value).lower() if isinstance(value, bool) else getattr(value, "value", value)
        given = f"judge.{setting}={written}"
        return UserError(f"{self._courier.server.address}: the server refuses {given} ({failure}); {remedy}")

    def _mute(self, reply: Reply) -> UserError:
        """Of a judge that cannot say which of two answers is better even for the probe's question."""
        said = " ".join(reply.text.split())[:80]
        if reply.finish == replies.LENGTH:
            why, remedy = "is cut off", f"raise judge.max_tokens={self._config.max_tokens}"
        else:
            why, remedy = f"holds no verdict ({said!r})", "use another model, or another judge.prompt"
        return UserError(f"judge.model={self._config.model}: the reply to a test question {why}; {remedy}")


def _named(failure: RequestError) -> Iterator[str]:
    """Fields of the manner that a refusal names: by the field of the error, else by its words."""
    for text in (failure.field.lower(), failure.words.lower()):
        found = [name for name, words in NAMED.items() if re.search(words, text)]
        if found:
            yield from found
            return


def _from(choices: list[Any], value: Any) -> list[Any]:
    return choices[choices.index(value) :]
