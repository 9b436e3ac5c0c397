"""Shapes: where runs are logged."""

from dataclasses import dataclass, field
from enum import Enum

from pinch.config.checks import positive
from pinch.errors import UserError


class TrackingMode(Enum):
    auto = "auto"
    wandb = "wandb"
    csv = "csv"
    tensorboard = "tensorboard"
    off = "off"


@dataclass
class TrackingConfig:
    name: str = "auto"
    """Short name of the group."""
    mode: TrackingMode = TrackingMode.auto
    """auto and wandb: Weights & Biases, online with a key and offline without; csv, tensorboard: local; off: nothing.
    The files under multirun/ are written in every mode."""
    project: str = "pinch"
    """W&B project."""
    entity: str | None = None
    """W&B team or user; none: the account's default."""
    group: str | None = None
    """W&B group, usually the experiment; none: the workspace's name."""
    tags: list[str] = field(default_factory=list)
    """W&B tags."""
    answers: int = 8
    """Rows per language in the logged table of answers; 0: no table."""
    timeout: int = 15
    """Seconds that a process waits at most for a W&B server that does not answer; after that it goes on offline."""

    def __post_init__(self) -> None:
        positive("tracking.timeout", self.timeout)
        if self.answers < 0:
            raise UserError(f"tracking.answers={self.answers} must not be negative; 0: no table of answers")
