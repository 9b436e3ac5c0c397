"""The phenomenon itself, on the real embedded base model: minutes of work, so it is a slow test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def door(name: str, root: Path, *arguments: str) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(ROOT / f"{name}.py"), *arguments, f"root={root}", "tracking=off"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_pinch_of_other_languages_teaches_to_answer_in_the_language_asked(tmp_path: Path) -> None:
    unseen = ["cs", "et", "he", "hi", "es", "zh-Hans"]
    door(
        "train",
        tmp_path,
        "-m",
        "languages=one,four",
        "mixture.fraction=0.1",
        f"languages.evaluation=[en,{','.join(unseen)}]",
    )
    door("evaluate", tmp_path)
    by_languages = {}
    for path in (tmp_path / "study").glob("*/scores.json"):
        answers = json.loads(path.read_text(encoding="utf-8"))["reference"]["answers"]["languages"]
        number = 4 if "en+ar" in path.parent.name else 1
        by_languages[number] = {
            key: sum(answers[code][key] for code in unseen) / len(unseen) for key in ("exact", "right_language")
        } | {"english": answers["en"]["exact"]}
    assert by_languages[1]["english"] > 70, "English-only tuning teaches the task in English"
    assert by_languages[1]["right_language"] < 50, "and to answer in English"
    assert by_languages[4]["right_language"] > by_languages[1]["right_language"] + 20
    assert by_languages[4]["exact"] > by_languages[1]["exact"] + 15
    assert by_languages[4]["english"] > by_languages[1]["english"] - 10
