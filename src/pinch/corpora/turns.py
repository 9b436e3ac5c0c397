"""Edge: conversations as rows hold them, as pairs of what was said and what was answered.

A conversation is a list of messages, {"role", "content"} or {"from", "value"}, or of plain texts that take turns.
"""

from collections.abc import Sequence
from typing import Any

from pinch.config import Turns

USER, ASSISTANT = ("user", "human", "prompter"), ("assistant", "gpt", "bot", "model")

SEVERAL = "conversations of several turns"
"""What is counted where they are not wanted."""


def turns(messages: Any) -> list[tuple[str, str]]:
    """The turns of a conversation, (instruction, response) each. Raises ValueError or TypeError, saying what is wrong, for
    anything but user and assistant taking turns, the user first, the assistant last."""
    if not isinstance(messages, list) or not messages:
        raise TypeError("a conversation must be a list of messages")
    texts = []
    for place, message in enumerate(messages):
        role, text = _message(message, place)
        if role not in (USER if place % 2 == 0 else ASSISTANT):
            expected = "user" if place % 2 == 0 else "assistant"
            raise ValueError(f"message {place + 1} of the conversation is of {role!r}, not of the {expected}")
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"message {place + 1} of the conversation has no text")
        texts.append(text)
    if len(texts) % 2:
        raise ValueError("the last message of the conversation has no answer")
    return list(zip(texts[::2], texts[1::2], strict=True))


def conversation(said: Sequence[tuple[str, str]], several: Turns) -> list[tuple[str, str]] | None:
    """The turns that the settings keep; None for several where they are not wanted."""
    if len(said) > 1 and several in (Turns.refuse, Turns.drop):
        return None
    return list(said[:1] if several is Turns.first else said)


def _message(message: Any, place: int) -> tuple[Any, Any]:
    """Role and text; plain texts take turns."""
    if isinstance(message, str):
        return (USER if place % 2 == 0 else ASSISTANT)[0], message
    if isinstance(message, dict):
        for role, text in (("role", "content"), ("from", "value")):
            if role in message and text in message:
                return message[role], message[text]
    raise TypeError(f"message {place + 1} of the conversation has no role and content")
