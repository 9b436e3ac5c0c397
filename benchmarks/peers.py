"""One cell, tuned by Pinch and by its peers: the arms of tuning.py, each written as its library's documentation has it.

Every arm takes the same `Work`, trains the same weights with AdamW, a linear schedule and clipping at 1, saves what it
trained, and gives the loss of every step. Peers get token rows, Pinch gets texts. TRL's default computes in bf16 with
gradient checkpointing, and its packing makes steps of its own, of about as many tokens; all else is fp32 and step by step
the same, but for `lightning-grouped`, whose steps have examples of like lengths.
"""

import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from pinch.config import Method, TuningConfig
from pinch.course import schedule
from pinch.frames import Encoded
from pinch.models import Loaded
from pinch.records import Example
from pinch.tuning import tune

RANK, ALPHA = 16, 32
IGNORED = -100
"""The label of tokens that the loss does not count."""


@dataclass
class Work:
    """One cell: `batch` examples a step, one pass over all."""

    model: Loaded
    examples: list[Example]
    method: Method
    batch: int
    lr: float
    seed: int

    @cached_property
    def rows(self) -> list[Encoded]:
        return self.model.frame.encode_all(self.examples, self.model.context)

    @cached_property
    def steps(self) -> list[list[int]]:
        return schedule(len(self.examples), self.batch, epochs=1, max_steps=None, seed=self.seed)

    @property
    def tokens(self) -> int:
        return sum(len(row.ids) - 1 for row in self.rows)

    @cached_property
    def data(self) -> list[dict[str, list[int]]]:
        """Token ids and labels in the order of the steps."""
        rows = [self.rows[number] for step in self.steps for number in step]
        return [
            {"input_ids": row.ids, "labels": [IGNORED] * row.prompt_length + row.ids[row.prompt_length :]}
            for row in rows
        ]

    def network(self) -> Any:
        """What the peers train: the model itself, as they run in a fork of their own."""
        if self.method is Method.full:
            return self.model.model.requires_grad_(True)
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(self.seed)  # as Pinch, so that the adapters begin alike
        config = LoraConfig(
            r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        return get_peft_model(self.model.model, config)


Arm = Callable[[Work], list[float]]


def arms() -> dict[str, Arm]:
    """By name; those whose library is not installed are left out."""
    found = {
        "pinch": pinch,
        "lightning": lightning,
        "lightning-grouped": lightning_grouped,
        "hf-trainer": trainer,
    }
    if importlib.util.find_spec("trl"):
        found |= {"trl": trl, "trl-packing": trl_packing, "trl-fp32": trl_plain}
    return found


# --- Pinch ---------------------------------------------------------------------------------------------------------


def pinch(work: Work, progress: Callable[[int, int], None] = lambda step, steps: None) -> list[float]:
    settings = TuningConfig(
        method=work.method,
        rank=RANK,
        alpha=ALPHA,
        epochs=1,
        batch_size=work.batch,
        warmup=0,
        max_length=work.model.context,
    )
    losses = _losses()
    with tempfile.TemporaryDirectory() as folder:
        tune(
            work.model, work.examples, settings, lr=work.lr, seed=work.seed, folder=Path(folder), logger=losses,
            progress=progress,
        )  # fmt: skip
    return losses.values


def _losses() -> Any:
    """A logger that keeps the losses, which the log on disk rounds."""
    from pytorch_lightning.loggers import Logger

    class Losses(Logger):
        name, version = "losses", 0

        def __init__(self) -> None:
            super().__init__()
            self.values: list[float] = []

        def log_hyperparams(self, *args: Any, **options: Any) -> None:
            """Nothing of them is kept."""

        def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
            self.values.append(metrics["train/loss"])

    return Losses()


# --- Lightning -----------------------------------------------------------------------------------------------------


def lightning(work: Work) -> list[float]:
    """A module of a few lines, padded batches, torch's own AdamW."""
    return _lightning(work, work.data)


def lightning_grouped(work: Work) -> list[float]:
    """The same with all examples sorted by length; the steps in shuffled order."""
    in_order = sorted(work.data, key=lambda row: len(row["input_ids"]))
    steps = [in_order[start : start + work.batch] for start in range(0, len(in_order), work.batch)]
    order = torch.randperm(len(steps), generator=torch.Generator().manual_seed(work.seed)).tolist()
    return _lightning(work, [row for number in order for row in steps[number]])


def _lightning(work: Work, data: list[dict[str, list[int]]]) -> list[float]:
    from pytorch_lightning import LightningModule, Trainer

    net = work.network()
    steps, lr = len(work.steps), work.lr

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net.train()
            self.losses: list[torch.Tensor] = []

        def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
            loss: torch.Tensor = self.net(**batch).loss
            self.losses.append(loss.detach())
            return loss

        def configure_optimizers(self) -> Any:
            trained = [weight for weight in self.net.parameters() if weight.requires_grad]
            optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=0.0)
            rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / steps))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rates, "interval": "step"}}

    module = Module()
    with tempfile.TemporaryDirectory() as folder:
        fit = Trainer(
            accelerator="cpu", devices=1, max_epochs=1, gradient_clip_val=1.0, default_root_dir=folder, logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        fit.fit(module, DataLoader(data, batch_size=work.batch, shuffle=False, collate_fn=_collator(work)))
        net.save_pretrained(folder)
    return [float(loss) for loss in module.losses]


def _collator(work: Work) -> Any:
    from transformers import DataCollatorForSeq2Seq

    return DataCollatorForSeq2Seq(work.model.tokenizer, label_pad_token_id=IGNORED)


# --- transformers and TRL ------------------------------------------------------------------------------------------


def trainer(work: Work) -> list[float]:
    from transformers import Trainer, TrainingArguments

    return _trained(work, Trainer, TrainingArguments, work.batch, data_collator=_collator(work))


def trl(work: Work) -> list[float]:
    """As it comes: bf16 and gradient checkpointing are its defaults."""
    from trl import SFTConfig, SFTTrainer

    return _trained(work, SFTTrainer, SFTConfig, work.batch, max_length=work.model.context)


def trl_plain(work: Work) -> list[float]:
    """Padded, computing what the others compute: for the losses."""
    from trl import SFTConfig, SFTTrainer

    options = {"max_length": work.model.context, "bf16": False, "gradient_checkpointing": False}
    return _trained(work, SFTTrainer, SFTConfig, work.batch, **options)


def trl_packing(work: Work) -> list[float]:
    """Rows of the longest example's length, filled best fit first; as many of them in a step as make about as many steps."""
    from trl import SFTConfig, SFTTrainer

    row = max(len(row.ids) for row in work.rows)
    rows = max(1, round(sum(len(row.ids) for row in work.rows) / row / len(work.steps)))
    options = {"packing": True, "max_length": row, "bf16": False, "gradient_checkpointing": False}
    return _trained(work, SFTTrainer, SFTConfig, rows, **options)


def _trained(
    work: Work, kind: Any, arguments: Any, batch: int, data_collator: Any = None, **options: Any
) -> list[float]:
    """A run of transformers' Trainer, or one that is built on it, in the order of the steps."""
    from datasets import Dataset
    from transformers import PrinterCallback

    losses: list[torch.Tensor] = []

    class Watched(kind):  # type: ignore[misc]
        def training_step(self, *given: Any, **more: Any) -> torch.Tensor:
            loss: torch.Tensor = super().training_step(*given, **more)
            losses.append(loss.detach())
            return loss

    net = work.network()
    with tempfile.TemporaryDirectory() as folder:
        settings = arguments(
            output_dir=folder, per_device_train_batch_size=batch, num_train_epochs=1, learning_rate=work.lr,
            lr_scheduler_type="linear", warmup_steps=0, weight_decay=0.0, max_grad_norm=1.0, seed=work.seed,
            train_sampling_strategy="sequential", use_cpu=True, report_to="none", save_strategy="no",
            logging_strategy="no", disable_tqdm=True, **options,
        )  # fmt: skip
        fit = Watched(
            model=net, args=settings, train_dataset=Dataset.from_list(work.data),
            processing_class=work.model.tokenizer, data_collator=data_collator,
        )  # fmt: skip
        fit.remove_callback(PrinterCallback)
        fit.train()
        net.save_pretrained(folder)
    return [float(loss) for loss in losses]


def hush() -> None:
    """The peers' banners, bars and advice."""
    import datasets
    import transformers

    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "lightning_fabric", "trl", "accelerate", "peft"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.ERROR)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
