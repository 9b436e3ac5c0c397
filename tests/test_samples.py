"""Answers side by side: the same prompts in every language, with what was found about them."""

import pytest

from fake_study import UNTUNED_TEXT, Shape, build
from pinch.analysis.samples import LONGEST, browse
from pinch.records import Answer, write_jsonl
from test_curves import study_of


@pytest.fixture
def cells(tmp_path):
    return build(tmp_path, Shape((0,), (2,), (1.0,), ("en", "ar"), ("en", "ar", "he"), prompts=9))


def groups(cells):
    return {"untuned": [cells[-1]], "mono": [cells[0]]}


def test_prompts_are_the_same_in_every_language_and_no_ones_choice(cells):
    study = study_of(cells)
    samples = browse(study, groups(cells), "monolingual").samples
    assert [sample.language for sample in samples] == ["en", "ar", "he"]
    assert [sample.direction for sample in samples] == ["ltr", "rtl", "rtl"]
    chosen = [[asked.prompt for asked in sample.asked] for sample in samples]
    assert chosen[0] == chosen[1] == chosen[2]
    assert len(chosen[0]) == 3
    assert browse(study, groups(cells), "monolingual").samples == samples


def test_replies_carry_text_and_outcome(cells):
    study = study_of(cells)
    english = browse(study, groups(cells), "monolingual").samples[0]
    untuned, mono = english.asked[0].replies
    assert (untuned.label, untuned.text) == ("untuned", UNTUNED_TEXT)
    assert mono.outcome == "is the reference"
    assert untuned.outcome in ("win", "tie", "loss")
    assert english.asked[0].reference == "January"


def test_long_answers_are_cut_and_cut_off_ones_counted(cells):
    path = cells[0].answers_path("en")
    texts = [Answer(f"month-{n:03d}", "en", "x" * 2000, 256, n > 2) for n in range(9)]
    write_jsonl(path, texts)
    browsed = browse(study_of(cells), groups(cells), "monolingual")
    reply = browsed.samples[0].asked[0].replies[1]
    assert (len(reply.text), reply.cut) == (LONGEST, True)
    assert browsed.cut_off == {"untuned": 0, "mono": pytest.approx(100 * 3 / 27)}


def test_a_language_that_one_of_them_did_not_answer_is_left_out(cells):
    cells[0].answers_path("he").unlink()
    samples = browse(study_of(cells), groups(cells), "monolingual").samples
    assert [sample.language for sample in samples] == ["en", "ar"]


def test_nothing_to_show_without_groups(cells):
    assert browse(study_of(cells), {}, "monolingual").samples == ()
