"""Stage: which token comes next, given the logits: the most probable one, or one that is drawn.

The rules are transformers' own, in its order: repetition penalty, temperature, top_k, top_p, min_p. What is drawn follows
from the cell's seed, the prompt's id and language, and the step, so it is the same in every batch.
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from pinch.config import GenerationConfig
from pinch.generation.answers import draw_name
from pinch.records import Prompt


class Choosing:
    """Chooses tokens for the answers to these prompts, step by step: every call is the next step."""

    def __init__(self, settings: GenerationConfig, seed: int, prompts: Sequence[Prompt]) -> None:
        self._rules = _rules(settings)
        self._draws = [random.Random(draw_name(seed, prompt)) for prompt in prompts] if settings.do_sample else []
        self.looks_back = settings.repetition_penalty != 1

    @property
    def plain(self) -> bool:
        """Whether it is always the most probable token."""
        return not self._draws and not self._rules

    def next(self, logits: Tensor, rows: Sequence[int], history: Tensor) -> Tensor:
        """(rows,) tokens, from logits (rows, vocabulary) of the prompts with the numbers `rows`. `history` (rows, tokens) is
        what came before, needed where it `looks_back`."""
        if self.plain:
            return logits.argmax(-1)
        ids: torch.LongTensor = history  # type: ignore[assignment]
        scores: torch.FloatTensor = logits.float()  # type: ignore[assignment]
        ruled: Tensor = self._rules(ids, scores)
        if not self._draws:
            return ruled.argmax(-1)
        chances = ruled.double().softmax(-1).cumsum(-1)
        drawn = chances.new_tensor([[self._draws[row].random()] for row in rows]) * chances[:, -1:]
        return torch.searchsorted(chances, drawn, right=True)[:, 0].clamp_max(logits.shape[-1] - 1)


def _rules(settings: GenerationConfig) -> LogitsProcessorList:
    rules = LogitsProcessorList()
    if settings.repetition_penalty != 1:
        rules.append(RepetitionPenaltyLogitsProcessor(float(settings.repetition_penalty)))
    if not settings.do_sample:
        return rules
    if settings.temperature != 1:
        rules.append(TemperatureLogitsWarper(float(settings.temperature)))
    if settings.top_k is not None:
        rules.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        rules.append(TopPLogitsWarper(float(settings.top_p)))
    if settings.min_p is not None:
        rules.append(MinPLogitsWarper(float(settings.min_p)))
    return rules
