"""Stage: how a server is asked for an answer, and how its reply is read.

Servers share a protocol and differ in what they know beyond it: prompts as token ids, token ids in replies, fields for
sampling. `library` is `transformers serve`, which takes text alone, and all settings in one field of its own.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pinch.config import GenerationConfig
from pinch.errors import CellError
from pinch.frames import Frame
from pinch.generation.answers import answers, draw_name, stop_in
from pinch.judges.api.replies import BrokenError, error_of
from pinch.records import Answer, Prompt

LENGTH, STOP = "length", "stop"
"""Why an answer ended: at its limit of tokens, or where it wanted to."""


@dataclass(frozen=True)
class Manner:
    """How a server is asked. `library`: it is `transformers serve`; `ids`: prompts are token ids; `known`: the fields beyond
    the protocol that it knows."""

    library: bool = False
    ids: bool = True
    known: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reply:
    """One reply: its text, its tokens (None: not said), why it ended, how many tokens the server counted, and the
    log-probabilities of the likeliest first tokens."""

    text: str
    tokens: list[int] | None
    finish: str
    prompt_tokens: int | None
    completion_tokens: int | None
    likely: dict[str, float] | None


def fields(settings: GenerationConfig, frame: Frame) -> dict[str, Any]:
    """What is sent beyond the protocol, also where it is without effect: servers have defaults of their own, taken from the
    model's generation config."""
    drawing = {"top_k": settings.top_k or -1, "min_p": settings.min_p or 0.0} if settings.do_sample else {}
    return {
        "repetition_penalty": settings.repetition_penalty,
        **drawing,
        "stop_token_ids": [frame.end],
        "return_token_ids": True,
    }


def needed(settings: GenerationConfig, frame: Frame) -> dict[str, str]:
    """Of these, the fields that answers are wrong without, and the settings that say so."""
    found = {}
    if settings.repetition_penalty != 1:
        found["repetition_penalty"] = f"generation.repetition_penalty={settings.repetition_penalty:g}"
    if settings.do_sample and settings.top_k is not None:
        found["top_k"] = f"generation.top_k={settings.top_k}"
    if settings.do_sample and settings.min_p:
        found["min_p"] = f"generation.min_p={settings.min_p:g}"
    if frame.end != frame.tokenizer.eos_token_id:
        found["stop_token_ids"] = "model.template=chat"
    return found


def body(
    manner: Manner, settings: GenerationConfig, frame: Frame, seed: int, prompt: Prompt, limit: int
) -> dict[str, Any]:
    """The request for one answer of at most `limit` tokens, but for the model's name. `seed` is the cell's."""
    ids = frame.prompt_ids(prompt.instruction)
    asked: dict[str, Any] = {"prompt": ids if manner.ids else as_text(frame, prompt, ids), "max_tokens": limit}
    if frame.stops:
        asked["stop"] = list(frame.stops)
    if settings.do_sample:
        asked["seed"] = int(hashlib.sha256(draw_name(seed, prompt).encode()).hexdigest()[:8], 16) >> 1
    if manner.library:
        return asked | {"generation_config": json.dumps(_library(settings, frame, limit))}
    asked["temperature"] = settings.temperature if settings.do_sample else 0.0
    asked["top_p"] = settings.top_p if settings.do_sample else 1.0
    return asked | {name: value for name, value in fields(settings, frame).items() if name in manner.known}


def _library(settings: GenerationConfig, frame: Frame, limit: int) -> dict[str, Any]:
    """The generation config of transformers that takes the place of the model's."""
    ends = sorted({frame.end, int(frame.tokenizer.eos_token_id or frame.end)})
    whole: dict[str, Any] = {
        "max_new_tokens": limit,
        "do_sample": settings.do_sample,
        "repetition_penalty": settings.repetition_penalty,
        "eos_token_id": ends,
        "pad_token_id": frame.tokenizer.pad_token_id if frame.tokenizer.pad_token_id is not None else frame.end,
    }
    if settings.do_sample:
        whole |= {"temperature": settings.temperature, "top_p": settings.top_p, "top_k": settings.top_k or 0}
        whole |= {} if settings.min_p is None else {"min_p": settings.min_p}
    return whole


def as_text(frame: Frame, prompt: Prompt, ids: list[int]) -> str:
    """The prompt as a text that a server's tokenizer turns into just these ids: it puts special tokens in front of every
    text, so the one that a chat template writes itself is left out.

    Raises CellError when there is no such text."""
    text = frame.render(prompt.instruction)
    first = str(frame.tokenizer.bos_token or "")
    for candidate in (text, text.removeprefix(first)):
        if frame.tokenizer([candidate])["input_ids"][0] == ids:
            return candidate
    raise CellError(
        f"prompt {prompt.id} ({prompt.language}): the server takes prompts as text alone, whose tokens would be others; use "
        "generation=greedy, or a server that takes token ids"
    )


def read(found: Any) -> Reply:
    """The reply in a decoded body. Raises BrokenError for anything that is no completion of one prompt."""
    if not isinstance(found, Mapping):
        raise BrokenError("the reply is no JSON object")
    if found.get("error"):
        raise error_of(found["error"])
    choices = found.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], Mapping):
        raise BrokenError("the reply has not one choice")
    choice = choices[0]
    text, finish, tokens = choice.get("text"), choice.get("finish_reason"), choice.get("token_ids")
    if not isinstance(text, str):
        raise BrokenError("the reply has no choices[0].text")
    if finish not in (LENGTH, STOP):
        raise BrokenError(f"the reply ended because of {finish!r}")
    usage = found.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    listed = isinstance(tokens, list) and all(isinstance(token, int) for token in tokens)
    return Reply(
        text,
        tokens if listed else None,
        finish,
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        _likely(choice.get("logprobs")),
    )


def answer(frame: Frame, prompt: Prompt, reply: Reply) -> Answer:
    """The Answer in a reply: by its tokens where the server says them, as if they had been made here; else by its text."""
    if reply.tokens is not None:
        row = list(reply.tokens)
        if reply.finish == STOP:
            ends = {frame.end, *frame.tokenizer.all_special_ids}
            while row and row[-1] in ends:
                row.pop()
            row.append(frame.end)
        return answers(frame, [prompt], [row], {frame.end})[0]
    place = stop_in(reply.text, frame.stops)
    text = reply.text if place is None else reply.text[:place]
    number = reply.completion_tokens
    if place is not None or number is None:
        number = len(frame.tokenizer([text], add_special_tokens=False)["input_ids"][0])
    elif reply.finish == STOP:
        number = max(number - 1, 0)  # the end token is counted by servers
    return Answer(prompt.id, prompt.language, text.strip(), number, reply.finish == STOP or place is not None)


def _likely(logprobs: Any) -> dict[str, float] | None:
    """Of the first token: what is likely there, by its text; None if the server did not say."""
    top = logprobs.get("top_logprobs") if isinstance(logprobs, Mapping) else None
    first = top[0] if isinstance(top, list) and top else None
    if not isinstance(first, Mapping) or not first:
        return None
    return {str(token): float(value) for token, value in first.items() if isinstance(value, int | float)}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
