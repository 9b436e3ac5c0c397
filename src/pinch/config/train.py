"""Shapes: the settings of train.py, and what one job of a sweep asks for."""

import os
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from pinch.config.checks import check_workspace
from pinch.config.data import DataConfig
from pinch.config.generation import GenerationConfig
from pinch.config.mixture import LanguagesConfig, MixtureConfig
from pinch.config.model import ModelConfig
from pinch.config.sweep import ExperimentConfig, PlanConfig, SweepConfig
from pinch.config.tracking import TrackingConfig
from pinch.config.tuning import Strategy, TrainerConfig, TuningConfig, check_quantized


class Show(Enum):
    none = "none"
    mixture = "mixture"
    example = "example"


@dataclass
class TrainConfig:
    """Settings of train.py: one cell."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    languages: LanguagesConfig = field(default_factory=LanguagesConfig)
    mixture: MixtureConfig = field(default_factory=MixtureConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    experiment: ExperimentConfig = field(default_factory=ExperimentConfig, metadata={"of": "sweeps"})
    """Of a sweep, never of a cell: hydra/sweeper=pinch makes the words of its cells of it (pinch.experiments), and it is
    written down nowhere."""
    seed: int = 0
    """Of initialisation, data order and, unless mixture.seed is set, the draw of the mixture."""
    workspace: str = "study"
    """Folder under `root` that cells of one study share."""
    root: str = "multirun"
    """Where workspaces lie."""
    cache: str | None = None
    """Where the embedded base model is kept; none: $PINCH_CACHE or ~/.cache/pinch."""
    show: Show = Show.none
    """Print and stop. mixture: the realised counts per language; example: the first example of each language, as the model
    sees it."""

    def __post_init__(self) -> None:
        check_workspace(self.workspace)
        check_quantized(self.model.quantization, self.tuning, self.trainer.strategy is Strategy.fsdp)

    def cache_folder(self) -> Path:
        """Where models made on this machine are kept, and what was read from the Hub."""
        return Path(self.cache or os.environ.get("PINCH_CACHE") or Path.home() / ".cache" / "pinch").expanduser()


@dataclass(frozen=True)
class Wish:
    """What one job of a sweep asks for: the words that set it apart on the command line, and its settings, or else the one
    line that says why they cannot be."""

    words: list[str]
    settings: TrainConfig | None
    error: str = ""
