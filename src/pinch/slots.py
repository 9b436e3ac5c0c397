"""Edge: what of this machine a cell may use: slots of GPUs or of CPU threads. Asks no torch.

layout(settings, cells)   as many slots as cells can be at work at once, each with the GPUs and threads that are its own
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pinch.config import Accelerator, TrainConfig
from pinch.errors import UserError

MOST_ON_CPU = 8
"""Slots on a CPU unless sweep.slots asks for more: every worker needs about a gigabyte."""


@dataclass(frozen=True)
class Slot:
    """A place where one cell at a time is at work. `gpus`: as CUDA_VISIBLE_DEVICES names them, empty on a CPU; `threads`:
    CPU threads of each of the cell's processes."""

    number: int
    gpus: tuple[str, ...]
    threads: int


def layout(settings: Sequence[TrainConfig], cells: int) -> list[Slot]:
    """The slots for a sweep over `cells` cells. Raises UserError for more devices than there are."""
    trainers = [wish.trainer for wish in settings]
    devices = max(trainer.devices for trainer in trainers)
    asked = settings[0].sweep.slots
    found = [] if all(trainer.accelerator is Accelerator.cpu for trainer in trainers) else gpus()
    if any(trainer.accelerator is Accelerator.gpu for trainer in trainers) and not found:
        raise UserError("trainer.accelerator=gpu, but this machine shows no GPU; use trainer.accelerator=cpu")
    if found and devices > len(found):
        raise UserError(f"trainer.devices={devices}, but this machine shows {len(found)} GPUs; give that or less")
    wanted = [trainer.threads for trainer in trainers]
    number = asked or max(1, len(found) // devices if found else _on_cpu(wanted, devices))
    share = max(1, cores() // (number * devices))  # the same for the last cells, when few are left: threads change bits
    threads = max(share if want is None else want for want in wanted)
    return [Slot(slot, _dealt(found, slot * devices, devices), threads) for slot in range(min(number, cells))]


def _on_cpu(wanted: Sequence[int | None], devices: int) -> int:
    """Who wants all threads gets the machine for himself."""
    each = [want for want in wanted if want is not None]
    return min(MOST_ON_CPU, cores() // (max(each) * devices)) if len(each) == len(wanted) else 1


def _dealt(found: Sequence[str], first: int, number: int) -> tuple[str, ...]:
    """`number` GPUs from place `first` on, around the end where sweep.slots asks for more cells than GPUs."""
    return tuple(found[(first + index) % len(found)] for index in range(number)) if found else ()


def cores() -> int:
    """CPU cores that this process may use: those of a cluster job or a container, not of the whole machine."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get("SLURM_CPUS_ON_NODE", "")  # not every cluster binds a job to its cores
    return min(mine, int(given)) if given.isdecimal() and int(given) else mine


def gpus() -> list[str]:
    """The GPUs that this process may use, named as CUDA_VISIBLE_DEVICES does."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return [name for name in names if name and name not in ("-1", "NoDevFiles")]
    return [str(number) for number in range(_installed())]


def _installed() -> int:
    """Number of NVIDIA GPUs, by the driver's own list, or by its tool where that list is not to be seen."""
    listed = Path("/proc/driver/nvidia/gpus")
    if listed.is_dir():
        return len(list(listed.iterdir()))
    try:
        told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in told.stdout.splitlines())
