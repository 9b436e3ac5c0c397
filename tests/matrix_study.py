"""A made-up study of models tuned on one language each, whose scores the test writes down place by place."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fake_study import Shape, _job
from pinch.analysis.study import Family, Study, arrange, families
from pinch.cells import Cell
from pinch.records import Item

Scores = Mapping[tuple[str, int], Mapping[str, Sequence[float | None]]]
OUTCOMES = {1.0: "win", 0.5: "tie", 0.0: "loss", None: "invalid"}


def model(language: str, seed: int = 0) -> Cell:
    return _job(Path("nowhere"), "study", Shape(), [language], 0.0, seed)[0]


def items(cell: Cell, language: str, scores: Sequence[float | None], against: str = "monolingual") -> list[Item]:
    """One item a score, prompts p00, p01, ...; a cell in its own language is its own reference."""
    own = against == "monolingual" and cell.axes.languages == (language,)
    return [
        Item(cell.id, "j", against, "r", language, f"p{n:02d}", "self" if own else OUTCOMES[score], score,
             None, None, language, True)
        for n, score in enumerate(scores)
    ]  # fmt: skip


def study_of_scores(scores: Scores, against: str = "monolingual") -> tuple[Study, Family]:
    """`scores` maps (tuning language, seed) and evaluation language to one score (0, 0.5, 1, None: invalid) a prompt."""
    judged = []
    for (tuned, seed), places in scores.items():
        cell = model(tuned, seed)
        judged.append((cell, [item for code, one in places.items() for item in items(cell, code, one, against)]))
    study = arrange(judged)
    return study, families(study)[0]


def without(scores: dict[tuple[str, int], dict], language: str) -> dict[tuple[str, int], dict]:
    """The same without the models of a language: nobody can be scored in it any more, though all were asked in it."""
    return {
        (one, seed): {code: [None] * len(score) if code == language else score for code, score in places.items()}
        for (one, seed), places in scores.items()
        if one != language
    }


def square(languages: Sequence[str], score: Sequence[float | None]) -> dict[tuple[str, int], dict]:
    """Every language against every other with the same scores, ties with itself."""
    own = [0.5] * len(score)
    return {(one, 0): {code: own if one == code else list(score) for code in languages} for one in languages}
