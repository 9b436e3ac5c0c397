"""Hydra's way in: `hydra/launcher=pinch` receives all jobs of a multirun at once and hands them to pinch.sweep.

`hydra/sweeper=pinch` is Hydra's own grid, times the cells of an experiment (pinch.experiments), and without its check that
every job composes: ours checks all settings, for every launcher, and in milliseconds a job. Hydra accepts plugins only from
the namespace package `hydra_plugins`; nothing heavy may be imported here, because Hydra imports every plugin at every start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class PinchLauncherConf:
    """Hydra builds the launcher from this; the target is ours and fixed."""

    _target_: str = "hydra_plugins.pinch_launcher.PinchLauncher"


@dataclass
class PinchSweeperConf(BasicSweeperConf):
    """As the basic sweeper's, with our target."""

    _target_: str = "hydra_plugins.pinch_launcher.PinchSweeper"


ConfigStore.instance().store(group="hydra/launcher", name="pinch", node=PinchLauncherConf, provider="pinch")
ConfigStore.instance().store(group="hydra/sweeper", name="pinch", node=PinchSweeperConf, provider="pinch")


class PinchLauncher(Launcher):
    """Composes every job's config, then runs them as one sweep; exits with the sweep's code."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """All jobs at once. Raises SystemExit with the sweep's exit code when it is not 0."""
        from pinch.composition import wishes
        from pinch.sweep import sweep

        code = sweep(wishes(self.context.config_loader, self.config, job_overrides))
        if code:
            raise SystemExit(code)
        return [JobReturn(overrides=list(words), status=JobStatus.COMPLETED) for words in job_overrides]


class PinchSweeper(BasicSweeper):
    """The basic sweeper, whose jobs an experiment multiplies, but for its check that every job composes: the launchers have
    a better one."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        if not isinstance(self.launcher, PinchLauncher):
            self.launcher = Engine(self.launcher, hydra_context, config)

    def get_job_batch(self) -> Sequence[Sequence[str]]:
        """The words of each job. Raises UserError for an experiment that cannot be."""
        from pinch.experiments import jobs

        batch = super().get_job_batch()
        experiment = self.config.get("experiment") if self.config else None
        return batch if experiment is None else jobs(experiment, batch)

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        pass


class Engine(Launcher):
    """The launcher of another engine, which gets the jobs that have something to do once all were checked."""

    def __init__(self, launcher: Any, context: HydraContext, config: DictConfig) -> None:
        self.launcher = launcher
        self.context = context
        self.config = config

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra has set the engine's own launcher up."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """All jobs at once. Raises SystemExit with the sweep's exit code when it is not 0."""
        from pinch.composition import wishes
        from pinch.engines import through

        def send(numbers: list[int]) -> list[str]:
            returns = self.launcher.launch([job_overrides[number] for number in numbers], initial_job_idx)
            return [str(done._return_value) if done.status is JobStatus.FAILED else "" for done in returns]

        name = self.config.hydra.runtime.choices["hydra/launcher"]
        code = through(name, wishes(self.context.config_loader, self.config, job_overrides), send)
        if code:
            raise SystemExit(code)
        return [JobReturn(overrides=list(words), status=JobStatus.COMPLETED) for words in job_overrides]
