"""Edge: finding, identifying and loading causal language models from folders, the hub, or the embedded tiny world.

    fingerprint(model)            what the weights are, for a cell's identity; imports no torch
    locate(model, cache, tell)    where they are: a folder or a hub id; makes the embedded model at first use
    load(model, location, device) model, tokenizer and frame, ready to be tuned or to answer

Nothing here runs code that comes with a model (`trust_remote_code` stays off).
"""

import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinch import quantization, refusals
from pinch.config import Accelerator, DType, ModelConfig, ModelSource, Quantization, TrainerConfig
from pinch.errors import UserError, did_you_mean
from pinch.frames import Encoded, Frame, make_frame
from pinch.refusals import explained, hushed
from pinch.stamps import Stamp, stamps

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Encoded", "Frame", "Loaded", "device", "explained", "fingerprint", "hushed", "load", "locate", "twin"]

WEIGHTS = (".safetensors", ".bin")
READ = (*WEIGHTS, ".json", ".jinja", ".model", ".txt", ".tiktoken")
"""Endings of the files in a model folder that decide what the model answers."""

SAMPLED_ABOVE = 64 * 2**20
"""Bytes from which on a weight file is sampled: its size, its first and its last MiB stand for its content."""

TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "vocab.txt")
UNBOUNDED = 2**20
"""Context in tokens of models whose config names no limit (those without position embeddings)."""


@dataclass
class Loaded:
    """A model ready for use: `model` in eval mode on `device` with every weight frozen, its tokenizer and frame.

    `context` is the longest sequence in tokens; `pad` the id that fills up rows (never attended to, never supervised).
    `base` is the model without what `generation.attach` added, None for a model as it was loaded."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    frame: Frame
    device: "torch.device"
    context: int
    pad: int
    base: "Loaded | None" = None


def device(trainer: TrainerConfig) -> "torch.device":
    """The device to compute on. Raises UserError when a GPU is asked for and there is none."""
    import torch

    has_gpu = torch.cuda.is_available()
    if trainer.accelerator is Accelerator.gpu and not has_gpu:
        raise UserError("trainer.accelerator=gpu, but torch sees no GPU; use trainer.accelerator=cpu")
    if trainer.accelerator is Accelerator.cpu or not has_gpu:
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


# --- which model ---------------------------------------------------------------------------------------------------


def fingerprint(model: ModelConfig) -> str:
    """A name for the weights and the tokenizer: equal names mean equal models.

    Local folders: SHA-256 over names and contents of config, tokenizer and weight files; of a weight file above 64 MiB
    only the size and the first and last MiB are read. Hub ids: the id and the revision, as given. What is read is read
    once per process, as long as the files stay the same."""
    if model.source is ModelSource.embedded:
        return _embedded()
    folder = _local(model)
    if folder is None:
        return f"{model.path}@{model.revision or 'main'}"
    return _hashed(stamps(_files(folder)))


@cache
def _embedded() -> str:
    from pinch.embedded import base

    return f"embedded-{base.recipe_hash()}"


@lru_cache(maxsize=32)
def _hashed(files: tuple[Stamp, ...]) -> str:
    total = hashlib.sha256()
    for name, size, *_ in files:
        total.update(f"{Path(name).name}\0{size}\0{_content(Path(name))}\n".encode())
    return f"folder-{total.hexdigest()[:16]}"


def locate(model: ModelConfig, cache: Path, progress: Callable[[float, str], None] | None) -> str:
    """The folder or hub id to load from; makes the embedded model in `cache` at first use, telling `progress` (share
    done, what is being done). Raises UserError for a folder that is missing or holds no causal language model."""
    if model.source is ModelSource.embedded:
        from pinch.embedded import base

        return str(base.ensure(cache, progress))
    folder = _local(model)
    if folder is None:
        return str(model.path)
    config = _read_config(folder)
    if config.get("is_encoder_decoder"):
        raise UserError(f"{folder}: an encoder-decoder ({config.get('model_type')}); give a causal language model")
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise UserError(f"{folder}: no tokenizer there (tokenizer.json); save the model's tokenizer into the folder")
    if not any(path.suffix in WEIGHTS for path in _files(folder)):
        raise UserError(f"{folder}: no weights there (*.safetensors); save the model with save_pretrained")
    return str(folder)


def _local(model: ModelConfig) -> Path | None:
    """The folder a model's path names; None for a hub id. Raises UserError for a folder that does not exist."""
    text = str(model.path)
    folder = Path(text).expanduser()
    if folder.is_dir():
        return folder
    if text.startswith(("/", ".", "~")) or text.count("/") > 1 or folder.exists():
        beside = [path.name for path in folder.parent.iterdir()] if folder.parent.is_dir() else []
        hint = did_you_mean(folder.name, beside) if 0 < len(beside) <= 20 else ""
        raise UserError(f"model.path={text}: no such folder{hint}; give a folder with a saved model, or a hub id")
    return None


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder}: no config.json there; give the folder a model was saved into") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); save the model again") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: must be a JSON object; save the model again")
    return value


def _files(folder: Path) -> list[Path]:
    """The files that decide, in the order of their names; .bin weights are not read where there are safetensors."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in READ)
    if any(path.suffix == ".safetensors" for path in files):
        files = [path for path in files if path.suffix != ".bin"]
    return [path for path in files if not path.name.startswith(".")]


def _content(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= SAMPLED_ABOVE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        first = file.read(2**20)
        file.seek(-(2**20), os.SEEK_END)
        return hashlib.sha256(first + file.read()).hexdigest()


# --- loading -------------------------------------------------------------------------------------------------------


def load(model: ModelConfig, location: str, device: "torch.device", place: "torch.device | None" = None) -> Loaded:
    """Model, tokenizer and frame from what `locate` gave, to compute on `device`; its weights lie in the memory of `place`,
    if that is another. Raises UserError, one line, for whatever cannot be loaded; what can be told without the weights is
    told before they are read."""
    where = model.name if model.source is ModelSource.embedded else location
    quantization.refuse_missing(model.quantization)
    revision = None if Path(location).is_dir() else model.revision
    with explained(where):
        config = _causal_config(location, revision, where)
        tokenizer = _tokenizer(location, revision, where)
    context, frame = _context(model, config, where), make_frame(tokenizer, model.template, where)
    with explained(where):
        dtype = _dtype(model.dtype, device)
        net = load_weights(location, config, dtype, place or device, revision, model.quantization)
    refusals.refuse_bidirectional(net, where)
    embeddings: Any = net.get_input_embeddings()
    size = embeddings.weight.shape[0]
    refusals.refuse_foreign(tokenizer, frame.end, size, where)
    pad = tokenizer.pad_token_id  # masked everywhere, but looked up: some tokenizers name one that the model lacks
    pad = frame.end if pad is None or pad >= size else int(pad)
    return Loaded(net, tokenizer, frame, place or device, context, pad)


def read_frame(model: ModelConfig, location: str) -> tuple[Frame, int]:
    """The frame of a model and its context in tokens, read without its weights. Raises UserError as `load`."""
    where = model.name if model.source is ModelSource.embedded else location
    revision = None if Path(location).is_dir() else model.revision
    with explained(where):
        config = _causal_config(location, revision, where)
        tokenizer = _tokenizer(location, revision, where)
    return make_frame(tokenizer, model.template, where), _context(model, config, where)


def load_weights(
    location: str,
    config: "PreTrainedConfig",
    dtype: "torch.dtype",
    device: "torch.device",
    revision: str | None = None,
    bits: Quantization = Quantization.none,
) -> "PreTrainedModel":
    """The network alone: in eval mode, every weight frozen. Of a model that also sees images, only what reads and writes
    text. Raises UserError when the files lack some of its weights."""
    from transformers import AutoModelForCausalLM

    auto: Any = AutoModelForCausalLM
    with refusals.no_conversion():
        net, found = auto.from_pretrained(
            location,
            config=config,
            dtype=dtype,
            revision=revision,
            output_loading_info=True,
            **quantization.options(bits, dtype, device),
        )
    refusals.refuse_incomplete(net, found["missing_keys"], location)
    net = _text_part(net).requires_grad_(False).eval()
    quantization.settle(net)
    loaded: PreTrainedModel = net.to(device) if bits is Quantization.none else net
    return loaded


def _text_part(net: Any) -> Any:
    """The language model inside of a network of several kinds of input: adapters for all linear layers would otherwise go
    to the layers that look at images, too, which no text ever reaches."""
    import torch
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM

    config = net.config.get_text_config()
    if config is net.config or type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        return net
    auto: Any = AutoModelForCausalLM
    with torch.device("meta"):  # a shell without memory, which takes over the weights that are there
        shell = auto.from_config(config)
    decoder = net.get_decoder()
    if type(shell.base_model) is not type(decoder):
        return net
    setattr(shell, shell.base_model_prefix, decoder)
    shell.set_output_embeddings(net.get_output_embeddings())
    shell.config, shell.generation_config = decoder.config, net.generation_config
    for name in quantization.FLAGS:
        if hasattr(net, name):
            setattr(shell, name, getattr(net, name))
    return shell


def twin(net: "PreTrainedModel") -> "PreTrainedModel":
    """A second network with the same weights, not copies of them: adapters added to it leave the first one alone."""
    kept = (*net.parameters(), *net.buffers(), *quantization.shared(net))
    return copy.deepcopy(net, {id(value): value for value in kept})


@contextmanager
def random_state(seed: int, device: "torch.device") -> Iterator[None]:
    """torch's random numbers (adapter initialisation, dropout) from `seed`; the former state is back afterwards."""
    import torch

    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _causal_config(location: str, revision: str | None, where: str) -> "PreTrainedConfig":
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

    config: PreTrainedConfig = AutoConfig.from_pretrained(location, revision=revision)
    if config.is_encoder_decoder:
        raise UserError(f"{where}: an encoder-decoder ({config.model_type}); give a causal language model")
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UserError(f"{where}: transformers has no causal language model of type {config.model_type}; give another")
    return config


def _tokenizer(location: str, revision: str | None, where: str) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    try:
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(location, revision=revision)
    except Exception as error:
        if refusals.of_the_hub(error):
            raise
        raise UserError(
            f"{where}: no tokenizer there that can be read ({refusals.first_line(error)}); save the model's own into a "
            "folder with the model, and give that as model.path"
        ) from None
    return found


def _dtype(dtype: DType, device: "torch.device") -> "torch.dtype":
    import torch

    if dtype is DType.auto:
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if dtype is DType.bf16 else torch.float32


def _context(model: ModelConfig, config: "PreTrainedConfig", where: str) -> int:
    limit = getattr(config.get_text_config(), "max_position_embeddings", None) or UNBOUNDED
    if model.context is not None and model.context > limit:
        raise UserError(f"model.context={model.context}: {where} holds {limit} tokens at most; give that or less")
    return model.context or int(limit)
