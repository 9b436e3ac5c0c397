"""What only a GPU can show: the kernels that are used there, bf16, memory that runs out, cells that change machines.

Skipped where torch sees no GPU; `python -m pytest -m gpu` runs them alone. Models are tiny, so one minute is enough.
"""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pinch import attention, models, packing, slots
from pinch.config import (
    Accelerator,
    DType,
    GenerationConfig,
    Method,
    ModelConfig,
    ModelSource,
    Packing,
    TrainerConfig,
    TuningConfig,
)
from pinch.errors import CellError
from pinch.frames import Encoded
from pinch.generation import assert_adapter_active, attach, generate
from pinch.records import Prompt
from pinch.tuning import TuningFacts, tune
from tiny import make_examples, make_folder

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"),
    pytest.mark.filterwarnings("default"),  # what libraries warn of depends on the GPU and its driver
]

ROOT = Path(__file__).resolve().parents[1]
GPU = torch.device("cuda", 0)
ON_GPU = "trainer.accelerator=gpu"
KINDS = ("llama", "qwen3", "gemma3_text", "gpt2")
PRECISIONS = (DType.fp32, DType.bf16)
SHORT: dict[str, Any] = {"epochs": 1, "batch_size": 8, "warmup": 1, "rank": 4}
Load = Callable[..., Any]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """folders(kind): a random model. Heads of 8 are the smallest that FlashAttention takes; windows hold every example."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            changes = {"sliding_window": 256} if kind == "gemma3_text" else {}
            made[kind] = make_folder(tmp_path_factory.mktemp(kind), kind, **changes)
        return made[kind]

    return make


@pytest.fixture
def load(folders: Callable[[str], Path]) -> Load:
    def make(kind: str = "llama", dtype: DType = DType.fp32, device: torch.device = GPU, **changes: Any) -> Any:
        folder = str(folders(kind))
        settings = ModelConfig(source=ModelSource.hf, path=folder, dtype=dtype, **changes)
        return models.load(settings, folder, device)

    return make


@pytest.fixture(autouse=True)
def room() -> Iterator[None]:
    """Every test may use the whole GPU, and leaves nothing behind."""
    yield
    if GPU.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)
        torch.cuda.empty_cache()


def rows(loaded: Any, count: int = 12) -> list[Encoded]:
    result: list[Encoded] = loaded.frame.encode_all(make_examples(count), 100)
    return result


def run(loaded: Any, folder: Path, count: int = 20, lr: float = 1e-2, **changes: Any) -> TuningFacts:
    return tune(
        loaded,
        make_examples(count),
        TuningConfig(**SHORT | changes),
        lr=lr,
        seed=0,
        folder=folder,
        logger=None,
        progress=lambda step, steps: None,
    )


def log_losses(folder: Path) -> list[float]:
    with (folder / "train_log.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def prompts() -> list[Prompt]:
    return [Prompt(example.id, example.language, example.instruction) for example in make_examples(12)]


def texts(loaded: Any, size: int = 12) -> list[str]:
    made = generate(loaded, prompts(), GenerationConfig(max_new_tokens=12, batch_size=size), lambda number: None)
    return [answer.text for answer in made]


# --- packing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", PRECISIONS, ids=lambda dtype: dtype.value)
@pytest.mark.parametrize("kind", KINDS)
def test_packed_is_separate(load: Load, kind: str, dtype: DType) -> None:
    """Logits by the product's own self-test, and gradients, which that does not see."""
    loaded = load(kind, dtype)
    net, taught = loaded.model, rows(loaded)
    torch_type = torch.float32 if dtype is DType.fp32 else torch.bfloat16
    net.requires_grad_(True)
    weights = [1 / len(taught)] * len(taught)
    padded = gradient(net, packing.pad(taught, weights, loaded.pad, loaded.device))
    assert packing.check(net, taught) <= packing.TOLERANCE[torch_type]
    packed = gradient(net, packing.pack(taught, weights, loaded.device))
    assert float((packed - padded).norm() / padded.norm()) < (1e-4 if dtype is DType.fp32 else 5e-2)


def gradient(net: Any, batch: packing.Batch) -> Tensor:
    net.zero_grad()
    losses = cross_entropy(packing.supervised_logits(net, batch).float(), batch.targets, reduction="none")
    (losses @ batch.weights).backward()
    return torch.cat([weight.grad.float().flatten() for weight in net.parameters() if weight.grad is not None])


def test_bf16_goes_through_the_kernel_for_variable_lengths(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else everything would be right and slow. An older torch has no such kernel, or not with shared key heads."""
    if not attention._has_varlen():
        pytest.skip("this torch has no varlen_attn with enable_gqa")
    calls: list[int] = []
    original = attention._varlen

    def counting(*arguments: Any) -> Tensor:
        calls.append(1)
        return original(*arguments)

    monkeypatch.setattr(attention, "_varlen", counting)
    for dtype, expected in ((DType.bf16, 2), (DType.fp32, 0)):
        calls.clear()
        loaded = load("llama", dtype)
        packing.check(loaded.model, rows(loaded))
        assert len(calls) == expected, "one call per layer"


# --- cells ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Method.lora, Method.full])
def test_packed_and_padded_cells_have_equal_losses(load: Load, tmp_path: Path, method: Method) -> None:
    for dtype, rounding in ((DType.fp32, 1e-4), (DType.bf16, 5e-2)):
        found = {}
        for way in (Packing.packed, Packing.padded):
            folder = tmp_path / dtype.value / way.value
            lr = 1e-2 if method is Method.lora else 1e-3
            facts = run(load(dtype=dtype), folder, lr=lr, method=method, packing=way)
            assert facts.packing == way.value
            assert facts.peak_memory > 0
            found[way] = log_losses(folder)
        assert found[Packing.packed] == pytest.approx(found[Packing.padded], rel=rounding)


def test_checkpointing_changes_no_loss(load: Load, tmp_path: Path) -> None:
    run(load(), tmp_path / "without")
    run(load(), tmp_path / "with", gradient_checkpointing=True)
    assert log_losses(tmp_path / "with") == pytest.approx(log_losses(tmp_path / "without"), rel=1e-4)


def test_an_adapter_tuned_here_answers_alike_on_a_cpu(load: Load, tmp_path: Path) -> None:
    run(load(), tmp_path, epochs=6)
    here = attach(load(), tmp_path)
    assert_adapter_active(here)
    there = attach(load(device=torch.device("cpu")), tmp_path)
    assert next(here.model.parameters()).device.type == GPU.type
    assert texts(here) == texts(there)
    assert texts(here) != texts(load()), "else equality would say nothing"


def test_bf16_cells_answer(load: Load, tmp_path: Path) -> None:
    run(load(dtype=DType.bf16), tmp_path, epochs=6)
    tuned = attach(load(dtype=DType.bf16), tmp_path)
    assert_adapter_active(tuned)
    assert len(texts(tuned)) == 12


def test_weights_are_bf16_where_the_gpu_has_it(load: Load) -> None:
    expected = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    assert load(dtype=DType.auto).model.dtype is expected
    assert models.device(TrainerConfig()).type == "cuda"
    assert models.device(TrainerConfig(accelerator=Accelerator.cpu)).type == "cpu"


def test_answers_do_not_depend_on_the_batch(load: Load) -> None:
    """Batches of one never drop a row; larger ones drop those that are finished. Only in fp32 is rounding too small."""
    loaded = load()
    assert texts(loaded, 12) == texts(loaded, 5) == texts(loaded, 1)


# --- memory --------------------------------------------------------------------------------------------------------


LEFT = 400 * 2**20
WORDS = 100_000
"""So many make the logits of a thousand tokens as large as LEFT."""


@pytest.fixture
def tight(load: Load) -> Any:
    """A model with many words, and LEFT bytes of GPU memory beside it."""
    loaded = load()
    loaded.model.resize_token_embeddings(WORDS, mean_resizing=False)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(GPU).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(GPU) + LEFT) / total, GPU)
    return loaded


def test_a_full_gpu_is_said_in_one_line(tight: Any, tmp_path: Path) -> None:
    """Where the micro-batch is given, nothing else is tried."""
    with pytest.raises(CellError, match=r"out of GPU memory.*tuning\.micro_batch") as raised:
        run(tight, tmp_path, count=512, batch_size=512, micro_batch=512)
    assert "\n" not in str(raised.value)


def test_a_full_gpu_names_the_batch_of_answers(tight: Any) -> None:
    many = [replace(prompt, id=f"p{number}") for number, prompt in enumerate(prompts() * 200)]
    with pytest.raises(CellError, match=r"out of GPU memory; lower generation\.batch_size=2400"):
        generate(tight, many, GenerationConfig(max_new_tokens=2, batch_size=2400), lambda number: None)


# --- doors ---------------------------------------------------------------------------------------------------------

QUICK = ["data.max_prompts=3", "mixture.budget=24", "tuning.max_steps=3", "generation.max_new_tokens=3", "tracking=off"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A very small model in the place of the embedded one."""
    from pinch.embedded import base

    folder = tmp_path_factory.mktemp("cache")
    base.ensure(folder, recipe=base.TINY).rename(folder / f"embedded-{base.recipe_hash()}")
    return folder


@pytest.fixture
def door(tmp_path: Path, cache: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """door(arguments, variables): `python train.py` in a process of its own."""

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {"PINCH_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "COLUMNS": "200"} | variables
        command = [sys.executable, str(ROOT / "train.py"), *arguments, *QUICK, f"root={tmp_path}"]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300)

    return run


@pytest.fixture
def train(door: Any, tmp_path: Path) -> Callable[..., list[Path]]:
    """train(arguments): the folders of the cells that `python train.py` made."""

    def run(*arguments: str) -> list[Path]:
        done = door(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return sorted(path.parent for path in tmp_path.glob("study/*/cell.yaml"))

    return run


def tuned(folder: Path) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads((folder / "status.json").read_text())["tune"]
    return entry


def test_the_default_cell_is_tuned_on_the_gpu(train: Any) -> None:
    (cell,) = train(ON_GPU)
    assert tuned(cell)["state"] == "done"
    assert tuned(cell)["packing"] == "packed"
    assert 0 < tuned(cell)["peak_memory"] < 2**30, "of tensors on the GPU; a whole process is larger"
    assert list((cell / "answers").iterdir())


def test_two_cells_share_one_gpu(train: Any) -> None:
    found = train("-m", "seed=0,1", "sweep.slots=2", ON_GPU)
    assert [tuned(cell)["state"] for cell in found] == ["done"] * 2


def test_ddp_of_one_device_is_the_same_cell(train: Any, tmp_path: Path) -> None:
    (one,) = train(ON_GPU)
    losses = log_losses(one)
    one.rename(tmp_path / "one")
    (again,) = train("trainer=ddp", "trainer.devices=1", ON_GPU)
    assert again == one, "devices are no part of a cell's identity"
    assert log_losses(again) == pytest.approx(losses, rel=1e-2)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_gpus_give_what_one_gives(train: Any, tmp_path: Path, strategy: str) -> None:
    (one,) = train(ON_GPU, "model.dtype=fp32")
    losses = log_losses(one)
    one.rename(tmp_path / "one")
    (two,) = train(f"trainer={strategy}", ON_GPU, "model.dtype=fp32")
    assert log_losses(two) == pytest.approx(losses, rel=1e-4)


def test_a_hidden_gpu_is_not_there(door: Any) -> None:
    done = door(ON_GPU, CUDA_VISIBLE_DEVICES="-1")
    assert done.returncode == 2
    assert done.stderr.startswith("error: trainer.accelerator=gpu, but this machine shows no GPU")


def test_slots_are_the_gpus_that_torch_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(slots.gpus()) == torch.cuda.device_count()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert slots.gpus() == ["0"]
