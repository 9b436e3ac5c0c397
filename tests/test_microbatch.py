"""Automatic micro-batches: what fits is found, remembered, agreed on, and changes nothing but memory."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pinch import adapters, memory, microbatch, packing
from pinch.config import Method, TuningConfig
from pinch.errors import CellError
from pinch.frames import Encoded
from pinch.learner import Passes
from pinch.microbatch import Load, Sizes, by_doubling, by_halving, coarse, find, heaviest, largest
from pinch.ranks import ALONE, Ranks
from pinch.tuning import TuningFacts, tune
from tiny import make_examples

Loaded = Callable[..., Any]
CPU = torch.device("cpu")
SHORT: dict[str, Any] = {"epochs": 1, "batch_size": 8, "warmup": 1, "rank": 4}
SETTINGS = TuningConfig(**SHORT)


def run(loaded: Any, folder: Path, memory: Path | None = None, **changes: Any) -> TuningFacts:
    settings = TuningConfig(**SHORT | changes)
    given: dict[str, Any] = {"lr": 1e-2, "seed": 0, "logger": None, "progress": lambda *now: None, "memory": memory}
    return tune(loaded, make_examples(20), settings, folder=folder, **given)


def load_of(loaded: Any, count: int = 6, settings: TuningConfig = SETTINGS, packed: bool = False) -> Load:
    model = adapters.network(adapters.add_lora(loaded.model, settings)).train()
    rows = heaviest(loaded.frame.encode_all(make_examples(20), 100), count)
    return Load(model, rows, settings, Passes(0, packed, 2), False, CPU)


def limited(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Training passes of more than `most` examples run out of memory, as on a GPU; gives the sizes of those that do not."""
    passed: list[int] = []
    original = packing.supervised_logits

    def logits(net: Any, batch: packing.Batch) -> Tensor:
        size = len(set(batch.owners))
        if torch.is_grad_enabled():
            if size > most:
                raise torch.OutOfMemoryError("out of memory")
            passed.append(size)
        return original(net, batch)

    monkeypatch.setattr(packing, "supervised_logits", logits)
    return passed


def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory for hardly anything, of which every pass takes more."""

    def growth(work: Callable[[], None]) -> int:
        work()
        return 10**6

    monkeypatch.setattr(memory, "available", lambda *_: 1000)
    monkeypatch.setattr(memory, "growth", growth)


def test_the_heaviest_by_hand() -> None:
    rows = [
        Encoded([1] * length, ((length - taught, length),) if taught else ())
        for length, taught in ((5, 1), (9, 0), (7, 2), (7, 3))
    ]
    assert heaviest(rows, 2) == [rows[3], rows[2]], "what teaches nothing is never computed"
    assert heaviest(rows, 9) == [rows[3], rows[2], rows[0]]


def test_searches_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [largest(8, limit.__ge__) for limit in (0, 1, 5, 8, 9)] == [1, 1, 5, 8, 8]
    assert [coarse(number) for number in (1, 7, 8, 9, 12, 100, 112, 113)] == [1, 7, 8, 10, 12, 112, 112, 128]

    tried: list[int] = []

    def attempt(size: int) -> None:
        tried.append(size)
        if size > 5:
            raise torch.OutOfMemoryError

    assert by_halving(32, attempt) == 4
    assert tried == [32, 16, 8, 4]
    tried.clear()

    def grown(work: Callable[[], None]) -> int:
        work()
        return 100 * tried[-1]

    monkeypatch.setattr(memory, "growth", grown)
    room, fits = 900.0, lambda size: size <= 3
    assert by_doubling(64, tried.append, room, fits) == 7, (
        "4 take 400; 8 might take 960, so as many as 900 / (100 * 1.2)"
    )
    assert tried == [1, 2, 4], "what may not fit is never tried"
    assert by_doubling(3, tried.append, room, fits) == 3
    assert by_doubling(64, tried.append, 10.0, fits) == 1
    monkeypatch.setattr(memory, "growth", lambda work: None)
    assert by_doubling(64, tried.append, room, fits) == 3, "without a measurement the estimate decides"


def test_a_single_example_that_is_too_large_is_refused() -> None:
    def attempt(size: int) -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(
        CellError, match=r"^out of GPU memory with a single example; tuning.gradient_checkpointing=true"
    ):
        by_halving(4, attempt)


def test_what_certainly_fits_is_not_tried(tiny_loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = limited(monkeypatch, 8)
    assert run(tiny_loaded(), tmp_path / "a", tmp_path).micro_batch == 8
    assert passed == [8, 8, 4], "the three steps and nothing else"
    assert not (tmp_path / "micro_batch.json").exists()
    assert run(tiny_loaded(), tmp_path / "b", micro_batch=3).micro_batch == 3


@pytest.mark.parametrize("packed", [False, True])
def test_trying_leaves_no_trace(tiny_loaded: Loaded, packed: bool) -> None:
    load = load_of(tiny_loaded(), settings=replace(SETTINGS, dropout=0.5), packed=packed)
    if packed:
        packing.switch(load.net)
    before, state = {name: value.clone() for name, value in load.net.state_dict().items()}, torch.get_rng_state()
    load.attempt(4)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in load.net.state_dict().items())
    assert all(weight.grad is None for weight in load.net.parameters())
    assert load.net.training


def test_little_memory_makes_small_passes_and_the_same_weights(
    tiny_loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found is remembered and not measured again."""
    run(tiny_loaded(), tmp_path / "whole", micro_batch=8)
    little(monkeypatch)
    facts = run(tiny_loaded(), tmp_path / "small", tmp_path / "memory")
    assert facts.micro_batch == 1
    one, other = (load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("whole", "small"))
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=0, atol=1e-4, msg=name)
    file = tmp_path / "memory" / "micro_batch.json"
    assert list(json.loads(file.read_text()).values()) == [1]
    file.write_text(file.read_text().replace(": 1", ": 5"))
    monkeypatch.setattr(memory, "growth", lambda work: pytest.fail("measured again"))
    assert run(tiny_loaded(), tmp_path / "again", tmp_path / "memory").micro_batch == 5
    monkeypatch.undo()
    file.write_text("{broken")
    assert run(tiny_loaded(), tmp_path / "broken", tmp_path / "memory").micro_batch == 8


def test_running_out_of_memory_starts_anew_with_half(
    tiny_loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run(tiny_loaded(), tmp_path / "expected", micro_batch=2, dropout=0.1)
    passed = limited(monkeypatch, 3)
    facts = run(tiny_loaded(), tmp_path / "found", tmp_path / "memory", dropout=0.1)
    assert (facts.micro_batch, facts.steps) == (2, 3)
    assert passed == [2] * 10
    assert [record.getMessage() for record in caplog.records] == [
        "out of GPU memory with micro-batches of 8: from the start again, with 4",
        "out of GPU memory with micro-batches of 4: from the start again, with 2",
    ]
    one, other = (
        load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("expected", "found")
    )
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items()), "the same result, to the bit"
    passed.clear()
    assert run(tiny_loaded(), tmp_path / "again", tmp_path / "memory", dropout=0.1).micro_batch == 2
    assert passed == [2] * 10, "remembered"


def test_running_out_of_memory_for_good(tiny_loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 0)
    with pytest.raises(CellError, match=r"^out of GPU memory with a single example; .* need less$"):
        run(tiny_loaded(), tmp_path)
    with pytest.raises(
        CellError, match=r"^out of GPU memory; set a lower tuning.micro_batch, or none to have it found$"
    ):
        run(tiny_loaded(), tmp_path, micro_batch=2)


def test_ranks_agree_on_the_smallest(tiny_loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Three(Ranks):
        def gather(self, value: Any) -> list[Any]:
            return [value, 2, 4]

    load, sizes = load_of(tiny_loaded()), Sizes(tmp_path)
    assert find(load, sizes, Three(1, 3))[0] == 2
    assert find(load, sizes, ALONE)[0] == 6
    little(monkeypatch)
    assert find(load, sizes, Three(1, 3))[0] == 1
    assert not (tmp_path / microbatch.FILE).exists(), "rank 0 writes"
    monkeypatch.setattr(memory, "growth", lambda work: pytest.fail("ranks of spread weights cannot try alone"))
    assert find(load, sizes, Three(0, 3, spread_on=CPU))[0] == 1


def test_what_is_remembered_is_of_one_kind(tiny_loaded: Loaded) -> None:
    keys = [
        load_of(tiny_loaded()).key(1e9),
        load_of(tiny_loaded()).key(2e9),
        load_of(tiny_loaded("qwen2")).key(1e9),
        load_of(tiny_loaded(), count=3).key(1e9),
        load_of(tiny_loaded(), packed=True).key(1e9),
        *(
            load_of(tiny_loaded(), settings=replace(SETTINGS, **change)).key(1e9)
            for change in ({"rank": 8}, {"gradient_checkpointing": True}, {"dora": True}, {"dropout": 0.1})
        ),
    ]
    assert len(set(keys)) == len(keys)
    assert load_of(tiny_loaded(), settings=replace(SETTINGS, lr=1.0, epochs=9)).key(1e9 + 1e6) == keys[0]


@pytest.mark.skipif(memory.growth(lambda: None) is None, reason="this system does not tell the peak of memory")
@pytest.mark.parametrize("changes", [{}, {"method": Method.full}, {"gradient_checkpointing": True}, {"dora": True}])
def test_the_estimate_is_an_upper_bound(tiny_loaded: Loaded, changes: dict[str, Any]) -> None:
    from pinch.tuning import _trainable

    settings = TuningConfig(**SHORT | changes)
    loaded = tiny_loaded()
    net = adapters.network(_trainable(loaded, settings)).train()
    rows = [Encoded([5] * 100, ((50, 100),))] * 64
    load = Load(net, rows, settings, Passes(0, False, 2), False, CPU)
    load.attempt(1)
    grown = memory.growth(lambda: load.attempt(64))
    assert grown is not None
    assert grown < microbatch.estimate(load, 64)
