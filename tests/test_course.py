"""What a cell is taught, and what is said of examples that are too long."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pinch.config import TuningConfig
from pinch.course import make_course, tell_cut
from pinch.errors import CellError
from pinch.records import Example
from pinch.tuning import tune
from tiny import make_examples

Loaded = Callable[..., Any]


def long_examples(loaded: Any) -> tuple[list[Example], int]:
    """Twelve examples: three fit the limit to the token, seven lose the end of their response, two all of it."""
    whole = [Example(f"w{number}", "en", "What is red?", "red") for number in range(3)]
    limit = len(loaded.frame.encode(whole[0], 1000).ids)
    cut = [Example(f"c{number}", "es", "What is red?", "red green blue") for number in range(7)]
    silent = [Example(f"s{number}", "ru", "What is red? " * 9, "red") for number in range(2)]
    return [*whole, *cut, *silent], limit


def test_what_is_too_long_is_told(tiny_loaded: Loaded, caplog: pytest.LogCaptureFixture) -> None:
    loaded = tiny_loaded()
    examples, limit = long_examples(loaded)
    settings = TuningConfig(max_length=limit, batch_size=12)
    course = make_course(loaded, examples, settings, seed=0)
    tell_cut(course, settings, loaded.context)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert [record.getMessage() for record in caplog.records] == [
        "7 of 12 examples lose the end of their response, and with it the token that ends it (c0 (es), c1 (es), c2 (es), "
        f"c3 (es), c4 (es) and 2 more): they are longer than tuning.max_length={limit}; raise it, or leave them out "
        "(data.max_chars)",
        f"2 of 12 examples teach nothing (s0 (ru), s1 (ru)): their prompts alone fill tuning.max_length={limit}; raise it, "
        "or leave them out (data.max_chars)",
    ]


def test_what_fits_is_not_told(tiny_loaded: Loaded, caplog: pytest.LogCaptureFixture) -> None:
    loaded = tiny_loaded()
    settings = TuningConfig()
    tell_cut(make_course(loaded, make_examples(6), settings, seed=0), settings, loaded.context)
    assert not caplog.records


def test_a_short_context_is_named_instead(tiny_loaded: Loaded, caplog: pytest.LogCaptureFixture) -> None:
    loaded = tiny_loaded(context=20)
    settings = TuningConfig(max_length=1024)
    tell_cut(make_course(loaded, make_examples(20), settings, seed=0), settings, loaded.context)
    assert "the model's context of 20 tokens" in caplog.text
    assert "max_length" not in caplog.text


def test_the_facts_name_them(tiny_loaded: Loaded, tmp_path: Path) -> None:
    loaded = tiny_loaded()
    examples, limit = long_examples(loaded)
    settings = TuningConfig(max_length=limit, batch_size=12, epochs=1, rank=4)
    given: dict[str, Any] = {"lr": 1e-2, "seed": 0, "logger": None, "progress": lambda *now: None}
    facts = tune(loaded, examples, settings, folder=tmp_path, **given)
    assert (facts.truncated, facts.truncated_examples) == (7, [f"c{number} (es)" for number in range(7)])
    assert (facts.silent, facts.silent_examples) == (2, ["s0 (ru)", "s1 (ru)"])


def test_a_step_that_teaches_nothing_is_refused(tiny_loaded: Loaded) -> None:
    loaded = tiny_loaded()
    examples, limit = long_examples(loaded)
    with pytest.raises(
        CellError, match=r"^step 1 has no supervised token \(examples s. \(ru\), s. \(ru\)\): the prompts alone fill"
    ):
        make_course(loaded, examples[-2:], TuningConfig(max_length=limit), seed=0)
