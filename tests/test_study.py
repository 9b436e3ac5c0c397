"""Arrays over prompts: what is averaged, what is left out, and which cells belong together."""

import numpy as np
import pytest

import made_up
from fake_study import Shape, build
from pinch.analysis.study import Metric, arrange, families
from pinch.cells import role, tuning_base
from pinch.records import Item, read_jsonl


def item(cell, **changes):
    values = {
        "cell": cell.id, "judge": "j", "against": "monolingual", "reference_cell": "r", "language": "es", "prompt": "p0",
        "outcome": "win", "score": 1.0, "exact": True, "chrf": 80.0, "answered_in": "es", "right_language": True,
    }  # fmt: skip
    return Item(**(values | changes))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("small")
    shape = Shape(seeds=(0, 1), counts=(2, 3), fractions=(0.1, 1.0), monolingual=("en", "ar", "es"), prompts=8)
    return build(root, Shape(**{**vars(shape), "evaluation": ("en", "ar", "fi", "es")}))


def test_by_prompt_averages_over_languages_and_cells(small):
    cell = small[0]
    rows = [
        item(cell, language="es", prompt="p0", score=1.0),
        item(cell, language="ar", prompt="p0", score=0.0),
        item(cell, language="es", prompt="p1", score=None, outcome="invalid"),
        item(cell, language="ar", prompt="p1", score=0.5, outcome="tie"),
        item(cell, language="es", prompt="p2", score=None, outcome="invalid"),
        item(cell, language="es", prompt="p3", score=1.0),
    ]
    study = arrange([(cell, rows)])
    assert study.prompts == ("p0", "p1", "p2", "p3")
    means = study.by_prompt([cell], ["es", "ar"], Metric.score, "monolingual")
    np.testing.assert_array_equal(means, [50, 50, np.nan, 100])
    mostly_invalid = arrange([(cell, rows[:-1])])
    assert mostly_invalid.covered([cell], ["es", "ar"], Metric.score, "monolingual") == ("ar",)


def test_undecided_answers_are_not_in_the_language_asked(small):
    rows = [item(small[0], prompt=f"p{n}", right_language=r) for n, r in enumerate((True, False, None, True))]
    study = arrange([(small[0], rows)])
    assert study.by_prompt([small[0]], ["es"], Metric.right_language, "monolingual").mean() == 50
    assert study.sheets[small[0].id, "monolingual", "es"].undecided == 1


def test_exact_match_does_not_need_the_reference_that_is_asked_for(small):
    study = arrange(
        [(small[0], [item(small[0], against="base", prompt="p0"), item(small[0], against="base", prompt="p1")])]
    )
    assert np.nanmean(study.by_prompt([small[0]], ["es"], Metric.exact, "monolingual")) == 100
    assert np.isnan(study.by_prompt([small[0]], ["es"], Metric.score, "monolingual")).all()


def test_answers_that_were_compared_with_nothing_are_still_there(small):
    rows = [item(small[0], prompt=f"p{n}", against="", reference_cell="", outcome="", score=None) for n in range(3)]
    study = arrange([(small[0], rows)])
    assert study.main_reference == ""
    assert study.covered([small[0]], ["es"], Metric.right_language, "") == ("es",)
    assert study.covered([small[0]], ["es"], Metric.score, "") == ()


def test_monolingual_reference_comes_first_and_none_last(small):
    rows = [item(small[0], against=against) for against in ("", "base", "monolingual")]
    assert arrange([(small[0], rows)]).references == ("monolingual", "base", "")


def test_cells_without_items_are_left_out(small):
    assert arrange([(small[0], [item(small[0])]), (small[1], [])]).cells == (small[0],)


def test_covered_names_languages_that_every_cell_has(small):
    rows = [
        (small[0], [item(small[0], language=code) for code in ("es", "ar")]),
        (small[1], [item(small[1], language="es")]),
    ]
    study = arrange(rows)
    assert study.covered(small[:2], ("es", "ar"), Metric.score, "monolingual") == ("es",)
    assert study.covered([], ("es",), Metric.score, "monolingual") == ()


def test_roles(small):
    by_languages = {cell.axes.languages: cell for cell in small}
    assert role(by_languages["en", "ar"], "en") == "base"
    assert role(by_languages["en", "ar"], "ar") == "seen"
    assert role(by_languages["en", "ar"], "es") == "unseen"
    assert role(by_languages[("es",)], "es") == "base"
    assert role(by_languages[()], "en") == "unseen"
    assert tuning_base(by_languages[("es",)]) == "es"


def test_families_hold_cells_that_differ_in_mixture_and_seed_only(small, tmp_path):
    other = build(tmp_path, Shape(seeds=(0,), counts=(), monolingual=("en", "es"), prompts=4, budget=100))
    cells = [*small, *other]
    study = arrange((cell, read_jsonl(cell.items_path("reference"), lambda row: Item(**row))) for cell in cells)
    found = families(study)
    assert [len(family.cells) for family in found] == [6 + 8, 2]
    assert [family.budget for family in found] == [600, 100]
    assert found[0].label == "embedded (lora, budget 600)"
    assert found[1].label == "embedded (lora, budget 100)"
    assert all(family.untuned is not None and family.untuned.untuned for family in found)
    assert len(found[0].monolingual("es")) == 2


def test_one_family_needs_no_more_than_model_and_method(small):
    study = arrange((cell, read_jsonl(cell.items_path("reference"), lambda row: Item(**row))) for cell in small)
    assert [family.label for family in families(study)] == ["embedded (lora)"]


def test_prompts_that_only_some_cells_were_asked_are_missing_in_the_others():
    one, other = made_up.cell({"en": 10}), made_up.cell({"ar": 10})
    few = made_up.items(one, ["en"], 2, lambda code, n: 1.0)
    more = made_up.items(other, ["en"], 4, lambda code, n: n % 2)
    study = arrange([(one, few[1:]), (other, more), (one, [])])
    assert study.prompts == ("p0", "p1", "p2", "p3")
    sheet = study.sheets[one.id, "monolingual", "en"]
    for values in (sheet.score, sheet.in_language * 100):
        assert np.array_equal(values, [np.nan, 100, np.nan, np.nan], equal_nan=True)
    assert sheet.prompts == 1
    assert study.sheets[other.id, "monolingual", "en"].score.tolist() == [0, 100, 0, 100]
