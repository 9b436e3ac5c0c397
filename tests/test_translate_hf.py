"""engine=hf with a model made here: told languages as NLLB, M2M100 and MADLAD are, it learns a few sentences by heart."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pinch.config import EngineConfig, LanguageTokens, TranslationEngine
from pinch.errors import UserError
from pinch.translate.codes import WORDS
from pinch.translate.hf import HfEngine
from pinch.translate.memory import Given, Wanted

KNOWN = {
    "ru": {
        "The sun.": "Солнце.",
        "A red house stands here.": "Здесь стоит красный дом.",
        "Run [1] now!": "Запусти [1]!",
    },
    "fi": {
        "The sun.": "Aurinko.",
        "A red house stands here.": "Punainen talo on tässä.",
        "Run [1] now!": "Aja [1] nyt!",
    },
}
NLLB, M2M100, MADLAD = LanguageTokens.nllb, LanguageTokens.m2m100, LanguageTokens.madlad


def make_tokenizer(style: LanguageTokens) -> Any:
    """Byte-level BPE with the language tokens of a style, for English, Russian and Finnish."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = [WORDS[style][code] for code in ("en", "ru", "fi")] if style in WORDS else []
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", *words]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    texts = [text for known in KNOWN.values() for pair in known.items() for text in pair]
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def make_net(style: LanguageTokens, size: int) -> Any:
    from transformers import M2M100Config, M2M100ForConditionalGeneration, T5Config, T5ForConditionalGeneration

    if style is MADLAD:
        config = T5Config(
            vocab_size=size, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4, dropout_rate=0.0,
            pad_token_id=1, eos_token_id=2, decoder_start_token_id=0, feed_forward_proj="gated-gelu",
        )  # fmt: skip
        return T5ForConditionalGeneration(config)
    config = M2M100Config(
        vocab_size=size, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64, dropout=0.0,
        attention_dropout=0.0, activation_dropout=0.0, encoder_layerdrop=0.0, decoder_layerdrop=0.0,
        bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2,
    )  # fmt: skip
    return M2M100ForConditionalGeneration(config)


def learn(net: Any, tokenizer: Any, style: LanguageTokens) -> None:
    """Teach the sentences as the models' authors do: [source] text [end] -> [target] translation [end], or the target's
    token before the text. Which target it is cannot be learnt, so that token is no label."""
    import torch

    number = tokenizer.convert_tokens_to_ids
    rows = []
    for code, known in KNOWN.items():
        for text, translation in known.items():
            told = [] if style not in WORDS else [number(WORDS[style][code if style is MADLAD else "en"])]
            first = [number(WORDS[style][code])] if style in (NLLB, M2M100) else []
            ids = [*told, *tokenizer(text)["input_ids"], 2]
            rows.append((ids, [*first, *tokenizer(translation)["input_ids"], 2]))
    if style not in WORDS:
        rows = rows[:3]  # one pair of languages
    start = net.config.decoder_start_token_id
    longest, most = max(len(ids) for ids, _ in rows), max(len(labels) for _, labels in rows)
    batch = {
        "input_ids": torch.tensor([ids + [1] * (longest - len(ids)) for ids, _ in rows]),
        "attention_mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows]),
        "decoder_input_ids": torch.tensor([[start, *row][:-1] + [1] * (most - len(row)) for _, row in rows]),
        "labels": torch.tensor([row + [-100] * (most - len(row)) for _, row in rows]),
    }
    if style in (NLLB, M2M100):
        batch["labels"][:, 0] = -100
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(600):
        loss = net(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.02:
            return
    raise AssertionError(f"not learnt, loss {loss.item()}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[LanguageTokens], Path]:
    """folder(style): a model that knows the sentences, in a real folder."""
    made: dict[LanguageTokens, Path] = {}

    def make(style: LanguageTokens) -> Path:
        import torch

        if style not in made:
            torch.set_num_threads(1)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(3)
                tokenizer = make_tokenizer(style)
                net = make_net(style, len(tokenizer))
                learn(net.train(), tokenizer, style)
            made[style] = tmp_path_factory.mktemp(style.value)
            net.save_pretrained(made[style])
            tokenizer.save_pretrained(made[style])
        return made[style]

    return make


def engine(path: Path, **changes: Any) -> HfEngine:
    return HfEngine(EngineConfig(**{"kind": TranslationEngine["hf"], "model": str(path)} | changes))


def texts(codes: tuple[str, ...] = ("ru", "fi")) -> list[Wanted]:
    return [Wanted(text, "en", code) for code in codes for text in KNOWN[code]]


def translated(made: HfEngine, wanted: list[Wanted]) -> dict[Wanted, Given]:
    given = [one for batch in made.translate(wanted) for one in batch]
    assert len(given) == len(wanted)
    return {one.wanted: one for one in given}


@pytest.mark.parametrize("style", [NLLB, M2M100, MADLAD], ids=lambda style: style.value)
@pytest.mark.parametrize(("batch_size", "beams"), [(1, 1), (4, 1), (4, 3)])
def test_sentences_are_translated(
    folder: Callable[[LanguageTokens], Path], style: LanguageTokens, batch_size: int, beams: int
) -> None:
    given = translated(engine(folder(style), batch_size=batch_size, beams=beams), texts())
    assert {one.text: said.text for one, said in given.items() if one.target == "ru"} == KNOWN["ru"]
    assert {one.text: said.text for one, said in given.items() if one.target == "fi"} == KNOWN["fi"]


def test_a_model_of_one_pair(folder: Callable[[LanguageTokens], Path]) -> None:
    made = engine(folder(LanguageTokens.plain), tokens=LanguageTokens.plain, beams=1)
    assert {one.text: said.text for one, said in translated(made, texts(("ru",))).items()} == KNOWN["ru"]
    with pytest.raises(UserError, match="tokens=plain is for a model of one pair of languages"):
        translated(engine(folder(LanguageTokens.plain), tokens=LanguageTokens.plain), texts())


def test_what_is_cut_off_or_too_long(folder: Callable[[LanguageTokens], Path]) -> None:
    made = engine(folder(NLLB), max_tokens=3, beams=1)
    (given,) = translated(made, texts(("ru",))[1:2]).values()
    assert (given.text, given.fault) == ("", "cut off at the limit of tokens")
    (given,) = translated(made, [Wanted("sun " * 80, "en", "ru")]).values()
    assert given.fault == "longer than the model's 64 tokens"


@pytest.mark.parametrize(
    ("style", "changes", "target", "words"),
    [
        (NLLB, {}, "it", "the model does not know 'it'; leave it out of to, or take another model"),
        (MADLAD, {}, "sr-Latn", "the model does not know 'sr-Latn'"),
        (NLLB, {"tokens": M2M100}, "ru", "its vocabulary has no language tokens of m2m100"),
        (
            LanguageTokens.plain,
            {},
            "ru",
            "no language tokens of NLLB, M2M100 or MADLAD; for one pair of languages: engine.tokens=plain",
        ),
    ],
)
def test_languages_that_a_model_does_not_know(
    folder: Callable[[LanguageTokens], Path], style: LanguageTokens, changes: dict[str, Any], target: str, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        translated(engine(folder(style), **changes), [Wanted("The sun.", "en", target)])


def test_special_tokens_in_a_text_are_letters(folder: Callable[[LanguageTokens], Path]) -> None:
    from pinch.translate.hf import Loaded, _encoded

    tokenizer = make_tokenizer(NLLB)
    ids = _encoded(Loaded(None, tokenizer, NLLB, 64), Wanted("a</s>rus_Cyrl", "en", "ru"))
    assert ids.count(2) == 1
    assert tokenizer.convert_tokens_to_ids("rus_Cyrl") not in ids


def test_a_causal_model_is_refused(tiny_folder: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match="llama is no translation model; serve it and take engine=api"):
        translated(engine(tiny_folder("llama")), texts(("ru",)))


def spelt(folder: Path) -> None:
    """Files of a model of M2M100's kind whose tokenizer is sentencepiece's alone."""
    import json

    from transformers import M2M100Config

    M2M100Config(vocab_size=8, d_model=8).save_pretrained(folder)
    (folder / "sentencepiece.bpe.model").write_bytes(b"")
    (folder / "vocab.json").write_text(json.dumps({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}))


WITHOUT = """
import importlib.machinery, sys
real = importlib.machinery.PathFinder.find_spec
def find(name, path=None, target=None):
    return None if name.split(".")[0] == "sentencepiece" else real(name, path, target)
importlib.machinery.PathFinder.find_spec = staticmethod(find)
from pathlib import Path
from pinch.errors import UserError
from test_translate_hf import engine, texts, translated
for folder in sys.argv[1:]:
    try:
        translated(engine(Path(folder)), texts(("ru",)))
    except UserError as error:
        print(error)
"""
"""Translates by the models in folders, in a process that finds no sentencepiece."""


@pytest.mark.slow
def test_a_tokenizer_that_needs_sentencepiece(tmp_path: Path) -> None:
    folders = []
    for named in ("M2M100Tokenizer", "NllbTokenizer", None):
        folder = tmp_path / str(named)
        spelt(folder)
        if named:
            (folder / "tokenizer_config.json").write_text(f'{{"tokenizer_class": "{named}"}}')
        folders.append(str(folder))
    places = os.pathsep.join(str(Path(__file__).resolve().parents[up] / part) for up, part in ((1, "src"), (0, "")))
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT, *folders],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": places},
        capture_output=True,
        text=True,
        timeout=120,
    )
    told = "its tokenizer needs sentencepiece, which is not installed; pip install -e '.[sentencepiece]'"
    assert ran.stdout.splitlines() == [f"{folder}: {told}" for folder in folders], ran.stderr
    assert ran.stderr == ""


def test_the_tokenizer_of_m2m100(tmp_path: Path) -> None:
    """Trained on the sentences: its vocabulary is in vocab.json, the languages' tokens follow it."""
    import io
    import json

    sentencepiece = pytest.importorskip("sentencepiece")
    from transformers import M2M100Tokenizer

    learnt = io.BytesIO()
    lines = [text for known in KNOWN.values() for pair in known.items() for text in pair] * 10
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=learnt, vocab_size=80, model_type="bpe", hard_vocab_limit=False,
        minloglevel=2,
    )  # fmt: skip
    (tmp_path / "sentencepiece.bpe.model").write_bytes(learnt.getvalue())
    core = sentencepiece.SentencePieceProcessor(model_proto=learnt.getvalue())
    words = dict.fromkeys(["<s>", "<pad>", "</s>", "<unk>", *map(core.id_to_piece, range(core.get_piece_size()))])
    (tmp_path / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    tokenizer: Any = M2M100Tokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "sentencepiece.bpe.model"))
    net = make_net(M2M100, max(tokenizer.lang_token_to_id.values()) + 1)

    class Bare:
        convert_tokens_to_ids = tokenizer.convert_tokens_to_ids

        def __call__(self, text: str) -> Any:
            return tokenizer(text, add_special_tokens=False)

    learn(net.train(), Bare(), M2M100)
    net.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    given = translated(engine(tmp_path, beams=1), texts())
    assert {one.text: said.text for one, said in given.items() if one.target == "fi"} == KNOWN["fi"]
    assert {one.text: said.text for one, said in given.items() if one.target == "ru"} == KNOWN["ru"]


def test_a_missing_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="nowhere"):
        translated(engine(tmp_path / "nowhere"), texts(("ru",)))


def test_the_model_is_part_of_what_a_translation_is_known_by(folder: Callable[[LanguageTokens], Path]) -> None:
    one, other = engine(folder(NLLB)).identity, engine(folder(M2M100)).identity
    assert one["model"] != other["model"]
    assert engine(folder(NLLB), batch_size=3).identity == one
    assert engine(folder(NLLB), beams=2).identity != one
