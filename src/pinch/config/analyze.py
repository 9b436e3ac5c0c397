"""Shapes: the settings of analyze.py."""

from dataclasses import dataclass, field

from pinch.config.checks import check_confidence, check_workspace, positive
from pinch.config.judge import JudgeConfig
from pinch.config.tracking import TrackingConfig, TrackingMode


@dataclass
class AnalyzeConfig:
    """Settings of analyze.py: tables, figures and a report from the scores of a workspace."""

    judge: JudgeConfig = field(default_factory=JudgeConfig)
    """The judge whose scores are shown; only its name is used."""
    workspace: str = "study"
    """Folder under `root` that is analysed."""
    root: str = "multirun"
    """Where workspaces lie."""
    confidence: float = 0.95
    """Of every interval."""
    resamples: int = 2000
    """Bootstrap resamples of simultaneous bands."""
    shares: str | None = None
    """CSV file with the languages' shares of the model's pre-training documents: language,share,source, share in percent.
    Only those of the embedded model are known here."""
    tracking: TrackingConfig = field(default_factory=lambda: TrackingConfig("off", TrackingMode.off))
    """wandb: the analysis becomes a W&B run, with figures, tidy table and findings; nothing else takes an analysis."""
    dashboard: bool = False
    """Build a W&B dashboard over the runs of tracking.project, of tracking.group where that is set; needs the extra
    dashboard and a key."""

    def __post_init__(self) -> None:
        check_workspace(self.workspace)
        check_confidence("confidence", self.confidence)
        positive("resamples", self.resamples)
