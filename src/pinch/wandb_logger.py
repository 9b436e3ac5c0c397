"""Edge: Lightning's view of an open W&B run; a failing run is reported once and never stops the trainer."""

from collections.abc import Callable, Mapping
from typing import Any

from pytorch_lightning.loggers.logger import Logger


class WandbRunLogger(Logger):
    """Logs a trainer's metrics (`train/loss` and so on) to `run`, with the optimizer step as the step metric."""

    def __init__(self, run: Any, say: Callable[[str], None]) -> None:
        super().__init__()
        self._run: Any = run
        self._say = say
        run.define_metric("train/step")
        run.define_metric("train/*", step_metric="train/step")

    @property
    def name(self) -> str:
        return "wandb"

    @property
    def version(self) -> str:
        return "" if self._run is None else str(self._run.id)

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing: the run's config was given when it was opened."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if self._run is None:
            return
        try:
            self._run.log({**metrics, "train/step": step})
        except Exception as error:  # a tracker must never stop a cell
            self._say(f"tracking: W&B failed ({error}); going on without it, the files under multirun/ are complete")
            self._run = None
