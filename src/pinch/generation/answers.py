"""Stage: where an answer ends. In: the tokens that a model wrote, and the texts with which it would go on to ask itself the
next instruction (`Frame.stops`). Out: Answers, which end before the first of these texts."""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pinch.frames import Frame
from pinch.records import Answer, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BREAK = "\n"
"""A frame with stops ends its prompts with a line break, in which the first of them may begin."""

SPARE = 8
"""Tokens without any text of their own that may stand between those of a stop."""


def draw_name(seed: int, prompt: Prompt) -> str:
    """What the random numbers of one answer follow from, for a cell of this seed."""
    return f"{seed}\n{prompt.language}\n{prompt.id}"


def answers(
    frame: Frame, prompts: Sequence[Prompt], tokens: Sequence[list[int]], ends: Collection[int]
) -> list[Answer]:
    """One Answer per prompt from its tokens, the end token included where there is one.

    Texts are without special tokens and without white space around them; `tokens` counts the answer's tokens without its
    end; `complete` is False where neither an end token nor a stop came."""
    ended = [bool(row) and row[-1] in ends for row in tokens]
    bodies = [row[:-1] if end else row for row, end in zip(tokens, ended, strict=True)]
    texts = frame.tokenizer.batch_decode(bodies, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    found = []
    for prompt, text, body, end in zip(prompts, texts, bodies, ended, strict=True):
        place = stop_in(text, frame.stops)
        if place is None:
            found.append(Answer(prompt.id, prompt.language, text.strip(), len(body), end))
        else:
            number = _leading(frame.tokenizer, body, place)
            found.append(Answer(prompt.id, prompt.language, text[:place].strip(), number, True))
    return found


def stop_in(text: str, stops: Sequence[str]) -> int | None:
    """Where an answer's text comes to its first stop; None if it does not."""
    places = [place for stop in stops if (place := (BREAK + text).find(stop)) >= 0]
    return max(min(places) - len(BREAK), 0) if places else None


def decoded(tokenizer: "PreTrainedTokenizerBase", ids: list[int]) -> str:
    """The text of tokens, without special tokens and otherwise as it is."""
    text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)
    return text


def _leading(tokenizer: "PreTrainedTokenizerBase", ids: list[int], characters: int) -> int:
    """How many of the first tokens hold so many characters."""
    return bisect_left(range(len(ids)), characters, key=lambda number: len(decoded(tokenizer, ids[:number])))


class Watch:
    """Notices that an answer on its way has come to a stop, however the stop is spread over tokens."""

    def __init__(self, frame: Frame) -> None:
        self._tokenizer, self._stops = frame.tokenizer, frame.stops
        self._reach = SPARE + max((len(stop.encode()) for stop in self._stops), default=0)
        self._last = {stop[-1] for stop in self._stops}
        self._lasts: dict[int, bool] = {}

    def stopped(self, ids: list[int]) -> bool:
        """Whether the last token has brought the answer to a stop."""
        if not self._stops or not self._may_end(ids[-1]):
            return False
        tail = decoded(self._tokenizer, ids[-self._reach :])
        whole = len(ids) <= self._reach
        return any(stop in (BREAK + tail if whole else tail) for stop in self._stops)

    def _may_end(self, token: int) -> bool:
        """Whether a token can be a stop's last: a cheap look, which spares most tokens the decoding of what is before them.
        A character of several bytes may be spread over tokens, so only those of one byte can be looked for."""
        if token not in self._lasts:
            text = decoded(self._tokenizer, [token])
            self._lasts[token] = any(not last.isascii() or last in text for last in self._last)
        return self._lasts[token]
