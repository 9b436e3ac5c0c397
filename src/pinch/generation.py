"""Stage generate: lets a model answer prompts, greedily and deterministically.

    attach(loaded, folder)          the loaded model with a cell's adapter (unmerged), or a cell's full weights
    assert_adapter_active(loaded)   refuses answers of a model whose tuning has no effect
    generate(loaded, prompts, ...)  one Answer per prompt, in the order of the prompts

Prompts are sorted by length and padded at the left; a row leaves its batch when it has answered. Decoding is plain greedy
whatever the model's generation config says; only its end-of-sequence tokens are respected.
"""

import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, DynamicCache, PreTrainedModel

from pinch.adapters import with_adapter
from pinch.config import GenerationConfig
from pinch.errors import CellError
from pinch.models import Loaded, explained, load_weights
from pinch.records import Answer, Prompt

PROBE = "?"
"""The instruction on which models with and without their tuning are compared."""

COMPACT_ABOVE = 0.25
"""Share of finished rows from which on a batch is made smaller; copying its cache costs about as much as it saves below."""


def attach(loaded: Loaded, folder: Path) -> Loaded:
    """The model a cell tuned, ready to answer; `loaded` itself is left as it is. Raises CellError when `folder` holds
    neither adapter/ nor model/, or what it holds does not fit the model."""
    base = loaded.base or loaded
    if (folder / "adapter" / "adapter_config.json").is_file():
        return replace(base, model=with_adapter(base.model, folder / "adapter"), base=base)
    if (folder / "model" / "config.json").is_file():
        location = str(folder / "model")
        with explained(location):
            config = AutoConfig.from_pretrained(location)
            net = load_weights(location, config, base.model.dtype, base.device)
        return replace(base, model=net, base=base)
    raise CellError(f"{folder}: neither adapter/ nor model/ there; train the cell again")


def assert_adapter_active(loaded: Loaded) -> tuple[str, str]:
    """Digests of the logits with and without the tuning, after one probe instruction.

    Raises CellError when they are equal: then every answer would silently be the base model's."""
    if loaded.base is None:
        raise CellError("no tuning is attached to the model")
    tuned, base = _logits_digest(loaded), _logits_digest(loaded.base)
    if tuned == base:
        raise CellError("the tuned model's logits equal the base model's: its tuning is not active")
    return tuned, base


@torch.no_grad()
def _logits_digest(loaded: Loaded) -> str:
    ids = torch.tensor([loaded.frame.prompt_ids(PROBE)], device=loaded.device)
    logits = loaded.model(input_ids=ids, use_cache=False).logits.float().cpu().numpy()
    return hashlib.sha256(logits.tobytes()).hexdigest()[:16]


def generate(
    loaded: Loaded, prompts: Sequence[Prompt], settings: GenerationConfig, progress: Callable[[int], None]
) -> list[Answer]:
    """One greedy answer per prompt. `progress` is told how many prompts have their answer.

    Texts are without special tokens and without white space around them; `tokens` counts the answer's tokens without its
    end; `complete` is False where the answer was cut off at max_new_tokens or at the end of the model's context. Raises
    CellError for a prompt that leaves no room for an answer."""
    if not prompts:
        return []
    rows = loaded.frame.prompts_ids([prompt.instruction for prompt in prompts])
    for prompt, row in zip(prompts, rows, strict=True):
        if len(row) >= loaded.context:
            raise CellError(
                f"prompt {prompt.id} ({prompt.language}) has {len(row)} tokens, the model holds {loaded.context}; "
                "leave the prompt out or raise model.context"
            )
    order = sorted(range(len(rows)), key=lambda number: (-len(rows[number]), number))
    found: dict[int, list[int]] = {}
    for start in range(0, len(order), settings.batch_size):
        part = order[start : start + settings.batch_size]
        try:
            made = _answer(loaded, [rows[number] for number in part], settings.max_new_tokens)
        except torch.OutOfMemoryError:
            raise CellError(f"out of GPU memory; lower generation.batch_size={settings.batch_size}") from None
        found |= zip(part, made, strict=True)
        progress(len(found))
    return _answers(loaded, prompts, [found[number] for number in range(len(rows))])


def _answers(loaded: Loaded, prompts: Sequence[Prompt], tokens: list[list[int]]) -> list[Answer]:
    ends = end_tokens(loaded)
    complete = [bool(row) and row[-1] in ends for row in tokens]
    bodies = [row[:-1] if done else row for row, done in zip(tokens, complete, strict=True)]
    texts = loaded.tokenizer.batch_decode(bodies, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return [
        Answer(prompt.id, prompt.language, text.strip(), len(body), done)
        for prompt, text, body, done in zip(prompts, texts, bodies, complete, strict=True)
    ]


def end_tokens(loaded: Loaded) -> set[int]:
    """Tokens that end an answer: the frame's, the tokenizer's, and those of the model's generation config."""
    configured = getattr(loaded.model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return {int(token) for token in (loaded.frame.end, loaded.tokenizer.eos_token_id, *listed) if token is not None}


# --- decoding ------------------------------------------------------------------------------------------------------


@dataclass
class _Decoding:
    """A batch on its way. `rows`: the places in `answers` of the rows still computed; `mask` (rows, tokens so far);
    `positions` (rows,) of the next token; `cache` of keys and values; `open` (rows,) those that
    have not ended."""

    answers: list[list[int]]
    rows: list[int]
    mask: Tensor
    positions: Tensor
    cache: Any
    open: list[bool]


@torch.inference_mode()
def _answer(loaded: Loaded, prompts: list[list[int]], limit: int) -> list[list[int]]:
    """Greedy token ids for each prompt, the end token included where there is one."""
    ids, mask = _left_padded(prompts, loaded.pad, loaded.device)
    limits = [min(limit, loaded.context - len(prompt)) for prompt in prompts]
    if not _steps_by_hand(loaded.model):
        return _library_answer(loaded, ids, mask, limits)
    ends = end_tokens(loaded)
    rows = list(range(len(prompts)))
    cache = DynamicCache(config=loaded.model.config)
    state = _Decoding([[] for _ in rows], rows, mask, mask.sum(1), cache, [True] * len(rows))
    chosen = _next(loaded.model, state, ids, (mask.cumsum(1) - 1).clamp_min(0))
    while True:
        for place, token in enumerate(chosen.tolist()):
            if state.open[place]:
                answer = state.answers[state.rows[place]]
                answer.append(token)
                state.open[place] = token not in ends and len(answer) < limits[state.rows[place]]
        if not any(state.open):
            return state.answers
        chosen = _compact(state, chosen)
        state.mask = torch.cat([state.mask, state.mask.new_ones(len(state.rows), 1)], dim=1)
        chosen = _next(loaded.model, state, chosen[:, None], state.positions[:, None])
        state.positions = state.positions + 1


def _next(net: PreTrainedModel, state: _Decoding, ids: Tensor, positions: Tensor) -> Tensor:
    """(rows,) the most probable next token after `ids` (rows, new tokens)."""
    known = inspect.signature(net.forward).parameters
    options: dict[str, Any] = {"position_ids": positions, "logits_to_keep": 1}
    options = {name: value for name, value in options.items() if name in known}
    logits: Tensor = net(
        input_ids=ids, attention_mask=state.mask, past_key_values=state.cache, use_cache=True, **options
    ).logits
    return logits[:, -1].argmax(-1)


def _steps_by_hand(net: PreTrainedModel) -> bool:
    """Models with a state of their own kind (Mamba and the like) are left to transformers."""
    return "past_key_values" in inspect.signature(net.forward).parameters and not getattr(net, "_is_stateful", False)


def _library_answer(loaded: Loaded, ids: Tensor, mask: Tensor, limits: list[int]) -> list[list[int]]:
    """The same answers by `generate` of transformers, which computes every row to the end of the longest."""
    ends = end_tokens(loaded)
    net: Any = loaded.model
    made = net.generate(
        ids,
        attention_mask=mask,
        do_sample=False,
        num_beams=1,
        max_new_tokens=max(limits),
        eos_token_id=sorted(ends),
        pad_token_id=loaded.pad,
    )
    answers = []
    for row, limit in zip(made[:, ids.shape[1] :].tolist(), limits, strict=True):
        end = next((place + 1 for place, token in enumerate(row) if token in ends), limit)
        answers.append(row[: min(end, limit)])
    return answers


def _left_padded(prompts: list[list[int]], filler: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """ids and mask (rows, longest prompt)."""
    longest = max(len(prompt) for prompt in prompts)
    ids = [[filler] * (longest - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _compact(state: _Decoding, chosen: Tensor) -> Tensor:
    """Drop finished rows from the batch where that is worth the copy; gives the tokens of the rows that stay."""
    kept = [place for place, is_open in enumerate(state.open) if is_open]
    if len(kept) > (1 - COMPACT_ABOVE) * len(state.rows):
        return chosen
    index = torch.tensor(kept, device=chosen.device)
    state.rows = [state.rows[place] for place in kept]
    state.open = [True] * len(kept)
    state.mask, state.positions = state.mask[index], state.positions[index]
    state.cache.batch_select_indices(index)
    return chosen[index]
