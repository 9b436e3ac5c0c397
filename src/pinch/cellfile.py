"""Edge: a cell file, from which a worker runs one cell: resolved settings, nothing of Hydra.

It lies under <workspace>/.cells/, named after the cell and its own content, so that sweeps which want the same cell with
other devices or other evaluation languages do not overwrite each other's. `python -m pinch.worker FILE` runs one anywhere.
"""

import dataclasses
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pinch import cells
from pinch.config import PlanConfig, Show, TrainConfig
from pinch.errors import PinchError, UserError
from pinch.jobs import Job
from pinch.records import write_text


@dataclasses.dataclass(frozen=True)
class CellFile:
    """The id of the cell that the settings meant when they were written, the folder that their relative paths start from."""

    cell: str
    folder: Path
    settings: TrainConfig


def write(job: Job) -> Path:
    """Write the file of a job's cell, unless it is there; gives its absolute path."""
    languages = dataclasses.replace(job.settings.languages, evaluation=list(job.prompts))
    settings = dataclasses.replace(job.settings, languages=languages, plan=PlanConfig(), show=Show.none)
    values = {"cell": job.cell.id, "folder": str(Path.cwd()), "settings": cells.plain(settings)}
    path = (job.cell.folder.parent / ".cells" / f"{job.cell.id}-{cells.digest(values, 6)}.yaml").absolute()
    if not path.exists():
        with cells.exclusive(job.cell.folder.parent, "cells"):
            cells.tidy_file(path)
            write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    return path


def read(path: Path) -> CellFile:
    """Raises UserError when the file cannot be understood."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
        made: Any = OmegaConf.merge(OmegaConf.structured(TrainConfig), {"seed": 0}, values["settings"])
        return CellFile(values["cell"], Path(values["folder"]), OmegaConf.to_object(made))  # type: ignore[arg-type]
    except PinchError:
        raise
    except (OSError, yaml.YAMLError, KeyError, TypeError, OmegaConfBaseException) as error:
        line = str(error).split("\n")[0]
        raise UserError(f"{path}: no cell file ({line}); files under .cells/ are made by python train.py -m") from None
