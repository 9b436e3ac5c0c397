"""Records: JSONL in and out, and what is said of rows that cannot be read."""

import json
import os
from pathlib import Path

import pytest

from pinch import records
from pinch.errors import UserError
from pinch.records import Answer, Outcome, Verdict, read_jsonl, write_jsonl


def answer(row: dict[str, object]) -> Answer:
    return Answer(**row)  # type: ignore[arg-type]


def test_round_trip_keeps_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    texts = ["line\u2028separator", "next\u0085line", "a\nb", "e\u0301 is not é", "\ud800 lone", '"quoted"\t']
    rows = [Answer(str(number), "en", text, 3, True) for number, text in enumerate(texts)]
    write_jsonl(path, rows)
    assert path.read_bytes().count(b"\n") == len(rows)
    if os.name == "posix":
        kept = [row for row in rows if "\ud800" not in row.text]
        write_jsonl(path, kept)
        assert read_jsonl(path, answer) == kept


def test_enums_are_written_as_their_values() -> None:
    line = records.to_line(Verdict("k", "reference", "en", "p", Outcome.tie, "raw"))
    assert json.loads(line)["outcome"] == "tie"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"id": "1"\n', "line 1: broken JSON"),
        (b'\n{"id": "1"}\n', "line 2: field 'language' is missing"),
        (b'["id"]\n', "line 1: a row must be a JSON object"),
        ('{"id": "é"}\n'.encode("latin-1"), "line 1: not UTF-8"),
        (b'{"id": 1, "language": 2}\n{"id": 1, "language": 2}, {"id": 3, "language": 4}\n', "line 2: broken JSON"),
        (b'{"id": 1, "language": [2\n3]}\n', "line 1: broken JSON"),
        (b'{"id": [1\n2], "language": 3}, {"id": 1, "language": 2}\n', "line 1: broken JSON"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        read_jsonl(path, lambda row: (row["id"], row["language"]))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_byte_order_mark(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_jsonl(tmp_path / "none.jsonl", dict)
    path = tmp_path / "bom.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1}\n')
    assert read_jsonl(path, dict) == [{"id": 1}]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    records.write_json(path, {"old": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        records.write_json(path, {"new": 2})
    assert json.loads(path.read_text()) == {"old": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.json"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        records.write_text(tmp_path / "file" / "inner.txt", "x")
