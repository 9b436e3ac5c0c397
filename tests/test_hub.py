"""data=hub: tables laid out as on the Hub, in Parquet and JSON, in all the ways that they hold languages; and presets."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from huggingface_hub import constants

from pinch import corpora
from pinch.config import ColumnsConfig, DataConfig, DataSource, Overlap, TableConfig, Turns
from pinch.errors import UserError
from pinch.records import Example

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the Hub."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def parquet(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(rows).to_parquet(str(path))
    return path


def as_json(path: Path, rows: Rows) -> Path:
    """One JSON list, packed where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, ensure_ascii=False).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def lines(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def load(tmp_path: Path, table: TableConfig, **settings: Any) -> corpora.Corpus:
    """The corpus of a table, with one prompt in English unless settings say other ones."""
    if "asked" not in settings:
        prompt = {"id": "p", "language": "en", "instruction": "How far away is the moon on most nights?"}
        settings.setdefault("prompts", str(lines(tmp_path / "prompts.jsonl", [prompt])))
    data = DataConfig("mine", DataSource.hub, table=table, **settings)
    return corpora.load(data, tmp_path / "cache")


def row(name: object, **more: Any) -> dict[str, Any]:
    return {"id": name, "instruction": f"Do {name}", "response": f"Done {name}", **more}


BACTRIAN = ColumnsConfig(input="input", response="output")


def bactrian(name: str, code: str, given: str = "") -> dict[str, Any]:
    return {"id": name, "instruction": f"{code}: do {name}", "input": given, "output": f"{code}: done {name}"}


def test_files_per_language(tmp_path: Path) -> None:
    for code in ("en", "zh"):
        as_json(tmp_path / "x" / "data" / f"{code}.json.gz", [bactrian("a", code, "a thing"), bactrian("b", code)])
    wish = {"files": "data/{language}.json.gz", "languages": ["en", "zh"], "columns": BACTRIAN}
    corpus = load(tmp_path, TableConfig(str(tmp_path / "x"), **wish))
    assert set(corpus.examples) == {"en", "zh-Hans"}
    assert corpus.examples["zh-Hans"]["a"].instruction == "zh: do a\n\na thing"
    assert corpus.examples["en"]["b"].instruction == "en: do b"
    assert corpus.examples["en"]["b"].response == "en: done b"
    assert corpus.ids() == ("a", "b")
    assert not corpus.losses


def test_subsets_per_language_as_the_card_names_them(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    configs = ["configs:"]
    for word in ("finnish", "english"):
        parquet(folder / word / "train-00000-of-00001.parquet", [row(1), row(2)])
        configs += [f"- config_name: {word}", "  data_files:", "  - split: train", f"    path: {word}/train-*"]
    (folder / "README.md").write_text("\n".join(["---", *configs, "---", ""]))
    words = {"fi": "finnish", "en": "english"}
    corpus = load(tmp_path, TableConfig(str(folder), config="{language}", languages=["en", "fi"], words=words))
    assert {code: list(rows) for code, rows in corpus.examples.items()} == {"en": ["1", "2"], "fi": ["1", "2"]}


def test_a_column_that_says_the_language(tmp_path: Path) -> None:
    rows = [
        row(1, lang="eng", script="Latn"), row(1, lang="zho", script="Hans"), row(1, lang="zho", script="Hant"),
        row(1, lang="srp", script="Latn"), row(1, lang="arb", script="Arab"), row(1, lang="kor", script="Hang"),
        row(1, lang="ace", script="Latn"),
    ]  # fmt: skip
    path = parquet(tmp_path / "x" / "data" / "train-0.parquet", rows)
    columns = ColumnsConfig(language="lang", script="script")
    assert set(load(tmp_path, TableConfig(str(path.parent.parent), columns=columns)).examples) == {
        "en", "zh-Hans", "sr-Latn", "ar", "ko",
    }  # fmt: skip
    only = TableConfig(str(path), columns=columns, languages=["en", "ar"])
    assert set(load(tmp_path, only).examples) == {"en", "ar"}, "a single file is a table too"


def test_a_column_per_language(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "q_en": "One?", "q_zh": "一?", "a_en": "Yes", "a_zh": "是"},
        {"id": 2, "q_en": "Two?", "a_en": "No"},
    ]
    path = lines(tmp_path / "x.jsonl", rows)
    columns = ColumnsConfig(instruction="q_{language}", response="a_{language}")
    corpus = load(tmp_path, TableConfig(str(path), columns=columns))
    assert corpus.examples["zh-Hans"]["1"].response == "是"
    assert list(corpus.examples["en"]) == ["1", "2"]
    assert corpus.losses == {"rows without text": 1}
    assert corpus.ids() == ("1",)
    assert len(corpus.notes) == 2


def message(name: str, parent: str | None, text: str, **more: Any) -> dict[str, Any]:
    role = "assistant" if parent == "r" else "prompter"
    said = {"message_id": name, "parent_id": parent, "role": role, "text": text}
    return {**said, "lang": "en", "rank": None, "deleted": False, **more}


def test_paths_into_columns(tmp_path: Path) -> None:
    rows = [{"id": 1, "turns": ["One?", "More?"], "a": {"text": "1"}}, {"id": 2, "turns": [], "a": {"text": "2"}}]
    path = parquet(tmp_path / "x.parquet", rows)
    columns = ColumnsConfig(instruction="turns.0", response="a.text")
    corpus = load(tmp_path, TableConfig(str(path), languages=["en"], columns=columns))
    assert {name: (row.instruction, row.response) for name, row in corpus.examples["en"].items()} == {
        "1": ("One?", "1")
    }
    assert corpus.losses == {"rows without text": 1}


def test_columns_of_questions_and_of_answers_are_conversations(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "turns": ["One?", "More?"], "answers": ["1", "2"]},
        {"id": 2, "turns": ["Two?"], "answers": ["2"]},
        {"id": 3, "turns": ["Three?", "More?"], "answers": ["3"]},
    ]
    path = parquet(tmp_path / "x.parquet", rows)
    columns = ColumnsConfig(instruction="turns", response="answers")
    table = TableConfig(str(path), languages=["en"], columns=columns, turns=Turns.keep)
    corpus = load(tmp_path, table)
    assert {name: row.turns for name, row in corpus.examples["en"].items()} == {
        "1": (("One?", "1"), ("More?", "2")),
        "2": (("Two?", "2"),),
    }
    assert corpus.losses == {"conversations in which user and assistant do not take turns": 1}
    with pytest.raises(UserError, match=r"1 conversations of several turns; .* turns=drop"):
        load(tmp_path, replace(table, turns=Turns.refuse))


def test_two_tables_and_rows_without_ids(tmp_path: Path) -> None:
    first = lines(tmp_path / "a.jsonl", [{"conversations": ["Hi", "Hello"]}, {"conversations": ["1", "2", "3", "4"]}])
    tree = [
        message("r", None, "Why?"),
        message("s", "r", "worse", rank=1),
        message("t", "r", "best", rank=0),
        message("u", "r", "gone", rank=-1, deleted=True),
        message("v", "r", "no rank"),
        message("w", "t", "More?"),
        message("x", None, "Alone"),
        message("y", None, "Warum?", lang="de"),
    ]
    second = parquet(tmp_path / "b" / "data" / "train-0.parquet", tree)
    lima = TableConfig(
        str(first),
        languages=["en"],
        prefix="lima-",
        columns=ColumnsConfig(None, messages="conversations"),
        turns=Turns.drop,
    )
    columns = ColumnsConfig("message_id", "lang", instruction="text", parent="parent_id")
    oasst = TableConfig(
        str(second.parent.parent), files="data/*.parquet", columns=columns, languages=["en"], keep={"deleted": False}
    )
    found = load(tmp_path, lima, second=oasst)
    assert {name: row.response for name, row in found.examples["en"].items()} == {"lima-0": "Hello", "r": "best"}
    assert found.losses == {"conversations of several turns": 1, "rows without text": 1}
    assert load(tmp_path, replace(lima, turns=Turns.first)).examples["en"]["lima-1"].response == "2"
    with pytest.raises(UserError, match=r"1 conversations of several turns; .* turns=drop"):
        load(tmp_path, replace(lima, turns=Turns.refuse))
    kept = load(tmp_path, replace(lima, turns=Turns.keep))
    assert kept.examples["en"]["lima-1"] == Example("lima-1", "en", "3", "4", (("1", "2"),))
    assert kept.losses == {}
    with pytest.raises(UserError, match=r"turns=keep is for columns\.messages"):
        replace(oasst, turns=Turns.keep)
    asked = replace(lima, turns=Turns.keep, columns=replace(lima.columns))
    with pytest.raises(UserError, match=r"1 conversations of several turns; prompts have one turn: set turns=first"):
        load(tmp_path, oasst, asked=asked, prompts=None)


def test_a_limit_takes_the_same_ids_in_every_language(tmp_path: Path) -> None:
    for code, order in (("en", range(40)), ("fi", reversed(range(40)))):
        lines(tmp_path / "x" / f"{code}.jsonl", [row(number) for number in order])
    table = TableConfig(str(tmp_path / "x"), files="{language}.jsonl", languages=["en", "fi"], limit=7)
    corpus = load(tmp_path, table)
    assert len(corpus.ids()) == len(corpus.examples["en"]) == len(corpus.examples["fi"]) == 7
    assert set(corpus.ids()) < set(load(tmp_path, replace(table, limit=9)).ids())


def test_prompts_of_a_table(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", [row(0)])
    asked = as_json(
        tmp_path / "e" / "eval.json",
        [
            {"instruction": f"Ask {n}", "dataset": name, "answer": "A"}
            for n, name in enumerate(("koala", "oasst", "koala"))
        ],
    )
    wanted = TableConfig(
        str(asked.parent), files="eval.json", languages=["en"], prefix="e-", keep={"dataset": ["koala", "vicuna"]},
        columns=ColumnsConfig(None, reference="answer"),
    )  # fmt: skip
    corpus = load(tmp_path, TableConfig(str(path), languages=["en"]), asked=wanted)
    assert list(corpus.prompts["en"]) == ["e-0", "e-2"]
    assert corpus.prompts["en"]["e-2"].reference == "A"
    without = replace(wanted, columns=ColumnsConfig(None))
    assert (
        load(tmp_path, TableConfig(str(path), languages=["en"]), asked=without).prompts["en"]["e-0"].reference is None
    )


def test_the_fingerprint_is_that_of_the_same_rows_in_jsonl(tmp_path: Path) -> None:
    rows = [row("a", language="en"), row("a", language="fi")]
    prompts = str(lines(tmp_path / "p.jsonl", [{"id": "p", "language": "en", "instruction": "Ask"}]))
    plain = DataConfig("mine", DataSource.jsonl, str(lines(tmp_path / "x.jsonl", rows)), prompts)
    path = parquet(tmp_path / "x.parquet", rows)
    table = TableConfig(str(path), columns=ColumnsConfig(language="language"))
    assert load(tmp_path, table).fingerprint == corpora.load(plain).fingerprint


def test_a_table_of_the_hub_is_read_from_the_cache(tmp_path: Path) -> None:
    commit = "0" * 40
    kept = tmp_path / "cache" / "datasets" / "hub" / "datasets--owner--name"
    lines(kept / "snapshots" / commit / "data" / "en.jsonl", [row(1)])
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    table = TableConfig("owner/name", files="data/{language}.jsonl", languages=["en"])
    assert load(tmp_path, table).ids() == ("1",)
    assert load(tmp_path, replace(table, revision=commit)).ids() == ("1",)
    with pytest.raises(UserError, match=r"owner/name: no file data/fi\.jsonl"):
        load(tmp_path, replace(table, languages=["fi"]))
    for wish in (replace(table, path="owner/other"), TableConfig("owner/other", languages=["en"])):
        with pytest.raises(UserError, match="not on this machine, and the Hub is out of reach"):
            load(tmp_path, wish)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", [row(1)])
    asked = lines(tmp_path / "p.jsonl", [{"id": "p", "language": "en", "instruction": "Ask"}])
    table = TableConfig(str(path), languages=["en"])
    data = DataConfig("mine", DataSource.hub, prompts=str(asked), table=table)
    first = corpora.load(data, tmp_path)
    assert corpora.load(replace(data, name="other", budget=1), tmp_path) is first
    assert corpora.load(replace(data, min_chars=1), tmp_path) is not first
    lines(path, [row(1), row(2)])
    assert corpora.load(data, tmp_path).ids() == ("1", "2")


@pytest.mark.parametrize(
    ("rows", "wish", "words"),
    [
        ([row(1)], {"path": "./nowhere"}, r"\./nowhere: no such folder or file"),
        ([row(1)], {"languages": None}, "nothing says its languages"),
        ([row(1)], {"columns": ColumnsConfig(response="respons")}, "no column 'respons'; did you mean 'response'"),
        ([row(1), row(1)], {}, r"id '1' \(en\) stands there twice"),
        ([{**row(1), "instruction": " "}], {}, "no examples in it \\(1 rows without text\\)"),
        ([{**row(1), "id": None}, row(2)], {"keep": {"id": "None"}}, "1 rows without an id"),
        ([row(1)], {"columns": ColumnsConfig(instruction="{language}")}, "no column {language} of any language"),
        ([row(1)], {"config": "fr"}, "cannot be read"),
        ([row(1)], {"files": "{language}.jsonl", "languages": None}, "one subset or file per language"),
        ([row(1)], {"files": "*.txt"}, "no file \\*.txt"),
    ],
)
def test_refusals(tmp_path: Path, rows: Rows, wish: dict[str, Any], words: str) -> None:
    lines(tmp_path / "x" / "x.jsonl", rows)
    if "columns" in wish and "{" in str(wish["columns"].instruction):
        wish = {**wish, "languages": None}
    with pytest.raises(UserError, match=words) as caught:
        load(tmp_path, TableConfig(**{"path": str(tmp_path / "x"), "languages": ["en"], **wish}))
    assert "\n" not in str(caught.value)


def test_broken_files_and_scripts(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"id": 1\n')
    with pytest.raises(UserError, match=r"x\.jsonl: cannot be read \("):
        load(tmp_path, TableConfig(str(tmp_path / "x.jsonl"), languages=["en"]))
    (tmp_path / "y.bin").write_text("")
    with pytest.raises(UserError, match=r"y\.bin is none of \.parquet, \.json"):
        load(tmp_path, TableConfig(str(tmp_path / "y.bin"), languages=["en"]))
    script = tmp_path / "name" / "name.py"
    script.parent.mkdir()
    script.write_text("raise SystemExit('never run')")
    with pytest.raises(UserError, match="comes with a script, which is never run"):
        load(tmp_path, TableConfig(str(script.parent), languages=["en"]))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "Dataset 'a/b' is a gated dataset on the Hub. You must be authenticated.",
            "gated on the Hub; accept its terms",
        ),
        ("Dataset 'a/b' doesn't exist on the Hub or cannot be accessed.", "not found on the Hub; check the name"),
        ("Couldn't reach 'a/b' on the Hub (OfflineModeIsEnabled)", "not on this machine, and the Hub is out of reach"),
        ("\n\nSchema differs\nat row 3", r"cannot be read \(Schema differs\)"),
    ],
)
def test_what_the_library_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, words: str) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise datasets.exceptions.DatasetNotFoundError(said) if "Dataset" in said else OSError(said)

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(UserError, match=f"^a/b: {words}"):
        load(tmp_path, TableConfig("a/b", languages=["en"]))


def test_both_tables_with_the_same_id(tmp_path: Path) -> None:
    table = TableConfig(str(lines(tmp_path / "x.jsonl", [row(1)])), languages=["en"])
    with pytest.raises(UserError, match="is in both tables; give one a prefix"):
        load(tmp_path, table, second=table)


def test_no_prompts(tmp_path: Path) -> None:
    table = TableConfig(str(lines(tmp_path / "x.jsonl", [row(1)])), languages=["en"])
    with pytest.raises(UserError, match="no prompts in it"):
        load(tmp_path, table, asked=replace(table, keep={"id": "7"}))
    with pytest.raises(UserError, match="no evaluation prompts"):
        DataConfig("mine", DataSource.hub, table=table)
    with pytest.raises(UserError, match=r"needs data\.table\.path"):
        DataConfig("mine", DataSource.hub)


# --- the real files, where they are ------------------------------------------------------------------------------------


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there: real data is not part of the repository")
    return path


def test_real_multiq_beside_real_conversations(tmp_path: Path) -> None:
    asked = TableConfig(
        str(real("multiq_200x17.jsonl")), prefix="multiq-", columns=ColumnsConfig(instruction="{language}")
    )
    table = TableConfig(
        str(real("oasst_en100.jsonl")), languages=["en"], columns=ColumnsConfig(instruction="prompt", response="prompt")
    )
    corpus = load(tmp_path, table, asked=asked, overlap=Overlap.drop)
    assert {len(rows) for rows in corpus.prompts.values()} == {200}
    assert len(corpus.prompts) == 17
    assert len(corpus.ids()) + sum(corpus.losses.values()) == 100


def test_the_real_617_are_found_in_a_corpus_that_has_some(tmp_path: Path) -> None:
    columns = ColumnsConfig("question_id", instruction="{language}", response="category")
    asked = TableConfig(
        str(real("alpacafarm_eval_805.jsonl")), languages=["en"], prefix="alpacafarm-",
        keep={"dataset": ["selfinstruct", "koala", "helpful_base", "vicuna"]},
    )  # fmt: skip
    table = TableConfig(str(real("vicuna80_12lang.jsonl")), columns=columns, languages=["en", "de", "id"])
    other = TableConfig(
        str(real("llmzoo_instr_100x10.jsonl")), prefix="zoo-", languages=["en", "de"],
        columns=ColumnsConfig(instruction="{language}", response="label"),
    )  # fmt: skip
    corpus = load(tmp_path, table, second=other, asked=asked, overlap=Overlap.drop)
    assert len(corpus.prompts["en"]) == 617
    assert set(corpus.examples) == {"en", "de"}, "all 80 are part of the 617, and Indonesian has no others"
    assert all(name.startswith("zoo-") for name in corpus.ids())
    assert corpus.losses["ids whose instruction is an evaluation prompt"] >= 80
