"""Stage: how a chat server is asked: the fields of a request that servers differ in, and what is kept of what they take."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pinch.config import JudgeConfig, ReplyFormat, TokensField
from pinch.judges.parsing import SCHEMA
from pinch.judges.questions import Question
from pinch.records import write_json


@dataclass(frozen=True)
class Manner:
    """How a server is asked. Every field has the value that is tried first; `options` says what else there is."""

    tokens_field: str = "max_tokens"
    temperature: bool = True
    seed: bool = True
    system: bool = True
    reply: str = "json_schema"
    top_logprobs: int = 0

    def body(self, config: JudgeConfig, question: Question, seed: int | None) -> dict[str, Any]:
        """The request for a question."""
        joined = "\n\n".join(part for part in (question.system, question.user) if part)
        messages = [{"role": "user", "content": question.user if self.system else joined}]
        if self.system and question.system:
            messages.insert(0, {"role": "system", "content": question.system})
        body: dict[str, Any] = {"model": config.model, "messages": messages, self.tokens_field: longest(config)}
        if self.temperature and config.temperature is not None:
            body["temperature"] = config.temperature
        if self.seed and seed is not None:
            body["seed"] = seed
        if self.reply == "json_schema":
            schema = {"name": "verdict", "strict": True, "schema": SCHEMA}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self.reply == "json_object":
            body["response_format"] = {"type": "json_object"}
        if self.top_logprobs:
            body |= {"logprobs": True, "top_logprobs": self.top_logprobs}
        return body


def longest(config: JudgeConfig) -> int:
    """Limit of the reply in tokens: where the first token says everything, that one."""
    return 1 if config.logprobs else config.max_tokens


def options(config: JudgeConfig) -> dict[str, list[Any]]:
    """What may be tried, per field of the manner, the best first. What a user has set away from the default stays."""
    formats = [kind.value for kind in ReplyFormat if kind is not ReplyFormat.auto]
    given = config.reply.value
    reply = ["text"] if config.logprobs else formats if config.reply is ReplyFormat.auto else [given]
    fields = [kind.value for kind in TokensField if kind is not TokensField.auto]
    return {
        "tokens_field": fields if config.tokens_field is TokensField.auto else [config.tokens_field.value],
        "temperature": [False] if config.temperature is None else [True, False] if config.temperature == 0 else [True],
        "seed": [False] if config.seed is None else [True, False] if config.seed == 0 else [True],
        "system": [True, False],
        "reply": reply,
        "top_logprobs": [20, 5] if config.logprobs else [0],
    }


def unprobed(config: JudgeConfig) -> Manner:
    """The manner to go by when nobody was asked: the settings as given, and what most servers take."""
    first = {name: choices[0] for name, choices in options(config).items()}
    return Manner(**(first | ({"reply": "text"} if config.reply is ReplyFormat.auto else {})))


def load(path: Path, wanted: Mapping[str, Any]) -> Manner | None:
    """The manner that was found for just these settings; None if there is none, or the file is not understood."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Manner(**stored["manner"]) if stored["for"] == wanted else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(path: Path, wanted: Mapping[str, Any], manner: Manner, server_model: str) -> None:
    """Keep what was found, and what it was found for."""
    write_json(path, {"for": dict(wanted), "manner": asdict(manner), "server model": server_model})
