"""Stage: what it means when a chat server sends no reply, and how its errors are read."""

import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

LASTING = frozenset({401, 402, 403, 404, 405, 410})
PASSING = frozenset({408, 409, 425, 429})

_OF_THE_PAIR = re.compile(
    r"content[ _-]?(filter|management policy)|context[ _](length|size|window)|maximum context|flagged|moderation"
    r"|(prompt|input|message)s? (is|are) too long|string_above_max_length",
    re.IGNORECASE,
)


class Trouble(Enum):
    """What a failure means for what is to come."""

    passing = "passing"  # of the moment: send it again
    pair = "pair"  # of this question alone: it is too long, or its content is not wanted
    refused = "refused"  # the request is refused; whether others will be too, nobody knows
    lasting = "lasting"  # will come for every question


class RequestError(Exception):
    """A request that brought no reply: what it means, the server's words in one line without the key, how long the server
    asks to wait, and whether it may have been worked on (and be paid for)."""

    def __init__(
        self,
        trouble: Trouble,
        words: str,
        status: int | None = None,
        field: str = "",
        wait: float | None = None,
        worked: bool = False,
    ) -> None:
        super().__init__(words)
        self.trouble, self.words, self.status, self.field = trouble, words, status, field
        self.wait, self.worked = wait, worked
        self.tries = 1

    def __str__(self) -> str:
        return f"{self.status}: {self.words}" if self.status else self.words


def classify(status: int, words: str) -> Trouble:
    """What an error status means, with the server's words for it."""
    if "insufficient_quota" in words:
        return Trouble.lasting
    if status in PASSING or status >= 500:
        return Trouble.passing
    if status in (400, 403, 413, 422) and _OF_THE_PAIR.search(words):
        return Trouble.pair
    return Trouble.lasting if status in LASTING or status < 400 else Trouble.refused


def words_of(body: Any) -> str:
    """The server's words in an error's body, in the shapes that are about."""
    if isinstance(body, Mapping):
        names = ("error", "message", "detail", "error_description")
        inner = next((body[name] for name in names if body.get(name)), None)
        return words_of(inner) if inner else json.dumps(body, ensure_ascii=False)
    if isinstance(body, list):
        return json.dumps(body, ensure_ascii=False)
    return re.sub(r"<[^>]*>", " ", str(body)) if body else "no words"


def field_of(body: Any) -> str:
    """The field that a FastAPI server complains of: {"detail": [{"loc": ["body", "seed"], ...}]}."""
    detail = body.get("detail") if isinstance(body, Mapping) else None
    first = detail[0] if isinstance(detail, list) and detail else None
    place = first.get("loc") if isinstance(first, Mapping) else None
    return str(place[1]) if isinstance(place, list) and len(place) > 1 else ""
