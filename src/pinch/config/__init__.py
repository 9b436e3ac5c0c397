"""Shapes: the settings of the doors, a page of knobs for each group; conf/ holds values for them and nothing else.

Hydra checks every YAML and command line against these dataclasses (typos and wrong types fail by key), `__post_init__`
checks ranges when the config crosses the border (`OmegaConf.to_object`, once, in the doors); below the doors nobody sees
a DictConfig. Derived values are methods. Enum members are written in YAML as they are named here.
"""

from typing import Any

from pinch.config.analyze import AnalyzeConfig
from pinch.config.checks import check_workspace
from pinch.config.data import ColumnsConfig, DataConfig, DataSource, Missing, Overlap, TableConfig, Turns
from pinch.config.evaluate import EvaluateConfig, Exchange, LanguageGate, OnlyConfig, ScoreConfig, TieRule
from pinch.config.generation import GenerationConfig, GenerationEngine, ServerConfig
from pinch.config.judge import SEQUENTIAL, Batch, Combine, JudgeConfig, JudgeKind, ReplyFormat, Stop, TokensField
from pinch.config.mixture import Allocation, LanguagesConfig, MixtureConfig, Spread
from pinch.config.model import DType, ModelConfig, ModelSource, Quantization, Template
from pinch.config.server import BudgetConfig, PriceConfig
from pinch.config.sweep import ExperimentConfig, OnFailure, PartConfig, PlanConfig, PlanShow, SweepConfig, TunedOn
from pinch.config.tracking import TrackingConfig, TrackingMode
from pinch.config.train import Show, TrainConfig, Wish
from pinch.config.translate import (
    CHECKS,
    EngineConfig,
    Formality,
    LanguageTokens,
    Parallel,
    TranslateConfig,
    TranslationBudget,
    TranslationEngine,
    TranslationPrice,
    Unit,
)
from pinch.config.tuning import (
    Accelerator,
    LossTurns,
    LossUnit,
    Method,
    Packing,
    Schedule,
    Strategy,
    TrainerConfig,
    TuningConfig,
)

__all__ = [
    "CHECKS",
    "SCHEMAS",
    "SEQUENTIAL",
    "Accelerator",
    "Allocation",
    "AnalyzeConfig",
    "Batch",
    "BudgetConfig",
    "ColumnsConfig",
    "Combine",
    "DType",
    "DataConfig",
    "DataSource",
    "EngineConfig",
    "EvaluateConfig",
    "Exchange",
    "ExperimentConfig",
    "Formality",
    "GenerationConfig",
    "GenerationEngine",
    "JudgeConfig",
    "JudgeKind",
    "LanguageGate",
    "LanguageTokens",
    "LanguagesConfig",
    "LossTurns",
    "LossUnit",
    "Method",
    "Missing",
    "MixtureConfig",
    "ModelConfig",
    "ModelSource",
    "OnFailure",
    "OnlyConfig",
    "Overlap",
    "Packing",
    "Parallel",
    "PartConfig",
    "PlanConfig",
    "PlanShow",
    "PriceConfig",
    "Quantization",
    "ReplyFormat",
    "Schedule",
    "ScoreConfig",
    "ServerConfig",
    "Show",
    "Spread",
    "Stop",
    "Strategy",
    "SweepConfig",
    "TableConfig",
    "Template",
    "TieRule",
    "TokensField",
    "TrackingConfig",
    "TrackingMode",
    "TrainConfig",
    "TrainerConfig",
    "TranslateConfig",
    "TranslationBudget",
    "TranslationEngine",
    "TranslationPrice",
    "TunedOn",
    "TuningConfig",
    "Turns",
    "Unit",
    "Wish",
    "check_workspace",
]

SCHEMAS: dict[str, type[Any]] = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "analyze": AnalyzeConfig,
    "translate": TranslateConfig,
}
"""Root schema of each door, by the name of its top-level YAML in conf/."""
