"""Which language is answered in: maps over the languages all groups share, and the share in the language asked."""

import pytest

from matrix_study import model
from pinch.analysis.questions import answered
from pinch.analysis.study import Options, arrange, families
from test_question_relatives import drawn
from test_study import item


def test_groups_are_shown_over_the_languages_that_all_of_them_were_asked_in():
    one, other = model("en"), model("ar")
    rows = [item(one, language=code, prompt=f"p{n}") for code in ("en", "ar", "es") for n in range(4)]
    rows += [
        item(other, language=code, prompt=f"p{n}", answered_in="ar", right_language=code == "ar")
        for code in ("en", "ar")
        for n in range(4)
    ]
    study = arrange([(one, rows[:12]), (other, rows[12:])])
    section = answered.look(study, families(study)[0], {"a & <b>": [one], "Arabic alone": [other]}, Options())
    (exhibit,) = section.exhibits
    assert {row["asked"] for row in exhibit.rows} == {"en", "ar"}
    assert len(exhibit.rows) == 2 * 2 * 4
    first, second = exhibit.charts
    assert (first.title, second.title) == ("a & <b>", "Arabic alone")
    assert second.columns == ("en", "ar", "other", "und")
    assert second.values == ((0, 100, 0, 0), (0, 100, 0, 0))
    assert first.values[0] == (0, 0, 100, 0)  # Spanish, which is not among the languages shown
    assert not second.by_column
    assert second.notes[0][0] == "% of 4 answers"
    assert "Arabic alone: 8 answers of 1 model" in exhibit.caption
    assert section.findings[0].points[1].startswith("Arabic alone: 50.0 [")
    assert "(2 languages, 4 prompts, 1 model)" in section.findings[0].points[1]
    assert section.results[1].effect == 50
    assert section.results[1].unit == "%"
    for figure in drawn(exhibit):
        assert [axis.get_title(loc="left") for axis in figure.axes] == ["a & <b>", "Arabic alone"]
        assert {axis.get_xlabel() for axis in figure.axes} == {"answered in"}


def test_groups_without_a_common_language_keep_their_own():
    one, other = model("en"), model("ar")
    study = arrange([(one, [item(one, language="en")]), (other, [item(other, language="ar")])])
    (exhibit,) = answered.look(study, families(study)[0], {"one": [one], "other": [other]}, Options()).exhibits
    assert [chart.rows for chart in exhibit.charts] == [("en",), ("ar",)]


@pytest.mark.parametrize("shown", [{}, {"nobody": []}])
def test_without_answers_there_is_a_gap_that_training_does_not_fill(shown):
    one = model("en")
    study = arrange([(one, [item(one)])])
    section = answered.look(study, families(study)[0], shown, Options())
    assert [gap.arguments for gap in section.gaps] == [""]
    assert not section.exhibits
