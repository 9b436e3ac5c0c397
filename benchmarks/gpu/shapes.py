"""What is measured on: real architectures with random weights, random examples of uneven lengths, a tokenizer of numbers.

In: a model's name, or a vocabulary. Out: a `Loaded` as `pinch.models.load` would give it, and token rows. No network: the
sizes are those of the public configs (huggingface.co, config.json of the model named; parameter counts are in the tests).
"""

import random
from dataclasses import dataclass
from typing import Any

import torch

from pinch.config import Template
from pinch.frames import Encoded, Frame
from pinch.models import Loaded
from pinch.records import Example, Prompt

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen3-0.6b": (
        "Qwen3Config",
        {
            "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
            "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936, "tie_word_embeddings": True,
        },
    ),
    "llama3.2-1b": (
        "LlamaConfig",
        {
            "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
            "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256, "tie_word_embeddings": True,
        },
    ),
    "gemma3-1b": (
        "Gemma3TextConfig",
        {
            "hidden_size": 1152, "intermediate_size": 6912, "num_hidden_layers": 26, "num_attention_heads": 4,
            "num_key_value_heads": 1, "head_dim": 256, "query_pre_attn_scalar": 256, "vocab_size": 262144,
            "sliding_window": 512, "tie_word_embeddings": True,
        },
    ),
    "llama3.1-8b": (
        "LlamaConfig",
        {
            "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
            "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 128256, "tie_word_embeddings": False,
        },
    ),
}  # fmt: skip
"""Name, as the preset in conf/model has it -> config class of transformers and its sizes."""

TINY = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 512, "initializer_range": 0.2,
}  # fmt: skip
"""What --small makes of every architecture."""

MEDIAN, SIGMA, SHORTEST = 150.0, 0.75, 20
"""Tokens of an example: log-normal, from SHORTEST to a given length."""

PROMPT_SHARE = (0.08, 0.40)
"""Share of an example's tokens that are its prompt, uniform between these."""

CONTEXT = 8192
END, PAD = 1, 0


def config(name: str, small: bool) -> Any:
    """The config of a model; `small`: of a tiny one of that architecture."""
    import transformers

    kind, sizes = MODELS[name]
    changes = TINY | ({"query_pre_attn_scalar": 8} if kind == "Gemma3TextConfig" else {}) if small else {}
    common = {"max_position_embeddings": CONTEXT, "bos_token_id": 2, "eos_token_id": END, "pad_token_id": PAD}
    return getattr(transformers, kind)(**sizes | common | changes)


def load(name: str, device: torch.device, dtype: torch.dtype, small: bool) -> Loaded:
    """A model with random weights, made on the device, frozen and in eval mode."""
    from transformers import AutoModelForCausalLM

    shape = config(name, small)
    with torch.random.fork_rng(devices=[device.index or 0] if device.type == "cuda" else []), device:
        torch.manual_seed(0)
        net = AutoModelForCausalLM.from_config(shape, dtype=dtype)
    net.requires_grad_(False).eval()
    tokenizer = numbers(shape.vocab_size)
    return Loaded(
        model=net, tokenizer=tokenizer, frame=RowFrame(tokenizer, Template.neutral, END, "random rows"),
        device=device, context=CONTEXT, pad=PAD,
    )  # fmt: skip


def parameters(net: torch.nn.Module) -> int:
    """Weights of the network, tied ones once."""
    return sum(weight.numel() for weight in net.parameters())


def numbers(vocabulary: int) -> Any:
    """A tokenizer whose words are the numbers of its tokens, so that texts are equal when tokens are."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {f"t{number}": number for number in range(vocabulary)}
    core = Tokenizer(models.WordLevel(words, unk_token=f"t{PAD}"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token=f"t{END}", pad_token=f"t{PAD}")


@dataclass(frozen=True)
class RowFrame(Frame):
    """A frame that finds the tokens of an example, or of a prompt, written out in its instruction and response."""

    def encode_all(self, examples: Any, max_length: int, *_: Any, **__: Any) -> list[Encoded]:
        """Prompt and response, cut to `max_length`."""
        found = []
        for example in examples:
            prompt, answer = _read(example.instruction), _read(example.response)
            ids = [*prompt, *answer]
            span = (min(len(prompt), max_length), min(len(ids), max_length))
            found.append(Encoded(ids[:max_length], (span,) if span[0] < span[1] else (), len(ids) > max_length))
        return found

    def prompts_ids(self, instructions: Any) -> list[list[int]]:
        """The tokens of each prompt."""
        return [_read(text) for text in instructions]


def _read(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def _written(tokens: list[int]) -> str:
    return " ".join(map(str, tokens))


def examples(count: int, vocabulary: int, longest: int, seed: int = 0) -> list[Example]:
    """Random examples; the same arguments give the same ones."""
    draw = random.Random(f"pinch rows {seed}")
    found = []
    for number in range(count):
        length = round(min(max(draw.lognormvariate(0.0, SIGMA) * MEDIAN, SHORTEST), longest))
        ids = [draw.randrange(3, vocabulary) for _ in range(length - 1)] + [END]
        border = max(1, round(length * draw.uniform(*PROMPT_SHARE)))
        found.append(Example(f"e{number}", "en", _written(ids[:border]), _written(ids[border:])))
    return found


def prompts(count: int, vocabulary: int, longest: int) -> list[Prompt]:
    """Random prompts, in an order that is not that of their lengths."""
    made = examples(count, vocabulary, longest, seed=1)
    return [Prompt(example.id, "en", example.instruction) for example in made]
