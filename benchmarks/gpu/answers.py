"""Part `answers`: the in-process engine of `generation=greedy` against `generate` of transformers in batches as they come.

Random weights soon say one token for ever; here their logits are moved on with every token, and one in a few tokens ends an
answer, so that answers are of uneven lengths, as real ones are. Both engines see the same model. Greedy answers of a random
model hang on differences that bf16 rounds away: the share of equal answers measures that in bf16, correctness in fp32.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from gpu import shapes
from gpu.cells import Tell
from gpu.setting import Setting
from pinch import adapters
from pinch.config import GenerationConfig, TuningConfig
from pinch.generation import generate
from pinch.models import Loaded, random_state
from pinch.records import Prompt

ONE_IN, ONE_IN_SMALL = 48, 6
"""Of so many tokens one ends an answer, so that it is also their mean length if nothing cuts them off."""

STRIDE = 7919
"""Places by which the logits move on with every token."""

Engine = Callable[[Sequence[Prompt], int], list[list[int]]]
"""Answers to prompts, of so many tokens at most, without the token that ends them."""


def answers(name: str, setting: Setting, tell: Tell) -> None:
    """Answers and tokens per second; equal: share of the first engine's answers that others give too."""
    count, limit = (6, 24) if setting.small else (128, 96)
    for dtype, only in {torch.float32: True, setting.dtype: False}.items():
        setting.forget()
        loaded = uneven(
            shapes.load(name, setting.device, dtype, setting.small), ONE_IN_SMALL if setting.small else ONE_IN
        )
        vocabulary = loaded.model.get_input_embeddings().weight.shape[0]
        prompts = shapes.prompts(count // 4 if only else count, vocabulary, setting.longest(512))
        first: list[list[int]] = []
        for arm, engine in _engines(loaded, only).items():
            try:
                engine(prompts[:4], 4)
                setting.forget()
                started = setting.now()
                made = engine(prompts, limit)
                seconds = setting.now() - started
            except Exception as error:
                tell({"arm": arm, "error": f"{type(error).__name__}: {str(error).split(chr(10))[0]}"})
                continue
            first = first or made
            tokens = sum(map(len, made))
            tell({
                "arm": f"{arm}, {str(dtype).removeprefix('torch.')}",
                "answers/s": len(made) / seconds,
                "tokens/s": tokens / seconds,
                "mean": tokens / len(made),
                "cut": sum(len(answer) == limit for answer in made) / len(made),
                "equal": sum(a == b for a, b in zip(first, made, strict=True)) / len(made),
                "peak": setting.peak_memory(),
            })  # fmt: skip


def uneven(loaded: Loaded, one_in: int) -> Loaded:
    """The model with answers of uneven lengths."""
    vocabulary = loaded.model.get_input_embeddings().weight.shape[0]
    places = torch.arange(vocabulary, device=loaded.device)

    def move_on(net: torch.nn.Module, given: Any, named: dict[str, Any], output: Any) -> Any:
        tokens = named["attention_mask"].sum(1, keepdim=True)  # so far, without padding
        last = output.logits[:, -1].gather(1, (places + tokens * STRIDE) % vocabulary)
        output.logits = last[:, None]
        return output

    loaded.model.register_forward_hook(move_on, with_kwargs=True)
    loaded.model.generation_config.eos_token_id = list(range(shapes.END, vocabulary, one_in))
    return loaded


def _engines(loaded: Loaded, only: bool) -> dict[str, Engine]:
    with random_state(0, loaded.device):
        tuned = adapters.network(adapters.add_lora(loaded.model, TuningConfig())).eval()
    tuned.generation_config = loaded.model.generation_config
    found = {
        "engine, batches of 64": _engine(loaded, 64),
        "transformers, batches of 64": _transformers(loaded, 64),
    }
    if not only:
        found["transformers, batches of 16"] = _transformers(loaded, 16)
        found["engine, batches of 128"] = _engine(loaded, 128)
        found["engine, batches of 64, with an adapter"] = _engine(replace(loaded, model=tuned), 64)
    return found


def _engine(loaded: Loaded, size: int) -> Engine:
    def run(prompts: Sequence[Prompt], limit: int) -> list[list[int]]:
        settings = GenerationConfig(max_new_tokens=limit, batch_size=size)
        made = generate(loaded, prompts, settings, lambda number: None)
        return [[int(word[1:]) for word in answer.text.split()] for answer in made]

    return run


def _transformers(loaded: Loaded, size: int) -> Engine:
    net: Any = loaded.model
    ends = set(net.generation_config.eos_token_id)

    def run(prompts: Sequence[Prompt], limit: int) -> list[list[int]]:
        rows = loaded.frame.prompts_ids([prompt.instruction for prompt in prompts])
        made: list[list[int]] = []
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            longest = max(map(len, part))
            ids = [[loaded.pad] * (longest - len(row)) + row for row in part]
            mask = [[0] * (longest - len(row)) + [1] * len(row) for row in part]
            given = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
            given = {key: value.to(loaded.device) for key, value in given.items()}
            with torch.inference_mode():
                out = net.generate(**given, do_sample=False, max_new_tokens=limit, pad_token_id=loaded.pad)
            made += [_cut(row, ends) for row in out[:, longest:].tolist()]
        return made

    return run


def _cut(row: list[int], ends: set[int]) -> list[int]:
    return row[: next((place for place, token in enumerate(row) if token in ends), len(row))]
