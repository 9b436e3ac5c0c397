"""Free memory as the machine and its control groups tell it, in both versions of their interface."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pinch import memory

CPU = torch.device("cpu")


def machine(folder: Path, groups: str, available: int = 1000) -> None:
    """A /proc with so many kB available and a process in `groups`."""
    own = folder / "proc" / "self"
    own.mkdir(parents=True)
    (folder / "proc" / "meminfo").write_text(f"MemTotal:  2000 kB\nMemAvailable:  {available} kB\n")
    (own / "cgroup").write_text(groups)


def group(folder: Path, limit: tuple[str, str], usage: tuple[str, int], stat: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / limit[0]).write_text(limit[1] + "\n")
    (folder / usage[0]).write_text(f"{usage[1]}\n")
    (folder / "memory.stat").write_text(stat)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    return tmp_path


def test_the_machine_alone(root: Path) -> None:
    machine(root, "0::/\n")
    assert memory.available(CPU) == 1000 * 1024
    assert memory.available(CPU, sharers=4) == 250 * 1024


def test_the_tightest_group_counts(root: Path) -> None:
    machine(root, "0::/job/step\n")
    usage = ("memory.current", 5000)
    group(root / "cgroup" / "job" / "step", ("memory.max", "max"), usage, "inactive_file 0\n")
    group(root / "cgroup" / "job", ("memory.max", "9000"), usage, "anon 4000\ninactive_file 1000\n")
    assert memory.available(CPU) == 9000 - 5000 + 1000, "what is cached of files is given back"


def test_a_container_of_the_older_interface(root: Path) -> None:
    machine(root, "5:cpu:/x\n4:memory:/docker/abc\n")
    limits, usage = ("memory.limit_in_bytes", "9000"), ("memory.usage_in_bytes", 8000)
    group(root / "cgroup" / "memory", limits, usage, "total_inactive_file 500\n")
    assert memory.available(CPU) == 1500, "its path is one of the host's: only the root of it is there"


def test_a_system_that_tells_nothing(root: Path) -> None:
    assert memory.available(CPU) > 2**20
    assert memory.growth(lambda: None) is None


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux only")
def test_growth_is_measured() -> None:
    code = (
        "import numpy; from pinch import memory\n"
        "def work(size): numpy.ones(size, dtype='uint8')\n"
        "large, small = (memory.growth(lambda: work(size * 2**20)) for size in (80, 20))\n"
        "assert 75 < large / 2**20 < 90 and 15 < small / 2**20 < 30, (large, small)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
