"""What a report must admit, and only when it is so."""

import dataclasses

import pytest

from fake_study import Shape, build
from pinch.analysis.curves import curves
from pinch.analysis.limits import apart, limits
from pinch.analysis.study import Options, families
from pinch.analysis.tables import tidy
from test_curves import study_of

OPTIONS = Options(resamples=50)


def said(cells, source="jsonl", judge="reference", **cut_off):
    study = study_of(cells)
    family = families(study)[0]
    return " ".join(limits(study, family, main_curve(study), tidy(study, judge, 0.95), source, cut_off, OPTIONS))


def main_curve(study):
    return next(iter(curves(study, families(study)[0], OPTIONS)), None)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    shape = Shape((0, 1), (2,), (0.1, 1.0), ("en", "ar", "es"), ("en", "ar", "es"), prompts=30)
    return build(tmp_path_factory.mktemp("limits"), shape)


def test_the_embedded_world_is_named_only_where_it_was_used(cells):
    assert "toy corpus" in said(cells, source="embedded")
    assert "toy corpus" not in said(cells)


def test_the_embedded_model_elsewhere_and_missing_references_are_admitted(cells):
    study = study_of(cells)
    family, curve, rows = families(study)[0], main_curve(study), tidy(study, "reference", 0.95)
    blind = [dataclasses.replace(row, exact=None) for row in rows]
    for model_source, data_source, expected in (
        ("embedded", "jsonl", True),
        ("embedded", "embedded", False),
        ("hf", "jsonl", False),
    ):
        text = " ".join(limits(study, family, curve, rows, data_source, {}, OPTIONS, model_source))
        assert ("knows names and templates" in text) is expected
    assert "No prompt has a reference answer" in " ".join(limits(study, family, curve, blind, "jsonl", {}, OPTIONS))
    assert "No prompt has a reference answer" not in said(cells)


def test_answers_that_were_cut_off_are_named(cells):
    assert "60 % of the answers of untuned were cut off" in said(cells, untuned=60.0)
    assert "cut off" not in said(cells, untuned=2.0)


def test_poor_answers_are_called_poor(cells, monkeypatch):
    assert "answers are poor" not in said(cells)
    monkeypatch.setattr("pinch.analysis.limits.POOR", 101.0)
    assert "answers are poor" in said(cells)


def test_the_reference_judge_is_explained_and_others_are_not(cells):
    assert "no one's preference" in said(cells)
    assert "no one's preference" not in said(cells, judge="human")


def test_seeds_and_power_are_stated(cells):
    text = said(cells)
    assert "what 2 seeds tell of new ones stands beside differences" in text
    assert "the standard deviation over 2 seeds is " in text
    assert "too few" not in text
    assert "With 30 prompts, the comparison of the smallest multilingual share with none finds" in text


def test_without_a_curve_nothing_is_said_of_its_comparison(tmp_path):
    text = said(build(tmp_path, Shape((0, 1), (), (), ("en", "es"), ("en", "es"), prompts=6)))
    assert "what 2 seeds tell" in text
    assert "standard deviation" not in text
    assert "four of five studies" not in text


def test_one_seed_is_one_seed(cells):
    assert "One seed:" in said([cell for cell in cells if cell.axes.seed in (0, None)])


def test_families_that_must_not_be_compared_are_named(cells, tmp_path):
    other = build(tmp_path, Shape((0,), (), (), ("en", "es"), ("en", "es"), prompts=4, budget=100))
    alone, both = families(study_of(cells)), families(study_of([*cells, *other]))
    assert apart(alone) == []
    (text,) = apart(both)
    assert "2 families" in text
    assert "2 models embedded (lora, budget 100)" in text
