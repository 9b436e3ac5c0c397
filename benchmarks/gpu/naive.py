"""What a user of Lightning and PEFT writes in an afternoon, as the measure for `pinch.tuning`."""

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from pinch import adapters
from pinch.config import TuningConfig
from pinch.frames import Encoded
from pinch.models import Loaded, random_state


class Naive(LightningModule):
    """Padded batches, logits at all positions, the mean loss of transformers."""

    def __init__(self, net: Any, lr: float, now: Callable[[], float], micro_batches: int) -> None:
        super().__init__()
        self._net = (net,)  # not a submodule: Lightning would move it to the CPU at the end, and others use its weights
        self._lr, self._now, self._micro_batches = lr, now, micro_batches
        self.ends: list[float] = []
        self.losses: list[float] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        loss: Tensor = self._net[0](**batch, use_cache=False).loss
        self.losses.append(float(loss))
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        if len(self.losses) % self._micro_batches == 0:
            self.ends.append(self._now())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW([w for w in self._net[0].parameters() if w.requires_grad], self._lr, weight_decay=0.0)


def collate(rows: Sequence[Encoded]) -> dict[str, Tensor]:
    """Token ids, mask and labels (rows, longest)."""
    longest = max(len(row.ids) for row in rows)
    ids, mask = torch.zeros((len(rows), longest), dtype=torch.long), torch.zeros((len(rows), longest), dtype=torch.long)
    labels = torch.full((len(rows), longest), -100)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        mask[number, : len(row.ids)] = 1
        labels[number, row.prompt_length : len(row.ids)] = torch.tensor(row.ids[row.prompt_length :])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def naive(
    loaded: Loaded,
    rows: Sequence[Encoded],
    order: list[list[int]],
    settings: TuningConfig,
    lr: float,
    seed: int,
    now: Callable[[], float],
) -> tuple[list[float], list[float], int]:
    """When every step ended, its loss (of several micro-batches the mean), and the number of trained weights."""
    size = settings.micro_batch or settings.batch_size
    parts = [step[start : start + size] for step in order for start in range(0, len(step), size)]
    with random_state(seed, loaded.device), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        net = adapters.network(adapters.add_lora(loaded.model, settings)).train()
        several = settings.batch_size // size
        module = Naive(net, lr, now, several)
        trainer = Trainer(
            accelerator="gpu" if loaded.device.type == "cuda" else "cpu",
            devices=[loaded.device.index or 0] if loaded.device.type == "cuda" else 1,
            precision="bf16-mixed" if loaded.model.dtype is torch.bfloat16 else "32-true",
            max_epochs=1,
            accumulate_grad_batches=several,
            gradient_clip_val=settings.clip,
            plugins=[LightningEnvironment()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        trainer.fit(module, DataLoader(rows, batch_sampler=parts, collate_fn=collate))  # type: ignore[arg-type]
    losses = [sum(module.losses[n : n + several]) / several for n in range(0, len(module.losses), several)]
    return module.ends, losses, sum(weight.numel() for weight in net.parameters() if weight.requires_grad)
