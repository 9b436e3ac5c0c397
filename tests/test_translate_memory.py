"""What was translated is known again; torn lines, other processes and other engines do no harm."""

import json
from pathlib import Path

import pytest

from pinch.errors import UserError
from pinch.translate.memory import Given, Memory, Wanted

ONE, TWO = Wanted("one", "en", "ru"), Wanted("two", "en", "ru")
ENGINE = {"engine": "hf", "model": "m"}


def test_known_again(tmp_path: Path) -> None:
    memory = Memory(tmp_path, ENGINE)
    memory.keep(
        [Given(ONE, "один"), Given(TWO, "", fault="failed"), Given(Wanted("3", "en", "ru"), "", "busy", again=True)]
    )
    again = Memory(tmp_path, ENGINE)
    assert (again[ONE].text, again[TWO].fault) == ("один", "failed")
    assert Wanted("3", "en", "ru") not in again
    assert Wanted("one", "en", "fi") not in again
    assert ONE not in Memory(tmp_path, ENGINE | {"model": "n"})


def test_the_first_one_counts_and_is_written_once(tmp_path: Path) -> None:
    here, there = Memory(tmp_path, ENGINE), Memory(tmp_path, ENGINE)
    here.keep([Given(ONE, "один")])
    there.keep([Given(ONE, "раз"), Given(TWO, "два")])
    assert there[ONE].text == "один"
    rows = [json.loads(line) for line in here.path.read_text("utf-8").split("\n") if line]
    assert [row["text"] for row in rows] == ["один", "два"]


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    memory = Memory(tmp_path, ENGINE)
    memory.keep([Given(ONE, "один\u2028")])
    with memory.path.open("a") as file:
        file.write('{"key": "x", "te')
    again = Memory(tmp_path, ENGINE)
    again.keep([Given(TWO, "два")])
    last = Memory(tmp_path, ENGINE)
    assert (last[ONE].text, last[TWO].text) == ("один\u2028", "два")


def test_a_broken_row_is_named(tmp_path: Path) -> None:
    memory = Memory(tmp_path, ENGINE)
    memory.keep([Given(ONE, "один")])
    with memory.path.open("a") as file:
        file.write("{}\n")
    with pytest.raises(UserError, match="line 2: no translation; remove the row"):
        Memory(tmp_path, ENGINE)
