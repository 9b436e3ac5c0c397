"""Stage: what a chat server's reply holds, read from JSON that is not trusted.

Servers differ: content that is null, a list of parts or empty beside a refusal, no usage, an error under status 200, token
probabilities that were asked for and are not there. What is no chat completion at all raises BrokenError: it can be
asked for again.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pinch.judges import parsing
from pinch.records import Outcome, Pair

TEXT = "text"
"""The format of a reply that is no JSON."""

LENGTH = "length"
"""`finish` of a reply that was cut off at the limit of tokens: whatever it says so far, it has not come to its end."""


class BrokenError(Exception):
    """The reply is no chat completion; the message says what is wrong with it, `status` what the server says it was."""

    def __init__(self, words: str, status: int | None = None) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True)
class Reply:
    """One reply: its text, why it ended, and what the server says of itself and of the tokens used, None where it says
    nothing. `letters` are the probabilities that the first token is A and that it is B."""

    text: str
    finish: str
    model: str
    fingerprint: str
    prompt_tokens: int | None
    completion_tokens: int | None
    letters: tuple[float, float] | None

    def says(self) -> dict[str, Any]:
        """What is worth keeping beside the text, without what the server did not say."""
        facts = {"finish": self.finish, "model": self.model, "fingerprint": self.fingerprint}
        known = {name: value for name, value in facts.items() if value}
        return known if self.letters is None else known | probabilities(self.letters)


def read(body: Any) -> Reply:
    """The reply in a decoded body. Raises BrokenError for anything that is no chat completion."""
    if not isinstance(body, Mapping):
        raise BrokenError("the reply is no JSON object")
    if body.get("error"):
        raise error_of(body["error"])
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(choice, Mapping) or not isinstance(message, Mapping):
        raise BrokenError("the reply has no choices[0].message")
    if choice.get("error"):
        raise error_of(choice["error"])
    usage = body.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    return Reply(
        text=_text(message.get("content")) or _text(message.get("refusal")),
        finish="refusal" if message.get("refusal") else _word(choice.get("finish_reason")),
        model=_word(body.get("model")),
        fingerprint=_word(body.get("system_fingerprint")),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        letters=_letters(choice.get("logprobs")),
    )


def outcome(raw: str, facts: Mapping[str, Any], logprobs: bool) -> Outcome:
    """The verdict of one reply. None is read from a reply that was cut off, refused or never came."""
    if facts.get("error") or facts.get("refused"):
        return Outcome.invalid
    if logprobs:
        return _likelier(facts.get("p_first"))
    if not raw.strip() or facts.get("finish") in (LENGTH, "refusal"):
        return Outcome.invalid
    boundary, imitated = str(facts.get("boundary", "")), facts.get("imitated")
    return parsing.verdict(raw, boundary, plain=not imitated, structured=imitated != TEXT)


def imitated(pair: Pair, asked_for: str) -> dict[str, str]:
    """The fact that an answer of the pair imitates a verdict, and the format that was asked for: replies to such a pair are
    read by stricter rules."""
    return {"imitated": asked_for} if any(map(parsing.imitates, (pair.first, pair.second))) else {}


def probabilities(letters: tuple[float, float]) -> dict[str, float]:
    """`mass`, the probability of A or B, and `p_first`, that of A among the two; a letter the server does not list is 0."""
    mass = sum(letters)
    return {"p_first": letters[0] / mass, "mass": mass} if mass > 0 else {"mass": 0.0}


def _likelier(p_first: Any) -> Outcome:
    if not isinstance(p_first, int | float) or not 0 <= p_first <= 1:
        return Outcome.invalid
    return Outcome.tie if p_first == 0.5 else Outcome.first if p_first > 0.5 else Outcome.second


def _letters(logprobs: Any) -> tuple[float, float] | None:
    """Probabilities of A and B as the first token, whatever blanks they are written with; None if the server sent none."""
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, list) or not content or not isinstance(content[0], Mapping):
        return None
    listed = dict(_tokens(content[0].get("top_logprobs")))
    listed = dict(_tokens([content[0]])) | listed  # the chosen one may be missing in the list
    if not listed:
        return None
    letters = [sum(p for token, p in listed.items() if token.strip(" \t\r\n\u2581\u0120") == label) for label in "AB"]
    return letters[0], letters[1]


def _tokens(rows: Any) -> Iterator[tuple[str, float]]:
    for row in rows if isinstance(rows, list) else []:
        token, logprob = (row.get("token"), row.get("logprob")) if isinstance(row, Mapping) else (None, None)
        if isinstance(token, str) and isinstance(logprob, int | float) and not math.isnan(logprob):
            yield token, math.exp(min(logprob, 0.0))


def _text(content: Any) -> str:
    """Content as text; of a list of parts, those that are text."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def error_of(error: Any) -> BrokenError:
    """What a server calls an error in a body or a row, with the status that it names."""
    named = error.get("code", error.get("status")) if isinstance(error, Mapping) else None
    message = error.get("message") if isinstance(error, Mapping) else error
    return BrokenError(str(message or error), named if isinstance(named, int) and 400 <= named <= 599 else None)
