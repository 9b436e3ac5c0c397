"""A step's gradient is the same however it is computed, over the architectures; only what is to be learnt counts."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pinch import adapters, learner, models, packing
from pinch.config import DType, LossUnit, Method, ModelConfig, ModelSource, Schedule, TuningConfig
from pinch.course import Course
from pinch.errors import CellError
from pinch.frames import Encoded
from pinch.learner import Learner, Passes, rate_factor
from pinch.models import Loaded
from pinch.tuning import _trainable, tune
from tiny import make_examples, make_folder

CPU = torch.device("cpu")
KINDS = ("llama", "qwen3", "gemma3_text", "gpt2")
CHANGES: dict[str, dict[str, Any]] = {
    "gemma3_text": {"sliding_window": 64},  # longer than any example
    "gpt2": {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0},
}
Load = Callable[..., Loaded]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """load(kind, dtype): a tiny model without dropout."""
    made: dict[str, Path] = {}

    def make(kind: str, dtype: DType = DType.fp32) -> Loaded:
        if kind not in made:
            made[kind] = make_folder(tmp_path_factory.mktemp(kind), kind, **CHANGES.get(kind, {}))
        config = ModelConfig(source=ModelSource.hf, path=str(made[kind]), dtype=dtype)
        return models.load(config, str(made[kind]), CPU)

    return make


def rows_of(loaded: Loaded) -> list[Encoded]:
    return loaded.frame.encode_all(make_examples(8), 100)


def gradients(
    loaded: Loaded, size: int, packed: bool, rows: list[Encoded] | None = None, **changes: Any
) -> dict[str, Tensor]:
    """Of one step over eight examples, `size` at a time, by name of the weight."""
    settings = TuningConfig(**{"rank": 4} | changes)
    with models.random_state(0, CPU):
        net = adapters.network(_trainable(loaded, settings))
        with torch.no_grad():
            for name, weight in net.named_parameters():
                if "lora_B" in name:  # else the gradients of all lora_A are zero
                    weight.normal_(std=0.05)
    if packed:
        packing.switch(net)
    net.train()
    course = Course(make_examples(8), rows or rows_of(loaded), [list(range(8))])
    taught = Learner(net, course, settings, 1e-3, Passes(size, packed, loaded.pad), lambda *now: None)
    taught.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    taught._backward(course.steps[0], 0)
    return {name: weight.grad.clone() for name, weight in net.named_parameters() if weight.grad is not None}


def close(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    assert one.keys() == other.keys()
    largest = max(float(gradient.abs().max()) for gradient in one.values())
    assert largest > 1e-4
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, other[name], rtol=0, atol=tolerance * largest, msg=name)


@pytest.mark.parametrize("unit", list(LossUnit))
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_do_not_depend_on_how_they_are_computed(load: Load, kind: str, unit: LossUnit) -> None:
    """1 x 8 = 2 x 4 = 8 x 1, packed = padded, with gradient checkpointing = without. Ranks: test_ranks.py."""
    loaded = load(kind)
    whole = gradients(loaded, 8, packed=True, loss_unit=unit)
    for size, packed in ((4, True), (3, True), (1, True), (8, False), (4, False)):
        close(whole, gradients(loaded, size, packed, loss_unit=unit))
    close(whole, gradients(loaded, 8, packed=True, loss_unit=unit, gradient_checkpointing=True))


@pytest.mark.parametrize("kind", KINDS)
def test_full_gradients_too(load: Load, kind: str) -> None:
    loaded = load(kind)
    whole = gradients(loaded, 8, packed=True, method=Method.full)
    close(whole, gradients(loaded, 4, packed=False, method=Method.full))
    close(whole, gradients(loaded, 4, packed=True, method=Method.full, gradient_checkpointing=True))


def test_units_differ(load: Load) -> None:
    token, example = (gradients(load("llama"), 8, True, loss_unit=unit) for unit in LossUnit)
    with pytest.raises(AssertionError):
        close(token, example, 1e-2)


@pytest.mark.parametrize("packed", [True, False])
def test_only_responses_and_their_end_are_learnt(load: Load, packed: bool) -> None:
    """What is to be predicted is each token of the responses and the token that ends them, and no token of a prompt."""
    loaded = load("llama")
    rows = rows_of(loaded)
    batch = Passes(8, packed, loaded.pad).batch(rows, [1.0] * 8, CPU)
    expected = [token for row in rows for token in row.ids[-row.supervised :]]
    assert batch.targets.tolist() == expected
    assert batch.targets.tolist().count(loaded.frame.end) == 8
    texts = loaded.frame.tokenizer.batch_decode([row.ids[-row.supervised : -1] for row in rows])
    assert texts == [example.response for example in make_examples(8)]


def test_the_end_is_seen_by_nobody_and_learnt_all_the_same(load: Load) -> None:
    """Another token at the end changes the gradient through the loss alone: the inputs are equal."""
    loaded = load("llama")
    rows = rows_of(loaded)
    changed = [replace(row, ids=[*row.ids[:-1], 7]) for row in rows]
    one, other = (Passes(8, True, loaded.pad).batch(part, [1.0] * 8, CPU) for part in (rows, changed))
    assert torch.equal(one.ids, other.ids)
    assert (one.targets != other.targets).sum() == 8
    with pytest.raises(AssertionError):
        close(gradients(loaded, 8, True, rows), gradients(loaded, 8, True, changed), 1e-2)


@pytest.mark.parametrize("schedule", list(Schedule))
def test_schedules_rise_once_and_never_pass_the_peak(schedule: Schedule) -> None:
    for total, warmup in ((1, 0), (1, 5), (7, 3), (50, 10)):
        factors = [rate_factor(step, total, warmup, schedule) for step in range(total)]
        assert all(0 < factor <= 1 for factor in factors)
        assert factors[: min(warmup, total)] == [(step + 1) / warmup for step in range(min(warmup, total))]
        after = factors[max(warmup - 1, 0) :]
        assert after == sorted(after, reverse=True)


@pytest.mark.parametrize("method", [Method.lora, Method.full])
@pytest.mark.parametrize("dtype", [DType.fp32, DType.bf16])
def test_the_optimizer_is_fused(load: Load, method: Method, dtype: DType) -> None:
    """Weights that are trained are in fp32, whatever the model's precision."""
    loaded = load("llama", dtype)
    settings = TuningConfig(method=method, rank=4, weight_decay=0.1)
    net = adapters.network(_trainable(loaded, settings))
    course = Course(make_examples(8), rows_of(loaded), [list(range(8))])
    taught = Learner(net, course, settings, 1e-3, Passes(8, False, loaded.pad), lambda *now: None)
    (optimizer,), _ = taught.configure_optimizers()
    assert isinstance(optimizer, torch.optim.AdamW)
    assert all(group["fused"] for group in optimizer.param_groups)
    assert {weight.dtype for group in optimizer.param_groups for weight in group["params"]} == {torch.float32}


@pytest.mark.parametrize("method", [Method.lora, Method.full])
@pytest.mark.parametrize("kind", KINDS)
def test_bf16_learns_what_fp32_does(load: Load, tmp_path: Path, kind: str, method: Method) -> None:
    losses = []
    for dtype in (DType.fp32, DType.bf16):
        settings = TuningConfig(method=method, rank=4, epochs=4, batch_size=8, warmup=1)
        given: dict[str, Any] = {"lr": 2e-3, "seed": 0, "logger": None, "progress": lambda *now: None}
        facts = tune(load(kind, dtype), make_examples(8), settings, folder=tmp_path / dtype.value, **given)
        assert facts.packing == "packed"
        losses.append(facts.final_loss)
    assert losses[1] == pytest.approx(losses[0], rel=2e-2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("size", "named"), [(8, "e2 (ru), e5 (ru)"), (4, "e2 (ru)"), (1, "e2 (ru)")])
def test_a_loss_that_is_no_number_names_the_culprits_alone(
    load: Load, size: int, named: str, packed: bool, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The culprits are told by a token that only they have to predict; of several passes the first is told of."""
    loaded = load("llama")
    rows = rows_of(loaded)
    for number in (2, 5):
        rows[number] = replace(rows[number], ids=[*rows[number].ids[:-1], 5])
    losses_of = learner.token_losses

    def token_losses(net: Any, batch: packing.Batch) -> Tensor:
        return losses_of(net, batch).masked_fill(batch.targets == 5, value)

    monkeypatch.setattr(learner, "token_losses", token_losses)
    with pytest.raises(CellError) as error:
        gradients(loaded, size, packed, rows)
    assert str(error.value) == f"step 1: the loss is no number in examples {named}; lower tuning.lr"
