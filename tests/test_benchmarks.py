"""The benchmarks that compare Pinch with its peers, rehearsed on next to nothing so that they cannot rot; and their sums."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def arms() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("arms")
    sys.path.remove(str(BENCHMARKS))


def run(*arguments: str) -> str:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *arguments], env=environment, cwd=BENCHMARKS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_ratio_is_that_of_the_medians(arms: ModuleType) -> None:
    found = arms.ratio([4.0, 6.0, 50.0], [2.0, 2.0, 4.0])
    assert found.value == 3.0
    assert found.low == 2.0
    assert found.high == 12.5


def test_a_claim_knows_whether_it_is_met(arms: ModuleType) -> None:
    two = arms.Ratio(2.0, 1.5, 2.5)
    assert arms.Claim("a", two, at_least=2).row() == ["a", "2.00 (1.50 .. 2.50)", ">= 2", "yes"]
    assert arms.Claim("a", two, at_most=1).row()[-1] == "**no**"
    assert arms.Claim("a", two).row()[2:] == ["", ""]


# In the scripts the process that forks has no threads; here it may, as Python 3.12 says, but the arms touch nothing of them.
THREADS = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


@THREADS
def test_every_arm_runs_in_every_round_in_a_process_of_its_own(arms: ModuleType) -> None:
    taken = arms.interleaved({"one": os.getpid, "two": lambda: len(bytearray(32 * 2**20))}, rounds=2)
    processes = {measured.result for measured in taken["one"]}
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert [measured.result for measured in taken["two"]] == [32 * 2**20] * 2
    assert taken["two"][0].peak >= 30 * 2**20 or not Path("/proc/self/clear_refs").exists()


@THREADS
def test_an_arm_that_fails_ends_the_benchmark(arms: ModuleType) -> None:
    with pytest.raises(SystemExit, match="an arm failed"):
        arms.forked(lambda: 1 / 0)


BOTH = """
import sys
import answers, tuning
for script, words in ((tuning, sys.argv[1].split()), (answers, sys.argv[2].split())):
    sys.argv[1:] = words
    script.main()
"""


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the results of both scripts, run by one process because imports take longest; and what they printed."""
    folder = tmp_path_factory.mktemp("bench")
    tuning = f"--sizes rehearsal --rounds 1 --examples 16 --methods lora --profile --out {folder}/tuning"
    answers = f"--size rehearsal --prompts 20 --longest 20 --rounds 1 --out {folder}/answers"
    return folder, run("-c", BOTH, tuning, answers)


@pytest.mark.slow
def test_rehearsal_of_tuning_and_its_profile(rehearsed: tuple[Path, str]) -> None:
    """Arms of libraries that are not installed are left out by the script itself."""
    folder, told = rehearsed
    found = json.loads((folder / "tuning.json").read_text())
    assert told.startswith((folder / "tuning.md").read_text())
    losses = {name: runs[0]["result"] for name, runs in found["rehearsal lora"].items()}
    assert losses["pinch"] == pytest.approx(losses["lightning"], abs=1e-5)
    assert losses["pinch"] == pytest.approx(losses["hf-trainer"], abs=1e-5)
    assert losses["pinch"] != losses["lightning-grouped"]
    assert losses["pinch"][0] != losses["pinch"][1]
    kinds = found["profile rehearsal, lora"]["seconds"]
    assert {"attention", "linear layers", "output layer", "loss", "optimizer"} <= kinds.keys()


@pytest.mark.slow
def test_rehearsal_of_answers(rehearsed: tuple[Path, str]) -> None:
    """The script itself refuses answers that differ between the arms."""
    folder, told = rehearsed
    assert told.endswith((folder / "answers.md").read_text())
    assert "equal in all arms" in told
    found = json.loads((folder / "answers.json").read_text())
    assert found["arms"].keys() == {"pinch 16", "pinch 64", "generate 16", "generate 64"}
