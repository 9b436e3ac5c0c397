"""Tuning: order, loss, equality over micro-batches and packing, determinism, files, failures."""

import csv
import os
import random
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pinch import learner, packing
from pinch.config import DType, LossUnit, Method, Packing, Schedule, TuningConfig
from pinch.course import schedule
from pinch.errors import CellError, UserError
from pinch.generation import assert_adapter_active, attach
from pinch.learner import loss_weights, rate_factor, shares
from pinch.records import Example
from pinch.tuning import TuningFacts, tune
from tiny import LANGUAGES, make_examples

Load = Callable[..., Any]

SHORT: dict[str, Any] = {"epochs": 1, "batch_size": 8, "warmup": 1, "rank": 4}


def run(loaded: Any, folder: Path, examples: list[Example] | None = None, **changes: Any) -> TuningFacts:
    given = {"lr": 1e-2, "seed": 0, "logger": None, "progress": lambda step, steps: None}
    given |= {name: changes.pop(name) for name in list(changes) if name in given}
    return tune(loaded, examples or make_examples(20), TuningConfig(**SHORT | changes), folder=folder, **given)


def weights(folder: Path) -> dict[str, Tensor]:
    file = folder / "adapter" / "adapter_model.safetensors"
    return load_file(file if file.exists() else folder / "model" / "model.safetensors")


def equal(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float = 0.0) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=0, atol=tolerance, msg=name)


def log_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "train_log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


# --- order ---------------------------------------------------------------------------------------------------------


def test_every_epoch_is_a_permutation_and_keeps_its_last_batch() -> None:
    steps = schedule(10, 4, 3, None, seed=5)
    assert [len(step) for step in steps] == [4, 4, 2] * 3
    epochs = [[number for step in steps[start : start + 3] for number in step] for start in (0, 3, 6)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_order_depends_on_its_arguments_only() -> None:
    random.seed(1)
    first = schedule(10, 4, 2, None, seed=0)
    random.seed(2)
    assert schedule(10, 4, 2, None, seed=0) == first
    assert schedule(10, 4, 2, None, seed=1) != first
    assert schedule(10, 4, 3, 4, seed=0) == first[:4], "later steps change nothing before them"
    assert schedule(0, 4, 3, None, seed=0) == []


# --- loss and learning rate ----------------------------------------------------------------------------------------


def test_loss_units_by_hand() -> None:
    assert loss_weights([1, 3], LossUnit.token) == [0.25, 0.25]
    assert loss_weights([1, 3, 0], LossUnit.example) == [0.5, 0.5 / 3, 0.0]


def test_shares_of_ranks_by_hand() -> None:
    assert shares([5, 1, 4, 2, 3], 2) == [[0, 1, 3], [2, 4]], "5 4 3 2 1 go to 0 1 1 0 0: 8 tokens and 7"
    assert shares([7, 7, 7], 1) == [[0, 1, 2]]
    assert shares([3], 3) == [[0], [], []]
    assert shares([], 2) == [[], []]


@pytest.mark.parametrize("world", [1, 2, 3, 8])
@pytest.mark.parametrize("unit", list(LossUnit))
def test_shares_are_all_of_the_step_once_and_balanced(world: int, unit: LossUnit) -> None:
    draw = random.Random(world)
    sizes = [draw.randint(2, 200) for _ in range(32)]
    counts = [draw.randint(1, size) for size in sizes]
    taken = shares(sizes, world)
    assert sorted(place for share in taken for place in share) == list(range(32))
    assert max(map(len, taken)) - min(map(len, taken)) <= 1
    tokens = [sum(sizes[place] for place in share) for share in taken]
    assert max(tokens) - min(tokens) <= max(sizes)
    weights = loss_weights(counts, unit)  # of the whole step, so what the ranks add up is its mean
    assert sum(weights[place] * counts[place] for share in taken for place in share) == pytest.approx(1)


@pytest.mark.parametrize("unit", list(LossUnit))
def test_the_logged_loss_is_the_unit_s_mean(tiny_loaded: Load, tmp_path: Path, unit: LossUnit) -> None:
    """Against cross entropies of each example alone, put together by hand."""
    loaded, examples = tiny_loaded(), make_examples(5)
    run(loaded, tmp_path, examples, batch_size=5, loss_unit=unit)
    losses = []
    for row in loaded.frame.encode_all(examples, 200):
        with torch.no_grad():
            logits = loaded.model(torch.tensor([row.ids])).logits[0]
        steps = range(row.prompt_length, len(row.ids))
        losses.append([-float(logits[place - 1].log_softmax(-1)[row.ids[place]]) for place in steps])
    if unit is LossUnit.token:
        expected = sum(map(sum, losses)) / sum(map(len, losses))
    else:
        expected = sum(sum(part) / len(part) for part in losses) / len(losses)
    assert float(log_rows(tmp_path)[0]["loss"]) == pytest.approx(expected, rel=1e-4)


def test_learning_rates_by_hand() -> None:
    linear = [rate_factor(step, 6, 2, Schedule.linear) for step in range(6)]
    assert linear == pytest.approx([0.5, 1.0, 1.0, 0.75, 0.5, 0.25])
    cosine = [rate_factor(step, 6, 2, Schedule.cosine) for step in range(6)]
    assert cosine == pytest.approx([0.5, 1.0, 1.0, 0.853553, 0.5, 0.146447], abs=1e-6)
    assert [rate_factor(step, 6, 0, Schedule.constant) for step in range(6)] == [1.0] * 6


# --- equality ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", list(LossUnit))
def test_gradients_and_weights_do_not_depend_on_the_micro_batch(
    tiny_loaded: Load, tmp_path: Path, unit: LossUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[int, list[float]] = {}
    clip = torch.nn.utils.clip_grad_norm_

    def spy(parameters: Any, *rest: Any) -> Tensor:
        found.setdefault(size, []).extend(float(weight.grad.norm()) for weight in parameters)
        return clip(parameters, *rest)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", spy)
    for size in (8, 4, 3, 1):
        run(tiny_loaded(), tmp_path / str(size), micro_batch=size, loss_unit=unit)
        assert found[size] == pytest.approx(found[8], rel=1e-3, abs=1e-6)
        equal(weights(tmp_path / str(size)), weights(tmp_path / "8"), 1e-4)
    losses = [[float(row["loss"]) for row in log_rows(tmp_path / str(size))] for size in (8, 3)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_packed_and_padded_training_end_alike(tiny_loaded: Load, tmp_path: Path, kind: str) -> None:
    loaded = tiny_loaded(kind)
    if kind == "gpt2":  # its dropout would draw differently
        for module in loaded.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    assert run(loaded, tmp_path / "a", packing=Packing.packed).packing == "packed"
    assert run(loaded, tmp_path / "b", packing=Packing.padded).packing == "padded"
    equal(weights(tmp_path / "a"), weights(tmp_path / "b"), 1e-4)


def test_gradient_checkpointing_changes_nothing(tiny_loaded: Load, tmp_path: Path) -> None:
    loaded = tiny_loaded()
    run(loaded, tmp_path / "a")
    run(loaded, tmp_path / "b", gradient_checkpointing=True)
    equal(weights(tmp_path / "a"), weights(tmp_path / "b"), 1e-5)
    run(loaded, tmp_path / "c", method=Method.full, lr=1e-3)
    run(loaded, tmp_path / "d", method=Method.full, lr=1e-3, gradient_checkpointing=True)
    equal(weights(tmp_path / "c"), weights(tmp_path / "d"), 1e-5)


@pytest.mark.parametrize("method", [Method.lora, Method.full])
def test_one_seed_gives_one_result_and_leaves_no_trace(tiny_loaded: Load, tmp_path: Path, method: Method) -> None:
    loaded = tiny_loaded()
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    attention = loaded.model.config._attn_implementation
    state = (torch.get_rng_state(), random.getstate(), dict(os.environ), Path.cwd())
    run(loaded, tmp_path / "a", method=method, dropout=0.1)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert (random.getstate(), dict(os.environ), Path.cwd()) == state[1:]
    torch.manual_seed(99)
    run(loaded, tmp_path / "b", method=method, dropout=0.1)
    equal(weights(tmp_path / "a"), weights(tmp_path / "b"))
    run(loaded, tmp_path / "c", method=method, dropout=0.1, seed=1)
    with pytest.raises(AssertionError):
        equal(weights(tmp_path / "a"), weights(tmp_path / "c"))
    equal(dict(loaded.model.state_dict()), before)
    assert not any(weight.requires_grad for weight in loaded.model.parameters())
    assert (loaded.model.training, loaded.model.config._attn_implementation) == (False, attention)


def test_the_seed_decides_how_adapters_begin(tiny_loaded: Load, tmp_path: Path) -> None:
    loaded = tiny_loaded()
    for seed in (0, 1):
        run(loaded, tmp_path / str(seed), seed=seed, lr=1e-6, max_steps=1)
    one, other = weights(tmp_path / "0"), weights(tmp_path / "1")
    assert all((one[name] - other[name]).abs().max() > 1e-2 for name in one if "lora_A" in name)


# --- results -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Method.lora, Method.full])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_saved_weights_give_the_trained_logits(
    tiny_loaded: Load, tmp_path: Path, method: Method, kind: str, saved_networks: list[Any]
) -> None:
    loaded = tiny_loaded(kind)
    run(loaded, tmp_path, method=method, batch_size=32)
    ids = torch.tensor([loaded.frame.prompt_ids("What is red?")])
    with torch.no_grad():
        expected = saved_networks[0](ids).logits
        got = attach(loaded, tmp_path).model(ids).logits
        untuned = loaded.model(ids).logits
    assert torch.equal(got, expected)
    assert not torch.equal(got, untuned)
    tuned, base = assert_adapter_active(attach(loaded, tmp_path))
    assert tuned != base
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "adapter" if method is Method.lora else "model",
        "train_log.csv",
    ]


def test_it_learns_and_says_what_it_did(tiny_loaded: Load, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int]] = []
    examples = make_examples(6)
    facts = run(
        tiny_loaded(), tmp_path, examples, epochs=15, batch_size=4, progress=lambda *now: seen.append(now), rank=16
    )
    rows = log_rows(tmp_path)
    assert facts.steps == len(rows) == 30
    assert seen == [(step, 30) for step in range(1, 31)]
    frame = tiny_loaded().frame
    for code in LANGUAGES:
        per_epoch = sum(frame.encode(example, 200).supervised for example in examples if example.language == code)
        assert facts.supervised_tokens[code] == 15 * per_epoch == sum(int(row[f"supervised_{code}"]) for row in rows)
    assert float(rows[-1]["loss"]) < 0.7 * float(rows[0]["loss"])
    assert facts.final_loss == pytest.approx(sum(float(row["loss"]) for row in rows[-10:]) / 10, rel=1e-4)
    assert (facts.truncated, facts.packing, facts.trained > 0, facts.peak_memory > 0) == (0, "packed", True, True)
    assert capfd.readouterr() == ("", ""), "training is silent"


def test_results_replace_what_was_there(tiny_loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "left over").write_text("x")
    run(tiny_loaded(), tmp_path)
    assert sorted(path.name for path in (tmp_path / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_metrics_reach_the_logger(tiny_loaded: Load, tmp_path: Path) -> None:
    from pytorch_lightning.loggers import CSVLogger

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(tiny_loaded(), tmp_path, logger=CSVLogger(tmp_path / "logs", name="", version=""))
    with (tmp_path / "logs" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert float(rows[0]["train/loss"]) > 0
    assert float(rows[0]["train/supervised/en"]) > 0


def test_slurm_is_not_looked_for(tiny_loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm = {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "x", "SLURM_JOB_ID": "1", "SLURM_PROCID": "3", "SLURM_LOCALID": "3"}
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    assert run(tiny_loaded(), tmp_path).steps == 3


@pytest.mark.parametrize("method", [Method.lora, Method.full])
def test_half_precision(tiny_loaded: Load, tmp_path: Path, method: Method) -> None:
    """Adapters and full updates are kept in fp32 while they are learned; what is saved has the model's precision."""
    loaded = tiny_loaded(dtype=DType.bf16)
    facts = run(loaded, tmp_path, method=method, lr=1e-3, packing=Packing.packed)
    assert facts.packing == "packed"
    kept = {tensor.dtype for tensor in weights(tmp_path).values()}
    assert kept == {torch.float32 if method is Method.lora else torch.bfloat16}
    assert attach(loaded, tmp_path).model.dtype is torch.bfloat16
    assert_adapter_active(attach(loaded, tmp_path))


def test_target_names_the_adapted_modules(tiny_loaded: Load, tmp_path: Path) -> None:
    run(tiny_loaded(), tmp_path, target=r".*\.q_proj")
    assert all("q_proj" in name for name in weights(tmp_path))
    with pytest.raises(UserError, match=r"tuning.target=nothing: "):
        run(tiny_loaded(), tmp_path, target="nothing")


def test_max_steps_stops(tiny_loaded: Load, tmp_path: Path) -> None:
    assert run(tiny_loaded(), tmp_path, epochs=5, max_steps=4).steps == 4


# --- failures ------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_names_step_and_example(tiny_loaded: Load, tmp_path: Path) -> None:
    loaded = tiny_loaded()
    examples = [replace(example, response="a") for example in make_examples(20)]
    examples[7] = Example("odd", "es", "What is red?", "%")
    place = loaded.frame.encode(examples[7], 200).ids[-2]
    with torch.no_grad():  # an input nobody else has, so that only this example's loss breaks
        loaded.model.get_input_embeddings().weight[place] = float("nan")
    loaded.model.lm_head.weight = torch.nn.Parameter(loaded.model.lm_head.weight.nan_to_num(), requires_grad=False)
    step = next(number for number, batch in enumerate(schedule(20, 8, 1, None, 0), start=1) if 7 in batch)
    with pytest.raises(
        CellError, match=rf"^step {step}: the loss is no number in examples odd \(es\); lower tuning.lr$"
    ):
        run(loaded, tmp_path, examples, packing=Packing.padded)
    assert len(log_rows(tmp_path)) == step - 1, "the log tells what came before"
    assert not (tmp_path / "adapter").exists()


def test_a_batch_without_supervised_tokens_is_refused_before_it_starts(tiny_loaded: Load, tmp_path: Path) -> None:
    with pytest.raises(CellError, match=r"step 1 has no supervised token .*tuning.max_length=5"):
        run(tiny_loaded(), tmp_path, max_length=5)
    assert not tmp_path.joinpath("train_log.csv").exists()


def test_some_examples_without_supervised_tokens_are_borne(tiny_loaded: Load, tmp_path: Path) -> None:
    loaded, examples = tiny_loaded(), make_examples(8)
    rows = loaded.frame.encode_all(examples, 200)
    limit = sorted(row.prompt_length for row in rows)[3]
    facts = run(loaded, tmp_path, examples, max_length=limit, micro_batch=1)
    assert 0 < facts.truncated <= 8
    assert 0 < sum(facts.supervised_tokens.values()) < sum(row.supervised for row in rows)


def test_a_first_step_that_changes_nothing_is_refused(tiny_loaded: Load, tmp_path: Path) -> None:
    with pytest.raises(CellError, match="first step changed no weight"):
        run(tiny_loaded(), tmp_path, lr=1e-60)  # below what fp32 holds


def test_weights_that_are_no_numbers_are_refused(tiny_loaded: Load, tmp_path: Path) -> None:
    with pytest.raises(CellError, match=r"not numbers|no number"):
        run(tiny_loaded(), tmp_path, lr=1e38, clip=0.0, warmup=0, method=Method.full)


def test_no_examples_are_refused(tiny_loaded: Load, tmp_path: Path) -> None:
    with pytest.raises(CellError, match="no examples"):
        tune(
            tiny_loaded(), [], TuningConfig(), lr=1.0, seed=0, folder=tmp_path, logger=None, progress=lambda *now: None
        )


def test_a_model_that_cannot_be_packed_is_padded_with_a_word(
    tiny_loaded: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loaded = tiny_loaded("mistral")
    assert run(loaded, tmp_path).packing == "padded"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "sliding window of 8" in caplog.text
    with pytest.raises(CellError, match=r"tuning.packing=packed: a sliding window of 8"):
        run(loaded, tmp_path, packing=Packing.packed)


def test_the_learner_computes_logits_once_per_micro_batch(
    tiny_loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    original = packing.pack

    def counting(rows: Any, *rest: Any) -> Any:
        sizes.append(len(rows))
        return original(rows, *rest)

    monkeypatch.setattr(learner.packing, "pack", counting)
    run(tiny_loaded(), tmp_path, micro_batch=3)
    assert sizes[1:] == [3, 3, 2, 3, 3, 2, 3, 1], "after the self-test: 8 as 3 + 3 + 2, and the last 4 as 3 + 1"
