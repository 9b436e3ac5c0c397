"""The queries behind the line figures: which cells stand where, fixed sets of languages, bands and means."""

import numpy as np
import pytest

from fake_study import Shape, build, skill
from made_cells import made_cell, made_study
from pinch.analysis.curves import GROUPS, curves, widest
from pinch.analysis.study import Metric, Options, arrange, families
from pinch.records import Item, read_jsonl

OPTIONS = Options(resamples=200)


def study_of(cells):
    return arrange((cell, read_jsonl(cell.items_path("reference"), lambda row: Item(**row))) for cell in cells)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    shape = Shape(seeds=(0, 1), fractions=(0.01, 0.1, 1.0), evaluation=("en", "ar", "fi", "it", "es", "cs"), prompts=40)
    return build(tmp_path_factory.mktemp("curves"), shape)


@pytest.fixture(scope="module")
def study(cells):
    return study_of(cells)


@pytest.fixture(scope="module")
def family(study):
    return families(study)[0]


def test_one_curve_per_set_the_largest_first(study, family):
    found = curves(study, family, OPTIONS)
    assert [curve.tuning for curve in found] == [("en", "ar", "fi", "it"), ("en", "ar", "fi"), ("en", "ar")]
    assert all(curve.fractions == (0, 0.01, 0.1, 1) for curve in found)
    assert [len(group) for _, group in found[0].groups] == [2, 2, 2, 2]


def test_the_monolingual_base_cells_are_the_zero_of_every_curve(study, family):
    for curve in curves(study, family, OPTIONS):
        assert {cell.axes.languages for cell in curve.cells(0)} == {("en",)}


def test_seen_and_unseen_are_fixed_along_a_curve(study, family):
    main, _, last = curves(study, family, OPTIONS)
    assert (main.seen, main.unseen) == (("ar", "fi", "it"), ("cs", "es"))
    assert (last.seen, last.unseen) == (("ar",), ("cs", "fi", "it", "es"))
    assert main.lines["unseen", Metric.score].languages == ("cs", "es")


def test_means_are_those_of_the_items_and_bands_hold_them(study, family):
    main = curves(study, family, OPTIONS)[0]
    line = main.lines["unseen", Metric.right_language]
    for at, (_, group) in enumerate(main.groups):
        values = [
            study.sheet(cell, code, Metric.right_language, "monolingual").right_language.mean()
            for cell in group
            for code in ("cs", "es")
        ]
        assert line.mean[at] == pytest.approx(np.mean(values))
        assert line.low[at] <= line.mean[at] <= line.high[at]
        assert np.mean(line.each[at]) == pytest.approx(line.mean[at])
    assert line.prompts == 40


def test_the_dose_response_of_the_made_up_study_is_found(study, family):
    main = curves(study, family, OPTIONS)[0]
    line = main.lines["unseen", Metric.right_language]
    truth = [np.mean([100 * skill(group[0], code)[1] for code in ("cs", "es")]) for _, group in main.groups]
    assert line.mean == pytest.approx(truth, abs=12)
    assert (np.diff(line.mean) > 0).all()


def test_the_base_against_itself_is_50_and_known_exactly(study, family):
    line = curves(study, family, OPTIONS)[0].lines["base", Metric.score]
    assert (line.mean[0], line.low[0], line.high[0]) == (50, 50, 50)
    assert line.low[1] < line.high[1]


def test_a_share_too_small_for_every_language_stands_on_the_curve_of_its_set(tmp_path):
    evaluation = ("en", "ar", "fi", "it", "es")
    shape = Shape((0,), (4,), (0.0034, 0.5), ("en", "ar", "es"), evaluation, prompts=10)
    cells = build(tmp_path, shape)
    stub = next(cell for cell in cells if cell.axes.n_languages == 3)
    assert stub.axes.counts == {"en": 598, "ar": 1, "fi": 1}
    study = study_of(cells)
    (curve,) = curves(study, families(study)[0], OPTIONS)
    assert curve.tuning == ("en", "ar", "fi", "it")
    assert len(curve.groups) == 3
    assert curve.groups[1][1] == (stub,)
    assert curve.unseen == ("es",)


def test_without_references_there_are_no_scores_but_the_other_lines(tmp_path):
    shape = Shape((0,), (2,), (0.5,), ("en",), ("en", "ar", "es"), prompts=10, untuned=False)
    study = study_of(build(tmp_path, shape))
    assert study.references == ("monolingual", "")
    (curve,) = curves(study, families(study)[0], OPTIONS)
    kinds = {(name, metric) for name, metric in curve.lines}
    assert ("unseen", Metric.right_language) in kinds
    assert ("base", Metric.score) in kinds
    assert ("unseen", Metric.score) not in kinds


def test_one_share_alone_is_no_curve(tmp_path):
    study = study_of(build(tmp_path, Shape((0,), (2,), (0.5,), ("es",), ("en", "es"), prompts=5)))
    assert curves(study, families(study)[0], OPTIONS) == []


def test_every_language_has_its_own_line_and_the_means_are_of_them(study, family):
    main = curves(study, family, OPTIONS)[0]
    for name, codes in (("seen", ("ar", "fi", "it")), ("unseen", ("cs", "es"))):
        single = [main.lines[code, Metric.exact].mean for code in codes]
        np.testing.assert_allclose(main.lines[name, Metric.exact].mean, np.mean(single, axis=0))
    assert {name for name, _ in main.lines} == {*GROUPS, "ar", "fi", "it", "cs", "es"}
    assert main.seeds == (0, 1)


def made(*named):
    cells = [made_cell("en"), *(made_cell(names, fraction=share) for names, share in named)]
    study, family = made_study(cells, "en ar fi it es", lambda cell, code, n: 0.5 - 0.1 * n)
    return [curve.tuning for curve in curves(study, family, OPTIONS)]


def test_sets_at_one_share_belong_to_other_questions_where_there_are_shares():
    long = [("en ar fi", 0.1), ("en ar fi", 1.0)]
    assert made(*long, ("en ar", 1.0), ("en it", 1.0)) == [("en", "ar", "fi")]
    assert made(("en ar", 1.0), ("en it", 1.0)) == [("en", "ar"), ("en", "it")]
    assert made(*long, ("en ar fi it es", 1.0)) == [("en", "ar", "fi"), ("en", "ar", "fi", "it", "es")]


def test_the_widest_curve_may_leave_no_language_unseen():
    cells = [made_cell("en"), *(made_cell(names, fraction=p) for names in ("en ar", "en ar fi") for p in (0.1, 1.0))]
    study, family = made_study(cells, "en ar fi", lambda cell, code, n: 0.5 - 0.1 * n)
    found = curves(study, family, OPTIONS)
    assert [curve.unseen for curve in found] == [("fi",), ()]
    assert widest(found) is found[1]


def test_rows_are_what_is_drawn(study, family):
    main = curves(study, family, OPTIONS)[0]
    rows = list(main.rows())
    assert len(rows) == sum(len(line.x) for line in main.lines.values())
    first = rows[0]
    line = main.lines[first["line"], Metric(first["metric"])]
    assert (first["fraction"], first["mean"], first["cells"]) == (0, line.mean[0], 2)
