"""Edge: how much memory is free on a device, and how far a computation drives it up.

available(device, sharers)   bytes that can still be had; on a CPU, limits of containers count
growth(work)                 bytes by which `work` drives up the memory of this process (Linux), or none
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def available(device: "torch.device", sharers: int = 1) -> int:
    """Bytes that a computation on the device can still have; of a machine's memory, the part of one of its `sharers`."""
    if device.type == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    return min([_of_the_machine(), *_of_groups()]) // sharers


def name(device: "torch.device") -> str:
    """What tells devices with different amounts of memory apart."""
    if device.type == "cuda":
        import torch

        about = torch.cuda.get_device_properties(device)
        return f"{about.name}, {about.total_memory} bytes"
    return f"cpu, {_physical()} bytes"


def growth(work: Callable[[], None]) -> int | None:
    """Peak of this process's resident memory while `work` runs, above what it had before; none where it cannot be told."""
    before = _status("VmRSS")
    try:
        (PROC / "self" / "clear_refs").write_text("5")  # the peak begins anew
    except OSError:
        return None
    work()
    peak = _status("VmHWM")
    return None if before is None or peak is None else max(0, peak - before)


def _of_the_machine() -> int:
    free = _field(PROC / "meminfo", "MemAvailable")
    return _physical() // 2 if free is None else free


def _physical() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _status(field: str) -> int | None:
    return _field(PROC / "self" / "status", field)


def _field(path: Path, field: str) -> int | None:
    """A field of a file of lines like `MemAvailable:  123 kB`, in bytes."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)


def _of_groups() -> Iterator[int]:
    """What each control group around this process (container, Slurm job) leaves, in both versions of the interface."""
    try:
        lines = (PROC / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _left(CGROUPS, path, "memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            yield from _left(CGROUPS / "memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes")


def _left(root: Path, path: str, limit: str, usage: str) -> Iterator[int]:
    own = PurePosixPath(path.lstrip("/"))
    for group in (own, *own.parents):  # in a container the path may be one of the host's: then only the root is there
        folder = root / group
        try:
            allowed = (folder / limit).read_text(encoding="utf-8").strip()
            used = int((folder / usage).read_text(encoding="utf-8"))
            stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="utf-8").splitlines())
        except (OSError, ValueError):
            continue
        if allowed.isdigit():  # else "max"
            cached = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))  # given back when needed
            yield max(0, int(allowed) - used + cached)
