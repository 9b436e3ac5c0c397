"""Models and texts for the benchmarks, made up from a seed: random weights, one token per word, lengths as in the wild.

loaded("5.3M", seed)            a Llama with random weights and a tokenizer that splits at white space
examples(loaded, number, seed)  training examples of 20 to 512 tokens, log-normal (median 150, sigma 0.75)
"""

import math
import random
from dataclasses import dataclass

from pinch.models import Loaded
from pinch.records import Example

MEDIAN, SIGMA, SHORTEST, LONGEST = 150, 0.75, 20, 512
"""Of the lengths of examples, in tokens."""

PROMPT_SHARE = (0.08, 0.4)
"""Of an example's tokens, drawn evenly."""

SPECIAL = ["<eos>", "<pad>", "<unknown>", "[1]", "[2]"]
"""The last two are the neutral template's."""


@dataclass(frozen=True)
class Shape:
    """Of a Llama with tied embeddings and heads of 64 (or fewer) dimensions."""

    layers: int
    width: int
    inner: int
    heads: int
    vocabulary: int = 8192


SIZES = {
    "5.3M": Shape(4, 256, 704, 4),
    "29.5M": Shape(8, 512, 1376, 8),
    "rehearsal": Shape(2, 32, 64, 2, vocabulary=512),
}
"""By their number of parameters; the smallest is for trying the benchmarks themselves."""


def loaded(size: str, seed: int, context: int = 2048) -> Loaded:
    """The model as the product loads one: in eval mode on the CPU, every weight frozen."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from pinch.config import Template
    from pinch.models import make_frame

    shape = SIZES[size]
    words = [*SPECIAL, *(f"w{number}" for number in range(shape.vocabulary - len(SPECIAL)))]
    core = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unknown>"))
    core.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", pad_token="<pad>")
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.width, intermediate_size=shape.inner,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.heads,
        max_position_embeddings=context, tie_word_embeddings=True, bos_token_id=None, eos_token_id=0, pad_token_id=1,
    )  # fmt: skip
    net = LlamaForCausalLM(config).requires_grad_(False).eval()
    return Loaded(net, tokenizer, make_frame(tokenizer, Template.neutral, size), torch.device("cpu"), context, 1)


def examples(model: Loaded, number: int, seed: int) -> list[Example]:
    """Words are drawn with probabilities that fall as 1 / rank, so there is something to learn."""
    dice = random.Random(f"examples {seed}")
    words = [f"w{rank}" for rank in range(len(model.tokenizer) - len(SPECIAL))]
    common = [1 / (rank + 1) for rank in range(len(words))]
    found = []
    for place in range(number):
        length = uneven(dice, MEDIAN, SIGMA, SHORTEST, LONGEST)
        asked = max(1, round(length * dice.uniform(*PROMPT_SHARE)) - 2)  # the template has two tokens
        drawn = dice.choices(words, common, k=length - 3)
        found.append(Example(f"e{place}", "en", " ".join(drawn[:asked]), " ".join(drawn[asked:])))
    return found


def uneven(dice: random.Random, median: float, sigma: float, least: int, most: int) -> int:
    """A log-normal length, clipped."""
    return min(most, max(least, round(dice.lognormvariate(math.log(median), sigma))))
