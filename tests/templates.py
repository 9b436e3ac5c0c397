"""Tokenizers and chat templates in the styles of models that people tune, small, for tests of frames."""

import json
from typing import Any

from tiny import ASK, LANGUAGES, WORDS

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}<|head|>system<|/head|>\n\nToday Date: {{ date_string }}<|eot|>"
    "{% for m in messages %}<|head|>{{ m['role'] }}<|/head|>\n\n{{ m['content'] | trim }}<|eot|>{% endfor %}"
    "{% if add_generation_prompt %}<|head|>assistant<|/head|>\n\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "<start_of_turn>{{ role }}\n{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}"
    "{% endfor %}"
)
QWEN3 = (
    "{% set ns = namespace(last=0) %}"
    "{% for m in messages %}{% if m['role'] == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
    "{% for m in messages %}{% set said = m['content'].split('</think>')[-1].lstrip('\\n') %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' and loop.index0 > ns.last %}<think>\n\n</think>\n\n{% endif %}{{ said }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
STYLES = {"chatml": CHATML, "llama3": LLAMA3, "gemma": GEMMA, "mistral": MISTRAL, "qwen3": QWEN3}
TRIMS = {"llama3", "gemma"}
"""Styles that strip what was said."""

SPECIAL = [
    "<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|head|>", "<|/head|>", "<|eot|>",
    "<start_of_turn>", "<end_of_turn>",
]  # fmt: skip
TEXTS = [ASK[code].format(word) + " " + word for code in LANGUAGES for word in WORDS[code]] * 2 + [
    "[1]\nassistant\nuser\nmodel\n[2]\n[INST] a [/INST]"
]

TOKENIZERS = ("bytes", "bytes-prefix", "bpe-first", "bpe-always", "unigram-first", "llama2")
"""Byte-level BPE without and with a blank put before texts; sentencepiece's kinds by where they put theirs."""


def tokenizer(kind: str, template: str | None = None) -> Any:
    """A tokenizer that loses nothing; every one but plain bytes puts a BOS before a text."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    core = _byte_level(kind == "bytes-prefix") if kind.startswith("bytes") else _pieces(kind)
    core.add_special_tokens(SPECIAL)
    if kind != "bytes":
        core.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", core.token_to_id("<s>"))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
        chat_template=STYLES.get(template or "", template),
    )


def _byte_level(prefix: bool) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(TEXTS, trainer)
    return core


def _pieces(kind: str) -> Any:
    """Sentencepiece's kind: blanks are part of words, bytes stand for what is not in the vocabulary."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    every = [f"<0x{byte:02X}>" for byte in range(256)]
    unigram = kind.startswith("unigram")
    learnt = Tokenizer(models.Unigram() if unigram else models.BPE())
    learnt.pre_tokenizer = pre_tokenizers.Metaspace()
    made: Any = trainers.UnigramTrainer if unigram else trainers.BpeTrainer
    learnt.train_from_iterator(TEXTS, made(vocab_size=300, show_progress=False))
    told: Any = json.loads(learnt.to_str())["model"]
    if unigram:
        pieces = [("<unk>", 0.0), ("▁", -9.0), *((byte, -20.0) for byte in every)]
        pieces += [(piece, score) for piece, score in told["vocab"][1:] if piece != "▁"]
        core = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    else:
        names = ["<unk>", *every, *told["vocab"]]
        vocabulary = {name: number for number, name in enumerate(dict.fromkeys(names))}
        merges = [tuple(pair) for pair in told["merges"]]
        core = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    if kind == "llama2":
        core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=kind.partition("-")[2])
    back = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    core.decoder = decoders.Sequence(back)
    return core
