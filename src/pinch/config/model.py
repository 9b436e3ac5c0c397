"""Shapes: which model, how it is loaded, how it is spoken to."""

from dataclasses import dataclass
from enum import Enum, StrEnum

from pinch.config.checks import positive
from pinch.errors import UserError, did_you_mean


class ModelSource(Enum):
    embedded = "embedded"
    hf = "hf"


class Template(StrEnum):
    """The templates that are no files."""

    neutral = "neutral"
    chat = "chat"


class Quantization(Enum):
    none = "none"
    int8 = "int8"
    nf4 = "nf4"


class DType(Enum):
    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


@dataclass
class ModelConfig:
    name: str = "embedded"
    """Short name for folders and figures."""
    source: ModelSource = ModelSource.embedded
    """embedded: the tiny world's model, made on this machine at first use; hf: a Hugging Face causal language model."""
    path: str | None = None
    """hf only: a local folder or a hub id."""
    revision: str | None = None
    """hf only: the hub's branch, tag or commit."""
    dtype: DType = DType.auto
    """Precision of the weights; auto: bf16 on a GPU that has it, else fp32."""
    quantization: Quantization = Quantization.none
    """Frozen weights in fewer bits, in tuning and in answering: int8, or nf4 (4 bits; with LoRA this is QLoRA). Needs the
    extra quantization; not for full fine-tuning."""
    template: str = Template.neutral.value
    """neutral: the same plain frame for every model and language; chat: the model's own chat template; or a file of yours,
    written as chat templates are, whose name ends in .jinja or .j2."""
    context: int | None = None
    """Longest sequence in tokens; none: what the model's config says."""
    lora_lr: float = 2e-4
    """Learning rate of LoRA tuning that suits this model."""
    full_lr: float = 1e-5
    """Learning rate of full fine-tuning that suits this model."""
    threads: int | None = None
    """CPU threads that suit this model; none: all that a cell can have. Tiny models are fastest with one."""
    note: str = ""
    """What to know before using it: licence, whether access must be asked for, languages. No part of a cell's identity."""

    def __post_init__(self) -> None:
        if self.source is ModelSource.hf and not self.path:
            raise UserError("model.path is not set; give a folder or a hub id, e.g. model=hf model.path=./my-model")
        if self.template not in list(Template) and not self.template.endswith((".jinja", ".j2")):
            raise UserError(
                f"model.template={self.template}: neither a template nor a file that ends in .jinja or .j2"
                f"{did_you_mean(self.template, [known.value for known in Template])}"
            )
        positive("model.context", self.context)
        positive("model.threads", self.threads)
