"""What is asked in which order, and contests that are judged only until they are decided."""

import json
from pathlib import Path
from typing import Any

import pytest

import months
from months import WRONG, Workspace, scores
from pinch import judging
from pinch.bench import Bench
from pinch.cells import Cell, read_cells
from pinch.config import (
    Batch,
    EvaluateConfig,
    JudgeConfig,
    JudgeKind,
    LanguageGate,
    PlanConfig,
    PlanShow,
    ScoreConfig,
    Stop,
)
from pinch.errors import UserError
from pinch.judges.reference import ReferenceJudge
from pinch.records import Pair
from pinch.rulings import Judged

WORDS = [f"{chr(97 + n % 26) * 4}{chr(97 + n // 26) * 4}" for n in range(60)]
STOPPING = JudgeConfig(stop=Stop.sequential)
NAME = "reference-sequential"


def pair(prompt: str, first: str, second: str) -> Pair:
    return Pair(prompt, "en", f"{prompt}?", first, second)


# --- the order -----------------------------------------------------------------------------------------------------


def test_prompt_by_prompt_and_what_shares_the_first_answer_together() -> None:
    asked = [pair(p, *both) for x in "xy" for p in ("p0", "p1") for both in ((x, "ref"), ("ref", x))]
    turned = judging.in_turn({str(n): one for n, one in enumerate(asked)})
    assert [(one.prompt, one.first, one.second) for one in turned.values()] == [
        (p, *both) for p in ("p0", "p1") for both in (("ref", "x"), ("ref", "y"), ("x", "ref"), ("y", "ref"))
    ]
    assert {key: asked[int(key)] for key in turned} == turned


def test_questions_that_others_share_with_go_ahead() -> None:
    asked = {f"{p}{x}": pair(p, "ref", x) for p in ("p0", "p1", "p2") for x in "xyz"}
    turned = list(judging.in_turn(asked, 2))
    assert turned == ["p0x", "p0y", "p1x", "p0z", "p1y", "p2x", "p1z", "p2y", "p2z"]
    # behind the first answer that three questions show, one that two show, and one that stands alone
    asked = {
        f"{first}{n}": pair("p", first, str(n)) for first, times in (("c", 1), ("b", 2), ("a", 3)) for n in range(times)
    }
    assert list(judging.in_turn(asked, 1)) == ["a0", "a1", "a2", "b0", "b1", "c0"]
    assert list(judging.in_turn(asked, 3)) == ["a0", "a1", "b0", "a2", "b1", "c0"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_all_cells_of_a_language_are_asked_together(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    five = months.add_five(workspace)
    asked: list[list[Pair]] = []
    judge = ReferenceJudge.judge

    def listen(self: ReferenceJudge, pairs: Any) -> Any:
        asked.append(list(pairs))
        return judge(self, pairs)

    monkeypatch.setattr(ReferenceJudge, "judge", listen)
    workspace.evaluate()
    assert [{one.language for one in wave} for wave in asked] == [{"cs"}, {"en"}]
    assert all(len(set(wave)) == len(wave) for wave in asked)
    assert scores(five["both"])["against"]["monolingual"]["languages"]["en"]["score"] == 37.5


def test_waves_are_bounded_and_ask_nothing_twice(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    months.add_five(workspace)
    monkeypatch.setattr(judging, "WAVE", 1)
    workspace.evaluate()
    keys = [row["key"] for row in verdicts(workspace)]
    monkeypatch.undo()
    assert len(keys) == len(set(keys)) > 10


def test_a_cell_that_cannot_be_used_keeps_nobody_from_being_judged(workspace: Workspace) -> None:
    five = months.add_five(workspace)
    path = five["both"].answers_path("en")
    path.write_text(path.read_text().partition("\n")[2])
    assert workspace.evaluate() == 1
    assert f"error: {five['both'].id}: {path}" in workspace.printed
    assert scores(five["both1"])["against"]["monolingual"]["languages"]["en"]["score"] == 37.5


# --- judge.stop=sequential -----------------------------------------------------------------------------------------


@pytest.fixture
def three(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> dict[str, Cell]:
    """Right on all of 60 prompts, on none, and on every other one."""
    monkeypatch.setitem(months.MONTHS, "en", WORDS)
    half = [word if n % 2 else WRONG for n, word in enumerate(WORDS)]
    return {
        "right": workspace.add(["en"], {"en": WORDS}),
        "wrong": workspace.add([], {"en": [WRONG] * 60}),
        "worse": workspace.add(["cs"], {"en": [WRONG + word[-1] for word in WORDS]}),
        "half": workspace.add(["en", "cs"], {"en": half}),
    }


def verdicts(workspace: Workspace) -> list[dict[str, Any]]:
    path = workspace.folder / "verdicts" / "reference.jsonl"
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line] if path.exists() else []


def decision(cell: Cell, against: str = "base") -> dict[str, Any]:
    found: dict[str, Any] = scores(cell, NAME)["against"][against]["languages"]["en"]
    return found


def test_a_contest_ends_when_it_is_decided(workspace: Workspace, three: dict[str, Cell]) -> None:
    assert workspace.evaluate(STOPPING) == 0
    row = decision(three["right"])
    # ten wins are 3.2 from par, below the bound of 4.8; twenty are 4.5, beyond that of 3.4
    assert (row["decided"], row["stopped_early"], row["look"], row["looks"]) == ("above", True, 2, 6)
    assert (row["n"], row["planned"], row["score"], row["wins"]) == (20, 60, 100.0, 20)
    assert row["z"] == pytest.approx(20**0.5)
    assert row["se"] is row["low"] is row["high"] is None
    assert scores(three["right"], NAME)["against"]["base"]["groups"] == {}
    below = decision(three["half"], "monolingual")
    assert (below["decided"], below["wins"], below["score"] < 50) == ("below", 0, True)
    lines = three["right"].items_path(NAME).read_text().splitlines()
    assert sum('"against": "base"' in line for line in lines) == 20
    assert all(f'"judge": "{NAME}"' in line for line in lines)
    assert "stop=sequential" in workspace.printed
    assert not three["right"].items_path("reference").exists()


def test_a_contest_that_is_never_decided_is_judged_in_full(workspace: Workspace, three: dict[str, Cell]) -> None:
    workspace.evaluate(STOPPING)
    row = decision(three["worse"])  # both wrong throughout: every verdict is a tie
    assert (row["decided"], row["stopped_early"], row["look"], row["n"]) == ("open", False, 6, 60)
    assert row["score"] == 50.0
    own = scores(three["right"], NAME)["against"]["monolingual"]["languages"]["en"]
    assert (own["score"], "decided" in own) == (50.0, False)


def test_nothing_is_asked_twice_and_judging_in_full_goes_on(
    workspace: Workspace, three: dict[str, Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.evaluate(STOPPING)
    early = verdicts(workspace)
    before = decision(three["right"])
    workspace.evaluate()
    keys = [row["key"] for row in verdicts(workspace)]
    assert len(keys) == len(set(keys)) > len(early)
    assert keys[: len(early)] == [row["key"] for row in early]
    full = scores(three["right"])["against"]["base"]["languages"]["en"]
    assert (full["n"], "decided" in full, full["high"]) == (60, False, 100.0)

    def refuse(*_: Any) -> Any:
        raise AssertionError("asked again")

    monkeypatch.setattr(ReferenceJudge, "judge", refuse)
    for cell in three.values():
        cell.scores_path.unlink()
    workspace.evaluate(STOPPING)  # decided by the same prompts, though the others are known now
    assert decision(three["right"]) == before


def test_the_plan_tells_the_worst_case_and_the_saving(
    workspace: Workspace, three: dict[str, Cell], capsys: pytest.CaptureFixture[str]
) -> None:
    def planned(judge: JudgeConfig | None = None) -> dict[str, Any]:
        workspace.settings["plan"] = PlanConfig(show=PlanShow.json)
        workspace.evaluate(judge)
        workspace.settings.clear()
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    plan, full = planned(STOPPING), planned()
    assert plan["total"]["calls"] == full["total"]["calls"] > 0
    assert full["saving"] is None
    assert list(plan["saving"]) == ["0", "5", "12"]
    assert 0 <= plan["saving"]["0"] < plan["saving"]["5"] < plan["saving"]["12"] < 1
    workspace.settings["plan"] = PlanConfig(show=PlanShow.table)
    workspace.evaluate(STOPPING)
    assert "judge.stop=sequential asks that much at worst; of a contest it saves in expectation" in workspace.printed
    workspace.settings.clear()
    workspace.evaluate(STOPPING)
    assert len(verdicts(workspace)) < plan["total"]["calls"]
    assert planned(STOPPING)["total"]["calls"] == 0
    assert planned()["total"]["calls"] == plan["total"]["calls"] - len(verdicts(workspace))


def test_a_judge_that_gives_out_leaves_the_contest_open(
    workspace: Workspace, three: dict[str, Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = ReferenceJudge.judge
    monkeypatch.setattr(ReferenceJudge, "judge", lambda self, pairs: judge(self, list(pairs)[:5]))
    assert workspace.evaluate(STOPPING) == 1
    row = decision(three["right"])
    assert (row["decided"], row["z"], row["score"], row["look"]) == ("open", None, None, 1)
    assert row["unjudged"] > 0
    monkeypatch.undo()
    monkeypatch.setitem(months.MONTHS, "en", WORDS)
    assert workspace.evaluate(STOPPING) == 0
    assert decision(three["right"])["decided"] == "above"


def test_looks_are_asked_over_all_contests(workspace: Workspace, three: dict[str, Cell]) -> None:
    settings = EvaluateConfig(judge=STOPPING, root=str(workspace.root))
    bench = Bench(settings, read_cells(workspace.folder))
    source = Judged(settings, bench)
    lacking = source.missing([contest for cell in bench.cells for contest in bench.contests(cell)])
    workspace.evaluate(STOPPING)
    first = {row["prompt"] for row in verdicts(workspace)[:20]}
    assert len(first) <= 10 < len({one.prompt for one in lacking.values()})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: JudgeConfig(kind=JudgeKind.human, stop=Stop.sequential),
            "judge.stop=sequential is for judges that are asked; judge=human is not",
        ),
        (
            lambda: JudgeConfig(kind=JudgeKind.api, model="m", batch=Batch.write, stop=Stop.sequential),
            "judge.stop=sequential asks look by look, a batch all at once; leave out one of the two",
        ),
        (
            lambda: JudgeConfig(name="mine-sequential"),
            "judge mine-sequential: scores of judge.stop=sequential are decisions, biased outward where judging stopped "
            "early, and stand beside no others; judge without judge.stop, or take another name",
        ),
        (
            lambda: JudgeConfig(kind=JudgeKind.panel, members=["a", "b-sequential"]),
            "judge b-sequential: scores of judge.stop=sequential are decisions",
        ),
        (
            lambda: EvaluateConfig(judge=STOPPING, score=ScoreConfig(language_gate=LanguageGate.loss)),
            "judge.stop=sequential goes by verdicts alone; leave out score.language_gate",
        ),
        (
            lambda: EvaluateConfig(judge=STOPPING, annotations="a.json"),
            "judge.stop=sequential asks a judge, annotations ask nobody; leave out one of the two",
        ),
    ],
)
def test_where_it_cannot_be(make: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_the_tracker_is_told_under_the_judge_s_own_name_alone(workspace: Workspace, three: dict[str, Cell]) -> None:
    from pinch.scoreboard import summary

    workspace.evaluate(STOPPING)
    told = summary(scores(three["right"], NAME), "base", NAME)
    assert told[f"judges/{NAME}/en"] == 100.0
    assert not [name for name in told if name.startswith("score/")]
