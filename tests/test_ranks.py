"""Cells of several devices, with gloo on the CPU: the same results as one device, and an end when one rank fails.

All groups are run by ranks_program.py, once for the whole module, under variables that another job might have left.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file
from torch import Tensor

import ranks_program
from pinch import jobs, ranks, train
from pinch.adapters import with_adapter
from pinch.cells import read_status
from pinch.config import DType, TrainerConfig
from pinch.errors import CellError
from pinch.ranks import ALONE, joined
from ranks_program import CASES, FEW, Case
from tiny import make_folder

PROGRAM = Path(__file__).with_name("ranks_program.py")
SCENARIOS = ("small", "equal", "few", "refused", "skipping", "raising", "killed")
LEFT_OVER = {
    "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "NODE_RANK": "1", "MASTER_ADDR": "192.0.2.1", "MASTER_PORT": "1",
    "PL_GLOBAL_SEED": "5", "TORCHELASTIC_RUN_ID": "x", "SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "x", "SLURM_NTASKS": "4",
    "SLURM_PROCID": "3", "SLURM_LOCALID": "3",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Where the scenarios have left what they made; the test processes share one run of them."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "ranks"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            make_folder(folder / "model")
            make_folder(folder / "mistral", "mistral", sliding_window=8)
            ranks_program.write_corpus(folder)
            environment = os.environ | LEFT_OVER | {"OMP_NUM_THREADS": "1"}
            command = [sys.executable, str(PROGRAM), str(folder), *SCENARIOS]
            with (folder / "log.txt").open("w") as log:
                subprocess.run(command, stdout=log, stderr=log, env=environment, timeout=600, check=True)
    return folder


def ends(made: Path, scenario: str) -> list[int]:
    """Exit codes of the ranks; the log is shown when they are not the expected ones."""
    print((made / "log.txt").read_text(encoding="utf-8"))
    codes: list[int] = json.loads((made / f"{scenario}.json").read_text())
    return codes


def weights(folder: Path) -> dict[str, Tensor]:
    file = folder / "adapter" / "adapter_model.safetensors"
    return load_file(file if file.exists() else folder / "model" / "model.safetensors")


def alike(one: dict[str, Tensor], several: dict[str, Tensor], rounding: float) -> None:
    """Equal names, types and values, but for a share of each tensor's length."""
    assert one.keys() == several.keys()
    for key, tensor in one.items():
        assert several[key].dtype is tensor.dtype
        assert float((several[key].float() - tensor.float()).norm() / tensor.float().norm()) < rounding, key


def log_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "train_log.csv").open(newline="") as file:
        return [
            {key: value for key, value in row.items() if key != "tokens_per_second"} for row in csv.DictReader(file)
        ]


# --- the group -----------------------------------------------------------------------------------------------------


def test_alone_nothing_is_shared_and_torch_is_not_needed() -> None:
    code = (
        "import sys; from pinch.ranks import ALONE, joined\n"
        "with joined(0, 1, None, False) as ranks: assert ranks is ALONE and ranks.first\n"
        "assert (ranks.agree(lambda: 3), ranks.gather(4), ranks.sum(1.0, 2.0)) == (3, [4], [1.0, 2.0])\n"
        "ranks.sum_gradients([])\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with pytest.raises(ZeroDivisionError):
        ALONE.agree(lambda: 1 // 0)


def test_ranks_decide_gather_and_sum(made: Path) -> None:
    assert ends(made, "small") == [0, 0]


def test_gradients_are_sent_in_buckets_of_one_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "BUCKET", 40)
    sizes = [(4, torch.float32), (6, torch.float32), (1, torch.float32), (100, torch.float32), (2, torch.bfloat16)]
    gradients = [torch.zeros(number, dtype=dtype) for number, dtype in sizes]
    found = [[len(gradient) for gradient in bucket] for bucket in ranks._buckets(gradients)]
    assert found == [[4, 6], [1], [100], [2]]
    assert list(ranks._buckets([])) == []


# --- equality ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CASES, *FEW])
def test_several_devices_give_what_one_gives(made: Path, tmp_path: Path, name: str) -> None:
    """The same steps, log and weights to rounding: 2 ranks, or 3 of which one has no example."""
    case = {**CASES, **FEW}[name]
    assert ends(made, "equal" if name in CASES else "few") == [0] * (2 if name in CASES else 3)
    ranks_program.tune(ranks_program.load(made / "model", case.dtype), case, tmp_path, ALONE)
    rounding = 2e-2 if case.dtype is DType.bf16 else 1e-5  # measured: 2.4e-3 and 1.3e-6
    alike(weights(tmp_path), weights(made / name), rounding)
    expected, found = log_rows(tmp_path), log_rows(made / name)
    for row, same in zip(expected, found, strict=True):
        assert float(same.pop("loss")) == pytest.approx(float(row.pop("loss")), rel=rounding)
        assert same == row, "learning rates and supervised tokens count the whole step once"


def test_an_adapter_of_spread_weights_loads_like_any_other(made: Path) -> None:
    configs = [json.loads((made / name / "adapter" / "adapter_config.json").read_text()) for name in ("lora", "spread")]
    assert configs[0] == configs[1]
    base = ranks_program.load(made / "model").model
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        one, several = (with_adapter(base, made / name / "adapter")(ids).logits for name in ("lora", "spread"))
        untuned = base(ids).logits
    torch.testing.assert_close(several, one, rtol=1e-4, atol=1e-4)
    assert (one - untuned).abs().max() > 0.1


# --- whole cells ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cells(made: Path) -> dict[str, Path]:
    assert ends(made, "skipping") == [0, 0], "rank 0 decides what is skipped, whatever rank 1 sees"
    names = ("s0", "s1", "untuned")
    return {name: next((made / "cell" / "study").glob(f"embedded-*{name}-*")) for name in names}


def test_the_first_rank_alone_writes_and_tells(cells: dict[str, Path]) -> None:
    for name, folder in cells.items():
        entries = read_status(folder).values()
        assert [(entry["state"], entry["attempt"]) for entry in entries] == [("done", 1)] * (
            1 if name == "untuned" else 2
        )
        assert sorted(path.name for path in (folder / "answers").iterdir()) == ["en.jsonl", "es.jsonl", "ru.jsonl"]
    steps = read_status(cells["s0"])["tune"]["steps"]
    with (cells["s0"] / "csv" / "metrics.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == [str(step) for step in range(1, steps + 1)]


@pytest.mark.parametrize("name", ["s0", "s1", "untuned"])
def test_answers_are_those_of_one_device(made: Path, cells: dict[str, Path], tmp_path: Path, name: str) -> None:
    for file in ("corpus.jsonl", "prompts.jsonl"):
        shutil.copy(made / file, tmp_path)
    (tmp_path / "model").symlink_to(made / "model")
    again = tmp_path / "root" / "study" / cells[name].name
    shutil.copytree(cells[name], again, ignore=shutil.ignore_patterns("answers", "csv"))
    changes: dict[str, Any] = {"seed": int(name[1])} if name != "untuned" else {"tuning": ranks_program.UNTUNED}
    job = jobs.prepare(ranks_program.settings_of(tmp_path / "root", **changes))
    assert job.cell.folder == again, "devices are no part of a cell's identity"
    assert train.run(job, lambda what, share: None)
    for path in (cells[name] / "answers").iterdir():
        assert (again / "answers" / path.name).read_bytes() == path.read_bytes()
    if name != "untuned":
        assert read_status(again)["tune"]["attempt"] == 1


def test_devices_and_processes_must_agree(made: Path, tmp_path: Path) -> None:
    settings = ranks_program.settings_of(
        made / "root", trainer=TrainerConfig(strategy=ranks_program.Strategy.ddp, devices=2)
    )
    with pytest.raises(CellError, match=r"trainer.devices=2, but the cell was started as 1 process\(es\)"):
        train.run(jobs.prepare(settings), lambda what, share: None)


# --- failures ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def said(made: Path) -> dict[str, str]:
    """What the first rank said of what went wrong, which is what the second said too."""
    assert ends(made, "refused") == [0, 0]
    first, second = (json.loads((made / f"said-{rank}.json").read_text()) for rank in range(2))
    assert first.pop("odd") == "ValueError: odd"
    assert second.pop("odd") == "RuntimeError: rank 0: ValueError: odd"
    assert first == second
    return first


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("number", "CellError: step 1: the loss is no number in examples odd (es); lower tuning.lr"),
        ("spread number", "CellError: step 1: the loss is no number in examples odd (es); lower tuning.lr"),
        ("seeds", "CellError: the processes of the cell do not start from the same weights and examples; run it again"),
        ("cells", "CellError: the processes of the cell read different settings, models or data; run it again"),
        ("layers", "CellError: trainer=fsdp: LlamaForCausalLM does not say which its layers are; use trainer=ddp"),
        (
            "scalar",
            "CellError: trainer=fsdp: the model cannot be spread (fully_shard doesn't support scalar parameters",
        ),
        ("window", "CellError: tuning.packing=packed: a sliding window of 8 is shorter than the longest example"),
        ("still", "CellError: the first step changed no weight; raise tuning.lr, or check tuning.target"),
        ("disk", "UserError: disk OSError(28, 'full')"),
        ("padded", "padded"),
    ],
)
def test_all_ranks_say_what_one_saw(said: dict[str, str], name: str, sentence: str) -> None:
    assert said[name].startswith(sentence)


def test_spread_weights_fall_back_to_padding(made: Path, said: dict[str, str], tmp_path: Path) -> None:
    """After a self-test that was broken off in the middle of a forward pass."""
    assert ranks_program.tune(ranks_program.load(made / "mistral"), Case(), tmp_path, ALONE).packing == "padded"
    alike(weights(tmp_path), weights(made / "padded"), 2e-4)  # measured: 3.7e-5, and 3.9e-5 with tuning.micro_batch=3


@pytest.mark.parametrize(
    ("scenario", "code", "error"),
    [
        ("raising", 1, "rank 1 has failed: MemoryError: odd"),
        ("killed", -9, "another process of the cell is gone: killed by hand, or because the machine ran out of memory"),
    ],
)
def test_a_rank_that_ends_early_ends_the_others(made: Path, scenario: str, code: int, error: str) -> None:
    assert ends(made, scenario) == [1, code], "rank 0 ends by itself and says that it failed"
    assert (made / f"{scenario}-0.txt").read_text() == f"Abandoned: {error}"
    (folder,) = (made / scenario / "study").glob("embedded-*")
    entry = read_status(folder)["tune"]
    assert (entry["state"], entry["error"]) == ("failed", error)
    assert len(log_rows(folder)) == 1, "the log tells of the step that was finished"
    assert not (folder / "adapter").exists()


def test_a_group_of_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, answer in {"init_process_group": None, "get_rank": 0, "get_world_size": 1}.items():
        monkeypatch.setattr(torch.distributed, name, lambda *_, answer=answer, **__: answer)
    with pytest.raises(CellError, match="rank 0 of 2 met others"), joined(0, 2, tmp_path / "store", False):
        pass
