"""Stage: whether a cell's tuning is active at a server, seen from outside: what it says with the adapter and without.

By log-probabilities of the first token where the server gives them. Two askings of the base model tell how much they change
by themselves. Else by greedy answers to a few prompts, and to more while they are the same.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pinch.errors import CellError
from pinch.generation.server.manner import Reply
from pinch.records import Prompt

FEW, MANY = 4, 64
"""Prompts on which base and tuned model are compared."""

LIKELY = 5
"""First tokens whose log-probabilities are compared; the protocol allows no more."""

TIMES = 3
"""How many times further than from one request to the next they must be from the base model's."""

TOKENS = 32
"""Tokens of the answers that are compared."""

Ask = Callable[[str, Prompt, int, Mapping[str, Any]], Awaitable[Reply]]
"""Asks the model of this name, for so many tokens, with further fields."""


async def active(ask: Ask, base: str, tuned: str, prompts: Sequence[Prompt], logprobs: bool) -> dict[str, Any]:
    """How the tuned model was told from the base model. Raises CellError when it cannot be: then every answer would silently
    be the base model's."""
    probes = spread(prompts, FEW)
    if logprobs:
        wish = {"logprobs": LIKELY}
        once, twice, other = [
            [(await ask(name, probe, 1, wish)).likely for probe in probes] for name in (base, base, tuned)
        ]
        noise, effect = _distance(once, twice), _distance(once, other)
        if effect <= TIMES * noise:
            raise CellError(
                f"the log-probabilities of {tuned} at the server are the base model's (they differ by {effect:.3g}, and by "
                f"{noise:.3g} from one request to the next): its tuning is not active"
            )
        return {"by": "log-probabilities", "effect": _finite(effect), "noise": noise}
    number = 0
    for probe in spread(prompts, MANY):
        number += 1
        said, other_said = [await ask(name, probe, TOKENS, {}) for name in (base, tuned)]
        if said.text != other_said.text:
            return {"by": "answers", "compared": number}
    raise CellError(
        f"the server gives no log-probabilities, and {tuned} answers {number} prompts as the base model does: its tuning is "
        "not active, or too weak to be told; use generation=greedy"
    )


def spread(prompts: Sequence[Prompt], number: int) -> list[Prompt]:
    """So many prompts at even distances, so that they are of several languages."""
    step = max(len(prompts) / number, 1)
    return [prompts[int(place * step)] for place in range(min(number, len(prompts)))]


def _distance(one: Sequence[dict[str, float] | None], other: Sequence[dict[str, float] | None]) -> float:
    """The largest difference of a log-probability that both tell of; infinite where they tell of different tokens."""
    furthest = 0.0
    for first, second in zip(one, other, strict=True):
        shared = set(first or ()) & set(second or ())
        differences = [abs((first or {})[token] - (second or {})[token]) for token in shared]
        furthest = max(furthest, max(differences, default=math.inf))
    return furthest


def _finite(number: float) -> float | str:
    return number if math.isfinite(number) else "other tokens"
