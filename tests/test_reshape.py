"""The reshape script: wide files and conversations become rows that data=jsonl reads."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "reshape.py"


def reshape(tmp_path: Path, rows: list[object], *options: str) -> tuple[int, str, list[dict[str, str]]]:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(source), str(target), *options], capture_output=True, text=True, timeout=60
    )
    made = [json.loads(line) for line in target.read_text().split("\n") if line] if target.exists() else []
    return done.returncode, done.stderr, made


def test_conversations(tmp_path: Path) -> None:
    row = {"lang": "en", "question_id": 81, "turns": ["Write.", "Rewrite."], "answers": ["Written.", "Rewritten."]}
    paths = ["--id", "question_id", "--language", "lang", "--instruction", "turns.0", "--response", "answers.0"]
    code, _, made = reshape(tmp_path, [row, {**row, "lang": "ja"}], *paths, "--languages", "en")
    assert code == 0
    assert made == [{"id": "81", "language": "en", "instruction": "Write.", "response": "Written."}]


def test_wide_rows(tmp_path: Path) -> None:
    code, _, made = reshape(tmp_path, [{"id": "q1", "en": "Why?", "es": "¿Por qué?"}], "--columns", "en,es")
    assert code == 0
    assert [(row["language"], row["instruction"]) for row in made] == [("en", "Why?"), ("es", "¿Por qué?")]


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    code, errors, made = reshape(tmp_path, [{"id": "q1", "en": "Why?"}], "--columns", "en,es")
    assert code == 2
    assert "line 1: field 'es' is missing" in errors
    assert not made
