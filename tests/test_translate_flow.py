"""From a source to a parallel corpus: what is written, what is rejected, by which policy, and what is asked again."""

import json
from pathlib import Path
from typing import Any

import pytest

from pinch.config import Parallel, PlanConfig, PlanShow, TranslateConfig, TranslationEngine, Unit
from pinch.corpora.jsonl import load_jsonl
from pinch.errors import UserError
from pinch.translate.flow import translate
from pinch.translate.memory import Given
from translating import SOURCE, Letters, console, into, read_rows, settings, write_rows

LOST = {"A man from London wrote the book in 1851.": "Это другой текст, он совсем другой: 1851, `y`."}


def run(made: TranslateConfig, engine: Letters | None = None) -> tuple[int, str, Letters]:
    engine = engine or Letters()
    shown, printed = console()
    return translate(made, shown, engine), printed.getvalue(), engine


def ids(tmp_path: Path, code: str, kind: str = "corpus") -> list[str]:
    return [row["id"] for row in read_rows(tmp_path / "out" / kind / f"{code}.jsonl")]


def test_a_corpus_in_two_languages(tmp_path: Path) -> None:
    code, printed, engine = run(settings(tmp_path, to=["ru", "he"]))
    assert code == 0
    (first, *_) = read_rows(tmp_path / "out/corpus/ru.jsonl")
    assert first["instruction"] == into("Sort these. See ", "ru") + "`x`."
    assert first["response"] == into("Use ", "ru") + "`sorted(x)`" + into(" for it.\n\n- Then look.", "ru")
    assert (first["from"], first["flags"], first["language"]) == ("en", [], "ru")
    assert first["engine"].startswith("letters:")
    assert ids(tmp_path, "en") == ids(tmp_path, "he") == ["a", "b", "c"]
    assert "Use [1] for it." in engine.asked
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["corpus"]["languages"]["he"] == {"rows": 3, "rejected": 0, "reasons": {}, "flags": {}}
    assert "3 ids of the source" in " ".join(printed.split())  # a long folder wraps it


def test_what_is_written_is_a_corpus_of_pinch(tmp_path: Path) -> None:
    prompts = write_rows(
        tmp_path / "asked.jsonl",
        [{"id": "p", "instruction": "What is a tree?", "reference": "A plant."}, {"id": "q", "instruction": "Why so?"}],
    )
    _, printed, _ = run(settings(tmp_path, prompts=str(prompts)))
    corpus = load_jsonl(str(tmp_path / "out/corpus"), str(tmp_path / "out/prompts"))
    assert corpus.ids() == ("a", "b", "c")
    assert corpus.prompts["ru"]["p"].reference == into("A plant.", "ru")
    assert corpus.prompts["ru"]["q"].reference is None
    assert f"data.corpus={tmp_path / 'out' / 'corpus'}" in printed


def test_nothing_is_translated_twice(tmp_path: Path) -> None:
    made = settings(tmp_path)
    _, _, first = run(made)
    assert len(first.asked) == len(set(first.asked)) == 7
    assert run(made)[2].asked == []
    write_rows(
        tmp_path / "en.jsonl", [*SOURCE, {"id": "d", "instruction": "Who wrote the book?", "response": "Nobody did."}]
    )
    assert run(made)[2].asked == ["Nobody did."]


def test_an_engine_that_stops_early_leaves_no_half_corpus(tmp_path: Path) -> None:
    made = settings(tmp_path)
    code, printed, first = run(made, Letters(most=3))
    assert (code, len(first.asked)) == (1, 3)
    assert "4 of 7 texts are not translated yet; nothing is written; run the same command to go on" in printed
    assert not (tmp_path / "out/corpus").exists()
    code, _, second = run(made)
    assert code == 0
    assert not set(first.asked) & set(second.asked)


def test_an_error_keeps_what_came_before(tmp_path: Path) -> None:
    class Breaks(Letters):
        def translate(self, texts: Any) -> Any:
            given = super().translate(texts)
            yield next(given)
            raise UserError("the server is gone")

    with pytest.raises(UserError, match="gone"):
        run(settings(tmp_path), Breaks())
    assert len(run(settings(tmp_path))[2].asked) == 6


def test_lost_markers_are_translated_in_parts(tmp_path: Path) -> None:
    _, _, engine = run(
        settings(tmp_path), Letters({"Use [1] for it.": "Ничего нет.", "Sort these. See [1].": "[1] [1]"})
    )
    assert engine.asked[-3:] == ["Sort these. See", "Use", "for it."]
    (row, *_) = read_rows(tmp_path / "out/corpus/ru.jsonl")
    assert row["response"].startswith(into("Use ", "ru") + "`sorted(x)`" + into(" for it.", "ru"))
    assert row["instruction"].endswith(into("See ", "ru") + "`x`.")


def test_rejected_rows_have_their_reasons(tmp_path: Path) -> None:
    _, printed, _ = run(settings(tmp_path, to=["ru", "he"]), Letters(LOST))
    assert ids(tmp_path, "ru") == ids(tmp_path, "he") == ids(tmp_path, "en") == ["a", "c"]
    rejected = read_rows(tmp_path / "out/rejected.jsonl")
    assert [(row["id"], row["language"], row["reasons"]) for row in rejected] == [
        ("b", "ru", ["spans"]),
        ("b", "he", ["language", "spans"]),
    ]
    assert rejected[0]["faults"] == {"response": ["spans"]}
    assert "spans 1" in printed


def test_an_id_is_kept_where_it_is_good(tmp_path: Path) -> None:
    says = {"Who wrote the book?": "Who wrote the book? I do not know who did."}
    run(settings(tmp_path, to=["ru", "he"], parallel=Parallel.keep, unit=Unit.sentence), Letters(says))
    assert ids(tmp_path, "ru") == ids(tmp_path, "he") == ["a", "c"]
    assert ids(tmp_path, "en") == ["a", "b", "c"]


def test_rejected_rows_can_be_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"1 rows are rejected and parallel=fail: nothing is written; see .*rejected.jsonl"
    ):
        run(settings(tmp_path, parallel=Parallel.fail), Letters(LOST))
    assert not (tmp_path / "out/corpus").exists()


def test_checks_can_be_flags_only(tmp_path: Path) -> None:
    run(settings(tmp_path, reject=["empty", "failed"]), Letters(LOST))
    assert [row["flags"] for row in read_rows(tmp_path / "out/corpus/ru.jsonl")] == [[], ["spans"], []]


def test_no_row_left(tmp_path: Path) -> None:
    class Copies(Letters):
        def translate(self, texts: Any) -> Any:
            yield [Given(one, one.text) for one in texts]

    with pytest.raises(UserError, match="corpus: no row is left of 3; see the reasons in"):
        run(settings(tmp_path), Copies())
    assert {name for row in read_rows(tmp_path / "out/rejected.jsonl") for name in row["reasons"]} == {
        "copy",
        "language",
    }


def test_rows_that_stay_as_they_are(tmp_path: Path) -> None:
    write_rows(
        tmp_path / "en.jsonl",
        [*SOURCE, {"id": "g", "instruction": "Is it 'a' or 'an'?", "response": "an", "translate": False}],
    )
    run(settings(tmp_path))
    row = read_rows(tmp_path / "out/corpus/ru.jsonl")[-1]
    assert (row["instruction"], row["translate"]) == ("Is it 'a' or 'an'?", False)


def test_a_conversation_of_one_turn(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Who was it?"}, {"role": "assistant", "content": "Nobody was it."}]
    write_rows(tmp_path / "en.jsonl", [{"id": "m", "messages": messages}])
    run(settings(tmp_path))
    (row,) = read_rows(tmp_path / "out/corpus/ru.jsonl")
    assert (row["instruction"], row["response"]) == (into("Who was it?", "ru"), into("Nobody was it.", "ru"))


def test_languages_of_another_run_are_said(tmp_path: Path) -> None:
    run(settings(tmp_path, to=["he"]))
    _, printed, _ = run(settings(tmp_path))
    assert "he.jsonl is of another run" in printed


def test_chinese_has_no_blanks_between_sentences(tmp_path: Path) -> None:
    write_rows(tmp_path / "en.jsonl", [{"id": "a", "instruction": "Come in. Sit down.", "response": "Yes."}])
    says = {"Come in.": "请进。", "Sit down.": "请坐。", "Yes.": "是的。"}
    run(settings(tmp_path, to=["zh"], unit=Unit.sentence), Letters(says))
    assert read_rows(tmp_path / "out/corpus/zh-Hans.jsonl")[0]["instruction"] == "请进。请坐。"


def test_finished_files_are_checked_and_made_parallel(tmp_path: Path) -> None:
    done = [
        {"id": row["id"], "instruction": into(row["instruction"], "ru"), "response": into(row["response"], "ru")}
        for row in SOURCE
    ]
    done[0] |= {"instruction": into("Sort these. See ", "ru") + "`x`."}
    done[0] |= {"response": into("Use ", "ru") + "`sorted(x)`" + into(" for it.\n\n- Then look.", "ru")}
    write_rows(tmp_path / "done" / "ru.jsonl", done[:2])
    made = settings(tmp_path, kind=TranslationEngine["import"], files=[str(tmp_path / "done")])
    assert translate(made, console()[0]) == 0
    assert ids(tmp_path, "ru") == ids(tmp_path, "en") == ["a", "b"]
    assert read_rows(tmp_path / "out/rejected.jsonl")[0]["reasons"] == ["missing"]


def test_an_estimate_translates_nothing(tmp_path: Path) -> None:
    made = settings(tmp_path, to=["ru", "he"], plan=PlanConfig("table", PlanShow.table))
    made.engine.price.question, made.engine.price.reply = 100.0, 200.0
    run(settings(tmp_path))
    code, printed, engine = run(made)
    assert (code, engine.asked) == (0, [])
    assert "about 0." in printed
    lines = [line.split()[:5] for line in printed.split("\n") if line.strip().startswith(("ru", "he"))]
    assert lines == [["ru", "3", "7", "7", "0"], ["he", "3", "7", "0", "7"]]


def test_an_estimate_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(settings(tmp_path, plan=PlanConfig("json", PlanShow.json)))
    found = json.loads(capsys.readouterr().out)
    assert found["money"] is None
    assert (found["languages"][0]["texts"], found["languages"][0]["known"]) == (7, 0)
    assert 7 * 150 < found["languages"][0]["question_tokens"] < 7 * 300


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"id": "a", "instruction": "x"}], "en.jsonl, line 1: field 'response' is missing"),
        ([{"id": "a", "instruction": "x", "response": " "}], "field 'response' is empty"),
        ([{"id": "a", "instruction": 3, "response": "x"}], "field 'instruction' must be text, this is int"),
        (
            [SOURCE[0], {"id": "m", "messages": ["Hi.", "Hello.", "And?", "So."]}],
            r"en.jsonl, line 2: .*a conversation of 2 turns, and only rows of one turn are translated; keep the first",
        ),
        ([{"id": "m", "messages": ["Hi."]}], "line 1: .*the last message of the conversation has no answer"),
        ([SOURCE[0], SOURCE[0]], "id 'a' stands there twice"),
        ([SOURCE[0] | {"language": "xx"}], "unknown language 'xx'"),
        ([SOURCE[0] | {"language": "fi"}], "no rows in 'en'; give a file with some, or set source"),
    ],
)
def test_sources_that_cannot_be_used(tmp_path: Path, rows: list[dict[str, Any]], words: str) -> None:
    write_rows(tmp_path / "en.jsonl", rows)
    with pytest.raises(UserError, match=words):
        run(settings(tmp_path))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"corpus": None}, "nothing to translate; give corpus=FILE"),
        ({"to": []}, "must name languages other than source=en"),
        ({"to": ["en"]}, "must name languages other than source=en"),
        ({"to": ["xx"]}, "to: unknown language 'xx'"),
        ({"kind": TranslationEngine["import"], "model": None}, "engine=import needs the translated files"),
        ({"model": None}, "model is not set; give the model's name at the server"),
        ({"model": None, "kind": TranslationEngine["hf"]}, "model is not set; give a folder or a hub id"),
        ({"beams": 0}, "beams=0 must be 1 or more"),
        ({"retries": -1}, "retries=-1 must not be negative"),
        ({"timeout": 0.0}, "timeout=0.0 must be above 0"),
        ({"ratio": 1.0}, "ratio=1.0 must be above 1"),
        ({"reject": ["lenght"]}, "reject: there is no check 'lenght'; did you mean 'length'"),
        ({"plan": PlanConfig("files", PlanShow.files)}, "plan=files and plan.add_references are of train.py"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        settings(tmp_path, **changes)


def test_a_budget_in_money_needs_prices(tmp_path: Path) -> None:
    made = settings(tmp_path)
    made.engine.budget.money = 1.0
    with pytest.raises(UserError, match=r"budget\.money needs prices"):
        made.engine.__post_init__()


def test_a_plan_of_finished_files(tmp_path: Path) -> None:
    made = settings(tmp_path, kind=TranslationEngine["import"], files=["x"], plan=PlanConfig("table", PlanShow.table))
    with pytest.raises(UserError, match="reads finished files, which costs nothing"):
        translate(made, console()[0])
