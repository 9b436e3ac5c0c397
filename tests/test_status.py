"""The status of a cell's stages: what is done stays done, whatever is killed and when, and nothing counts that is not so."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pinch import cells
from pinch.cells import Cell
from pinch.cells.process import this_process
from pinch.errors import CellError, UserError
from pinch.records import write_text
from test_lock import FORK, cell_in, held_by


def killed(work: Callable[[], None]) -> None:
    """Run `work` in a process of its own, which it does not survive."""
    process = FORK.Process(target=work)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stopped_halfway(folder: Path) -> None:
    with cells.stage(folder, "generate") as facts:
        facts["prompts"] = {"en": "abc"}
        sys.exit(3)


def test_stages_are_recorded(tmp_path: Path) -> None:
    with cells.stage(tmp_path, "tune") as facts:
        assert cells.read_status(tmp_path)["tune"]["state"] == "running"
        facts["steps"] = 3
    assert cells.is_done(tmp_path, "tune")
    assert cells.read_status(tmp_path)["tune"]["steps"] == 3
    with pytest.raises(CellError), cells.stage(tmp_path, "tune"):
        raise CellError("the loss is not a number")
    status = cells.read_status(tmp_path)["tune"]
    assert (status["state"], status["attempt"], status["error"]) == ("failed", 2, "the loss is not a number")
    with pytest.raises(SystemExit):
        stopped_halfway(tmp_path)
    failed = cells.read_status(tmp_path)["generate"]
    assert failed["error"] == "SystemExit: 3"
    assert failed["prompts"] == {"en": "abc"}, "what was finished before the failure is not lost"
    with cells.stage(tmp_path, "tune", outdates="generate"):
        assert "generate" not in cells.read_status(tmp_path), "answers of the former weights are not this model's"


def test_facts_are_there_from_the_start_and_when_saved(tmp_path: Path) -> None:
    def work() -> None:
        with cells.stage(tmp_path, "generate", prompts={"en": "abc"}, lexicon="words") as facts:
            if cells.read_status(tmp_path)["generate"]["prompts"] != {"en": "abc"}:
                sys.exit("lost")
            facts["prompts"] = {**facts["prompts"], "fi": "def"}
            facts.save()
            facts["prompts"] = {**facts["prompts"], "cs": "ghi"}
            die()

    killed(work)
    entry = cells.read_status(tmp_path)["generate"]
    assert entry.pop("started") > 0
    assert entry == {"state": "running", "attempt": 1, "prompts": {"en": "abc", "fi": "def"}, "lexicon": "words"}


def test_a_full_disk_does_not_hide_the_error(tmp_path: Path) -> None:
    def fail() -> None:
        with cells.stage(tmp_path, "tune"):
            (tmp_path / "status.json").unlink()
            tmp_path.rename(tmp_path.with_name("gone"))
            tmp_path.write_text("in the way")
            raise CellError("what really happened")

    with pytest.raises(CellError, match="what really happened"):
        fail()


@pytest.mark.parametrize("text", ["", "{", '{"tune": ', "[]", "3", '{"tune": 3}', "\0\0\0\0", "\ufffd"])
def test_a_broken_status_says_nothing(tmp_path: Path, text: str) -> None:
    cell = cell_in(tmp_path)
    cell.folder.mkdir()
    (cell.folder / "status.json").write_bytes(b"\xff\xfe" if text == "\ufffd" else text.encode())
    assert cells.read_status(cell.folder) == {}
    assert not cells.is_done(cell.folder, "tune")
    assert cells.answered(cell) == {}
    with cells.stage(cell.folder, "tune"):
        pass
    assert cells.is_done(cell.folder, "tune")


@pytest.mark.parametrize("state", ["running", "failed", "done"])
def test_answers_count_when_status_and_file_agree(tmp_path: Path, state: str) -> None:
    cell = cell_in(tmp_path)
    write_text(
        cell.folder / "status.json", json.dumps({"generate": {"state": state, "prompts": {"en": "abc", "fi": "def"}}})
    )
    write_text(cell.answers_path("en"), "{}\n")
    write_text(cell.answers_path("cs"), "{}\n")
    assert cells.answered(cell) == {"en": "abc"}


def test_a_cell_is_tuned_when_its_weights_are_there(tmp_path: Path) -> None:
    lora = cell_in(tmp_path)
    full = replace(lora, axes=replace(lora.axes, method="full"))
    write_text(lora.folder / "adapter" / "adapter_model.safetensors", "weights")
    assert not cells.tuned(lora), "the status has not said so"
    with cells.stage(lora.folder, "tune"):
        pass
    assert cells.tuned(lora)
    assert not cells.tuned(full)
    write_text(full.folder / "model" / "model-00001-of-00002.safetensors", "weights")
    assert cells.tuned(full)
    (lora.folder / "adapter" / "adapter_model.safetensors").unlink()
    assert not cells.tuned(lora)


def test_the_failure_of_a_process_that_is_gone_is_recorded(tmp_path: Path) -> None:
    cell = cell_in(tmp_path)
    cells.fail(cell, "there was nothing to fail")
    assert not cell.folder.exists()
    with cells.stage(cell.folder, "tune"):
        pass
    cells.fail(cell, "too late")
    assert cells.is_done(cell.folder, "tune")

    def work() -> None:
        with cells.stage(cell.folder, "generate", prompts={"en": "abc"}):
            die()

    killed(work)
    held_by(cell, this_process())
    cells.fail(cell, "not while another one has it")
    assert cells.read_status(cell.folder)["generate"]["state"] == "running"
    shutil.rmtree(tmp_path / ".locks")
    cells.fail(cell, "killed by the system (out of memory?)")
    entry = cells.read_status(cell.folder)["generate"]
    assert (entry["state"], entry["error"]) == ("failed", "killed by the system (out of memory?)")
    assert entry["prompts"] == {"en": "abc"}
    assert cells.is_done(cell.folder, "tune")


def test_what_cannot_be_recorded_stops_nobody(tmp_path: Path) -> None:
    cell = cell_in(tmp_path)
    write_text(cell.folder / "status.json", '{"tune": {"state": "running"}}')
    (tmp_path / ".locks").write_text("in the way")
    cells.fail(cell, "killed")
    assert cells.read_status(cell.folder) == {"tune": {"state": "running"}}


TEMPORARY = [
    ".status.json.abcd_123", ".cell.yaml.zzzzzzzz", ".mixture.jsonl.0a1b2c3d", ".train_log.csv.abcdefgh",
    ".adapter.abcdefgh/part", ".model.abcdefgh/deep/part", "answers/.en.jsonl.abcdefgh",
]  # fmt: skip
KEPT = [
    "status.json", "cell.yaml", "adapter/adapter_model.safetensors", "answers/en.jsonl", "log.txt", ".DS_Store",
    ".nfs000000000000", ".notes.txt.abcdefgh", ".status.json.ABCDEFGH", ".status.json.bak", "status.json.abcdefgh",
    "adapter/.adapter.abcdefgh", "items/.reference.jsonl.abcdefgh", ".scores.json.abcdefgh",
]  # fmt: skip


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    cell = cell_in(tmp_path)
    cells.tidy(cell)
    for name in [*TEMPORARY, *KEPT]:
        write_text(cell.folder / name, "")

    def left() -> set[str]:
        return {str(path.relative_to(cell.folder)) for path in cell.folder.rglob("*") if path.is_file()}

    assert left() == {*TEMPORARY, *KEPT}
    cells.tidy(cell)
    assert left() == set(KEPT)
    assert not list(cell.folder.glob(".adapter*"))
    cells.tidy(cell, cells.JUDGED)
    assert left() == set(KEPT) - {"items/.reference.jsonl.abcdefgh", ".scores.json.abcdefgh"}


def test_the_temporary_names_are_those_that_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cell_in(tmp_path)

    def work() -> None:
        monkeypatch.setattr(os, "replace", lambda *_: die())
        write_text(cell.folder / "status.json", "{}")

    killed(work)
    assert list(cell.folder.iterdir())
    cells.tidy(cell)
    assert not list(cell.folder.iterdir())


# --- a kill at every moment ----------------------------------------------------------------------------------------------

LANGUAGES = ("en", "fi", "cs")


def tune_and_answer(cell: Cell, weights: str) -> None:
    """As train does it: other weights in place of the old ones, then their answers."""
    if not cells.tuned(cell):
        with cells.stage(cell.folder, "tune", outdates="generate"):
            temporary = cell.folder / ".adapter.abcdefgh"
            write_text(temporary / "adapter_model.safetensors", weights)
            shutil.rmtree(cell.folder / "adapter", ignore_errors=True)
            temporary.rename(cell.folder / "adapter")
    wanted = [code for code in LANGUAGES if cells.answered(cell).get(code) != "today"]
    known = {code: name for code, name in cells.answered(cell).items() if code not in wanted}
    with cells.stage(cell.folder, "generate", prompts=known) as facts:
        for code in wanted:
            write_text(cell.answers_path(code), f"today's prompts by {weights}")
            facts["prompts"] = {**facts["prompts"], code: "today"}
            facts.save()


class Executioner:
    """Kills the process at the n-th change of a name on the disk, before it or after it."""

    def __init__(self, at: int) -> None:
        self.left = at

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            result = act(*args, **kwargs)
            self.tick()
            return result

        return acted

    def tick(self) -> None:
        self.left -= 1
        if self.left < 0:
            die()


@pytest.mark.parametrize("what", ["weights", "prompts"])
def test_after_a_kill_at_any_moment_nothing_false_counts(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All was answered once. Then the weights are lost (or the prompts are others), and the new run is killed."""
    moments = 0
    while True:
        cell = cell_in(tmp_path / str(moments))
        tune_and_answer(cell, "old weights")
        if what == "weights":
            shutil.rmtree(cell.folder / "adapter")
        else:
            text = (cell.folder / "status.json").read_text().replace("today", "yesterday")
            write_text(cell.folder / "status.json", text)
            for code in LANGUAGES:
                write_text(cell.answers_path(code), "yesterday's prompts by old weights")
        executioner = Executioner(moments)

        def work(cell: Cell = cell, executioner: Executioner = executioner) -> None:
            for module, name in ((os, "replace"), (os, "rename"), (shutil, "rmtree")):
                monkeypatch.setattr(module, name, executioner.around(getattr(module, name)))
            tune_and_answer(cell, "new weights" if what == "weights" else "old weights")

        process = FORK.Process(target=work)
        process.start()
        process.join(60)
        adapter = cell.folder / "adapter" / "adapter_model.safetensors"
        weights = adapter.read_text() if adapter.exists() else "old weights"
        for code, prompts in cells.answered(cell).items():
            assert cell.answers_path(code).read_text() == f"{prompts}'s prompts by {weights}"
        tune_and_answer(cell, "new weights" if what == "weights" else "old weights")
        assert cells.answered(cell) == dict.fromkeys(LANGUAGES, "today")
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        moments += 1
    assert moments >= 16


@pytest.mark.parametrize("text", ["", "id: x\nfamily: ", "id: [", "3"])
def test_a_cell_that_was_cut_off_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "cell.yaml").write_text(text)
    with pytest.raises(UserError, match=r"(?s)broken.cell.yaml: cannot be read .*; remove the folder and train again"):
        cells.read_cells(tmp_path)
