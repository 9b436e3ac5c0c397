"""Small random Hugging Face folders for tests: real file formats, real tokenizers, a few hundred kilobytes."""

from pathlib import Path
from typing import Any

LANGUAGES = ("en", "es", "ru")
WORDS = {
    "en": ("red", "green", "blue", "Monday", "Tuesday", "sun", "moon", "river", "house", "tree"),
    "es": ("rojo", "verde", "azul", "lunes", "martes", "sol", "luna", "río", "casa", "árbol"),
    "ru": ("красный", "зелёный", "синий", "понедельник", "вторник", "солнце", "луна", "река", "дом", "дерево"),
}
ASK = {"en": "What is {}?", "es": "¿Qué es {}?", "ru": "Что такое {}?"}

KINDS = {
    "llama": "LlamaConfig",
    "qwen2": "Qwen2Config",
    "qwen3": "Qwen3Config",
    "mistral": "MistralConfig",
    "gemma3_text": "Gemma3TextConfig",
    "smollm3": "SmolLM3Config",
    "apertus": "ApertusConfig",
    "cohere2": "Cohere2Config",
}
"""Model types that take the same sizes by the same names, and their config classes."""

CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_tokenizer(size: int = 512) -> Any:
    """A byte-level BPE tokenizer with BOS, EOS, padding and chat tokens; it puts a BOS before every text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "</s>", "<pad>", "<|user|>", "<|assistant|>", "<|end|>"]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    texts = [ASK[code].format(word) + " " + word for code in LANGUAGES for word in WORDS[code]]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", pad_token="<pad>", chat_template=CHAT
    )


def make_config(kind: str, vocabulary: int, **changes: Any) -> Any:
    """A config of a model type of transformers (KINDS, or gpt2, bloom, gemma3); two layers, grouped keys where the kind has
    them; of two layers with a window, the second sees everything."""
    import transformers

    common: dict[str, Any] = {"vocab_size": vocabulary, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    if kind == "gpt2":
        own: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
        return transformers.GPT2Config(**common | own | changes)
    if kind == "bloom":
        own = {"hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.2}
        return transformers.BloomConfig(**common | own | changes)
    if kind == "gemma3":  # images and text
        text = make_config("gemma3_text", vocabulary, **changes)
        sight = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        sight |= {"image_size": 28, "patch_size": 14}
        tokens = {"image_token_index": 3, "boi_token_index": 4, "eoi_token_index": 5, "mm_tokens_per_image": 4}
        return transformers.Gemma3Config(text_config=text.to_dict(), vision_config=sight, **tokens)
    shape: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "tie_word_embeddings": True,
        "initializer_range": 0.2,  # larger than usual, so that a leak between documents shows
    }
    windows = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8}
    own = {
        "qwen3": {"head_dim": 8},
        "gemma3_text": {"head_dim": 8, "query_pre_attn_scalar": 8} | windows,
        "cohere2": windows,
        "smollm3": {"no_rope_layers": [1, 0]},
        "apertus": {"rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}},
    }.get(kind, {})
    return getattr(transformers, KINDS[kind])(**common | shape | own | changes)


def make_folder(folder: Path, kind: str = "llama", **changes: Any) -> Path:
    """Save a random model with its tokenizer; the same arguments give the same weights."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = make_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        # as usual, the model has rows to spare
        model = AutoModelForCausalLM.from_config(
            make_config(kind, changes.pop("vocab_size", len(tokenizer) + 8), **changes)
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_examples(count: int) -> list[Any]:
    """`count` examples of uneven length, the languages in turn, ids e0, e1, ..."""
    from pinch.records import Example

    rows = []
    for number in range(count):
        code = LANGUAGES[number % len(LANGUAGES)]
        words = WORDS[code]
        word = words[number % len(words)]
        answer = " ".join(words[(number + step) % len(words)] for step in range(1 + number % 4))
        rows.append(Example(f"e{number}", code, ASK[code].format(" ".join([word] * (1 + number % 5))), answer))
    return rows
