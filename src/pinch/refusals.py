"""Edge: why a model cannot be used, in one line each: what the hub refused, what the files lack, what does not fit together.

    explained(where)              turns whatever loading raises into a UserError that says what to do
    refuse_incomplete(net, ...)   the files lack weights, which would be random
    refuse_foreign(tokenizer, ..) the tokenizer is another model's
    refuse_bidirectional(net, ..) later tokens change earlier logits

`where` is the model's folder or hub id, as the user gave it.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pinch.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LOGIN = "log in with `hf auth login` or set HF_TOKEN"


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what transformers raises while loading into one line, and keep its bars and reports off the terminal.

    What only the user can mend has no cause, what may pass (no network) has one: a sweep tries those cells again."""
    try:
        with hushed():
            yield
    except UserError:
        raise
    except Exception as error:  # files of strangers through four libraries: any type of error may come
        said = _by_the_hub(where, error)
        if said:
            raise UserError(said) from None
        unreachable = _unreachable(where, error)
        if unreachable:
            raise UserError(unreachable) from error
        raise UserError(
            f"{where}: cannot be loaded ({first_line(error)}); check model.path and model.revision"
        ) from error


@contextmanager
def hushed() -> Iterator[None]:
    """Keep transformers' progress bars and reports off the terminal; its errors stay."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def no_conversion() -> Iterator[None]:
    """Keep transformers from asking the hub, in a thread of its own, to convert the .bin weights of somebody's model."""
    name = "DISABLE_SAFETENSORS_CONVERSION"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


# --- what the hub says ---------------------------------------------------------------------------------------------


def _by_the_hub(where: str, error: Exception) -> str | None:
    """What the hub refused, if it did: asking again will not help."""
    from huggingface_hub import errors

    hub = next((cause for cause in _causes(error) if isinstance(cause, errors.HfHubHTTPError)), None)
    if isinstance(hub, errors.GatedRepoError):
        return (
            f"{where}: gated on the Hugging Face hub; accept its terms on https://huggingface.co/{where}, {LOGIN}, "
            "then run again"
        )
    if isinstance(hub, errors.RepositoryNotFoundError):
        return f"{where}: no such model on the Hugging Face hub, or a private one; check model.path, or {LOGIN}"
    if isinstance(hub, errors.RevisionNotFoundError):
        return f"{where}: the hub has no such branch, tag or commit of it; check model.revision"
    if hub is not None and hub.response.status_code in (401, 403):
        refused = f"the Hugging Face hub refuses access ({hub.response.status_code})"
        return f"{where}: {refused}; {LOGIN}, with a token that may read it"
    return None


def _unreachable(where: str, error: Exception) -> str | None:
    """Whether the files are neither on this machine nor to be had right now."""
    from huggingface_hub import constants

    if not any(_is_silence(cause) for cause in _causes(error)):
        return None
    remedy = f"fetch it where there is a network (hf download {where} --local-dir FOLDER) and give model.path=FOLDER"
    if constants.HF_HUB_OFFLINE:
        return f"{where}: not in the local cache, and HF_HUB_OFFLINE forbids to ask the hub; unset it, or {remedy}"
    return f"{where}: not in the local cache, and the Hugging Face hub does not answer; connect, or {remedy}"


def _is_silence(cause: BaseException) -> bool:
    from huggingface_hub import errors

    if isinstance(cause, errors.HfHubHTTPError):
        return cause.response.status_code >= 500
    of_transport = errors.HfHubHTTPError.__mro__[1]  # httpx', or its successor's, by the version of the hub's client
    silent = (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, of_transport, ConnectionError)
    return isinstance(cause, silent)


def of_the_hub(error: Exception) -> bool:
    """Whether the hub, not the files, is the reason."""
    return bool(_by_the_hub("", error) or _unreachable("", error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def first_line(error: Exception) -> str:
    """The error's text, white space joined, at most 300 characters."""
    return " ".join(str(error).split())[:300]


# --- what does not fit ---------------------------------------------------------------------------------------------


def refuse_incomplete(net: "PreTrainedModel", missing: Iterable[str], where: str) -> None:
    """transformers fills weights that the files lack with random numbers and says so in a log line only."""
    names = {name for name, _ in net.named_parameters()}
    lacking = sorted(names.intersection(missing))
    if lacking:
        raise UserError(
            f"{where}: its files lack {len(lacking)} weights of a {type(net).__name__} (first {lacking[0]}); they are of "
            "another kind of model or incomplete, save or download the model again"
        )


def refuse_foreign(tokenizer: "PreTrainedTokenizerBase", end: int, size: int, where: str) -> None:
    """A tokenizer may be larger than the model's `size` tokens by special ones that no text calls for (Gemma 3's image
    tokens), but not by ordinary ones, nor by the one that ends an answer (`end`)."""
    if end >= size:
        raise UserError(
            f"{where}: answers end with token {end}, but the model has {size} tokens; give it its own tokenizer"
        )
    if len(tokenizer) <= size:
        return
    added = tokenizer.added_tokens_decoder
    special = {token for token, text in added.items() if text.special}
    beyond = {token: text for text, token in tokenizer.get_vocab().items() if token >= size and token not in special}
    if beyond:
        first = min(beyond)
        raise UserError(
            f"{where}: the tokenizer has {len(beyond)} tokens that the model, which has {size}, lacks (first {first}, "
            f"{beyond[first]!r}); give it its own tokenizer, or a model whose embeddings were enlarged"
        )


def refuse_bidirectional(net: "PreTrainedModel", where: str) -> None:
    """transformers offers encoders such as BERT as language models too; in those, later tokens change earlier logits."""
    import torch

    with torch.no_grad():
        one, other = (
            net(input_ids=torch.tensor([[1, 2, 3, last]], device=net.device)).logits[0, :3] for last in (4, 5)
        )
    if (one - other).abs().max() > 0.1 * one.abs().max():  # rounding is far below, even in bf16
        raise UserError(f"{where}: its tokens see later ones, it is no causal language model; give another")
