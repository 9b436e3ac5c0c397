"""Losses and supervised tokens: what is read of a log, smoothed, drawn, and left out."""

import numpy as np
import pytest

from made_up import cell
from pinch.analysis.questions.learning.logs import read_log, smoothed
from pinch.analysis.questions.learning.section import POINTS, look
from pinch.analysis.study import Family, Options, arrange

HEAD = "step,loss,lr,supervised_tokens,tokens_per_second,supervised_en,supervised_zh-Hans\n"


def log(losses, en=3, zh=1, start=1):
    return HEAD + "".join(f"{n},{loss},0.1,{en + zh},9.5,{en},{zh}\n" for n, loss in enumerate(losses, start))


def tuned(folder, text, counts=None, seed=0, **identity):
    """A cell with that train_log.csv, none if None."""
    one = cell(
        counts or {"en": 10, "zh-Hans": 10}, seed, folder=folder / f"cell-{seed}-{len(counts or '12')}", **identity
    )
    one.folder.mkdir(parents=True)
    if text is not None:
        (one.folder / "train_log.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return one


def seen(shown):
    family = Family("toy", "toy (lora)", 20, tuple(one for cells in shown.values() for one in cells), None)
    return look(arrange([]), family, shown, Options())


def test_a_log(tmp_path):
    found = read_log(tuned(tmp_path, log([2.0, 1.0, 0.5])).folder)
    assert list(found.steps) == [1, 2, 3]
    assert list(found.loss) == [2, 1, 0.5]
    assert found.tokens == {"en": 9, "zh-Hans": 3}
    assert found.broken == 0


@pytest.mark.parametrize(
    "line",
    [
        "3,0.5",
        "3,,0.1,4,9.5,3,1",
        "3,nan,0.1,4,9.5,3,1",
        "3,0.5,0.1,4,9.5,3,",
        "x,0.5,0.1,4,9.5,3,1",
        "\0\0",
    ],
)
def test_a_broken_line_is_counted_and_nothing_of_it_is_used(line, tmp_path):
    whole = log([2.0, 1.0])
    found = read_log(tuned(tmp_path, whole + line + "\n" + "4,0.25,0.1,4,9.5,3,1\n").folder)
    assert list(found.steps) == [1, 2, 4]
    assert found.tokens == {"en": 9, "zh-Hans": 3}
    assert found.broken == 1


def test_files_that_hold_nothing(tmp_path):
    for number, text in enumerate((None, "", HEAD, "what,ever\n1,2\n", b"\xff\xfe\0")):
        assert read_log(tuned(tmp_path, text, seed=number).folder) is None


def test_a_log_without_tokens_by_language_and_with_other_line_ends(tmp_path):
    found = read_log(tuned(tmp_path, "step,loss\r\n1,2.0\r\n2,1.0").folder)
    assert (list(found.loss), found.tokens, found.broken) == ([2, 1], {}, 0)


def test_smoothing():
    loss = np.array([0.0, 3, 6, 9, 12])
    np.testing.assert_allclose(smoothed(loss, 3), [1.5, 3, 6, 9, 10.5])
    np.testing.assert_allclose(smoothed(loss, 1), loss)
    np.testing.assert_allclose(smoothed(np.array([4.0]), 5), [4])


def test_seeds_are_thin_and_their_mean_is_thick(tmp_path):
    """Seed 1 was cut short: the mean is over the steps that both have."""
    cells = [tuned(tmp_path, log([4.0, 2.0, 1.0])), tuned(tmp_path, log([2.0, 4.0]), seed=1)]
    section = seen({"both": cells})
    [chart] = section.exhibits[0].charts
    mean, first, second = chart.panels[0].series
    assert (mean.name, mean.role, mean.x, mean.y) == ("both", "base", (1, 2), (3, 3))
    assert (first.name, first.role, first.y) == ("both, seed 0", "one", (4, 2, 1))
    assert (second.name, second.y) == ("both, seed 1", (2, 4))
    assert [row["loss"] for row in section.exhibits[0].rows] == [3, 3, 4, 2, 1, 2, 4]
    assert "Thin: single models." in section.exhibits[0].caption
    assert "both 2 models" in section.exhibits[0].caption


def test_long_logs_are_thinned_and_keep_their_end(tmp_path):
    losses = np.linspace(2, 1, 5001)
    [exhibit, _] = seen({"long": [tuned(tmp_path, log(losses))]}).exhibits
    [series] = exhibit.charts[0].panels[0].series
    assert len(series.x) == POINTS == len(exhibit.rows)
    assert (series.x[0], series.x[-1]) == (1, 5001)
    assert "averaged over 250 steps around each" in exhibit.caption
    assert [label for _, label in exhibit.charts[0].ticks] == ["0", "1,000", "2,000", "3,000", "4,000", "5,000"]


def test_what_could_not_be_read_is_said(tmp_path):
    broken = tuned(tmp_path, log([2.0, 1.0]) + "3,0\n")
    section = seen({"some": [broken, tuned(tmp_path, None, seed=1)], "untuned": []})
    caption = section.exhibits[0].caption
    assert "1 line of the logs cannot be read and is left out." in caption
    assert "1 model without a readable log." in caption


def test_no_log_at_all_is_a_gap(tmp_path):
    section = seen({"none": [tuned(tmp_path, None)]})
    assert not section.exhibits
    assert section.gaps[0].name == "training_loss"


def test_tokens_against_examples(tmp_path):
    """Half of the examples, 3 of 4 tokens: English weighs 1.5 times its examples, Chinese half."""
    section = seen({"mixed": [tuned(tmp_path, log([2.0, 1.0]), tuning={"loss_unit": "token"})]})
    exhibit = section.exhibits[1]
    assert [(row["language"], row["examples_share"], row["tokens_share"], row["tokens"]) for row in exhibit.rows] == [
        ("en", 50, 75, 6),
        ("zh-Hans", 50, 25, 2),
    ]
    shares, ratios = exhibit.charts
    assert [(dot.label, dot.y) for dot in ratios.dots] == [("en", 1.5), ("zh", 0.5)]
    assert [dot.y for dot in shares.dots] == [75, 50, 25, 50]
    assert "tuning.loss_unit=token" in exhibit.caption
    assert section.findings[0].text == (
        "mixed: of 8 supervised tokens 75.0 % are English, from 50.0 % of the examples, and 25.0 % Chinese, from 50.0 % "
        "(counted, 1 model)."
    )


def test_where_examples_weigh_alike_it_says_so(tmp_path):
    section = seen({"mixed": [tuned(tmp_path, log([2.0, 1.0]), tuning={"loss_unit": "example"})]})
    assert "tuning.loss_unit=example" in section.exhibits[1].caption


def test_of_equal_groups_the_last_one_and_of_one_language_none(tmp_path):
    alone = tuned(tmp_path, log([2.0]), counts={"en": 20})
    first, last = tuned(tmp_path, log([2.0]), seed=1), tuned(tmp_path, log([2.0]), seed=2)
    section = seen({"alone": [alone], "first": [first], "last": [last]})
    assert section.exhibits[1].rows[0]["cells"] == "last"
    assert len(seen({"alone": [alone]}).exhibits) == 1
