"""Corpora: the embedded world, a user's JSONL files, what is said of bad ones, and what every source is sifted by."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pinch import cells, corpora
from pinch.config import DataConfig, DataSource, Missing, Overlap, Turns
from pinch.errors import UserError
from pinch.records import Example

ROW = {"id": "a", "language": "en", "instruction": "Say hello", "response": "Hello"}
PROMPT = {"id": "p", "language": "en", "instruction": "Say bye", "reference": "Bye"}

SAID = [{"role": "user", "content": "Say hello"}, {"role": "assistant", "content": "Hello"}]
SHORT_TALK = {"id": "a", "language": "en", "messages": SAID}
TALK = {**SHORT_TALK, "messages": SAID + SAID}
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def load(tmp_path: Path, rows: list[dict[str, Any]], prompts: list[dict[str, Any]] | None = None) -> corpora.Corpus:
    corpus = write(tmp_path / "corpus.jsonl", *rows)
    asked = write(tmp_path / "prompts.jsonl", *([PROMPT] if prompts is None else prompts))
    return corpora.load(DataConfig("mine", DataSource.jsonl, str(corpus), str(asked)))


def test_embedded_world_is_parallel_and_held_out() -> None:
    corpus = corpora.load(DataConfig())
    assert len(corpus.ids()) >= 4640
    assert all(len(rows) == len(corpus.ids()) for rows in corpus.examples.values())
    assert {len(rows) for rows in corpus.prompts.values()} == {len(corpus.prompts["en"])}
    assert len(corpus.prompts["en"]) >= 200
    assert len(corpus.evaluation) == 12


def test_one_file_with_several_languages(tmp_path: Path) -> None:
    corpus = load(tmp_path, [ROW, {**ROW, "language": "zh", "response": "你好"}, {**ROW, "id": 7}])
    assert set(corpus.examples) == {"en", "zh-Hans"}
    assert corpus.ids() == ("a",)
    assert corpus.left_out() == 1
    assert corpus.examples["en"]["7"].id == "7"


def test_a_folder_with_a_file_per_language(tmp_path: Path) -> None:
    short = {key: value for key, value in ROW.items() if key != "language"}
    for code in ("en", "sr-Latn"):
        write(tmp_path / "corpus" / f"{code}.jsonl", short)
    prompts = write(tmp_path / "prompts.jsonl", PROMPT)
    corpus = corpora.load(DataConfig("mine", DataSource.jsonl, str(tmp_path / "corpus"), str(prompts)))
    assert set(corpus.examples) == {"en", "sr-Latn"}


def test_the_fingerprint_is_of_the_content_not_of_the_order(tmp_path: Path) -> None:
    second = {**ROW, "id": "b", "instruction": "Say hi"}
    one = load(tmp_path / "1", [ROW, second]).fingerprint
    assert load(tmp_path / "2", [second, ROW]).fingerprint == one
    assert load(tmp_path / "3", [ROW, {**second, "response": "Hi"}]).fingerprint != one


def test_max_prompts_takes_the_same_ids_in_every_language(tmp_path: Path) -> None:
    prompts = [{**PROMPT, "id": f"p{n}", "language": code} for n in range(9) for code in ("en", "fi")]
    corpus = write(tmp_path / "corpus.jsonl", ROW)
    asked = write(tmp_path / "prompts.jsonl", *prompts)
    few = corpora.load(DataConfig("mine", DataSource.jsonl, str(corpus), str(asked), max_prompts=4)).prompts
    assert len(few["en"]) == 4
    assert list(few["en"]) == list(few["fi"])


def test_digests_are_those_of_the_prompts_that_are_asked(tmp_path: Path) -> None:
    prompts = [{**PROMPT, "id": f"p{n}"} for n in range(5)]
    corpus = load(tmp_path, [ROW], prompts)
    assert corpus.digests == {"en": cells.prompts_digest(corpus.prompts_in(["en"])["en"])}
    data = DataConfig("mine", DataSource.jsonl, str(tmp_path / "corpus.jsonl"), str(tmp_path / "prompts.jsonl"))
    few = corpora.load(replace(data, max_prompts=2))
    assert few.digests == {"en": cells.prompts_digest(few.prompts_in(["en"])["en"])} != corpus.digests


def test_a_corpus_is_read_once_as_long_as_its_files_stay_the_same(tmp_path: Path) -> None:
    first = load(tmp_path, [ROW])
    data = DataConfig("mine", DataSource.jsonl, str(tmp_path / "corpus.jsonl"), str(tmp_path / "prompts.jsonl"))
    assert corpora.load(data) is first
    assert corpora.load(replace(data, name="other", budget=1)) is first, "these do not change what is read"
    few = replace(data, max_prompts=1)
    assert corpora.load(few) is corpora.load(few)

    file = tmp_path / "corpus.jsonl"
    before = file.stat()
    write(file, {**ROW, "response": "Hallo"})
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert corpora.load(data).examples["en"]["a"].response == "Hallo", (
        "changed within the clock's tick, or with its old time"
    )


def test_a_new_file_in_a_folder_is_read(tmp_path: Path) -> None:
    short = {key: value for key, value in ROW.items() if key != "language"}
    write(tmp_path / "corpus" / "en.jsonl", short)
    prompts = write(tmp_path / "prompts.jsonl", PROMPT)
    data = DataConfig("mine", DataSource.jsonl, str(tmp_path / "corpus"), str(prompts))
    assert set(corpora.load(data).examples) == {"en"}
    write(tmp_path / "corpus" / "fi.jsonl", short)
    assert set(corpora.load(data).examples) == {"en", "fi"}


def test_the_embedded_world_is_made_once() -> None:
    assert corpora.load(DataConfig()) is corpora.load(DataConfig(budget=5))


def test_a_missing_file_is_said_every_time_until_it_is_there(tmp_path: Path) -> None:
    data = DataConfig("mine", DataSource.jsonl, str(tmp_path / "corpus.jsonl"), str(tmp_path / "prompts.jsonl"))
    for _ in range(2):
        with pytest.raises(UserError, match=r"corpus\.jsonl: no such file"):
            corpora.load(data)
    assert load(tmp_path, [ROW]).ids() == ("a",)


@pytest.mark.parametrize(
    ("rows", "prompts", "words"),
    [
        ([ROW, ROW], None, "row 2: id 'a' .* stands there twice"),
        ([{**ROW, "id": " "}], None, "line 1: field 'id' is empty"),
        ([{**ROW, "response": ""}], None, "line 1: field 'response' is empty"),
        ([ROW, {**ROW, "language": "xx"}], None, "line 2: field 'language': unknown language 'xx'"),
        ([{**ROW, "language": False}], None, "Norwegian"),
        ([{**ROW, "response": 3}], None, "must be text, this is int"),
        ([{key: ROW[key] for key in ("id", "language", "response")}], None, "'instruction' is missing"),
        ([ROW], [{**PROMPT, "id": "a"}], "is an id of the corpus too"),
        ([ROW], [{**PROMPT, "instruction": "Say hello"}], "word for word"),
        ([], None, "no rows in it"),
        ([TALK], None, "1 of 1 rows are conversations of several turns, row 1 the first"),
        ([{**SHORT_TALK, "messages": []}], None, "line 1: a conversation must be a list"),
    ],
)
def test_bad_files(tmp_path: Path, rows: list[Any], prompts: list[Any] | None, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        load(tmp_path, rows, prompts)
    assert "\n" not in str(caught.value)


def test_languages_without_data_and_ids_that_nobody_shares(tmp_path: Path) -> None:
    corpus = load(tmp_path, [ROW, {**ROW, "id": "b", "language": "fi"}])
    with pytest.raises(UserError, match="no examples in 'cs'; it has en, fi"):
        corpus.require(["cs"])
    with pytest.raises(UserError, match="no evaluation prompts in 'fi'"):
        corpus.prompts_in(["fi"])
    with pytest.raises(UserError, match="no id occurs in all of"):
        corpus.ids()


def test_a_file_named_after_no_language(tmp_path: Path) -> None:
    write(tmp_path / "corpus" / "engl.jsonl", ROW)
    prompts = write(tmp_path / "prompts.jsonl", PROMPT)
    with pytest.raises(UserError, match="the file's name: unknown language 'engl'"):
        corpora.load(DataConfig("mine", DataSource.jsonl, str(tmp_path / "corpus"), str(prompts)))


def test_conversations_of_one_turn(tmp_path: Path) -> None:
    other = [{"from": "human", "value": "Say hello"}, {"from": "gpt", "value": "Hello"}]
    plain = load(tmp_path, [ROW])
    for number, messages in enumerate((SAID, other, ["Say hello", "Hello"])):
        made = load(tmp_path / str(number), [{"id": "a", "language": "en", "messages": messages}])
        assert made.examples == plain.examples
        assert made.fingerprint == plain.fingerprint


def test_several_turns_are_counted(tmp_path: Path) -> None:
    rows = [SHORT_TALK, {**TALK, "id": "b"}, {**TALK, "id": "c"}]
    with pytest.raises(
        UserError, match=r"corpus\.jsonl: 2 of 3 rows are conversations of several turns, row 2 the first"
    ):
        load(tmp_path, rows)


LONG_TALK = {
    **SHORT_TALK,
    "messages": [*SAID, {"role": "user", "content": "Say it"}, {"role": "assistant", "content": "It"}],
}


def test_several_turns_are_kept_or_not(tmp_path: Path) -> None:
    rows = [{**SHORT_TALK, "id": "short"}, LONG_TALK]
    kept, first, dropped = (
        sifted(tmp_path, rows, [PROMPT], turns=wish) for wish in (Turns.keep, Turns.first, Turns.drop)
    )
    assert kept.examples["en"]["a"] == Example("a", "en", "Say it", "It", (("Say hello", "Hello"),))
    assert kept.examples["en"]["short"].turns == (("Say hello", "Hello"),)
    assert first.examples["en"]["a"] == Example("a", "en", "Say hello", "Hello")
    assert (list(dropped.examples["en"]), dropped.losses) == (["short"], {"conversations of several turns": 1})
    assert (kept.losses, first.losses) == ({}, {})


def test_the_fingerprint_knows_every_turn(tmp_path: Path) -> None:
    def named(instruction: str, response: str, before: tuple[tuple[str, str], ...] = ()) -> str:
        return corpora.Corpus({"en": {"a": Example("a", "en", instruction, response, before)}}, {}, "x").fingerprint

    assert named("Say it", "It") == "40efb75768630b2b", "what it was before there were turns"
    names = [
        named("Say it", "It"),
        named("Say it", "It", (("Say hello", "Hello"),)),
        named("Say it", "It", (("Say hello", "hello"),)),
        named("Say it", "It", (("a", "b"), ("c", "d"))),
        named("Say it", "It", (("a", "b\0c"), ("d", ""))),
    ]
    assert len(set(names)) == len(names)


def test_sifting_looks_at_every_turn(tmp_path: Path) -> None:
    keep = {"turns": Turns.keep}
    rows = [LONG_TALK, {**ROW, "id": "b", "response": "Hello"}]
    assert list(sifted(tmp_path, rows, [PROMPT], min_chars=3, **keep).examples["en"]) == ["b"]
    assert list(sifted(tmp_path, rows, [PROMPT], max_chars=20, **keep).examples["en"]) == ["b"]
    asked = {**PROMPT, "instruction": "Say hello!"}
    dropped = sifted(
        tmp_path, [LONG_TALK, {**ROW, "id": "b", "instruction": "Why?"}], [asked], overlap=Overlap.drop, **keep
    )
    assert list(dropped.examples["en"]) == ["b"]
    with pytest.raises(UserError, match=r"'p' .* is in the corpus word for word"):
        sifted(tmp_path, [LONG_TALK], [{**PROMPT, "instruction": "Say hello"}], **keep)


# --- what every source is sifted by ------------------------------------------------------------------------------------

LONG = "Which planets of the solar system have rings around them?"


def sifted(tmp_path: Path, rows: list[dict[str, Any]], prompts: list[dict[str, Any]], **wish: Any) -> corpora.Corpus:
    corpus, asked = write(tmp_path / "corpus.jsonl", *rows), write(tmp_path / "prompts.jsonl", *prompts)
    return corpora.load(DataConfig("mine", DataSource.jsonl, str(corpus), str(asked), **wish))


def both(
    name: str, instruction: str = "Say hello", response: str = "Hello", fi: str | None = None
) -> list[dict[str, Any]]:
    said = {"id": name, "instruction": instruction}
    return [{**said, "language": "en", "response": response}, {**said, "language": "fi", "response": fi or response}]


def test_lengths_count_in_every_language(tmp_path: Path) -> None:
    rows = [*both("a"), *both("b", response="Hello" * 9), *both("c", fi="Moi"), *both("d", "Say" * 30)]
    corpus = sifted(tmp_path, rows, [PROMPT], min_chars=4, max_chars=40)
    assert {code: list(found) for code, found in corpus.examples.items()} == {"en": ["a"], "fi": ["a"]}
    assert corpus.losses == {"ids of another length": 3}
    assert corpus.notes == (f"{corpus.where}: 3 ids of another length: left out",)
    assert corpus.fingerprint == sifted(tmp_path / "a", both("a"), [PROMPT]).fingerprint
    with pytest.raises(UserError, match=r"nothing is left without 4 ids of another length"):
        sifted(tmp_path, rows, [PROMPT], min_chars=400)


def test_overlap_with_the_prompts_is_reported_or_dropped(tmp_path: Path) -> None:
    rows = [*both("a"), *both("b", LONG.upper()), *both("c", LONG + " Why"), *both("d", LONG[:20])]
    asked = [{"id": "p", "language": "en", "instruction": LONG}]
    said = sifted(tmp_path, rows, asked)
    assert set(said.ids()) == {"a", "b", "c", "d"}
    assert len(said.notes) == 1
    assert (
        "2 ids have an instruction that is an evaluation prompt but for case and punctuation (1) or nearly one (1)"
        in said.notes[0]
    )
    dropped = sifted(tmp_path, rows, asked, overlap=Overlap.drop)
    assert set(dropped.ids()) == {"a", "d"}
    assert list(dropped.losses.values()) == [1, 1]
    assert set(sifted(tmp_path, rows, asked, overlap=Overlap.drop, near=1.0).ids()) == {"a", "c", "d"}
    same = [*both("a"), *both("b", LONG)]
    with pytest.raises(UserError, match="word for word"):
        sifted(tmp_path, same, asked)
    assert sifted(tmp_path, same, asked, overlap=Overlap.drop).ids() == ("a",)


def test_a_language_that_sifting_empties_is_gone(tmp_path: Path) -> None:
    rows = [*both("a", LONG), {**ROW, "id": "b"}]
    corpus = sifted(tmp_path, rows, [{"id": "p", "language": "fi", "instruction": LONG}], overlap=Overlap.drop)
    assert corpus.ids() == ("b",)
    assert corpus.losses["languages without examples after that (fi)"] == 1


def test_ids_that_a_language_lacks(tmp_path: Path) -> None:
    rows = [*both("a"), {**ROW, "id": "b"}, {**ROW, "id": "a", "language": "de"}, {**ROW, "id": "b", "language": "de"}]
    kept = sifted(tmp_path, rows, [PROMPT])
    assert (kept.ids(), set(kept.examples)) == (("a",), {"en", "fi", "de"})
    assert kept.notes == (f"{kept.where}: 1 ids are not in every language and were left out",)
    fewer = sifted(tmp_path, rows, [PROMPT], missing=Missing.drop_languages)
    assert (fewer.ids(), set(fewer.examples)) == (("a", "b"), {"en", "de"})
    assert fewer.losses == {"languages that lack ids (fi)": 1}
    with pytest.raises(
        UserError, match=r"not every id is in every language: fi lacks b; add them, or set data\.missing"
    ):
        sifted(tmp_path, rows, [PROMPT], missing=Missing.fail)
    assert sifted(tmp_path, both("a"), [PROMPT], missing=Missing.fail).ids() == ("a",)


def test_the_embedded_world_is_like_its_prompts_on_purpose() -> None:
    assert corpora.load(DataConfig()).notes == ()


@pytest.mark.parametrize(
    ("wish", "words"),
    [({"near": 0.0}, "data.near=0.0"), ({"min_chars": 0}, "1 or more"), ({"max_chars": 0}, "1 or more")],
)
def test_limits_of_sifting(wish: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        DataConfig(**wish)


def test_real_conversations_and_prompts(tmp_path: Path) -> None:
    """Real long answers in five languages, their first turns as messages, beside 200 real questions in 17."""
    source, asked = DATA / "mtbench_6lang_qwen2.jsonl", DATA / "multiq_200x17.jsonl"
    if not source.exists():
        pytest.skip(f"{source} is not there: real data is not part of the repository")
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").split("\n") if line]
    talks = [
        {"id": row["question_id"], "language": row["lang"], "messages": [row["turns"][0], row["answers"][0]]}
        for row in rows
        if row["lang"] != "ja"
    ]
    questions = [json.loads(line) for line in asked.read_text(encoding="utf-8").split("\n") if line]
    prompts = [
        {"id": row["id"], "language": code, "instruction": row[code]}
        for row in questions
        for code in ("en", "ru", "zh")
    ]
    corpus = sifted(tmp_path, talks, prompts)
    assert set(corpus.examples) == {"en", "de", "fr", "zh-Hans", "ru"}
    ids = {code: {row["question_id"] for row in rows if row["lang"] == code} for code in ("en", "de", "fr", "zh", "ru")}
    assert corpus.ids() == tuple(sorted(map(str, set.intersection(*ids.values()))))
    assert corpus.left_out() == len(set.union(*ids.values())) - len(corpus.ids()) > 0
    fewer = sifted(tmp_path, talks, prompts, missing=Missing.drop_languages)
    assert len(fewer.ids()) == len(ids["en"]) > len(corpus.ids())
    assert not corpus.overlap(0.8)[0]
