"""Answers side by side: the same prompts everywhere, with what was found about them and what judges said of them."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from fake_study import UNTUNED_TEXT, Shape, build
from months import MONTHS, WRONG, Workspace, add_five
from pinch.analysis.answers import Browser, browse
from pinch.analysis.answers.bundle import END, LONGEST, cut
from pinch.analysis.answers.scope import labels
from pinch.analysis.study import Study, arrange
from pinch.cells import Cell
from pinch.config import Combine, JudgeConfig, JudgeKind
from pinch.errors import UserError
from pinch.records import Answer, Item, Prompt, read_json, read_jsonl, write_json, write_jsonl
from test_curves import study_of
from test_verdicts import HF, label, parrot, sensible  # noqa: F401

NASTY = ["</script><script>alert(1)</script>", "\u2028 <!-- {{ x }} -->", "\ud800 half", "", "x" * 5000]


@pytest.fixture
def cells(tmp_path):
    return build(tmp_path, Shape((0,), (2,), (1.0,), ("en", "ar"), ("en", "ar", "he"), prompts=9))


def groups(cells):
    return {"untuned": [cells[-1]], "mono": [cells[0]]}


def look(cells: list[Cell], shown: Any = None, **changes: Any) -> Browser:
    """The browser of a made-up study, with two groups shown."""
    folder = cells[0].folder.parent
    return browse(
        study_of(cells), cells, groups(cells) if shown is None else shown, "monolingual", folder, "reference", **changes
    )


class Unpacked:
    """What the script makes of a bundle."""

    def __init__(self, data: str) -> None:
        lines = zlib.decompress(base64.b64decode(data)).decode("utf-8").split("\n")
        head, *rows = (json.loads(line) for line in lines if line)
        self.models, self.languages, self.shown = head["models"], head["languages"], head["shown"]
        self.texts, self.marks, self.testimonies = [None], [None], [[]]
        self.prompts: dict[str, Any] = {}
        for name, texts, marks, testimonies, places in rows:
            self.texts += texts
            self.marks += marks
            self.testimonies += testimonies
            self.prompts[name] = places

    def given(self, prompt: str, code: str, cell: str) -> dict[str, Any]:
        """One answer: its text, marks, the model it was compared with, and by judge what was said, with raw texts."""
        language = next(one for one in self.languages if one["code"] == code)
        at = [self.models[number]["id"] for number in language["models"]].index(cell)
        instruction, reference, texts, marks, said = self.prompts[prompt][code]
        other = language["references"][at]
        return {
            "instruction": self.texts[instruction],
            "reference": self.texts[reference],
            "text": self.texts[texts[at]],
            "marks": self.marks[marks[at]],
            "other": None if other is None else self.models[other]["id"],
            "said": {row[0]: [*row[1:4], self.texts[row[4]], self.texts[row[5]]] for row in self.testimonies[said[at]]},
        }


# --- without the script -----------------------------------------------------------------------------------------------


def test_prompts_are_the_same_in_every_language_and_no_ones_choice(cells):
    samples = look(cells).samples
    assert [sample.language for sample in samples] == ["en", "ar", "he"]
    assert [sample.direction for sample in samples] == ["ltr", "rtl", "rtl"]
    chosen = [[asked.prompt for asked in sample.asked] for sample in samples]
    assert chosen[0] == chosen[1] == chosen[2]
    assert len(chosen[0]) == 3
    assert chosen[0] == list(Unpacked(look(cells).data).prompts)[:3], "the browser begins with the same ones"


def test_replies_carry_text_and_outcome(cells):
    english = look(cells).samples[0]
    untuned, mono = english.asked[0].replies
    assert (untuned.label, untuned.text) == ("untuned", UNTUNED_TEXT)
    assert mono.outcome == "is the reference"
    assert (mono.right_language, mono.answered_in, mono.code) == (True, "English", "en")
    assert untuned.outcome in ("win", "tie", "loss")
    assert english.asked[0].reference == "January"


def test_long_answers_are_cut_and_cut_off_ones_counted(cells):
    path = cells[0].answers_path("en")
    texts = [Answer(f"month-{n:03d}", "en", "x" * 2000, 256, n > 2) for n in range(9)]
    write_jsonl(path, texts)
    browser = look(cells)
    reply = browser.samples[0].asked[0].replies[1]
    assert (len(reply.text), reply.cut) == (LONGEST, True)
    assert browser.cut_off == {"untuned": 0, "mono": pytest.approx(100 * 3 / 27)}


def test_the_page_stays_utf_8(cells):
    rows = [vars(Answer(f"month-{n:03d}", "en", "\ud800 half", 1, True)) for n in range(9)]
    cells[0].answers_path("en").write_text("\n".join(map(json.dumps, rows)), encoding="ascii")
    assert {asked.replies[1].text for asked in look(cells).samples[0].asked} == {"\ufffd half"}


def test_a_language_that_one_of_them_did_not_answer_is_left_out(cells):
    cells[0].answers_path("he").unlink()
    browser = look(cells)
    assert [sample.language for sample in browser.samples] == ["en", "ar"]
    assert [one["code"] for one in Unpacked(browser.data).languages] == ["en", "ar", "he"], "others did"


def test_nothing_to_show(cells):
    browser = browse(study_of(cells), [], {}, "monolingual", cells[0].folder.parent, "reference")
    assert not browser
    assert (browser.samples, browser.data, browser.prompts) == ((), "", 0)
    assert look(cells, {}), "a browser needs no groups"


# --- what is in the bundle --------------------------------------------------------------------------------------------


def test_texts_come_out_as_they_went_in(cells):
    names = [f"month-{n:03d}" for n in range(9)]
    rows = [vars(Answer(name, "en", (NASTY * 2)[n], 1, n != 1)) for n, name in enumerate(names)]
    cells[0].answers_path("en").write_text("\n".join(map(json.dumps, rows)), encoding="ascii")
    browser = look(cells)
    unpacked = Unpacked(browser.data)
    for n, text in enumerate(NASTY[:4]):
        given = unpacked.given(names[n], "en", cells[0].id)
        assert given["text"] == text
        assert given["marks"][4] is (n != 1), "complete"
    assert unpacked.given(names[4], "en", cells[0].id)["text"] == ["x" * LONGEST, "", 5000 - LONGEST]
    assert set(browser.data) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
    assert unpacked.given(names[0], "ar", cells[0].id)["instruction"] == "في أي شهر يقع 2030-01؟"


def test_a_long_text_keeps_its_beginning_and_a_reply_its_end_too():
    assert cut("a" * LONGEST) == "a" * LONGEST
    assert cut("a" * LONGEST + "bc") == ("a" * LONGEST, "", 2)
    long = "a" * LONGEST + "b" * 100 + "c" * END
    assert cut(long, END) == ("a" * (LONGEST - END), "c" * END, len(long) - LONGEST)


def test_the_order_of_cells_changes_nothing(cells):
    folder, study = cells[0].folder.parent, study_of(cells)
    one, other = (
        browse(study, given, groups(cells), "monolingual", folder, "reference") for given in (cells, cells[::-1])
    )
    assert one == other
    ids = [model["id"] for model in Unpacked(one.data).models]
    assert sorted(ids) == sorted(cell.id for cell in cells)
    assert ids[0] == cells[-1].id, "the untuned one, then by number of languages"


def test_the_budget_is_kept_by_whole_prompts(tmp_path):
    cells = build(tmp_path, Shape((0,), (2,), (1.0,), ("en", "ar"), ("en", "ar"), prompts=60))
    whole = look(cells)
    assert whole.prompts == 60
    assert "holds all 60 prompts and all 4 models." in whole.notes[0]
    budget = 3 * len(whole.data) // 4
    part = look(cells, budget_bytes=budget)
    assert 24 <= part.prompts < 60
    assert 0.8 * budget < len(part.data) <= budget
    assert f"{part.prompts} of 60 prompts and all 4 models, as many as fit" in part.notes[0]
    assert list(Unpacked(part.data).prompts) == list(Unpacked(whole.data).prompts)[: part.prompts]


def test_fewer_models_where_too_few_prompts_fit(tmp_path):
    cells = build(tmp_path, Shape((0, 1, 2), (2, 3, 4), monolingual=("en", "ar"), evaluation=("en", "ar"), prompts=30))
    for cell in cells:  # answers that can hardly be packed
        for code in ("en", "ar"):
            texts = [_noise(f"{cell.id} {code} {n}") for n in range(30)]
            write_jsonl(
                cell.answers_path(code), [Answer(f"month-{n:03d}", code, t, 1, True) for n, t in enumerate(texts)]
            )
    budget = 12 * 2 * 60 * 30  # of 43 models in two languages
    browser = look(cells, budget_bytes=budget)
    assert len(browser.data) <= budget
    assert browser.prompts >= 20
    assert 2 <= browser.models < len(cells)
    unpacked = Unpacked(browser.data)
    kept = {model["id"] for model in unpacked.models if model["kept"]}
    assert len(kept) == browser.models
    assert {cells[0].id, cells[-1].id} <= kept, "those of the figures are always there"
    assert f"{browser.models} of {len(cells)} models" in browser.notes[0]
    for language in unpacked.languages:
        for model, other in zip(language["models"], language["references"], strict=True):
            assert other in language["models"] or not unpacked.models[model]["kept"], (
                "with what they were compared with"
            )


def _noise(seed: str) -> str:
    import hashlib

    return hashlib.sha256(seed.encode()).hexdigest()[:60]


def test_answers_to_other_prompts_of_the_same_name_are_left_out(cells):
    from pinch.cells import store_prompts

    folder, other = cells[0].folder.parent, cells[-1]
    name = store_prompts(
        folder, "en", [Prompt(f"month-{n:03d}", "en", "Another question?" if n == 4 else "?") for n in range(9)]
    )
    status = read_json(other.folder / "status.json")
    status["generate"]["prompts"]["en"] = name
    write_json(other.folder / "status.json", status)
    unpacked = Unpacked(look(cells).data)
    assert unpacked.given("month-004", "en", cells[0].id)["instruction"] == "Which month is 2034-01 in?"
    assert unpacked.given("month-004", "en", other.id)["text"] is None
    assert unpacked.given("month-004", "ar", other.id)["text"] == UNTUNED_TEXT


def test_rows_of_another_form_are_read_too_and_broken_ones_named(cells):
    before = look(cells).data
    for path in (cells[0].answers_path("en"), cells[0].items_path("reference")):
        rows = read_jsonl(path, dict)
        path.write_text("".join(json.dumps(dict(sorted(row.items(), reverse=True))) + "\n\n" for row in rows))
    assert look(cells).data == before
    study, folder = study_of(cells), cells[0].folder.parent
    for path in (cells[1].items_path("reference"), cells[1].answers_path("he")):
        text = path.read_text(encoding="utf-8")
        for row in ("{", '{"id": "month-001"}', '{"prompt": "month-001", "language": "en", "against": "monolingual"}'):
            path.write_text(f"{text}{row}\n", encoding="utf-8")
            with pytest.raises(UserError, match=rf"{path.name}, line \d+: no such row belongs into this file"):
                browse(study, cells, {}, "monolingual", folder, "reference")
        path.write_text(text, encoding="utf-8")


def test_models_have_names_that_tell_them_apart(tmp_path):
    cells = build(tmp_path, Shape((0,), (2,), (0.1, 1.0), ("en", "ar"), ("en",), prompts=2))
    assert list(labels(cells).values())[:2] == ["English alone", "Arabic alone"]
    assert {"untuned", "10 % en es", "100 % en es"} <= {
        name.replace(" ar", " es").replace(" fi", " es") for name in labels(cells).values()
    }
    seeds = build(tmp_path / "seeds", Shape((0, 1), (), (), ("en",), ("en",), prompts=2))
    assert sorted(labels(seeds).values()) == ["English alone, seed 0", "English alone, seed 1", "untuned"]
    twins = [cells[0], Cell("x-twin", cells[0].folder, *list(vars(cells[0]).values())[2:])]
    assert sorted(labels(twins).values())[1] == "English alone (twin)"


# --- what judges said -------------------------------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def five(workspace: Workspace) -> dict[str, Cell]:
    return add_five(workspace)


def read(workspace: Workspace, five: dict[str, Cell], judge: str) -> Study:
    return arrange((cell, read_jsonl(cell.items_path(judge), lambda row: Item(**row))) for cell in five.values())


def opened(
    workspace: Workspace, five: dict[str, Cell], judge: str, against: str = "monolingual"
) -> tuple[Browser, Unpacked]:
    cells = list(five.values())
    browser = browse(read(workspace, five, judge), cells, {"both": [five["both"]]}, against, workspace.folder, judge)
    return browser, Unpacked(browser.data)


def test_the_raw_texts_of_both_orders_stand_with_their_pair(workspace, five, parrot):  # noqa: F811
    parrot(lambda first, second: f"{first} or {second}")
    workspace.evaluate(HF)
    browser, unpacked = opened(workspace, five, "parrot")
    mine = MONTHS["cs"]  # the reference's answers in Czech; both's third is English, its fourth is wrong
    given = unpacked.given("p2", "cs", five["both"].id)
    assert (given["text"], given["other"]) == ("march", five["cs"].id)
    assert given["said"] == {"parrot": [0, "invalid", "invalid", f"march or {mine[2]}", f"{mine[2]} or march"]}
    assert unpacked.given("p2", "cs", five["cs"].id)["marks"][0] == "self"
    assert unpacked.given("p3", "cs", five["untuned"].id)["said"]["parrot"][3] == f"{WRONG} or {mine[3]}"
    assert unpacked.given("p0", "cs", five["both"].id)["said"] == {}, "the same answer: nobody was asked"
    assert unpacked.given("p0", "cs", five["both"].id)["marks"][0] == "identical"
    assert not any("not found" in note for note in browser.notes)
    _, against_base = opened(workspace, five, "parrot", "base")
    given = against_base.given("p2", "cs", five["both"].id)
    assert (given["other"], given["said"]["parrot"][3]) == (five["untuned"].id, f"march or {WRONG}")


def test_the_embedded_judge_saw_the_reference_answer(workspace, five):
    workspace.evaluate()
    _, unpacked = opened(workspace, five, "reference")
    given = unpacked.given("p2", "cs", five["both"].id)
    assert given["marks"] == ["loss", False, False, "en", True]
    assert given["said"] == {"reference": [0, "second", "first", "in en | exact", "exact | in en"]}


def test_a_panel_is_heard_member_by_member(workspace, five, parrot):  # noqa: F811
    parrot(lambda first, second: "1")
    workspace.evaluate(HF)
    workspace.evaluate()
    workspace.evaluate(JudgeConfig(kind=JudgeKind.panel, members=["reference", "parrot"]))
    _, unpacked = opened(workspace, five, "panel")
    given = unpacked.given("p2", "cs", five["both"].id)
    assert given["marks"][0] == "tie"
    assert given["said"] == {
        "parrot": [0, "first", "first", "1", "1"],
        "reference": [0, "second", "first", "in en | exact", "exact | in en"],
    }


def test_people_are_heard_one_by_one(workspace, five):
    workspace.evaluate(JudgeConfig(kind=JudgeKind.human))
    files = [str(label(workspace, "anna", sensible)), str(label(workspace, "ben", lambda left, right: "tie"))]
    workspace.evaluate(JudgeConfig(kind=JudgeKind.human, combine=Combine.mean, results=files))
    browser, unpacked = opened(workspace, five, "human")
    assert unpacked.given("p3", "cs", five["both"].id)["said"] == {
        "anna": [1, "second", "", None, None],
        "ben": [1, "tie", "", None, None],
    }
    assert not any("not found" in note for note in browser.notes)


def test_no_reply_says_why(workspace, five, parrot):  # noqa: F811
    parrot(lambda first, second: "" if "march" in (first, second) else "1")
    workspace.evaluate(HF)
    _, unpacked = opened(workspace, five, "parrot")
    given = unpacked.given("p2", "cs", five["both"].id)
    assert given["said"]["parrot"][3:] == ["no reply: no reply"] * 2


@pytest.mark.parametrize("lost", ["identity", "verdicts"])
def test_verdicts_without_their_words_are_said(workspace, five, lost):
    workspace.evaluate()
    if lost == "verdicts":
        (workspace.folder / "verdicts" / "reference.jsonl").unlink()
    else:
        for cell in five.values():
            write_json(cell.scores_path, {"reference": {"against": {}}})
    browser, unpacked = opened(workspace, five, "reference")
    given = unpacked.given("p2", "cs", five["both"].id)
    assert given["said"] == {"reference": [0, "second", "first", None, None]}
    assert "The raw texts of some verdicts by reference were not found" in browser.notes[-1]


def test_items_that_do_not_say_what_was_said(cells):
    unpacked = Unpacked(look(cells).data)
    given = unpacked.given("month-000", "en", cells[-1].id)
    assert given["said"] == {}
    assert given["marks"][0] in ("win", "tie", "loss")
