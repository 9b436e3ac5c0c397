"""Stage tune, inner part: Lightning's Trainer on one device of one process, without a word, and open to Ctrl-C.

It knows of this process alone, whatever the environment says; where several ranks train a cell, the learner sees to that.
"""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import Logger

from pinch.learner import Learner


def fit(
    learner: Learner,
    device: torch.device,
    mixed: bool,
    folder: Path,
    logger: Logger | None,
) -> None:
    """Train to the end of the learner's course. `mixed`: compute in bf16, with weights in fp32."""
    folder.mkdir(parents=True, exist_ok=True)
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    # Lightning knows of this process alone, whatever the ranks are and the environment says; not to look for Slurm also
    # keeps its automatic requeue away.
    environment = LightningEnvironment()
    environment.set_global_rank(0)
    with _quiet():
        trainer = Trainer(
            accelerator="gpu" if on_gpu else "cpu",
            devices=[device.index or 0] if on_gpu else 1,
            precision="bf16-mixed" if mixed else "32-true",
            max_steps=len(learner.train_dataloader()),
            max_epochs=-1,
            plugins=[environment],
            logger=logger or False,
            default_root_dir=folder,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        with _interruptible():
            trainer.fit(learner)


class _Interrupt(BaseException):
    """Ctrl-C while Lightning is at work."""


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C as the KeyboardInterrupt that it is: Lightning would turn it into sys.exit(1), which looks like a failure of
    this one cell, and would have later ones ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise _Interrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except _Interrupt:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's banners, tips and advice off the terminal; errors stay."""
    names = ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric")
    levels = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\.")
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
