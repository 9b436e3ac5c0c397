"""Edge: trained weights, as LoRA layers in a network and as folders on disk.

In and out: networks, and the folders <cell>/adapter (PEFT's own format) and <cell>/model (a Hugging Face folder). Networks
that are handed in keep their weights and their layers.
"""

import copy
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers import PreTrainedModel

from pinch.config import TuningConfig
from pinch.errors import CellError, UserError
from pinch.models import Loaded, hushed, random_state, twin

if TYPE_CHECKING:
    from peft import PeftModel


def add_lora(net: PreTrainedModel, settings: TuningConfig) -> "PeftModel":
    """A network that shares the frozen weights of `net` and has untrained LoRA layers of its own.

    Raises UserError when no module matches tuning.target."""
    from peft import LoraConfig, get_peft_model
    from transformers.pytorch_utils import Conv1D

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=cast(int, settings.alpha),  # peft takes any number
        use_rslora=settings.rslora,
        use_dora=settings.dora,
        lora_dropout=settings.dropout,
        target_modules=settings.target,
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in net.modules()),
        task_type="CAUSAL_LM",
    )
    try:
        with _peft_hushed():
            return get_peft_model(twin(net), config)
    except ValueError as error:
        raise UserError(f"tuning.target={settings.target}: {str(error).split(chr(10))[0]}") from None


def with_adapter(net: PreTrainedModel, adapter: Path) -> PreTrainedModel:
    """A network that shares the weights of `net` and has the saved adapter, unmerged, in front of them.

    Raises CellError when the adapter is broken or belongs to another model."""
    from peft import PeftModel

    try:
        # peft draws random numbers for the adapter before it reads it
        with _peft_hushed(), random_state(0, net.device):
            warnings.filterwarnings("error", message="Found missing adapter keys")  # half an adapter is none
            model = PeftModel.from_pretrained(twin(net), str(adapter), torch_device=str(net.device))
    except Exception as error:  # peft raises many types for files that are not what it expects
        line = str(error).split("\n")[0]
        raise CellError(f"{adapter}: does not fit the model ({line}); train the cell again") from error
    return network(model.train(False).requires_grad_(False))


def network(model: "PreTrainedModel | PeftModel") -> PreTrainedModel:
    """The network itself, with its adapter layers in place but without peft's wrapper around it."""
    return model if isinstance(model, PreTrainedModel) else cast(PreTrainedModel, model.get_base_model())


def save(
    model: "PreTrainedModel | PeftModel", loaded: Loaded, folder: Path, whole: dict[str, torch.Tensor] | None = None
) -> None:
    """Write <folder>/adapter or, in the precision that the model was loaded in, <folder>/model. `whole`: the trained weights
    of a model whose own are spread over several ranks."""
    if isinstance(model, PreTrainedModel):
        if whole is not None:
            model = copy.deepcopy(loaded.model)
            with torch.no_grad():
                for name, weight in model.named_parameters():
                    weight.copy_(whole[name])
        cast(torch.nn.Module, model).to(loaded.model.dtype)
        with _folder(folder / "model") as target, hushed():
            model.save_pretrained(target)
            loaded.tokenizer.save_pretrained(target)
        return
    with _folder(folder / "adapter") as target, _peft_hushed():
        config: Any = model.peft_config["default"]
        if isinstance(config.target_modules, set):  # whose order is another one in every process
            config.target_modules = sorted(config.target_modules)
        # embedding layers "auto" would ask the hub
        model.save_pretrained(str(target), save_embedding_layers=False, state_dict=whole)
        (target / "README.md").unlink(missing_ok=True)  # an empty form


@contextmanager
def _folder(final: Path) -> Iterator[Path]:
    """A temporary folder that takes the name `final` once it is complete, in place of what was there."""
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    except OSError as error:
        raise UserError(f"{final}: cannot be written ({error.strerror}); check the folder, then run again") from error
    try:
        yield temporary
        _to_disk(temporary)
        temporary.chmod(0o755)
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
    except OSError as error:
        raise UserError(f"{final}: cannot be written ({error.strerror}); free space, then run again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _to_disk(folder: Path) -> None:
    """Have the files of a folder on the disk before anybody is told that they are: a power cut may come."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


@contextmanager
def _peft_hushed() -> Iterator[None]:
    with warnings.catch_warnings():
        # all-linear meets Linear and Conv1D layers in one model; peft sets the flag right per layer and says so
        warnings.filterwarnings("ignore", message="fan_in_fan_out")
        # peft 0.21 asks transformers 5.23 by a name that is going away
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
        yield
