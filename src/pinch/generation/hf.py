"""Stage: engine hf, a model of this process answers.

Prompts are sorted by length and padded at the left; a row leaves its batch when it has answered. How tokens are chosen is
said by the settings alone, whatever the model's generation config says; only its end-of-sequence tokens are respected.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, LogitsProcessor, PreTrainedModel, StoppingCriteria

from pinch.config import GenerationConfig
from pinch.errors import CellError
from pinch.generation.answers import Watch, answers
from pinch.generation.choosing import Choosing
from pinch.generation.room import check_room
from pinch.models import Loaded
from pinch.records import Answer, Prompt

COMPACT_ABOVE = 0.25
"""Share of finished rows from which on a batch is made smaller; copying its cache costs about as much as it saves below."""


def generate(
    loaded: Loaded,
    prompts: Sequence[Prompt],
    settings: GenerationConfig,
    progress: Callable[[int], None],
    seed: int = 0,
) -> list[Answer]:
    """One answer per prompt. `progress` is told how many prompts have their answer; `seed` is the cell's, for sampling.

    Raises CellError for prompts that leave no room for an answer."""
    if not prompts:
        return []
    check_room(loaded.frame, loaded.context, prompts, settings.max_new_tokens)
    rows = loaded.frame.prompts_ids([prompt.instruction for prompt in prompts])
    order = sorted(range(len(rows)), key=lambda number: (-len(rows[number]), number))
    found: dict[int, list[int]] = {}
    for start in range(0, len(order), settings.batch_size):
        part = order[start : start + settings.batch_size]
        choosing = Choosing(settings, seed, [prompts[number] for number in part])
        try:
            made = _answer(loaded, [rows[number] for number in part], settings.max_new_tokens, choosing)
        except torch.OutOfMemoryError:
            raise CellError(f"out of GPU memory; lower generation.batch_size={settings.batch_size}") from None
        found |= zip(part, made, strict=True)
        progress(len(found))
    return answers(loaded.frame, prompts, [found[number] for number in range(len(rows))], end_tokens(loaded))


def end_tokens(loaded: Loaded) -> set[int]:
    """Tokens that end an answer: the frame's, the tokenizer's, and those of the model's generation config."""
    configured = getattr(loaded.model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return {int(token) for token in (loaded.frame.end, loaded.tokenizer.eos_token_id, *listed) if token is not None}


# --- decoding ------------------------------------------------------------------------------------------------------


@dataclass
class _Decoding:
    """A batch on its way. `rows`: the places in `answers` of the rows still computed; `mask` (rows, tokens so far);
    `history` (rows, tokens so far) what a repetition penalty looks at, of no tokens where there is none; `positions` (rows,)
    of the next token; `cache` of keys and values; `open` (rows,) those that have not ended."""

    answers: list[list[int]]
    rows: list[int]
    mask: Tensor
    history: Tensor
    positions: Tensor
    cache: Any
    open: list[bool]


@torch.inference_mode()
def _answer(loaded: Loaded, prompts: list[list[int]], limit: int, choosing: Choosing) -> list[list[int]]:
    """Token ids for each prompt, the end token included where there is one."""
    ids, mask = _left_padded(prompts, loaded.pad, loaded.device)
    limits = [min(limit, loaded.context - len(prompt)) for prompt in prompts]
    if not _steps_by_hand(loaded.model):
        return _library_answer(loaded, ids, mask, limits, choosing)
    ends, watch = end_tokens(loaded), Watch(loaded.frame)
    rows = list(range(len(prompts)))
    cache = DynamicCache(config=loaded.model.config)
    history = _unpadded(ids, mask) if choosing.looks_back else ids[:, :0]
    state = _Decoding([[] for _ in rows], rows, mask, history, mask.sum(1), cache, [True] * len(rows))
    logits = _logits(loaded.model, state, ids, (mask.cumsum(1) - 1).clamp_min(0))
    while True:
        chosen = choosing.next(logits, state.rows, state.history)
        for place, token in enumerate(chosen.tolist()):
            if state.open[place]:
                answer = state.answers[state.rows[place]]
                answer.append(token)
                going_on = token not in ends and len(answer) < limits[state.rows[place]]
                state.open[place] = going_on and not watch.stopped(answer)
        if not any(state.open):
            return state.answers
        chosen = _compact(state, chosen)
        state.mask = torch.cat([state.mask, state.mask.new_ones(len(state.rows), 1)], dim=1)
        if choosing.looks_back:
            state.history = torch.cat([state.history, chosen[:, None]], dim=1)
        logits = _logits(loaded.model, state, chosen[:, None], state.positions[:, None])
        state.positions = state.positions + 1


def _logits(net: PreTrainedModel, state: _Decoding, ids: Tensor, positions: Tensor) -> Tensor:
    """(rows, vocabulary) of the token after `ids` (rows, new tokens)."""
    known = inspect.signature(net.forward).parameters
    options: dict[str, Any] = {"position_ids": positions, "logits_to_keep": 1}
    options = {name: value for name, value in options.items() if name in known}
    logits: Tensor = net(
        input_ids=ids, attention_mask=state.mask, past_key_values=state.cache, use_cache=True, **options
    ).logits
    return logits[:, -1]


def _left_padded(prompts: list[list[int]], filler: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """ids and mask (rows, longest prompt)."""
    longest = max(len(prompt) for prompt in prompts)
    ids = [[filler] * (longest - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _unpadded(ids: Tensor, mask: Tensor) -> Tensor:
    """The ids with the prompt's last token in place of padding, which is no part of the text: a penalty counts a token once,
    however often it occurs. `mask` covers the prompts, `ids` may be longer."""
    width = mask.shape[1]
    prompt = torch.where(mask == 0, ids[:, width - 1 : width], ids[:, :width])
    return torch.cat([prompt, ids[:, width:]], dim=1)


def _compact(state: _Decoding, chosen: Tensor) -> Tensor:
    """Drop finished rows from the batch where that is worth the copy; gives the tokens of the rows that stay."""
    kept = [place for place, is_open in enumerate(state.open) if is_open]
    if len(kept) > (1 - COMPACT_ABOVE) * len(state.rows):
        return chosen
    index = torch.tensor(kept, device=chosen.device)
    state.rows = [state.rows[place] for place in kept]
    state.open = [True] * len(kept)
    state.mask, state.history, state.positions = state.mask[index], state.history[index], state.positions[index]
    state.cache.batch_select_indices(index)
    return chosen[index]


# --- models that decode by themselves --------------------------------------------------------------------------------


def _steps_by_hand(net: PreTrainedModel) -> bool:
    """Models with a state of their own kind (Mamba and the like) are left to transformers."""
    return "past_key_values" in inspect.signature(net.forward).parameters and not getattr(net, "_is_stateful", False)


def _library_answer(
    loaded: Loaded, ids: Tensor, mask: Tensor, limits: list[int], choosing: Choosing
) -> list[list[int]]:
    """The same answers by `generate` of transformers, which computes every row to the end of the longest."""
    ends, watch, width = end_tokens(loaded), Watch(loaded.frame), ids.shape[1]
    net: Any = loaded.model
    made = net.generate(
        ids,
        attention_mask=mask,
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        max_new_tokens=max(limits),
        eos_token_id=sorted(ends),
        pad_token_id=loaded.pad,
        logits_processor=[] if choosing.plain else [_Chosen(choosing, mask)],
        stopping_criteria=[_Stopped(watch, width)] if loaded.frame.stops else [],
    )
    found = []
    for row, limit in zip(made[:, width:].tolist(), limits, strict=True):
        end = next((place + 1 for place, token in enumerate(row) if token in ends), limit)
        answer = row[: min(end, limit)]
        # a row that has stopped is filled up with padding
        stop = next((size for size in range(1, len(answer)) if watch.stopped(answer[:size])), len(answer))
        found.append(answer[:stop])
    return found


class _Chosen(LogitsProcessor):  # type: ignore[misc, unused-ignore]
    """Leaves only the chosen token possible."""

    def __init__(self, choosing: Choosing, mask: Tensor) -> None:
        self._choosing, self._mask = choosing, mask

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        history = _unpadded(input_ids, self._mask) if self._choosing.looks_back else input_ids[:, :0]
        chosen = self._choosing.next(scores, range(len(input_ids)), history)
        only: torch.FloatTensor = torch.full_like(scores, float("-inf")).scatter(1, chosen[:, None], 0.0)  # type: ignore[assignment]
        return only


class _Stopped(StoppingCriteria):  # type: ignore[misc, unused-ignore]
    """Ends rows at the frame's stops."""

    def __init__(self, watch: Watch, width: int) -> None:
        self._watch, self._width = watch, width

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **_: Any) -> torch.BoolTensor:
        ended = [self._watch.stopped(row) for row in input_ids[:, self._width :].tolist()]
        found: torch.BoolTensor = torch.tensor(ended, device=input_ids.device)  # type: ignore[assignment]
        return found
