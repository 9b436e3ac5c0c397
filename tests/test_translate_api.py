"""engine=api against the hostile server: every text is translated, paid for once, and failures have their reasons."""

from pathlib import Path
from typing import Any

import pytest

from judge_double import BUSY
from pinch.config import TranslationBudget, TranslationPrice
from pinch.errors import UserError
from pinch.judges.api.waiting import Patience
from pinch.translate.api import ApiEngine
from pinch.translate.memory import Given, Wanted
from translating import TranslatingDouble, into, settings

KEY = "sk-a-key-nobody-may-see-0123456789"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def some(number: int) -> list[Wanted]:
    return [Wanted(f"This is text number {n}.", "en", "ru") for n in range(number)]


def engine(tmp_path: Path, double: TranslatingDouble, **changes: Any) -> ApiEngine:
    known: dict[str, Any] = {"base_url": double.url, "timeout": 1.0} | changes
    return ApiEngine(settings(tmp_path, **known).engine, Patience(scale=0.01))


def translated(made: ApiEngine, texts: list[Wanted]) -> list[Given]:
    given = [one for batch in made.translate(texts) for one in batch]
    assert made.stop() == []
    return given


def test_translations_and_their_cost(tmp_path: Path) -> None:
    with TranslatingDouble(frames=True) as double:
        made = engine(tmp_path, double)
        given = translated(made, some(5))
    assert {one.wanted.text: one.text for one in given} == {one.text: into(one.text, "ru") for one in some(5)}
    assert made.budget.spent.calls == 5
    assert made.notes() == ["5 calls, 250 tokens (200 of questions, 50 of replies)"]
    asked = double.requests[0].body["messages"]
    assert "from" not in asked[1]["content"].split("\n")[0]
    assert "a text in English" in asked[0]["content"]
    assert "into Russian" in asked[0]["content"]


def test_a_hostile_server(tmp_path: Path) -> None:
    with TranslatingDouble(hostile=0.02, seed=1) as double:
        made = engine(tmp_path, double, timeout=0.5, retries=8, asks=4)
        given = translated(made, some(60))
    assert {one.text for one in given} == {into(one.text, "ru") for one in some(60)}
    assert sum(number for kind, number in double.mischief.items() if kind != "ok") > 5


@pytest.mark.parametrize("trouble", [kind for kind in BUSY if kind not in ("429 after", "trickle")])
def test_what_passes_is_sent_again(tmp_path: Path, trouble: str) -> None:
    with TranslatingDouble(script=[trouble]) as double:
        (given,) = translated(engine(tmp_path, double), some(1))
    assert (given.text, given.fault) == (into(some(1)[0].text, "ru"), "")


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ("refusal", "no translation in the reply"),
        ("empty", "no translation"),
        ("null", "no translation"),
        ("length", "cut off"),
    ],
)
def test_replies_without_a_translation(tmp_path: Path, reply: str, fault: str) -> None:
    with TranslatingDouble(always=reply) as double:
        (given,) = translated(engine(tmp_path, double), some(1))
        assert len(double.requests) == 2
        boundaries = {seen.body["messages"][-1]["content"].split()[2] for seen in double.requests}
    assert fault in given.fault
    assert not given.again
    assert len(boundaries) == 2


@pytest.mark.parametrize("silenced", ["temperature", "seed", "system", "max_tokens"])
def test_fields_that_a_server_refuses(tmp_path: Path, silenced: str) -> None:
    with TranslatingDouble(refuses=[silenced]) as double:
        made = engine(tmp_path, double, concurrency=3)
        given = translated(made, some(4))
    assert all(one.text and not one.fault for one in given)
    assert f"the server takes no {silenced}; left out" in made.notes()
    assert sum(silenced in seen.body for seen in double.requests) <= 3


def test_a_refusal_that_names_nothing_is_kept_for_another_time(tmp_path: Path) -> None:
    with TranslatingDouble(refuses=["model"], silent=True) as double:
        (given,) = translated(engine(tmp_path, double), some(1))
    assert given.again
    assert "Bad Request" in given.fault


def test_many_in_a_row_end_it(tmp_path: Path) -> None:
    with TranslatingDouble(refuses=["model"], silent=True) as double:
        made = engine(tmp_path, double, concurrency=1)
        with pytest.raises(UserError, match="20 texts in a row got no reply, the last one because of"):
            translated(made, some(30))
    assert len(double.requests) == 20


def test_a_text_that_is_not_wanted(tmp_path: Path) -> None:
    with TranslatingDouble(always="400 content_filter") as double:
        (given,) = translated(engine(tmp_path, double), some(1))
    assert given.fault.startswith("refused: ")
    assert not given.again


@pytest.mark.parametrize("status", ["401", "404"])
def test_lasting_trouble_is_one_line_without_the_key(tmp_path: Path, status: str) -> None:
    with TranslatingDouble(always=status) as double, pytest.raises(UserError) as caught:
        translated(engine(tmp_path, double), some(3))
    assert KEY not in str(caught.value)
    assert "judge" not in str(caught.value)
    assert "check" in str(caught.value)


def test_a_budget_is_kept(tmp_path: Path) -> None:
    with TranslatingDouble() as double:
        made = engine(tmp_path, double, budget=TranslationBudget(calls=3))
        given = translated(made, some(10))
        assert len(double.requests) == len(given) == 3
        assert translated(made, some(10)) == []
    assert made.notes()[-1] == "engine.budget.calls=3 allows nothing more; run this again to go on"


def test_money_is_told(tmp_path: Path) -> None:
    with TranslatingDouble() as double:
        made = engine(tmp_path, double, price=TranslationPrice(1.0, 2.0))
        translated(made, some(1))
    assert made.notes() == ["1 calls, 50 tokens (40 of questions, 10 of replies), 6e-05 to pay"]


def test_a_missing_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    made = ApiEngine(settings(tmp_path, base_url="https://example.invalid/v1").engine)
    with pytest.raises(UserError, match="OPENAI_API_KEY is not set"):
        translated(made, some(1))
