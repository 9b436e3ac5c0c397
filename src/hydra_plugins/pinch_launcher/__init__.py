"""Hydra's way in: `hydra/launcher=pinch` receives all jobs of a multirun at once and hands them to pinch.sweep.

Hydra accepts launchers only from the namespace package `hydra_plugins`; nothing heavy may be imported here, because Hydra
imports every plugin at every start.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict


@dataclass
class PinchLauncherConf:
    """Hydra builds the launcher from this; the target is ours and fixed."""

    _target_: str = "hydra_plugins.pinch_launcher.PinchLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="pinch", node=PinchLauncherConf, provider="pinch")


class PinchLauncher(Launcher):
    """Composes every job's config, then runs them as one sweep; exits with the sweep's code."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """All jobs at once. Raises SystemExit with the sweep's exit code when it is not 0."""
        from pinch.doors import job_settings
        from pinch.sweep import sweep

        loader = self.context.config_loader
        settings = []
        for overrides in job_overrides:
            composed = loader.load_sweep_config(self.config, list(overrides))
            with open_dict(composed):
                del composed["hydra"]
            settings.append(job_settings(composed))
        code = sweep(settings)
        if code:
            raise SystemExit(code)
        return [JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED) for overrides in job_overrides]
