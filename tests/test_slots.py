"""Slots: what of the machine each cell gets."""

import pytest

from pinch import slots
from pinch.config import Accelerator, Strategy, SweepConfig, TrainConfig, TrainerConfig
from pinch.errors import UserError


def wish(asked: int | None = None, **trainer: object) -> list[TrainConfig]:
    return [TrainConfig(trainer=TrainerConfig(**trainer), sweep=SweepConfig(slots=asked))]  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "cores", lambda: 16)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(slots, "_installed", lambda: 0)


def shape(found: list[slots.Slot]) -> list[tuple[tuple[str, ...], int]]:
    return [(slot.gpus, slot.threads) for slot in found]


def test_a_cpu_is_divided_by_the_threads_a_model_wants() -> None:
    assert shape(slots.layout(wish(threads=1), 50)) == [((), 1)] * 8, "no more than eight unless asked for"
    assert shape(slots.layout(wish(threads=4), 50)) == [((), 4)] * 4
    assert shape(slots.layout(wish(threads=1), 3)) == [((), 1)] * 3, "no more than cells"
    assert shape(slots.layout(wish(asked=12, threads=1), 50)) == [((), 1)] * 12


def test_a_model_that_wants_all_threads_has_the_machine_alone_or_its_share() -> None:
    assert shape(slots.layout(wish(), 50)) == [((), 16)]
    assert shape(slots.layout(wish(asked=4), 50)) == [((), 4)] * 4
    assert shape(slots.layout(wish(strategy=Strategy.ddp, devices=2), 50)) == [((), 8)]
    assert shape(slots.layout(wish(strategy=Strategy.ddp, devices=2, threads=4), 50)) == [((), 4)] * 2


def test_gpus_are_divided_by_the_devices_of_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "_installed", lambda: 4)
    assert shape(slots.layout(wish(), 50)) == [((str(number),), 4) for number in range(4)]
    pair = wish(strategy=Strategy.ddp, devices=2)
    assert shape(slots.layout(pair, 50)) == [(("0", "1"), 4), (("2", "3"), 4)]
    assert [slot.gpus for slot in slots.layout(wish(asked=6), 50)] == [("0",), ("1",), ("2",), ("3",), ("0",), ("1",)]
    assert shape(slots.layout(wish(accelerator=Accelerator.cpu, threads=1), 2)) == [((), 1)] * 2


def test_visible_gpus_are_all_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "_installed", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, 5")
    assert slots.gpus() == ["GPU-a", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert slots.gpus() == []


def test_a_cluster_may_give_fewer_cores_than_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    mine = slots.cores()
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "1")
    assert slots.cores() == 1
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "100000")
    assert slots.cores() == mine


def test_more_than_there_is_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="shows no GPU; use trainer"):
        slots.layout(wish(accelerator=Accelerator.gpu), 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(UserError, match="this machine shows 1 GPUs; give that or less"):
        slots.layout(wish(strategy=Strategy.ddp, devices=2), 1)
