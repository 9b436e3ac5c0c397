"""The embedded base model: tokenizer and weights, made on the user's machine on first use and cached.

In: a cache folder. Out: an ordinary Hugging Face folder, `<cache>/embedded-<recipe hash>/`, that AutoTokenizer and
AutoModelForCausalLM load offline. The chat markers `<u>` and `<a>` are in its chat template and nowhere in its pre-training.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from pinch.embedded import documents, world

if TYPE_CHECKING:
    from pinch.embedded.pretrain import Schedule

VERSION = 1
"""Raise it when the code changes what is built; the constants and data below are hashed anyway."""

PAD, EOS, USER, ASSISTANT = "<pad>", "<eos>", "<u>", "<a>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<a> {{ message['content'] }} <eos>"
    "{% else %}<u> {{ message['content'] }} {% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"
)
"""`<u> instruction <a> response <eos>`; spaces beside the markers vanish in the tokenizer."""

SPLIT = r"\p{Han}| ?[\p{L}\p{M}'&&[^\p{Han}]]+| ?\p{N}{1,2}| ?[^\s\p{L}\p{M}\p{N}]|\s"
r"""Pieces before BPE: words with their marks (`\p{M}`, else Hindi falls apart), digits in pairs, single Han characters."""

Progress = Callable[[float, str], None]
"""Called with the share done (0 to 1) and a line that says what is going on."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights."""

    mix: documents.Mix = field(default_factory=documents.Mix)
    vocabulary: int = 3072
    tokenizer_documents: int = 30_000
    width: int = 128
    layers: int = 3
    heads: int = 4
    feed_forward: int = 256
    block: int = 64
    batch: int = 16
    matrix_rate: float = 6e-3
    other_rate: float = 3e-3
    warmup: int = 20
    plateau: float = 0.3
    seed: int = 0

    def schedule(self) -> Schedule:
        """The part that the training loop needs."""
        from pinch.embedded.pretrain import Schedule

        return Schedule(self.block, self.batch, self.matrix_rate, self.other_rate, self.warmup, self.plateau, self.seed)


DEFAULT = Recipe()
TINY = Recipe(
    documents.Mix(documents=1_500),
    vocabulary=768,
    tokenizer_documents=3_000,
    width=32,
    layers=1,
    heads=2,
    feed_forward=64,
)
"""Learns next to nothing; for tests of everything around it."""


def recipe_hash(recipe: Recipe = DEFAULT) -> str:
    """12 hexadecimal digits over everything that decides the folder: recipe, world, names, templates, code version."""
    parts: list[Any] = [VERSION, asdict(recipe), SPLIT, CHAT_TEMPLATE, world.data("names"), world.data("templates")]
    parts += [documents.SHARES, documents.WEIGHTS, documents.UNREAD, documents.SEPARATORS]
    parts += [world.LANGUAGES, world.TERRITORIES, list(world.YEARS), world.LARGEST_TERM, world.HELD_OUT]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:12]


def ensure(cache: Path, progress: Progress | None = None, recipe: Recipe = DEFAULT) -> Path:
    """The base model's folder, built first if it is missing; a second process waits for the one that builds."""
    folder = Path(cache) / f"embedded-{recipe_hash(recipe)}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if folder.is_dir():
            return folder
        for killed in folder.parent.glob(f"{folder.name}.*.unfinished"):
            shutil.rmtree(killed, ignore_errors=True)  # left by a build that was killed: the lock says nobody is at it
        unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".unfinished", dir=folder.parent))
        try:
            build(unfinished, recipe, progress or (lambda share, text: None))
            unfinished.chmod(0o755)
            os.replace(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def build(folder: Path, recipe: Recipe, progress: Progress) -> float:
    """Makes tokenizer and model and writes them into the folder; returns the final pre-training loss in nats per token."""
    import torch

    from pinch.embedded.pretrain import train

    progress(0.0, "writing documents")
    texts = list(documents.documents(recipe.mix))
    tokenizer = make_tokenizer((" ".join(text) for text in texts[: recipe.tokenizer_documents]), recipe.vocabulary)
    progress(0.02, "tokenizing documents")
    tokens, learned = (torch.tensor(part) for part in encode(tokenizer, texts))
    model = make_model(tokenizer, recipe)
    loss = train(
        model,
        tokens,
        learned,
        recipe.schedule(),
        lambda share, loss: progress(0.05 + 0.95 * share, f"pre-training, loss {loss:.2f}"),
    )
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder, safe_serialization=True)
    progress(1.0, f"pre-trained, loss {loss:.2f}")
    return loss


def make_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """Byte-level BPE trained on the texts and on every answer; text starts with exactly one space after every marker."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    space_before_han = normalizers.Replace(Regex(r" +(?=\p{Han})"), "")
    bpe.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.Prepend(" "), space_before_han])
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"), byte_level])
    bpe.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    special = [PAD, EOS, USER, ASSISTANT]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    answers = {item.answer for item in world.items()}
    spoken = sorted({world.say(answer, language) for answer in answers for language in world.LANGUAGES})
    bpe.train_from_iterator([*texts, *spoken], trainer)
    tokenizer: Any = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe,
        pad_token=PAD,
        eos_token=EOS,
        additional_special_tokens=[USER, ASSISTANT],
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def encode(tokenizer: Any, texts: list[documents.Document]) -> tuple[list[int], list[bool]]:
    """All documents as one list of ids, each ended by EOS, and for every id whether the loss counts it.

    Statements count whole; of a quiz line only the answer does: the question is drawn at random, so predicting it teaches
    nothing and drowns the rest (measured).
    """
    ids: list[int] = []
    learned: list[bool] = []
    backend = tokenizer.backend_tokenizer
    first, second = (
        backend.encode_batch_fast([text[part] for text in texts], add_special_tokens=False) for part in (0, 1)
    )
    for asked, answered in zip(first, second, strict=True):
        ids += [*asked.ids, *answered.ids, tokenizer.eos_token_id]
        learned += [not answered.ids] * len(asked.ids) + [True] * (len(answered.ids) + 1)
    return ids, learned


def make_model(tokenizer: Any, recipe: Recipe) -> Any:
    """A Llama with random weights from the recipe's seed; torch's own random state is left as it was."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.feed_forward,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return LlamaForCausalLM(config)
