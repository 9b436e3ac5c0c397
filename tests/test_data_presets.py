"""Ready data sets (conf/data, conf/prompts): each reads a small folder laid out as its card says, whole path by Hydra.

The columns are those of the cards on the Hub; the rows are made up.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from pinch import corpora
from pinch.config import TrainConfig
from pinch.errors import UserError
from pinch.languages import TWELVE
from test_config import CONF, settings

AYA = {"en": "eng", "ar": "arb", "zh-Hans": "zho", "cs": "ces", "et": "est", "fi": "fin", "he": "heb", "hi": "hin",
       "it": "ita", "ru": "rus", "es": "spa", "sw": "swh"}  # fmt: skip
Rows = list[dict[str, Any]]


def put(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        datasets.Dataset.from_list(rows).to_parquet(str(path))
        return
    whole = "\n".join(map(json.dumps, rows)) if path.suffix == ".jsonl" else json.dumps(rows)
    path.write_bytes(gzip.compress(whole.encode()) if path.suffix == ".gz" else whole.encode())


def bactrian(folder: Path) -> None:
    for code in TWELVE:
        rows = [
            {"id": f"alpaca-{n}", "instruction": f"{code} do {n}", "input": "", "output": f"{code} {n}"}
            for n in range(5)
        ]
        put(folder / "data" / f"{'zh' if code == 'zh-Hans' else code}.json.gz", rows)


def aya(folder: Path) -> None:
    said = {
        "dataset_name": "Dolly-v2 (T)",
        "sub_dataset_name": "-",
        "task_type": "question-answering",
        "template_id": 0,
    }
    rows = [
        {**said, "id": n, "inputs": f"{word} ask {n}", "targets": f"{word} {n}", "language": word, "split": "train",
         "script": "Hans" if word == "zho" else "Arab" if word == "arb" else SCRIPT.get(word, "Latn")}
        for word in (*AYA.values(), "ace") for n in range(5)
    ]  # fmt: skip
    rows += [{**row, "script": "Hant"} for row in rows if row["language"] == "zho"]
    put(folder / "translated_dolly" / "train-00000-of-00002.parquet", rows[:30])
    put(folder / "translated_dolly" / "train-00001-of-00002.parquet", rows[30:])


SCRIPT = {"heb": "Hebr", "hin": "Deva", "rus": "Cyrl"}


def alpaca(folder: Path) -> None:
    put(
        folder / "alpaca_data_cleaned.json",
        [{"instruction": f"Do {n}", "input": "", "output": f"{n}"} for n in range(5)],
    )


def lima(folder: Path) -> None:
    rows = [{"conversations": [f"Ask {n}", f"Say {n}"], "source": "wikihow"} for n in range(4)]
    put(folder / "train.jsonl", [*rows, {"conversations": ["1", "2", "3", "4"], "source": "multi_turn"}])


def oasst(folder: Path) -> None:
    said = {"lang": "en", "deleted": False, "review_result": True, "tree_state": "ready_for_export"}
    root = {**said, "message_id": "r", "parent_id": None, "role": "prompter", "text": "Why?", "rank": None}
    replies = [
        {**said, "message_id": f"a{rank}", "parent_id": "r", "role": "assistant", "text": f"{rank}", "rank": rank}
        for rank in (1, 0)
    ]
    put(folder / "data" / "train-00000-of-00001-abc.parquet", [root, *replies])


def multiq(folder: Path) -> None:
    folder.mkdir(parents=True)
    rows = [
        "id,language,prompt,domain",
        'gpt-1,en,"What, now?",physics',
        "gpt-1,zh-CN,什么?,physics",
        "gpt-1,ee,Nukae?,physics",
    ]
    (folder / "MultiQ.csv").write_text("\n".join(rows), encoding="utf-8")


def alpacafarm(folder: Path) -> None:
    names = ("helpful_base", "koala", "oasst", "selfinstruct", "vicuna")
    rows = [
        {"dataset": name, "instruction": f"{name}?", "output": "o", "generator": "text_davinci_003"} for name in names
    ]
    put(folder / "alpaca_eval.json", rows)


def aya_dolly(folder: Path) -> None:
    rows = [
        {"id": n, "inputs": f"{word} {n}", "targets": f"{n}", "language": word, "script": "Latn", "source_id": n}
        for word in ("eng", "swh", "xho")
        for n in range(3)
    ]
    put(folder / "dolly_machine_translated" / "test-00000-of-00001.parquet", rows)


CORPORA: dict[str, Any] = {
    "bactrian_x": (bactrian, {*TWELVE}, 5),
    "aya_dolly": (aya, {*TWELVE}, 5),
    "alpaca_cleaned": (alpaca, {"en"}, 5),
    "lima_oasst": (lima, {"en"}, 5),
}
PROMPTS: dict[str, Any] = {
    "multiq": (multiq, {"en": 1, "zh-Hans": 1}),
    "alpacafarm": (alpacafarm, {"en": 4}),
    "aya_dolly": (aya_dolly, {"en": 3, "sw": 3}),
}


def load(tmp_path: Path, *words: str) -> corpora.Corpus:
    made: TrainConfig = settings("train", *words)
    return corpora.load(made.data, tmp_path / "cache")


def test_every_preset_is_tried() -> None:
    assert {path.stem for path in (CONF / "data").glob("*.yaml")} == {"embedded", "jsonl", "hub", *CORPORA}
    assert {path.stem for path in (CONF / "prompts").glob("*.yaml")} == set(PROMPTS)


@pytest.mark.parametrize("name", CORPORA)
def test_corpora(tmp_path: Path, name: str) -> None:
    make, languages, ids = CORPORA[name]
    make(tmp_path / "corpus")
    multiq(tmp_path / "asked")
    words = [f"data={name}", f"data.table.path={tmp_path / 'corpus'}", f"data.asked.path={tmp_path / 'asked'}"]
    if name == "lima_oasst":
        oasst(tmp_path / "second")
        words.append(f"data.second.path={tmp_path / 'second'}")
    corpus = load(tmp_path, *words)
    assert set(corpus.examples) == languages
    assert len(corpus.ids()) == ids
    assert list(corpus.prompts["zh-Hans"]) == ["multiq-gpt-1"]
    if name == "lima_oasst":
        assert corpus.examples["en"]["oasst-r"].response == "0", "the best by rank"
        assert corpus.losses == {"conversations of several turns": 1}


@pytest.mark.parametrize("name", PROMPTS)
def test_prompts_beside_any_corpus(tmp_path: Path, name: str) -> None:
    make, counts = PROMPTS[name]
    make(tmp_path / "asked")
    bactrian(tmp_path / "corpus")
    words = [f"prompts@data.asked={name}", "data.table.languages=[en,fi]"]
    paths = [f"data.table.path={tmp_path / 'corpus'}", f"data.asked.path={tmp_path / 'asked'}"]
    corpus = load(tmp_path, "data=bactrian_x", *words, *paths)
    assert {code: len(rows) for code, rows in corpus.prompts.items()} == counts
    assert set(corpus.examples) == {"en", "fi"}
    assert all(row.id.split("-")[0] in ("multiq", "alpacafarm", "aya") for row in corpus.prompts["en"].values())


def test_a_table_of_ones_own() -> None:
    made: TrainConfig = settings("train", "data=hub", "data.table.path=x")
    assert (made.data.name, made.data.asked.path) == ("hub", "caro-holt/MultiQ")
    with pytest.raises(UserError, match="limit of a table=0 must be 1 or more"):
        settings("train", "data=hub", "data.table.path=x", "data.table.limit=0")


def test_mappings_from_the_command_line(tmp_path: Path) -> None:
    aya(tmp_path / "corpus")
    multiq(tmp_path / "asked")
    paths = [f"data.table.path={tmp_path / 'corpus'}", f"data.asked.path={tmp_path / 'asked'}"]
    corpus = load(tmp_path, "data=aya_dolly", *paths, "data.table.words={fi: ace}", "data.table.keep={template_id: 0}")
    assert corpus.examples["fi"]["0"].instruction == "ace ask 0"
    with pytest.raises(UserError, match="keep of a table: 7 is no mapping"):
        settings("train", "data=aya_dolly", "data.table.keep=7")
    with pytest.raises(UserError, match="languages of a table: unknown language 'xx'"):
        settings("train", "data=aya_dolly", "data.table.languages=[xx]")
