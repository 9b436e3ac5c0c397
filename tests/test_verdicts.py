"""From judges of every kind to scores: what is asked, what is left open, what is read from files."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from months import BOTH, EN, MONTHS, WRONG, Workspace, add_five, scores
from pinch import judges
from pinch.cells import Cell
from pinch.config import Batch, Combine, Exchange, JudgeConfig, JudgeKind, OnlyConfig, PlanConfig, PlanShow, TieRule
from pinch.errors import UserError
from pinch.judges.protocol import Judgement
from pinch.judges.reference import ReferenceJudge
from pinch.judges.replies import SEEING, Addresses, Reply, read_replies
from pinch.records import Outcome, Pair


class Parrot:
    """A judge that says what `rule` says of the two answers, some pairs at a time, until it has had `most` pairs."""

    name = "parrot"
    sees_reference = False

    def __init__(self, rule: Any, most: int = 10**6) -> None:
        self.identity = {"judge": "parrot"}
        self.rule, self.most = rule, most
        self.asked: list[Pair] = []

    def judge(self, pairs: Sequence[Pair]) -> Iterator[Sequence[Judgement]]:
        for pair in pairs:
            if len(self.asked) == self.most:
                return
            self.asked.append(pair)
            said = self.rule(pair.first, pair.second)
            yield [Judgement(pair, self.read(said, {}), said, {"error": "no reply"} if said == "" else {})]

    def stop(self) -> Sequence[Judgement]:
        return ()

    def read(self, raw: str, facts: Mapping[str, Any]) -> Outcome:
        return {"1": Outcome.first, "2": Outcome.second, "=": Outcome.tie}.get(raw, Outcome.invalid)

    def tokens(self, pairs: Iterable[Pair]) -> tuple[int, int]:
        number = len(list(pairs))
        return 1000 * number, 10 * number

    def notes(self) -> list[str]:
        return [f"asked {len(self.asked)} times"]


def months_first(first: str, second: str) -> str:
    """Any word beats nonsense, else the one shown first wins."""
    return "2" if first == WRONG else "1"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def five(workspace: Workspace) -> dict[str, Cell]:
    return add_five(workspace)


@pytest.fixture
def parrot(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes judge=hf a parrot; gives a function that sets its rule."""

    def teach(rule: Any = months_first, most: int = 10**6) -> Parrot:
        bird = Parrot(rule, most)
        monkeypatch.setitem(judges.KINDS, "hf", lambda *_: bird)
        return bird

    return teach


HF = JudgeConfig(kind=JudgeKind.hf, model="parrot")


def of(cell: Cell, against: str, language: str, judge: str = "parrot") -> dict[str, Any]:
    found: dict[str, Any] = scores(cell, judge)["against"][against]["languages"][language]
    return found


# --- what is compared -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
def test_any_cell_can_be_the_reference(workspace: Workspace, five: dict[str, Cell], whole: bool) -> None:
    name = five["cs"].id if whole else five["cs"].id.rsplit("-", 1)[-1]
    assert workspace.evaluate(references=[name, "base"]) == 0
    entry = scores(five["both"])["against"]
    assert list(entry) == [name, "base"]
    assert entry[name]["languages"]["en"]["reference_cell"] == five["cs"].id
    assert entry[name]["languages"]["en"]["score"] == 87.5  # three months against nonsense, and nonsense on both sides
    assert scores(five["cs"])["against"][name]["languages"]["cs"]["score"] == 50.0


def test_a_reference_that_is_no_cell(workspace: Workspace, five: dict[str, Cell]) -> None:
    with pytest.raises(UserError, match=r"score.references: 'monolingul' is neither .* did you mean 'monolingual'\?"):
        workspace.evaluate(references=["monolingul"])


def test_a_reference_without_answers_to_the_same_prompts_is_said(workspace: Workspace) -> None:
    short = workspace.add(["en"], {"en": MONTHS["en"][:3]})
    workspace.add(["en", "cs"], {"en": MONTHS["en"]})
    workspace.evaluate(references=[short.id])
    assert f"{short.id} did not answer the same prompts in en" in workspace.printed


def test_only_some_cells_and_languages(workspace: Workspace, five: dict[str, Cell]) -> None:
    workspace.settings = {"only": OnlyConfig(cells=["en+cs"], languages=["cs"])}
    assert workspace.evaluate() == 0
    assert set(scores(five["both"])["against"]["monolingual"]["languages"]) == {"cs"}
    assert of(five["both"], "monolingual", "cs", "reference")["score"] == 25.0
    assert not five["en"].scores_path.exists()
    for only, words in (
        (OnlyConfig(cells=["en+cz"]), r"only.cells: no id in .* contains 'en\+cz'"),
        (OnlyConfig(languages=["fi"]), "only.languages: no cell has answers in fi; there are: cs, en"),
    ):
        workspace.settings = {"only": only}
        with pytest.raises(UserError, match=words):
            workspace.evaluate()


def test_a_sample_of_prompts_is_the_same_for_every_cell(workspace: Workspace, five: dict[str, Cell]) -> None:
    workspace.evaluate(JudgeConfig(max_prompts=2))
    prompts = {tuple(item.prompt for item in workspace.items(cell, "base", "en")) for cell in five.values()}
    assert len(prompts) == 1
    assert len(prompts.pop()) == 2
    entry = scores(five["both"])
    assert entry["against"]["base"]["languages"]["en"]["n"] == 2
    assert entry["answers"]["languages"]["en"]["n"] == 4, "what needs no judge is of all"
    workspace.evaluate()
    assert of(five["both"], "base", "en", "reference")["n"] == 4, "another sample is scored anew"


# --- what is asked --------------------------------------------------------------------------------------------------


def test_a_judge_that_ends_early_leaves_comparisons_open(
    workspace: Workspace, five: dict[str, Cell], parrot: Any
) -> None:
    parrot(most=9)
    assert workspace.evaluate(HF) == 1
    entries = [
        row for c in five.values() for k in scores(c, "parrot")["against"].values() for row in k["languages"].values()
    ]
    open_rows = [row for row in entries if row["unjudged"]]
    assert open_rows
    assert all(row["score"] is row["low_if_invalid_lost"] is None for row in open_rows)
    assert "comparisons are not judged yet" in workspace.printed
    assert "note: asked 9 times" in workspace.printed
    bird = parrot()
    assert workspace.evaluate(HF) == 0
    assert not any(
        row["unjudged"] for c in five.values() for row in scores(c, "parrot")["against"]["base"]["languages"].values()
    )
    rest = len(bird.asked)
    one_go = Workspace(workspace.root / "again")
    cells = add_five(one_go)
    bird = parrot()
    one_go.evaluate(HF)
    assert len(bird.asked) == 9 + rest, "nothing is asked twice"
    assert [scores(c, "parrot")["against"] for c in cells.values()] == [
        scores(c, "parrot")["against"] for c in five.values()
    ]


def test_position_and_contradiction_are_seen(workspace: Workspace, five: dict[str, Cell], parrot: Any) -> None:
    parrot(lambda first, second: "1")
    workspace.evaluate(HF)
    row = of(five["both"], "base", "en")
    assert (row["wins"], row["ties"], row["losses"], row["score"]) == (0, 3, 0, 50.0)
    rows = map(json.loads, five["both"].items_path("parrot").read_text(encoding="utf-8").split("\n")[:-1])
    item = next(i for i in rows if (i["against"], i["language"], i["prompt"]) == ("base", "en", "p0"))
    assert (item["forth"], item["back"], item["length"], item["reference_length"]) == ("first", "first", 7, 3)
    found = json.loads((workspace.folder / "verdicts" / "parrot.diagnostics.json").read_text(encoding="utf-8"))
    assert found["overall"]["p_first"]["value"] == 1.0
    assert found["overall"]["consistency"]["value"] == 0.0
    assert "judge parrot decides little: 100.0 %" in workspace.printed
    stamp = (workspace.folder / "verdicts" / "parrot.diagnostics.json").stat().st_mtime_ns
    workspace.evaluate(HF)
    assert (workspace.folder / "verdicts" / "parrot.diagnostics.json").stat().st_mtime_ns == stamp
    assert "judge parrot decides little" in workspace.printed, "said again, not counted again"


def test_invalid_is_asked_again_on_request_and_no_reply_always(
    workspace: Workspace, five: dict[str, Cell], parrot: Any
) -> None:
    parrot(lambda first, second: "hm" if "january" in (first, second) else "" if "may" in (first, second) else "1")
    assert workspace.evaluate(HF) == 1, "something got no reply"
    row = of(five["both"], "base", "en")
    assert (row["n"], row["invalid"], row["unjudged"], row["score"]) == (2, 2, 0, 50.0)
    assert (row["low_if_invalid_lost"], row["high_if_invalid_won"]) == (25.0, 75.0)
    bird = parrot()
    assert workspace.evaluate(HF) == 0
    assert {"may"} <= {word for pair in bird.asked for word in (pair.first, pair.second)}
    assert not any("january" in (pair.first, pair.second) for pair in bird.asked)
    assert (of(five["both"], "base", "en")["invalid"], of(five["both"], "base", "en")["wins"]) == (1, 1)
    bird = parrot()
    assert workspace.evaluate(JudgeConfig(kind=JudgeKind.hf, model="parrot", retry_invalid=True)) == 0
    assert all("january" in (pair.first, pair.second) for pair in bird.asked)
    assert bird.asked
    assert of(five["both"], "base", "en")["score"] == 75.0, "march was a contradiction"


@pytest.mark.parametrize(("model", "kin"), [("org/Embedded-32B", True), ("./embedded.2", True), ("parrot", False)])
def test_a_judge_of_the_models_own_family_is_pointed_out(
    workspace: Workspace, five: dict[str, Cell], parrot: Any, model: str, kin: bool
) -> None:
    parrot()
    workspace.evaluate(JudgeConfig(kind=JudgeKind.hf, model=model, name="parrot"))
    assert ("the judge parrot and embedded are of one family" in workspace.printed) is kin


def test_stored_replies_are_read_again(workspace: Workspace, five: dict[str, Cell], parrot: Any) -> None:
    parrot(lambda first, second: "A" if second == WRONG else "2")
    workspace.evaluate(HF)
    assert of(five["both"], "base", "en")["invalid"] == 3
    bird = parrot()
    bird.read = lambda raw, facts: {"A": Outcome.first, "2": Outcome.second}.get(raw, Outcome.invalid)  # type: ignore[method-assign]
    workspace.settings = {"reparse": True}
    workspace.evaluate(HF)
    assert bird.asked == []
    assert "say something else now" in workspace.printed
    assert "invalid -> first: ...A" in workspace.printed
    assert of(five["both"], "base", "en")["score"] == 87.5
    workspace.settings = {}
    workspace.evaluate()
    workspace.settings = {"reparse": True}
    with pytest.raises(UserError, match="judge=reference computes its verdicts"):
        workspace.evaluate()


def test_the_check_of_a_judge_is_stored_like_everything_else(workspace: Workspace, parrot: Any) -> None:
    bird = parrot(lambda first, second: "1")
    workspace.settings = {"check": True}
    assert workspace.evaluate(HF) == 0
    found = json.loads((workspace.folder / "verdicts" / "parrot.check.json").read_text(encoding="utf-8"))
    assert len(bird.asked) == found["asked"] > 300
    assert "It goes by position" in workspace.printed
    again = parrot()
    workspace.evaluate(HF)
    assert again.asked == []
    assert json.loads((workspace.folder / "verdicts" / "parrot.check.json").read_text(encoding="utf-8")) == found
    with pytest.raises(UserError, match=r"judge\.kind=panel judges no single pairs"):
        workspace.evaluate(JudgeConfig(kind=JudgeKind.panel, members=["a", "b"]))


def test_replies_are_read_again_without_the_judge(workspace: Workspace, five: dict[str, Cell], parrot: Any) -> None:
    """As scores.json says what the judge was; what counts is what the store would say."""
    parrot(lambda first, second: "hm" if "march" in (first, second) else "" if "may" in (first, second) else "1")
    workspace.evaluate(HF)
    identity = scores(five["both"], "parrot")["settings"]["judge"]
    key = Addresses(identity).key
    asked = {word: Pair("p", "en", f"en {n}?", word, WRONG) for n, word in enumerate(MONTHS["en"])}
    keys = {word: key(pair, False) for word, pair in asked.items()}

    def said() -> dict[str, Reply]:
        found = read_replies(workspace.folder, "parrot", set(keys.values()))
        return {word: found[key] for word, key in keys.items() if key in found}

    nothing = Reply("", "no reply")
    assert said() == {"january": Reply("1"), "march": Reply("hm"), "may": nothing, "june": Reply("1")}
    assert key(asked["may"], True) not in read_replies(workspace.folder, "parrot", {key(asked["may"], True)})
    parrot(lambda first, second: "2")
    workspace.evaluate(JudgeConfig(kind=JudgeKind.hf, model="parrot", retry_invalid=True))
    assert said() == {"january": Reply("1"), "march": Reply("2"), "may": Reply("2"), "june": Reply("1")}
    bird = parrot()
    bird.read = lambda raw, facts: Outcome.tie  # type: ignore[method-assign]
    workspace.settings = {"reparse": True}
    workspace.evaluate(HF)
    assert said()["march"] == Reply("2"), "read again, it says something else; the words are the same"
    path = workspace.folder / "verdicts" / "parrot.jsonl"
    path.write_bytes(path.read_bytes() + b'{"key": "torn')
    assert len(said()) == 4
    assert read_replies(workspace.folder, "nobody", set(keys.values())) == {}


def test_judges_that_see_the_reference_answer_are_known_by_their_identity() -> None:
    judge = ReferenceJudge(JudgeConfig(), ["en"])
    assert judge.sees_reference is (judge.identity["judge"] in SEEING) is True
    for kind in (JudgeKind.api, JudgeKind.hf):
        assert kind.value not in SEEING


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_a_plan_counted_by_hand(
    workspace: Workspace, parrot: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.add(["en"], {"en": EN["en"]})
    for seed in (0, 1):  # the same answers: one of the four differs from the reference's
        workspace.add(["en", "cs"], {"en": BOTH["en"]}, seed)
    bird = parrot()
    workspace.settings = {"plan": PlanConfig(show=PlanShow.json)}
    priced = JudgeConfig(kind=JudgeKind.hf, model="parrot")
    priced.price.question, priced.price.reply = 2.0, 10.0
    assert workspace.evaluate(priced) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["judge"], found["cells"], found["contests"]) == ("parrot", 3, 2)
    assert found["languages"]["en"] == {
        "comparisons": 8, "identical": 6, "known": 0, "shared": 2, "calls": 2, "question_tokens": 2000, "reply_tokens": 20,
    }  # fmt: skip
    assert found["total"] == found["languages"]["en"]
    assert found["money"] == pytest.approx(2000 * 2e-6 + 20 * 10e-6)
    assert bird.asked == []
    workspace.settings = {}
    workspace.evaluate(HF)
    workspace.settings = {"plan": PlanConfig(show=PlanShow.table)}
    workspace.evaluate(HF)
    rows = [line.split() for line in workspace.printed.split("\n") if line.strip().startswith("en ")]
    assert rows == [["en", "8", "6", "4", "0", "0"]]
    assert "what parrot would be asked about 3 cells in 2 contests" in workspace.printed


# --- panels -----------------------------------------------------------------------------------------------------------


def judge_twice(workspace: Workspace, parrot: Any) -> None:
    parrot(lambda first, second: "1" if first == "may" else "2" if second == "may" else "1")
    workspace.evaluate(HF)
    workspace.evaluate()


def test_a_panel_by_majority_and_mean(workspace: Workspace, five: dict[str, Cell], parrot: Any) -> None:
    judge_twice(workspace, parrot)
    row = of(five["both"], "base", "en")
    assert (row["wins"], row["ties"], row["identical"]) == (1, 2, 1)
    panel = JudgeConfig(kind=JudgeKind.panel, members=["reference", "parrot"])
    assert workspace.evaluate(panel) == 0
    row = of(five["both"], "base", "en", "panel")
    assert (row["wins"], row["ties"], row["identical"]) == (1, 2, 1), "one of two is no majority"
    mean = JudgeConfig(name="both", kind=JudgeKind.panel, members=["reference", "parrot"], combine=Combine.mean)
    workspace.evaluate(mean)
    row = of(five["both"], "base", "en", "both")
    assert (row["wins"], row["ties"], row["score"]) == (3, 0, (100 + 75 + 75 + 50) / 4)
    found = json.loads((workspace.folder / "verdicts" / "both.diagnostics.json").read_text(encoding="utf-8"))
    assert 0 < found["among"]["raw"]["value"] < 1
    assert "parrot: agreement with reference on" in workspace.printed
    stamp = five["both"].scores_path.stat().st_mtime_ns
    workspace.evaluate(mean)
    assert five["both"].scores_path.stat().st_mtime_ns == stamp
    workspace.evaluate(JudgeConfig(margin=150.0))
    workspace.evaluate(mean)
    assert five["both"].scores_path.stat().st_mtime_ns != stamp, "a member says something else"


def test_a_panel_waits_for_its_members(workspace: Workspace, five: dict[str, Cell], parrot: Any) -> None:
    parrot(most=9)
    workspace.evaluate(HF)
    workspace.evaluate()
    assert workspace.evaluate(JudgeConfig(kind=JudgeKind.panel, members=["reference", "parrot"])) == 0
    assert any(scores(c, "panel")["open"] for c in five.values())


def test_panels_that_cannot_be(workspace: Workspace, five: dict[str, Cell], parrot: Any) -> None:
    judge_twice(workspace, parrot)
    for name, members, words in (
        ("panel", ["reference", "parot"], "parot has judged nothing in .*; did you mean 'parrot'"),
        ("parrot", ["reference", "parrot"], "parrot is the panel's own name"),
    ):
        with pytest.raises(UserError, match=words):
            workspace.evaluate(JudgeConfig(name=name, kind=JudgeKind.panel, members=members))
    with pytest.raises(UserError, match=r"parrot was scored with score.tie_rule=strict, the panel with average"):
        workspace.evaluate(JudgeConfig(kind=JudgeKind.panel, members=["reference", "parrot"]), tie_rule=TieRule.average)


# --- people -----------------------------------------------------------------------------------------------------------


def label(workspace: Workspace, annotator: str, better: Any) -> Path:
    """What an annotator's browser would save for the page that was written last."""
    manifest = max((workspace.folder / "annotate").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").split("\n") if line]
    labels = [{"id": row["id"], "choice": better(row["left"], row["right"]), "seconds": 5, "note": ""} for row in rows]
    document = {"format": "pinch-annotations", "version": 1, "page": manifest.stem.rsplit("-", 1)[-1]}
    path = workspace.root / f"{annotator}.json"
    path.write_text(json.dumps(document | {"annotator": annotator, "labels": labels}), encoding="utf-8")
    return path


def sensible(left: str, right: str) -> str:
    return "right" if left == WRONG else "left" if right == WRONG else "tie"


def test_people(workspace: Workspace, five: dict[str, Cell]) -> None:
    workspace.evaluate()
    assert workspace.evaluate(JudgeConfig(kind=JudgeKind.human)) == 0
    assert "a page with" in workspace.printed
    assert of(five["both"], "base", "en", "human")["score"] is None
    anna, ben = label(workspace, "anna", sensible), label(workspace, "ben", lambda left, right: "tie")
    workspace.evaluate(JudgeConfig(kind=JudgeKind.human, results=[str(anna)]))
    assert "anna.json: of anna," in workspace.printed
    row = of(five["both"], "base", "en", "human")
    assert (row["wins"], row["identical"], row["score"]) == (3, 1, 87.5)
    assert "agreement with reference on" in workspace.printed
    assert "every pair has been labelled by anna" in workspace.printed
    both = JudgeConfig(kind=JudgeKind.human, results=[str(ben)])
    workspace.evaluate(both)
    assert of(five["both"], "base", "en", "human")["ties"] == 3, "one of two is no majority"
    assert "anna: agreement with ben on" in workspace.printed
    workspace.evaluate(JudgeConfig(kind=JudgeKind.human, combine=Combine.mean))
    assert of(five["both"], "base", "en", "human")["score"] == (3 * 75 + 50) / 4
    workspace.evaluate()
    assert "agreement with human on" in workspace.printed


def test_nothing_to_label(workspace: Workspace) -> None:
    workspace.add(["en"], {"en": MONTHS["en"]})
    workspace.add(["en", "cs"], {"en": MONTHS["en"]})
    assert workspace.evaluate(JudgeConfig(kind=JudgeKind.human)) == 0
    assert "no two answers differ: nothing to label" in workspace.printed


# --- AlpacaEval -------------------------------------------------------------------------------------------------------


def test_out_to_alpaca_eval_and_back(workspace: Workspace, five: dict[str, Cell]) -> None:
    workspace.settings = {"export": Exchange.alpaca_eval}
    assert workspace.evaluate() == 0
    folder = workspace.folder / "exchange" / "alpaca_eval"
    with (folder / "contests.csv").open(encoding="utf-8", newline="") as file:
        contests = list(csv.DictReader(file))
    (wanted,) = [
        row for row in contests if (row["cell"], row["against"], row["language"]) == (five["both"].id, "base", "en")
    ]
    ours, theirs = (json.loads(Path(wanted[name]).read_text()) for name in ("model_outputs", "reference_outputs"))
    annotations = [
        {
            "instruction": mine["instruction"], "output_1": other["output"], "generator_1": other["generator"],
            "output_2": mine["output"], "generator_2": mine["generator"], "preference": preference, "annotator": "judge",
            "dataset": mine["dataset"],
        }
        for mine, other, preference in zip(ours, theirs, (2, 1.5, None, 1), strict=True)
    ]  # fmt: skip
    path = workspace.root / "annotations.json"
    path.write_text(json.dumps(annotations), encoding="utf-8")
    workspace.settings = {"annotations": str(path)}
    assert workspace.evaluate(JudgeConfig(name="theirs")) == 0
    row = of(five["both"], "base", "en", "theirs")
    assert (row["wins"], row["ties"], row["losses"], row["identical"], row["invalid"]) == (1, 1, 0, 1, 1)
    assert row["score"] == pytest.approx(100 * (1 + 0.5 + 0.5) / 3)
    assert of(five["both"], "monolingual", "en", "theirs")["score"] is None
    swapped = of(five["cs"], "monolingual", "en", "theirs")  # the same pairs the other way round
    assert (swapped["wins"], swapped["losses"], swapped["invalid"], swapped["unjudged"]) == (0, 1, 1, 1)
    assert five["both"].id in workspace.printed


def test_annotations_of_other_models_are_scored_by_themselves(workspace: Workspace, five: dict[str, Cell]) -> None:
    row = {
        "instruction": "?",
        "output_1": "a",
        "generator_1": "x",
        "output_2": "b",
        "generator_2": "y",
        "preference": 2,
    }
    path = workspace.root / "annotations.json"
    path.write_text(json.dumps([row, row | {"instruction": "??", "preference": 1}]), encoding="utf-8")
    workspace.settings = {"annotations": str(path)}
    assert workspace.evaluate(JudgeConfig(name="theirs")) == 0
    assert "50.00" in workspace.printed
    assert "no annotation belongs to answers of this workspace" in workspace.printed
    assert not any(cell.scores_path.exists() for cell in five.values())


def test_batches_are_for_servers(workspace: Workspace, five: dict[str, Cell]) -> None:
    with pytest.raises(UserError, match=r"judge\.batch is for judge=api"):
        workspace.evaluate(JudgeConfig(batch=Batch.write))
