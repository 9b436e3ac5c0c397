"""Scores of a workspace that is small enough to count them by hand."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from months import BOTH, CS, MONTHS, NOTHING, WRONG, Workspace, add_five, scores
from pinch import cells, tracking
from pinch.cells import Cell
from pinch.config import JudgeConfig, LanguageGate, TieRule, TrackingMode
from pinch.errors import UserError
from pinch.judges.reference import ReferenceJudge
from pinch.records import Answer, write_jsonl


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def five(workspace: Workspace) -> dict[str, Cell]:
    return add_five(workspace)


def test_scores_counted_by_hand(workspace: Workspace, five: dict[str, Cell]) -> None:
    assert workspace.evaluate() == 0
    both = scores(five["both"])["against"]["monolingual"]
    english, czech = both["languages"]["en"], both["languages"]["cs"]
    assert english["reference_cell"] == five["en"].id
    assert czech["reference_cell"] == five["cs"].id
    # English: three answers as the reference model's, one wrong against right; Czech: two, then English, then nonsense
    assert {k: english[k] for k in ("n", "wins", "ties", "losses", "identical", "invalid", "score")} == {
        "n": 4, "wins": 0, "ties": 0, "losses": 1, "identical": 3, "invalid": 0, "score": 37.5,
    }  # fmt: skip
    assert (czech["n"], czech["losses"], czech["identical"], czech["score"]) == (4, 2, 2, 25.0)
    assert czech["low"] == 0.0  # the t interval ends at the scale's end
    groups = both["groups"]
    assert (groups["base"]["score"], groups["seen"]["score"], groups["non_base"]["score"]) == (37.5, 25.0, 25.0)
    assert "unseen" not in groups


def test_a_win_in_both_orders(workspace: Workspace, five: dict[str, Cell]) -> None:
    workspace.evaluate()
    english = scores(five["both"])["against"]["base"]["languages"]["en"]
    assert (english["wins"], english["ties"], english["identical"], english["score"]) == (3, 0, 1, 87.5)
    assert scores(five["cs"])["against"]["base"]["languages"]["cs"]["score"] == 100.0
    assert scores(five["cs"])["against"]["monolingual"]["languages"]["en"]["score"] == 0.0


def test_the_diagonal_is_par_without_calls(workspace: Workspace, five: dict[str, Cell]) -> None:
    workspace.evaluate()
    own = scores(five["en"])["against"]["monolingual"]
    english = own["languages"]["en"]
    assert (english["score"], english["n"], english["se"], english["reference_cell"]) == (50.0, 0, None, five["en"].id)
    assert "base" not in own["groups"]
    assert own["groups"]["unseen"]["languages"] == ["cs"]
    assert {item.outcome for item in workspace.items(five["en"], "monolingual", "en")} == {"self"}
    assert scores(five["untuned"])["against"]["base"]["languages"]["cs"]["score"] == 50.0


def test_what_answers_are_like(workspace: Workspace, five: dict[str, Cell]) -> None:
    workspace.evaluate()
    answers = scores(five["both"])["answers"]
    czech = answers["languages"]["cs"]
    assert (czech["n"], czech["exact"], czech["complete"]) == (4, 50.0, 75.0)
    assert (czech["right_language"], czech["undecided"]) == (50.0, 25.0)
    assert czech["answered_in"] == {"cs": 50.0, "en": 25.0, "und": 25.0}
    assert answers["groups"]["base"]["exact"] == 75.0
    items = workspace.items(five["both"], "monolingual", "cs")
    assert [(i.outcome, i.score, i.exact, i.answered_in, i.right_language) for i in items] == [
        ("identical", 0.5, True, "cs", True),
        ("identical", 0.5, True, "cs", True),
        ("loss", 0.0, False, "en", False),
        ("loss", 0.0, False, "und", None),
    ]
    assert items[0].chrf == 100.0


def test_every_differing_pair_is_judged_in_both_orders_once(workspace: Workspace, five: dict[str, Cell]) -> None:
    workspace.evaluate()
    path = workspace.folder / "verdicts" / "reference.jsonl"
    rows = [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
    assert len({row["key"] for row in rows}) == len(rows)
    outcomes = Counter(row["outcome"] for row in rows)
    assert outcomes["first"] == outcomes["second"]
    assert outcomes["invalid"] == 0


def test_nothing_is_judged_or_written_twice(
    workspace: Workspace, five: dict[str, Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.evaluate()
    before = {cell.id: cell.scores_path.stat().st_mtime_ns for cell in five.values()}

    def refuse(*_: Any) -> Any:
        raise AssertionError("judged again")

    monkeypatch.setattr(ReferenceJudge, "judge", refuse)
    assert workspace.evaluate() == 0
    assert {cell.id: cell.scores_path.stat().st_mtime_ns for cell in five.values()} == before
    workspace.evaluate(tie_rule=TieRule.average)  # scored again from the same verdicts
    assert scores(five["both"])["settings"]["score"]["tie_rule"] == "average"


def test_changed_answers_are_scored_anew(workspace: Workspace, five: dict[str, Cell]) -> None:
    workspace.evaluate()
    assert scores(five["both"])["against"]["monolingual"]["languages"]["en"]["score"] == 37.5
    worse = [*MONTHS["en"][:2], WRONG, WRONG]
    write_jsonl(five["en"].answers_path("en"), [Answer(f"p{n}", "en", t, 1, True) for n, t in enumerate(worse)])
    workspace.evaluate()
    assert (
        scores(five["both"])["against"]["monolingual"]["languages"]["en"]["score"] == 62.5
    )  # 2 same, win, both nonsense


def test_scores_of_other_judges_stay(workspace: Workspace, five: dict[str, Cell]) -> None:
    workspace.evaluate()
    first = scores(five["both"])
    workspace.evaluate(JudgeConfig(name="patient", margin=150.0))
    assert scores(five["both"]) == first
    assert scores(five["both"], "patient")["against"]["monolingual"]["languages"]["en"]["score"] == 37.5
    assert five["both"].items_path("patient").exists()


def test_references_have_the_same_seed_or_the_lowest(workspace: Workspace) -> None:
    tuned = {seed: workspace.add(["en"], {"en": MONTHS["en"]}, seed) for seed in (2, 1)}
    both = {seed: workspace.add(["en", "cs"], {"en": MONTHS["en"]}, seed) for seed in (2, 3)}
    untuned = workspace.add([], {"en": [WRONG] * 4})
    workspace.evaluate()

    def chosen(cell: Cell) -> str:
        return str(scores(cell)["against"]["monolingual"]["languages"]["en"]["reference_cell"])

    assert chosen(both[2]) == tuned[2].id
    assert chosen(both[3]) == tuned[1].id
    assert chosen(untuned) == tuned[1].id
    assert chosen(tuned[2]) == tuned[2].id


def test_missing_references_are_said_with_the_command(workspace: Workspace) -> None:
    workspace.add(["en", "cs"], BOTH)
    assert workspace.evaluate() == 0
    assert "no monolingual reference in cs, en" in workspace.printed
    assert "python train.py -m languages=one languages.base=cs,en" in workspace.printed
    assert "python train.py tuning=none" in workspace.printed


def test_references_that_answered_other_prompts_do_not_count(workspace: Workspace) -> None:
    workspace.add(["en"], {"en": MONTHS["en"][:3]})
    both = workspace.add(["en", "cs"], {"en": MONTHS["en"]})
    workspace.evaluate()
    assert scores(both)["against"] == {}
    assert "no monolingual reference in en" in workspace.printed


def test_cells_of_another_family_are_no_references(workspace: Workspace) -> None:
    workspace.add(["en"], {"en": MONTHS["en"]}, lr=1e-3)
    both = workspace.add(["en", "cs"], {"en": MONTHS["en"]})
    workspace.evaluate()
    assert scores(both)["against"] == {}
    assert "there are monolingual cells that are no references because they differ in tuning.lr" in workspace.printed


def test_prompts_without_references_have_no_score(workspace: Workspace) -> None:
    workspace.references = False
    workspace.add(["en"], {"en": MONTHS["en"]})
    both = workspace.add(["en", "cs"], {"en": BOTH["en"]})
    assert workspace.evaluate() == 0
    entry = scores(both)["against"]["monolingual"]["languages"]["en"]
    assert (entry["n"], entry["invalid"], entry["score"]) == (3, 1, 50.0)
    assert (entry["low_if_invalid_lost"], entry["high_if_invalid_won"]) == (37.5, 62.5)
    assert scores(both)["answers"]["languages"]["en"]["exact"] is None
    assert "prompts have no reference answer" in workspace.printed


def test_the_language_gate(workspace: Workspace) -> None:
    czech = workspace.add(["cs"], {"cs": ["january", WRONG, WRONG, WRONG]})
    other = workspace.add(["en", "cs"], {"cs": ["leden", "march", "may", WRONG]})
    workspace.evaluate()
    assert scores(other)["against"]["monolingual"]["languages"]["cs"]["score"] == 62.5  # 1, .5, .5, same
    workspace.evaluate(language_gate=LanguageGate.loss)
    assert scores(other)["against"]["monolingual"]["languages"]["cs"]["score"] == 37.5  # 1, 0, 0, same
    assert scores(czech)["against"]["monolingual"]["languages"]["cs"]["score"] == 50.0


def test_poor_answers_are_said(workspace: Workspace) -> None:
    workspace.add(["en"], NOTHING)
    workspace.add([], NOTHING)
    workspace.evaluate()
    assert "the models' answers are poor" in workspace.printed
    workspace.add(["cs"], CS)
    workspace.evaluate()
    assert "poor" not in workspace.printed


def test_answers_that_do_not_fit_fail_only_their_cells(workspace: Workspace, five: dict[str, Cell]) -> None:
    path = five["both"].answers_path("cs")
    path.write_text(path.read_text(encoding="utf-8").split("\n")[0] + "\n", encoding="utf-8")
    assert workspace.evaluate() == 1
    assert "1 answers do not fit 4 prompts" in workspace.printed
    assert not five["both"].scores_path.exists()
    assert five["both1"].scores_path.exists()


def test_cells_without_answers(workspace: Workspace) -> None:
    cell = workspace.add(["en"], {"en": MONTHS["en"]})
    (cell.folder / "status.json").unlink()
    with pytest.raises(UserError, match="no cell has answers yet"):
        workspace.evaluate()
    workspace.add(["cs"], {"en": MONTHS["en"]})
    assert workspace.evaluate() == 0
    assert "1 cells have no answers yet" in workspace.printed


def test_a_broken_scores_file_is_written_anew(workspace: Workspace, five: dict[str, Cell]) -> None:
    five["en"].scores_path.write_text("{", encoding="utf-8")
    workspace.evaluate()
    assert "against" in scores(five["en"])


def test_the_tracker_gets_flat_numbers(
    workspace: Workspace, five: dict[str, Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, dict[str, float]] = {}
    monkeypatch.setattr(tracking, "add_scores", lambda cell, values, settings: told.update({cell.id: dict(values)}))
    workspace.evaluate()
    assert told == {}, "it is off"
    workspace.tracking = TrackingMode.wandb
    workspace.evaluate()
    assert told[five["both"].id] == {
        "score/en": 37.5, "score/cs": 25.0, "score/seen": 25.0, "exact/en": 75.0, "exact/cs": 50.0,
        "judges/reference/en": 37.5, "judges/reference/cs": 25.0, "judges/reference/seen": 25.0,
        "score/judge": "reference", "score/against": "monolingual",
        "language_right/en": 75.0, "language_right/cs": 50.0,
    }  # fmt: skip
    assert len(told) == 5
    told.clear()
    workspace.evaluate()
    assert told == {}
    workspace.evaluate(tie_rule=TieRule.average)
    assert len(told) == 5


def test_scores_that_a_crash_kept_from_the_tracker_are_sent_next_time(
    workspace: Workspace, five: dict[str, Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.tracking = TrackingMode.wandb

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "add_scores", die)
        with pytest.raises(KeyboardInterrupt):
            workspace.evaluate()
    told: list[str] = []
    monkeypatch.setattr(tracking, "add_scores", lambda cell, values, settings: told.append(cell.id))
    workspace.evaluate()
    assert sorted(told) == sorted(cell.id for cell in five.values())


def test_the_table_shows_every_cell(workspace: Workspace, five: dict[str, Cell]) -> None:
    workspace.evaluate()
    for name in ("untuned", "en+cs", "itself", "monolingual"):
        assert name in workspace.printed
    assert len(cells.read_cells(workspace.folder)) == 5
