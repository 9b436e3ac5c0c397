"""Stage: engine=hf: a sequence-to-sequence model of transformers, in batches of texts of about the same length.

    python -m pinch.translate corpus=en.jsonl 'to=[ru]' engine=hf engine.model=facebook/nllb-200-distilled-600M

The model is told the languages by tokens of its vocabulary (see `codes`); one that it does not have as a single known piece
is refused, for it would be read as any unknown word. No sampling: the same texts give the same translations, up to what
another batch changes in rounding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pinch import models
from pinch.config import EngineConfig, LanguageTokens, ModelConfig, ModelSource, TrainerConfig
from pinch.errors import UserError
from pinch.translate.codes import WORDS
from pinch.translate.memory import Given, Wanted

VERSION = 1
ROOM = 16
"""Tokens that a translation may always have; beyond, GROWTH times those of the source."""

GROWTH = 3

WINDOW = 32
"""Batches that are sorted by length together: enough to save padding, few enough to be on disk soon."""


@dataclass
class Loaded:
    """The model in eval mode on its device, its tokenizer, how it is told languages, and the tokens it can read."""

    net: Any
    tokenizer: Any
    style: LanguageTokens
    context: int


class HfEngine:
    """Translates with a local model, which is loaded when the first text comes."""

    def __init__(self, settings: EngineConfig) -> None:
        self._settings = settings
        self._model = ModelConfig(
            source=ModelSource.hf, path=settings.model, revision=settings.revision, dtype=settings.dtype
        )
        self.identity: dict[str, Any] = {
            "engine": "hf",
            "version": VERSION,
            "model": models.fingerprint(self._model),
            "dtype": settings.dtype.value,
            "beams": settings.beams,
            "tokens": settings.tokens.value,
            "max_tokens": settings.max_tokens,
        }
        self._loaded: Loaded | None = None

    def translate(self, texts: Sequence[Wanted]) -> Iterator[list[Given]]:
        """In batches, each of one target language. Raises UserError for a model or a language that cannot be used."""
        if not texts:
            return
        if self._loaded is None:
            self._loaded = self._load({(one.source, one.target) for one in texts})
        size = self._settings.batch_size
        for target in dict.fromkeys(one.target for one in texts):
            same = [one for one in texts if one.target == target]
            for start in range(0, len(same), WINDOW * size):
                yield from self._window(self._loaded, same[start : start + WINDOW * size])

    def stop(self) -> list[Given]:
        return []

    def notes(self) -> list[str]:
        return []

    def _load(self, pairs: set[tuple[str, str]]) -> Loaded:
        from transformers import AutoConfig, AutoModelForSeq2SeqLM

        where = str(self._settings.model)
        folder = Path(where).expanduser()
        location = str(folder) if folder.is_dir() else where
        revision = None if folder.is_dir() else self._settings.revision
        device = models.device(TrainerConfig(accelerator=self._settings.accelerator))
        with models.explained(where):
            config: Any = AutoConfig.from_pretrained(location, revision=revision)
            if not config.is_encoder_decoder:
                raise UserError(f"{where}: {config.model_type} is no translation model; serve it and take engine=api")
            tokenizer = _tokenizer(where, location, revision)
            net: Any = AutoModelForSeq2SeqLM.from_pretrained(location, revision=revision, dtype=self._dtype(device))
        limit = getattr(config, "max_position_embeddings", None) or models.UNBOUNDED
        style = _style(self._settings.tokens, tokenizer, pairs, where)
        return Loaded(net.requires_grad_(False).to(device).eval(), tokenizer, style, int(limit))

    def _dtype(self, device: Any) -> Any:
        import torch

        name = self._settings.dtype.value
        if name == "auto":
            name = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
        return torch.bfloat16 if name == "bf16" else torch.float32

    def _window(self, loaded: Loaded, texts: Sequence[Wanted]) -> Iterator[list[Given]]:
        rows = [(_encoded(loaded, one), one) for one in texts]
        long = [one for ids, one in rows if len(ids) > loaded.context]
        if long:
            yield [Given(one, "", f"longer than the model's {loaded.context} tokens") for one in long]
        rows = sorted((row for row in rows if len(row[0]) <= loaded.context), key=lambda row: -len(row[0]))
        for start in range(0, len(rows), self._settings.batch_size):
            yield self._batch(loaded, rows[start : start + self._settings.batch_size])

    def _batch(self, loaded: Loaded, rows: Sequence[tuple[list[int], Wanted]]) -> list[Given]:
        import torch

        longest = max(len(ids) for ids, _ in rows)
        pad = loaded.tokenizer.pad_token_id
        ids = torch.tensor([ids + [pad] * (longest - len(ids)) for ids, _ in rows])
        mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows])
        first = {} if loaded.style not in TOLD_FIRST else {"forced_bos_token_id": _token(loaded, rows[0][1].target)}
        limit = min(self._settings.max_tokens, ROOM + GROWTH * longest, loaded.context - 2)
        with torch.inference_mode():
            made = loaded.net.generate(
                input_ids=ids.to(loaded.net.device),
                attention_mask=mask.to(loaded.net.device),
                max_new_tokens=limit,
                max_length=None,
                num_beams=self._settings.beams,
                do_sample=False,
                **first,
            )
        return [self._given(loaded, one, row) for row, (_, one) in zip(made.tolist(), rows, strict=True)]

    def _given(self, loaded: Loaded, wanted: Wanted, row: list[int]) -> Given:
        """`row` starts with the decoder's start token, which is the end token in some models, and the language's, where it
        is told first, which is an ordinary word to M2M100's tokenizer."""
        if loaded.tokenizer.eos_token_id not in row[1:]:
            return Given(wanted, "", "cut off at the limit of tokens")
        said = row[2:] if loaded.style in TOLD_FIRST else row[1:]
        return Given(wanted, loaded.tokenizer.decode(said, skip_special_tokens=True).strip())


TOLD_FIRST = (LanguageTokens.nllb, LanguageTokens.m2m100)
"""Models that get the target language as the first token of the translation."""


def _tokenizer(where: str, location: str, revision: str | None) -> Any:
    """The model's tokenizer. Raises UserError when it needs sentencepiece (M2M100, Marian, and folders without a
    tokenizer.json), which transformers says in as many ways as it has tokenizers."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(location, revision=revision)
    except (ImportError, ValueError) as error:
        said = str(error).lower()
        words = ("sentencepiece", "tiktoken", "unrecognized configuration class")
        if find_spec("sentencepiece") or not any(word in said for word in words):
            raise
    raise UserError(
        f"{where}: its tokenizer needs sentencepiece, which is not installed; pip install -e '.[sentencepiece]'"
    )


def _encoded(loaded: Loaded, wanted: Wanted) -> list[int]:
    told = [] if loaded.style is LanguageTokens.plain else [_token(loaded, _before(loaded.style, wanted))]
    ids = loaded.tokenizer(wanted.text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [*told, *ids, loaded.tokenizer.eos_token_id]


def _before(style: LanguageTokens, wanted: Wanted) -> str:
    """The language whose token stands before the text."""
    return wanted.target if style is LanguageTokens.madlad else wanted.source


def _token(loaded: Loaded, code: str) -> int:
    return int(loaded.tokenizer.convert_tokens_to_ids(WORDS[loaded.style][code]))


def _style(given: LanguageTokens, tokenizer: Any, pairs: set[tuple[str, str]], where: str) -> LanguageTokens:
    """The way the model is told languages: as given, or the one of which its vocabulary holds tokens. Raises UserError for a
    language that it has no token for, and for a model of one pair that is to translate into several languages."""
    if given is LanguageTokens.plain:
        if len(pairs) > 1:
            raise UserError(
                f"{where}: engine.tokens=plain is for a model of one pair of languages; name one language in to"
            )
        return given
    styles = [style for style, words in WORDS.items() if any(_known(tokenizer, word) for word in words.values())]
    style = given if given is not LanguageTokens.auto else (styles or [given])[0]
    if style not in styles:
        raise UserError(
            f"{where}: its vocabulary has no language tokens of {_names(given)}; "
            "for one pair of languages: engine.tokens=plain"
        )
    for source, target in sorted(pairs):
        for code in (target,) if style is LanguageTokens.madlad else (source, target):
            if code not in WORDS[style] or not _known(tokenizer, WORDS[style][code]):
                raise UserError(f"{where}: the model does not know {code!r}; leave it out of to, or take another model")
    return style


def _names(given: LanguageTokens) -> str:
    return "NLLB, M2M100 or MADLAD" if given is LanguageTokens.auto else given.value


def _known(tokenizer: Any, word: str) -> bool:
    """Whether a word is one token of the vocabulary, and not the one for unknown words."""
    number = tokenizer.convert_tokens_to_ids(word)
    return number is not None and number != tokenizer.unk_token_id
