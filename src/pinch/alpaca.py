"""Edge: the files of AlpacaEval 1 and 2, and its arithmetic.

model_outputs.json is what a model answered, an array of {instruction, output, generator, dataset}; annotations.json is
what AlpacaEval's annotators said of two such files, joined on the instruction: output_1 is the reference's answer,
output_2 the model's. A preference is 1 where the reference's is better, 2 where the model's is, 1.5 (once 0) for a draw,
anything between for annotators that weigh, and null, NaN or -1 where the annotator's reply could not be read. AlpacaEval
keeps columns that it does not know; `pinch_id` is one of them, language and prompt in one text, so that no reader takes
it for a number.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pinch import stats
from pinch.agreement import bounds
from pinch.errors import UserError
from pinch.records import Answer, Prompt, to_row, write_json

Row = dict[str, Any]


@dataclass(frozen=True)
class ModelOutput:
    """One answer of a model. `language` and `prompt` are empty where Pinch did not write the file."""

    instruction: str
    output: str
    generator: str = ""
    dataset: str = ""
    language: str = ""
    prompt: str = ""


@dataclass(frozen=True)
class Annotation:
    """One comparison; `preference` is None where the annotator's reply could not be read."""

    instruction: str
    output_1: str
    output_2: str
    preference: float | None
    generator_1: str = ""
    generator_2: str = ""
    annotator: str = ""
    dataset: str = ""
    raw_completion: str = ""
    language: str = ""
    prompt: str = ""


@dataclass(frozen=True)
class Standing:
    """A model against a reference, as on AlpacaEval's leaderboard: the score is the mean of preference - 1 in per cent, SE
    = sd / sqrt(n), both over the n preferences that could be read. `discrete_score` is (wins + draws / 2) / n, what
    counts of weighed preferences is the side they lean to, and a draw is one of exactly 1.5 (or 0)."""

    reference: str
    generator: str
    n: int
    wins: int
    draws: int
    losses: int
    invalid: int
    score: float
    se: float
    low: float
    high: float
    discrete_score: float
    low_if_invalid_lost: float
    high_if_invalid_won: float


def model_outputs(
    prompts: Iterable[Prompt], answers: Mapping[str, Answer], generator: str, dataset: str
) -> list[dict[str, str]]:
    """The rows of a model_outputs.json, of prompts in one language; `answers` by prompt id.

    Of prompts with the same instruction only the first is taken: AlpacaEval would compare each of their answers with
    each. Raises ValueError for a prompt without an answer in its language."""
    rows: dict[str, dict[str, str]] = {}
    for prompt in prompts:
        answer = answers.get(prompt.id)
        if answer is None or answer.language != prompt.language:
            raise ValueError(f"{generator} has no answer to prompt {prompt.id} in {prompt.language}")
        row = {"instruction": prompt.instruction, "output": answer.text, "generator": generator, "dataset": dataset}
        rows.setdefault(prompt.instruction, row | {"pinch_id": f"{prompt.language}/{prompt.id}"})
    return list(rows.values())


def write_model_outputs(
    path: Path, prompts: Iterable[Prompt], answers: Mapping[str, Answer], generator: str, dataset: str
) -> int:
    """Write a model_outputs.json; gives the number of rows."""
    rows = model_outputs(prompts, answers, generator, dataset)
    write_json(path, rows)
    return len(rows)


def read_model_outputs(path: Path) -> list[ModelOutput]:
    """Raises UserError for a file that is no model_outputs.json, and for an instruction that occurs twice."""
    found: dict[str, ModelOutput] = {}
    for number, row in enumerate(_rows(path), start=1):
        where = f"{path}, row {number}"
        language, prompt = _origin(row)
        output = ModelOutput(
            instruction=_text(row, "instruction", where),
            output=_text(row, "output", where),
            generator=_word(row, "generator"),
            dataset=_word(row, "dataset"),
            language=language,
            prompt=prompt,
        )
        if output.instruction in found:
            raise UserError(
                f"{where}: the instruction occurs twice, and AlpacaEval joins on it; give each instruction one answer"
            )
        found[output.instruction] = output
    return list(found.values())


def read_annotations(path: Path) -> list[Annotation]:
    """Raises UserError for a file that is no annotations.json, a preference that is none, and a row that occurs twice."""
    found = []
    known: dict[Annotation, int] = {}
    for number, row in enumerate(_rows(path), start=1):
        annotation = _annotation(row, f"{path}, row {number}")
        first = known.setdefault(replace(annotation, preference=None, raw_completion=""), number)
        if first != number:
            raise UserError(
                f"{path}, row {number}: compares the same answers as row {first} and would count twice; remove one of them"
            )
        found.append(annotation)
    return found


def _annotation(row: Row, where: str) -> Annotation:
    raw = row.get("raw_completion", row.get("preference_raw_completion"))
    language, prompt = _origin(row)
    return Annotation(
        instruction=_text(row, "instruction", where),
        output_1=_text(row, "output_1", where),
        output_2=_text(row, "output_2", where),
        preference=_preference(row, where),
        generator_1=_word(row, "generator_1"),
        generator_2=_word(row, "generator_2"),
        annotator=_word(row, "annotator"),
        dataset=_word(row, "dataset"),
        raw_completion="" if raw is None else raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False),
        language=language,
        prompt=prompt,
    )


def write_annotations(path: Path, annotations: Iterable[Annotation]) -> None:
    """Write an annotations.json that AlpacaEval's own metrics read."""
    rows = []
    for annotation in annotations:
        row = {name: value for name, value in to_row(annotation).items() if name not in ("language", "prompt")}
        rows.append(row | {"pinch_id": f"{annotation.language}/{annotation.prompt}"} if annotation.prompt else row)
    write_json(path, rows)


def score(preference: float | None) -> float | None:
    """Of the model, 0..1; None where the preference could not be read."""
    return None if preference is None else 0.5 if preference == 0 else preference - 1


def summary(annotations: Iterable[Annotation], confidence: float = 0.95) -> list[Standing]:
    """One row per reference and model, in the order of their first annotation; several annotators are taken together."""
    groups: dict[tuple[str, str], list[float | None]] = {}
    for row in annotations:
        groups.setdefault((row.generator_1, row.generator_2), []).append(score(row.preference))
    return [_standing(*names, scores, confidence) for names, scores in groups.items()]


def _standing(reference: str, generator: str, scores: list[float | None], confidence: float) -> Standing:
    kept = np.array([value for value in scores if value is not None], dtype=float)
    n, invalid = kept.size, len(scores) - kept.size
    wins, losses = int((kept > 0.5).sum()), int((kept < 0.5).sum())
    estimate = stats.mean(100 * kept, confidence)
    low, high = bounds(float(kept.sum()), n, invalid)
    return Standing(
        reference=reference,
        generator=generator,
        n=n,
        wins=wins,
        draws=n - wins - losses,
        losses=losses,
        invalid=invalid,
        score=estimate.mean,
        se=estimate.se,
        low=estimate.low,
        high=estimate.high,
        discrete_score=100 * (wins + (n - wins - losses) / 2) / n if n else math.nan,
        low_if_invalid_lost=100 * low,
        high_if_invalid_won=100 * high,
    )


def _rows(path: Path) -> list[Row]:
    try:
        rows = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8; convert the file, e.g. iconv -f LATIN1 -t UTF-8") from None
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}: broken JSON ({error.msg} at line {error.lineno}, column {error.colno}); AlpacaEval writes one array"
        ) from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path}: not a JSON array of objects, as AlpacaEval writes; check that it is the right file")
    if not rows:
        raise UserError(f"{path}: holds no rows; check that it is the right file")
    return rows


def _text(row: Row, name: str, where: str) -> str:
    """A text that must be there. Readers of tables make numbers of texts that look like them; they are taken as texts."""
    value = row.get(name)
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    found = "missing" if value is None else f"{type(value).__name__} instead of text"
    raise UserError(f"{where}: field {name!r} is {found}; mend or remove the row")


def _word(row: Row, name: str) -> str:
    """A text that may be missing."""
    value = row.get(name)
    return "" if value is None else str(value)


def _origin(row: Row) -> tuple[str, str]:
    """Language and prompt, where Pinch wrote the model outputs, be it one of the two files only or both."""
    language, _, prompt = _word(row, "pinch_id" if "pinch_id" in row else "pinch_id_2").partition("/")
    return language, prompt


def _preference(row: Row, where: str) -> float | None:
    if "preference" not in row:
        raise UserError(f"{where}: field 'preference' is missing; these are no annotations of AlpacaEval")
    value = row["preference"]
    if value is None or value == -1 or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not (value == 0 or 1 <= value <= 2):
        raise UserError(
            f"{where}: preference={value!r} is none: 1 to 2, 0 (a draw), or null for a reply that could not be read"
        )
    return float(value)
