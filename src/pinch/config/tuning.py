"""Shapes: how a cell is tuned, and on which devices."""

from dataclasses import dataclass
from enum import Enum

from pinch.config.checks import positive
from pinch.config.model import ModelConfig, Quantization
from pinch.errors import UserError


class Method(Enum):
    lora = "lora"
    full = "full"
    none = "none"


class LossUnit(Enum):
    token = "token"
    example = "example"


class LossTurns(Enum):
    all = "all"
    last = "last"


class Packing(Enum):
    auto = "auto"
    packed = "packed"
    padded = "padded"


class Schedule(Enum):
    linear = "linear"
    cosine = "cosine"
    constant = "constant"


@dataclass
class TuningConfig:
    name: str = "lora"
    """Short name for folders."""
    method: Method = Method.lora
    """lora: adapters on a frozen model; full: every weight; none: the untuned base model answers."""
    rank: int = 16
    """LoRA rank."""
    alpha: float = 32.0
    """LoRA scale; the update is multiplied by alpha / rank, or, with rslora, by alpha / sqrt(rank)."""
    rslora: bool = False
    """Rank-stabilised LoRA (arXiv 2312.03732): for comparing ranks, or for large ones."""
    dora: bool = False
    """Weight-decomposed LoRA (arXiv 2402.09353): direction and magnitude of each weight are learnt apart; slower.
    Not with int8."""
    dropout: float = 0.0
    """LoRA dropout, 0..1."""
    target: str = "all-linear"
    """Modules that get an adapter: all-linear, or a regular expression over module names."""
    lr: float | None = None
    """Peak learning rate; none: what suits the model (model.lora_lr, model.full_lr)."""
    epochs: int = 3
    """Passes over the mixture; the last incomplete batch of each pass is kept."""
    max_steps: int | None = None
    """Stop after so many optimizer steps; none: at the end of the epochs."""
    batch_size: int = 32
    """Examples per optimizer step, over all devices and micro-batches."""
    micro_batch: int | None = None
    """Examples per forward pass and device; none: as many as fit, found once per model and device. No part of a cell's
    identity: the gradient of a step is the same."""
    schedule: Schedule = Schedule.linear
    """What the learning rate does after the warm-up."""
    warmup: int = 10
    """Optimizer steps over which the learning rate rises."""
    weight_decay: float = 0.0
    """Of AdamW."""
    clip: float = 1.0
    """Gradient norm is clipped to this; 0: not at all."""
    loss_unit: LossUnit = LossUnit.token
    """token: every supervised token of a step counts the same; example: every example does."""
    loss_turns: LossTurns = LossTurns.all
    """Of conversations: what the assistant said in every turn is learnt (all), or in the last one only."""
    packing: Packing = Packing.auto
    """packed: no padding, documents kept apart; padded: classic; auto: packed where the self-test passes.
    No part of a cell's identity."""
    max_length: int = 1024
    """Longest training example in tokens; longer ones lose the end of the response, and are counted."""
    gradient_checkpointing: bool = False
    """Less memory, more time. No part of a cell's identity."""

    def __post_init__(self) -> None:
        for name in ("rank", "epochs", "max_steps", "batch_size", "micro_batch", "max_length"):
            positive(f"tuning.{name}", getattr(self, name))
        for name in ("lr", "alpha"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UserError(f"tuning.{name}={value} must be above 0")
        for name in ("warmup", "weight_decay", "clip"):
            if getattr(self, name) < 0:
                raise UserError(f"tuning.{name}={getattr(self, name)} must not be negative")
        if not 0 <= self.dropout < 1:
            raise UserError(f"tuning.dropout={self.dropout} is outside 0..1")

    def learning_rate(self, model: ModelConfig) -> float:
        """Peak learning rate: the one set here, or else the model's for this method."""
        if self.lr is not None:
            return self.lr
        return model.full_lr if self.method is Method.full else model.lora_lr


def check_quantized(bits: Quantization, tuning: TuningConfig, spread: bool) -> None:
    """Raises UserError for what cannot be done with weights in fewer bits. `spread`: over devices, by trainer=fsdp."""
    if bits is Quantization.none or tuning.method is Method.none:
        return
    set_to = f"model.quantization={bits.value}"
    if tuning.method is Method.full:
        raise UserError(f"tuning.method=full with {set_to}: quantised weights cannot be trained; use tuning=lora")
    if spread:
        raise UserError(f"trainer=fsdp with {set_to}: quantised weights cannot be spread; use trainer=ddp")
    if tuning.dora and bits is Quantization.int8:
        raise UserError(f"tuning.dora with {set_to} does not work in PEFT; use model.quantization=nf4")


class Accelerator(Enum):
    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class Strategy(Enum):
    single = "single"
    ddp = "ddp"
    fsdp = "fsdp"


@dataclass
class TrainerConfig:
    name: str = "single"
    """Short name of the group."""
    accelerator: Accelerator = Accelerator.auto
    """auto: a GPU where there is one."""
    strategy: Strategy = Strategy.single
    """single: one device; ddp: a whole model on every device, each with its share of every batch; fsdp: every device holds
    its share of the weights too."""
    devices: int = 1
    """Devices of this machine that a cell is trained on, each by a process of its own. No part of a cell's identity:
    the global batch stays the same."""
    threads: int | None = None
    """CPU threads of each process; none: the machine's cores divided by the cells and devices at work."""

    def __post_init__(self) -> None:
        positive("trainer.devices", self.devices)
        positive("trainer.threads", self.threads)
        if self.devices > 1 and self.strategy is Strategy.single:
            raise UserError(f"trainer.devices={self.devices} needs trainer=ddp or trainer=fsdp; trainer=single has one")
