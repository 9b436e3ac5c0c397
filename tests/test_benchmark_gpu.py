"""benchmarks/gpu.py, rehearsed on a CPU: its shapes, its arms in tiny, and how the command keeps time and goes on."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "benchmarks"))

from gpu import child, program, shapes, tables  # noqa: E402
from gpu.setting import Setting, out_of_memory  # noqa: E402

Event = dict[str, Any]

if torch.cuda.is_available():  # what libraries warn of there depends on the GPU and its driver
    pytestmark = pytest.mark.filterwarnings("default")

PUBLISHED = {
    "qwen3-0.6b": 596_049_920,
    "llama3.2-1b": 1_235_814_400,
    "gemma3-1b": 999_885_952,
    "llama3.1-8b": 8_030_261_248,
}
"""Parameters, as the models' cards and their safetensors on the Hugging Face hub count them."""


@pytest.mark.parametrize("name", list(shapes.MODELS))
def test_shapes_are_those_of_the_real_models(name: str) -> None:
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        net = AutoModelForCausalLM.from_config(shapes.config(name, small=False))
    assert shapes.parameters(net) == PUBLISHED[name]


def test_examples_are_uneven_and_the_same_again() -> None:
    made = shapes.examples(300, 1000, 512)
    assert made == shapes.examples(300, 1000, 512) != shapes.examples(300, 1000, 512, seed=1)
    tokenizer = shapes.numbers(1000)
    rows = shapes.RowFrame(tokenizer, shapes.Template.neutral, shapes.END, "").encode_all(made, 512)
    lengths = sorted(len(row.ids) for row in rows)
    assert lengths[0] >= 20
    assert lengths[-1] <= 512
    assert 120 < lengths[150] < 180
    assert all(row.ids[-1] == shapes.END and 0 < row.prompt_length < 0.5 * len(row.ids) + 1 for row in rows)
    assert max(token for row in rows for token in row.ids) < 1000


# --- the arms ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """What the measuring process tells of one tiny job of every part but those that take long."""
    jobs = [
        ("lora", "qwen3-0.6b"), ("check", "gemma3-1b"), ("answers", "llama3.2-1b"), ("attention", "gemma3-1b"),
        ("losses", "llama3.1-8b"),
    ]  # fmt: skip
    found: list[Event] = []
    assert child.work(jobs, True, 1e12, found.append) == 0
    return found


def rows(events: list[Event], job: int) -> dict[str, Event]:
    return {event["arm"]: event for event in events if event["kind"] == "row" and event["job"] == job}


@pytest.mark.slow
def test_nothing_fails(events: list[Event]) -> None:
    assert [event for event in events if "error" in event] == []
    assert [event["job"] for event in events if event["kind"] == "end"] == list(range(5))


@pytest.mark.slow
def test_all_ways_to_tune_learn_the_same(events: list[Event]) -> None:
    found = rows(events, 0)
    assert {"packed", "padded", "plain Lightning", "packed, checkpointing"} <= found.keys()
    precision = events[0]["precision"]
    for row in found.values():
        assert row["apart"] < (1e-4 if precision == "float32" else 0.1)
        assert len(row["losses"]) == len(row["seconds"]) + 1 == 4
        assert row["mfu"] == pytest.approx(4 * row["tokens/s"] * row["weights"] / 4 / 1e12) or precision != "float32"
    assert rows(events, 4)["padded, float32"]["apart"] < 1e-4


def test_speed_counts_the_tokens_of_examples() -> None:
    from gpu import cells

    here = Setting(torch.device("cpu"), torch.float32, True, 1, 2, 4, None)
    case = cells.case("qwen3-0.6b", here, 64)
    lengths = case.lengths
    sizes = [len(f"{row.instruction} {row.response}".split()) - 1 for row in case.examples]
    assert sorted(number for step in case.order for number in step) == list(range(16))
    assert sum(lengths) == sum(sizes)
    taken = cells.Taken([9.0, 1.0, 2.0], [1.0] * 4, 5)
    row = cells.measured(case, "x", lambda case: taken)
    assert row["tokens/s"] == pytest.approx((lengths[2] / 1.0 + lengths[3] / 2.0) / 2), "the first two steps warm up"


@pytest.mark.slow
def test_ways_that_are_for_gpus_are_the_same_cell() -> None:
    from gpu import cells

    here = Setting(torch.device("cpu"), torch.bfloat16, True, 1, 2, 4, None)
    case = cells.case("llama3.2-1b", here, 64)
    arms = {"as is": cells.PACKED}
    arms |= {way.__name__: cells.product(way, packing=cells.Packing.packed) for way in (cells.autocast, cells.tf32)}
    found: list[Event] = []
    cells.compared(case, found.append, arms)
    assert [row["arm"] for row in found] == ["as is", "autocast", "tf32"]
    assert all(row["apart"] < 0.05 for row in found), found


@pytest.mark.slow
def test_a_full_gpu_halves_the_micro_batch() -> None:
    from gpu import cells

    here = Setting(torch.device("cpu"), torch.float32, True, 1, 2, 4, None)
    case, tried = cells.case("qwen3-0.6b", here, 64), []

    def arm(case: Any) -> Any:
        tried.append(case.settings.micro_batch)
        if case.settings.micro_batch > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return cells.Taken([1.0] * 3, [1.0] * 4, 5)

    assert cells.measured(case, "x", arm)["micro_batch"] == 1
    assert tried == [4, 2, 1]
    assert out_of_memory(Exception("out of GPU memory; set tuning.micro_batch"))
    assert not out_of_memory(Exception("out of patience"))

    def broken(case: Any) -> Any:
        raise ValueError("odd\nmore")

    assert cells.measured(case, "x", broken) == {"arm": "x", "error": "ValueError: odd"}


@pytest.mark.slow
def test_both_engines_answer_alike_and_unevenly(events: list[Event]) -> None:
    found = [row for name, row in rows(events, 2).items() if name.endswith("float32")]
    assert len(found) >= 2
    assert {row["equal"] for row in found} == {1.0}
    assert all(1 < row["mean"] < 24 for row in found), "some end before the limit"


@pytest.mark.slow
def test_attention_is_alike_in_all_ways(events: list[Event]) -> None:
    found = rows(events, 3)
    assert {"groups of SDPA", "one SDPA per document", "padded SDPA"} <= found.keys()
    assert all(row["error_of_fp32"] < (1e-5 if events[0]["precision"] == "float32" else 0.1) for row in found.values())
    checked = rows(events, 1)["float32"]
    assert checked["gradients"] < 1e-4 > checked["difference"]


# --- the command ---------------------------------------------------------------------------------------------------

MACHINE = {
    "device": "a GPU", "memory": 2**30, "peak": 1e12, "precision": "bfloat16", "packages": {"torch": "2"}, "small": False,
    "batch": 4, "steps": 2, "warm": 1,
}  # fmt: skip

FAKE = f"""
import json, os, sys, time
jobs = json.loads(sys.argv[1])["jobs"]
tell = lambda **event: print(json.dumps(event), flush=True)
tell(kind="machine", **{MACHINE!r})
for number, (part, model) in enumerate(jobs):
    if part == "full":
        sys.exit(3)  # after what came before was done
    tell(kind="begin", job=number)
    tell(kind="row", job=number, arm="one", **{{"tokens/s": 100.0, "mfu": 0.4}})
    if part == "lora":
        tell(kind="row", job=number, arm="two", error="ValueError: odd")
    if part == "answers":
        os._exit(9)
    if part == "losses":
        tell(kind="failed", job=number, error="RuntimeError: worse")
    if part == "long":
        time.sleep(60)
    tell(kind="end", job=number, seconds=0.1)
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Any]]:
    def run(*arguments: str) -> tuple[int, Any]:
        monkeypatch.setattr(program, "CHILD", (sys.executable, "-c", FAKE))
        code = program.main([*arguments, "--out", str(tmp_path)])
        return code, json.loads((tmp_path / "gpu.json").read_text())

    return run


def test_what_fails_is_said_and_the_rest_goes_on(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = command("--parts", "lora,answers,losses,check", "--models", "llama3.2-1b,qwen3-0.6b")
    assert code == 1
    assert found["failed"] == [
        "lora llama3.2-1b, two: ValueError: odd",
        "lora qwen3-0.6b, two: ValueError: odd",
        "answers llama3.2-1b: the process ended with code 9",
        "losses qwen3-0.6b: RuntimeError: worse",
    ]
    done = [(row["part"], row["model"]) for row in found["rows"] if "error" not in row]
    assert done == [(part, model) for part, model in program.JOBS if (part, model) in done]
    assert len(done) == 6
    told = capsys.readouterr()
    assert "| llama3.2-1b | one | 100 | 1.00 | 40.0 % |" in told.out
    assert "| llama3.2-1b | two (error: ValueError: odd) |  |  |  |" in told.out
    assert "failed: answers llama3.2-1b" in told.err


def test_a_clean_run_gives_0(command: Any) -> None:
    code, found = command("--parts", "check")
    assert (code, found["failed"], found["skipped"], len(found["rows"])) == (0, [], [], 4)


def test_what_would_pass_the_budget_is_left_out(command: Any) -> None:
    code, found = command("--parts", "check,compile", "--budget", "40")
    assert code == 0
    assert found["skipped"] == ["compile qwen3-0.6b: takes about 75 s, 40 s are left of --budget"]
    assert len(found["rows"]) == 4


def test_a_job_that_hangs_is_stopped(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "GRACE", 0.0)
    monkeypatch.setattr(program, "JOBS", {("long", "llama3.2-1b"): 0, ("check", "qwen3-0.6b"): 1})
    code, found = command("--budget", "3")
    assert code == 1
    assert found["failed"] == ["long llama3.2-1b: stopped: the time is up"]
    assert found["skipped"] == ["check qwen3-0.6b: takes about 1 s, 0 s are left of --budget"]
    assert [row["part"] for row in found["rows"]] == ["long"]


def test_a_process_that_ends_between_jobs_is_followed_by_another(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "JOBS", {("check", "qwen3-0.6b"): 1, ("full", "qwen3-0.6b"): 1})
    code, found = command()
    assert code == 1
    assert found["failed"] == ["the process ended with code 3 before it began anything"]
    assert [row["part"] for row in found["rows"]] == ["check"]


@pytest.mark.parametrize("arguments", [["--parts", "lorra"], ["--models", "gpt"]])
def test_unknown_parts_and_models_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        program.main(arguments)
    assert f"{arguments[0]} {arguments[1]}: there is" in capsys.readouterr().err


def test_all_jobs_have_their_part_and_their_table() -> None:
    assert {part for part, _ in program.JOBS} == child.PARTS.keys() == tables.COLUMNS.keys() == tables.HEADINGS.keys()
    assert {model for _, model in program.JOBS} == shapes.MODELS.keys()
    assert sum(program.JOBS.values()) < 600


@pytest.mark.slow
def test_the_whole_command_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = program.main(["--small", "--budget", "400", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert (code, found["failed"], found["skipped"]) == (0, [], [])
    assert found["jobs"].keys() == {" ".join(job) for job in program.JOBS}
    assert "--small: the numbers mean nothing" in capfd.readouterr().out
