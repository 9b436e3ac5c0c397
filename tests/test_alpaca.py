"""The files of AlpacaEval: written, read, refused; its arithmetic by hand. Published files are in test_known_answers."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pinch import alpaca
from pinch.alpaca import Annotation, ModelOutput
from pinch.errors import UserError
from pinch.records import Answer, Prompt

QUESTIONS = ["Mikä on Suomen pääkaupunki?", "Yksi\u2028kaksi", "42", "sama", "sama"]
PROMPTS = [Prompt(f"{number:03d}", "fi", text) for number, text in enumerate(QUESTIONS)]
ANSWERS = {prompt.id: Answer(prompt.id, "fi", f"vastaus {prompt.id}", 2, True) for prompt in PROMPTS}

ROW: dict[str, Any] = {
    "instruction": "Mik\u00e4 on Suomen p\u00e4\u00e4kaupunki?",
    "output_1": "Helsinki.",
    "generator_1": "ref/one",
    "dataset": "pinch-fi",
    "pinch_id": "fi/0000",
    "output_2": "Turku",
    "generator_2": "model-x",
    "annotator": "some_annotator",
    "preference": 2.0,
    "preference_date": "2026-11-23T18:16:58.908890",
    "preference_raw_completion": "Output (a)",
    "preference_version": "alpaca_eval==0.6.6",
    "preference_price_per_example": 0.0,
}
"""As AlpacaEval 0.6.6 writes it when it compares two files that `write_model_outputs` has written."""


def written(path: Path, rows: Any) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def annotated(*preferences: float | None, model: str = "m", reference: str = "r") -> list[Annotation]:
    return [Annotation(f"i{n}", "a", "b", value, reference, model) for n, value in enumerate(preferences)]


def test_model_outputs() -> None:
    rows = alpaca.model_outputs(PROMPTS, ANSWERS, "cell-1", "pinch-fi")
    assert rows[1] == {
        "instruction": "Yksi\u2028kaksi",
        "output": "vastaus 001",
        "generator": "cell-1",
        "dataset": "pinch-fi",
        "pinch_id": "fi/001",
    }


def test_equal_instructions_are_written_once() -> None:
    """Joined on the instruction, two answers each would give four comparisons."""
    rows = alpaca.model_outputs(PROMPTS, ANSWERS, "cell-1", "d")
    assert [row["pinch_id"] for row in rows] == ["fi/000", "fi/001", "fi/002", "fi/003"]


def test_every_prompt_needs_an_answer_in_its_language() -> None:
    with pytest.raises(ValueError, match="cell-1 has no answer to prompt 004 in fi"):
        alpaca.model_outputs(PROMPTS, {key: ANSWERS[key] for key in list(ANSWERS)[:4]}, "cell-1", "d")
    with pytest.raises(ValueError, match="cell-1 has no answer to prompt 000 in en"):
        alpaca.model_outputs([Prompt("000", "en", "Hello")], ANSWERS, "cell-1", "d")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model_outputs.json"
    assert alpaca.write_model_outputs(path, PROMPTS, ANSWERS, "cell-1", "pinch-fi") == 4
    found = alpaca.read_model_outputs(path)
    assert found[2] == ModelOutput("42", "vastaus 002", "cell-1", "pinch-fi", "fi", "002")
    assert len(found) == 4


def test_annotations_of_alpaca_eval_are_read(tmp_path: Path) -> None:
    older = {name: value for name, value in ROW.items() if not name.startswith(("preference_", "pinch"))}
    rows = [ROW, older | {"preference": None, "output_2": "", "raw_completion": {"logprobs": [1]}}]
    first, second = alpaca.read_annotations(written(tmp_path / "annotations.json", rows))
    assert first == Annotation(
        ROW["instruction"], "Helsinki.", "Turku", 2.0, "ref/one", "model-x", "some_annotator", "pinch-fi", "Output (a)",
        "fi", "0000",
    )  # fmt: skip
    assert (second.preference, second.output_2, second.raw_completion) == (None, "", '{"logprobs": [1]}')
    assert (second.language, second.prompt) == ("", "")


def test_annotations_are_written_as_they_are_read(tmp_path: Path) -> None:
    given = alpaca.read_annotations(written(tmp_path / "a.json", [ROW, ROW | {"preference": None, "output_2": "Oulu"}]))
    alpaca.write_annotations(tmp_path / "b.json", given)
    assert alpaca.read_annotations(tmp_path / "b.json") == given
    assert json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))[0]["preference"] == 2.0


@pytest.mark.parametrize(
    ("given", "preference", "score"),
    [(1, 1, 0.0), (2, 2, 1.0), (1.5, 1.5, 0.5), (0, 0, 0.5), (1.25, 1.25, 0.25), (None, None, None), (-1, None, None)],
)
def test_preferences(tmp_path: Path, given: float | None, preference: float | None, score: float | None) -> None:
    (row,) = alpaca.read_annotations(written(tmp_path / "a.json", [ROW | {"preference": given}]))
    assert row.preference == preference
    assert alpaca.score(row.preference) == score


def test_not_a_number_is_a_reply_that_could_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([ROW]).replace("2.0", "NaN"), encoding="utf-8")
    assert alpaca.read_annotations(path)[0].preference is None


def test_texts_that_a_table_made_numbers_of_are_texts(tmp_path: Path) -> None:
    (row,) = alpaca.read_annotations(written(tmp_path / "a.json", [ROW | {"instruction": 42, "output_1": 1.5}]))
    assert (row.instruction, row.output_1) == ("42", "1.5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preference": 3}, "a.json, row 2: preference=3 is none: 1 to 2, 0 (a draw), or null"),
        ({"preference": 0.5}, "row 2: preference=0.5 is none"),
        ({"preference": "2"}, "row 2: preference='2' is none"),
        ({"preference": True}, "row 2: preference=True is none"),
        ({"output_1": None}, "a.json, row 2: field 'output_1' is missing; mend or remove the row"),
        ({"instruction": ["x"]}, "row 2: field 'instruction' is list instead of text; mend or remove the row"),
        ({}, "a.json, row 2: compares the same answers as row 1 and would count twice; remove one of them"),
    ],
)
def test_bad_annotations_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        alpaca.read_annotations(written(tmp_path / "a.json", [ROW, ROW | {"preference": 1.0} | change]))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_double(tmp_path: Path) -> None:
    rows = [ROW, ROW | {"annotator": "another"}, ROW | {"generator_2": "model-y"}, ROW | {"pinch_id": "fi/0001"}]
    assert len(alpaca.read_annotations(written(tmp_path / "a.json", rows))) == 4


def test_annotations_need_a_preference(tmp_path: Path) -> None:
    row = {name: value for name, value in ROW.items() if name != "preference"}
    with pytest.raises(UserError, match="row 1: field 'preference' is missing; these are no annotations of AlpacaEval"):
        alpaca.read_annotations(written(tmp_path / "a.json", [row]))


def test_bad_model_outputs_are_refused(tmp_path: Path) -> None:
    good = {"instruction": "a", "output": "b"}
    with pytest.raises(UserError, match=r"m.json, row 2: the instruction occurs twice, and AlpacaEval joins on it"):
        alpaca.read_model_outputs(written(tmp_path / "m.json", [good, good]))
    with pytest.raises(UserError, match="row 1: field 'output' is missing"):
        alpaca.read_model_outputs(written(tmp_path / "m.json", [{"instruction": "a"}]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'[{"instruction": "a"',
            "a.json: broken JSON (Expecting ',' delimiter at line 1, column 21); AlpacaEval writes",
        ),
        (
            b'{"instruction": "a"}',
            "a.json: not a JSON array of objects, as AlpacaEval writes; check that it is the right",
        ),
        (b"[1]", "a.json: not a JSON array of objects"),
        (b"[]", "a.json: holds no rows; check that it is the right file"),
        (b'["\xe4"]', "a.json: not UTF-8; convert the file, e.g. iconv -f LATIN1 -t UTF-8"),
        (None, "a.json: no such file; check the path"),
    ],
)
def test_what_is_no_file_of_alpaca_eval(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    for read in (alpaca.read_annotations, alpaca.read_model_outputs):
        with pytest.raises(UserError) as error:
            read(path)
        assert message in str(error.value)


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        alpaca.read_annotations(tmp_path)
    assert str(error.value) == f"{tmp_path}: cannot be read ({os.strerror(21)}); check the path and its permissions"


def test_summary_by_hand() -> None:
    """Scores 0 100 50 50 100: mean 60, sd 41.83."""
    (found,) = alpaca.summary(annotated(1, 2, 1.5, 0, 2, None))
    assert (found.n, found.wins, found.draws, found.losses, found.invalid) == (5, 2, 2, 1, 1)
    assert (found.score, found.discrete_score) == (pytest.approx(60), 60)
    assert found.se == pytest.approx(np.std([0, 100, 50, 50, 100], ddof=1) / np.sqrt(5))
    assert found.high - 60 == pytest.approx(2.776445 * found.se, rel=1e-6) or found.high == 100
    assert (found.low_if_invalid_lost, found.high_if_invalid_won) == (pytest.approx(50), pytest.approx(400 / 6))


def test_weighed_preferences() -> None:
    """Scores 10 90 80: their mean is 60, but two of three lean to the model."""
    (found,) = alpaca.summary(annotated(1.1, 1.9, 1.8))
    assert (found.wins, found.draws, found.losses) == (2, 0, 1)
    assert found.score == pytest.approx(60)
    assert found.discrete_score == pytest.approx(200 / 3)


def test_one_row_per_model_and_reference() -> None:
    rows = [*annotated(2, 2), *annotated(1, model="n"), *annotated(1, reference="s")]
    found = [(row.reference, row.generator, row.n, row.score) for row in alpaca.summary(rows)]
    assert found == [("r", "m", 2, 100), ("r", "n", 1, 0), ("s", "m", 1, 0)]


def test_nothing_that_could_be_read() -> None:
    (found,) = alpaca.summary(annotated(None))
    assert (found.n, found.invalid) == (0, 1)
    assert np.isnan([found.score, found.discrete_score, found.se]).all()
    assert (found.low_if_invalid_lost, found.high_if_invalid_won) == (0, 100)
