"""What was run: the table of models with the intervals of its means, and the facts."""

import pytest

from fake_study import Shape, build
from pinch import stats
from pinch.analysis.overview import cell_rows, facts
from pinch.analysis.study import Metric
from pinch.config import AnalyzeConfig
from test_curves import study_of

SHAPE = Shape((0,), (2,), (1.0,), ("en", "ar"), ("en", "ar", "fi"), prompts=12)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return build(tmp_path_factory.mktemp("overview"), SHAPE)


@pytest.fixture(scope="module")
def study(found):
    return study_of(found)


def test_models_stand_in_order_with_their_means(study, found):
    rows = cell_rows(study, found, "monolingual")
    assert [row.languages for row in rows] == ["en", "ar", "en ar", "untuned"]
    both = rows[2]
    cell = next(cell for cell in found if cell.axes.n_languages == 2)
    expected = stats.mean(study.by_prompt([cell], ["ar"], Metric.score, "monolingual"))
    assert both.seen is not None
    assert (both.seen.value, both.seen.low, both.seen.high) == (expected.mean, expected.low, expected.high)
    assert both.unseen is None, "Finnish has no reference"


def test_a_model_that_is_its_own_reference_has_no_interval(study, found):
    english = cell_rows(study, found, "monolingual")[0]
    assert english.base is not None
    assert (english.base.value, english.base.low, english.base.high) == (50.0, None, None)
    assert english.unseen is not None
    assert english.unseen.low is not None


def test_a_wider_confidence_gives_a_wider_interval(study, found):
    narrow, wide = (cell_rows(study, found, "monolingual", level)[2].seen for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_cells_that_are_not_judged_say_how_far_they_are(study, found):
    judged = study_of(found[:-1])
    rows = {row.id: row for row in cell_rows(judged, found, "monolingual")}
    last = rows[found[-1].id]
    assert (last.state, last.unseen, last.exact) == ("answered", None, None)
    assert rows[found[0].id].state == "judged"


def test_facts_name_counts_settings_and_versions(study, found):
    documents = {cell.id: {"versions": {"pinch": "0.1.0"}} for cell in found}
    known = dict(facts(study, found, documents, AnalyzeConfig()))
    assert known["Models"] == "4 (one of them untuned): 4 judged"
    assert known["Evaluation"] == "12 prompts in en, ar, fi"
    assert known["Versions"] == "pinch 0.1.0"
    assert "lr 0.008" in known["Tuning"]
