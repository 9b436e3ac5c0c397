"""Corpora: the embedded world, a user's JSONL files, and what is said of bad ones."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pinch import cells, corpora
from pinch.config import DataConfig, DataSource
from pinch.errors import UserError

ROW = {"id": "a", "language": "en", "instruction": "Say hello", "response": "Hello"}
PROMPT = {"id": "p", "language": "en", "instruction": "Say bye", "reference": "Bye"}


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
