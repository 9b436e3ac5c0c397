"""The pre-training shares: what a user's file may hold, what is correlated, and what is said of eleven points."""

import numpy as np
import pytest

from made_up import cell, items, study
from pinch import stats
from pinch.analysis.questions.pretraining.correlated import points
from pinch.analysis.questions.pretraining.section import look
from pinch.analysis.questions.pretraining.shares import Shares, known, read
from pinch.analysis.study import Options, families
from pinch.embedded.base import recipe_hash
from pinch.embedded.documents import SHARES
from pinch.errors import UserError

OPTIONS = Options(resamples=50)
ASKED = ("en", "ar", "cs", "et", "fi", "he", "it")
TUNED = {"ar": 0, "cs": 1, "et": 2, "fi": 3, "he": 4}
"""Prompts of 4 on which the model tuned on that language wins elsewhere; the rest it loses."""

SHARE = Shares({"en": 70.0, "ar": 1.0, "cs": 2.0, "et": 3.0, "fi": 4.0, "he": 5.0}, ("made up",))


def model(code, wins, asked=ASKED, own=0.5, **identity):
    one = cell({code: 10}, base="en", **identity)
    return one, items(one, asked, 4, lambda language, n: own if language == code else float(n < wins))


def monolingual(**identity):
    return [model("en", 4, **identity), *(model(code, wins, **identity) for code, wins in TUNED.items())]


def test_the_base_language_and_the_own_column_are_left_out():
    made, family = study(*monolingual())
    found = points(made, family, SHARE, OPTIONS)
    assert found.languages == ("ar", "cs", "et", "fi", "he")
    assert found.asked == ASKED
    assert list(found.means) == [0, 25, 50, 75, 100]
    assert list(found.share) == [1, 2, 3, 4, 5]
    assert {one.n for one in found.score} == {4}


def test_another_base_is_the_one_that_mixtures_start_from():
    mixed = cell({"fi": 5, "cs": 5})
    made, family = study(*monolingual(), (mixed, items(mixed, ASKED, 4, lambda *_: 1.0)))
    found = points(made, family, SHARE, OPTIONS)
    assert (found.base, "en" in found.languages, "fi" in found.languages) == ("fi", True, False)


def test_models_that_were_asked_in_other_languages_are_left_out_and_named():
    made, family = study(*monolingual(), model("it", 2, asked=("it", "en")), model("sw", 2, asked=(*ASKED, "sw")))
    found = points(made, family, SHARE, OPTIONS)
    assert found.asked == ASKED
    assert found.left_out == ("it", "sw")  # sw has no share
    assert (
        "Left out, without a share or not asked in all of these: it sw."
        in look(made, family, OPTIONS, SHARE).exhibits[0].caption
    )


def test_a_perfect_line():
    made, family = study(*monolingual())
    section = look(made, family, OPTIONS, SHARE)
    [exhibit] = section.exhibits
    assert "source: made up" in exhibit.caption
    assert "Dashed: least squares" in exhibit.caption
    line = [row for row in exhibit.rows if row["drawn"] == "line"]
    assert (line[0]["share"], line[0]["score"], line[-1]["share"]) == pytest.approx((1, 0, 5), abs=1e-9)
    assert line[-1]["score"] == pytest.approx(100)
    assert "r +1.00 [+1.00, +1.00]" in section.findings[0].points[0]
    assert section.results[0].p < 1e-12
    assert not section.limits
    [chart] = exhibit.charts
    drawn = [row for row in exhibit.rows if row["drawn"] == "point"]
    assert [(dot.x, dot.y, dot.low) for dot in chart.dots] == [
        (row["share"], row["score"], row["low"]) for row in drawn
    ]
    assert not chart.log_x


def test_the_band_is_that_of_the_textbook():
    """Scores 0 25 75 50 100 over 1..5: slope 22.5, level -17.5, residual sum 1187.5, s = sqrt(1187.5 / 3); in the middle
    the half width is t(3, .975) s / sqrt(5)."""
    made, family = study(*monolingual())
    turned = Shares({**SHARE.percent, "et": 4.0, "fi": 3.0}, ("made up",))
    line = [row for row in look(made, family, OPTIONS, turned).exhibits[0].rows if row["drawn"] == "line"]
    middle = line[20]
    assert (middle["share"], middle["score"]) == pytest.approx((3, 50))
    assert middle["high"] - middle["score"] == pytest.approx(3.18245 * np.sqrt(1187.5 / 3) / np.sqrt(5), rel=1e-4)


def test_nothing_distinguishable_is_not_called_nothing():
    made, family = study(*monolingual())
    shuffled = Shares({"ar": 3.0, "cs": 5.0, "et": 1.0, "fi": 2.0, "he": 4.0}, ("made up",))
    section = look(made, family, OPTIONS, shuffled)
    expected = stats.correlation(np.array([3.0, 5, 1, 2, 4]), np.array([0.0, 25, 50, 75, 100]))
    assert section.results[0].effect == pytest.approx(expected.r)
    assert section.results[0].detectable == pytest.approx(expected.detectable)
    assert "not distinguishable from 0 with 5 languages" in section.findings[0].points[0]
    assert "with 5 languages |r| must exceed 0.88 for p < 0.05" in section.findings[0].points[-1]
    brief = section.findings[0].brief
    assert "documents (5 languages, without English): r " in brief
    assert "not distinguishable from 0 with 5 languages" in brief
    assert f"a true r of {expected.detectable:.2f} would be found in four of five studies" in brief
    assert "No line is drawn" in section.exhibits[0].caption
    assert {row["drawn"] for row in section.exhibits[0].rows} == {"point"}
    assert "that none was seen says little" in section.limits[0]


def test_shares_that_span_much_are_drawn_in_logarithms():
    made, family = study(*monolingual())
    wide = Shares({"ar": 0.1, "cs": 1.0, "et": 2.0, "fi": 3.0, "he": 9.0}, ("made up",))
    [exhibit] = look(made, family, OPTIONS, wide).exhibits
    assert exhibit.charts[0].log_x
    assert exhibit.charts[0].x_label.endswith("logarithmic")


def test_a_share_of_0_has_no_logarithm_and_is_said_to_be_left_out():
    made, family = study(*monolingual())
    zero = Shares({**SHARE.percent, "ar": 0.0}, ("made up",))
    section = look(made, family, OPTIONS, zero)
    assert not section.exhibits[0].charts[0].log_x
    assert any(
        "with the logarithm of the share (without ar, whose share is 0): r" in p for p in section.findings[0].points
    )
    assert [result.n for result in section.results] == ["5 languages", "4 languages", "5 languages"]


def test_shares_that_are_all_but_the_same_say_nothing():
    made, family = study(*monolingual())
    section = look(made, family, OPTIONS, Shares(dict.fromkeys(TUNED, 8.0) | {"ar": 8.1}, ("made up",)))
    assert "there is nothing to correlate" in section.findings[0].text
    assert not section.results
    assert len(section.exhibits) == 1


def test_too_few_languages_are_a_gap():
    made, family = study(*monolingual()[:4])
    [gap] = look(made, family, OPTIONS, SHARE).gaps
    assert gap.arguments == "+experiment=pretraining_share"
    assert "4 or more beside English whose shares are known; there are 3" in gap.reason


def test_unknown_shares_are_the_users_to_supply():
    made, family = study(*monolingual(model={"fingerprint": "some/model@main"}))
    [gap] = look(made, family, OPTIONS).gaps
    assert "yours to supply" in gap.reason
    assert "python analyze.py shares=FILE.csv" in gap.reason
    assert not gap.arguments


def test_the_embedded_model_brings_its_own():
    made, family = study(*monolingual(model={"fingerprint": f"embedded-{recipe_hash()}"}))
    found = known(family)
    assert sum(found.percent.values()) == pytest.approx(100)
    assert found.percent["en"] / found.percent["fi"] == pytest.approx(SHARES["en"] / SHARES["fi"])
    assert "source: pinch.embedded" in look(made, family, OPTIONS).exhibits[0].caption
    given = look(made, family, OPTIONS, SHARE).exhibits[0]
    assert "source: made up" in given.caption  # a file has the last word
    other, _ = study(*monolingual(model={"fingerprint": "embedded-of-another-recipe"}))
    assert known(families(other)[0]) is None


def test_a_file(tmp_path):
    path = tmp_path / "shares.csv"
    path.write_text(
        'language,share,source\nen, 78.2,"Table 3, page 9"\nzh,0,"Table 3, page 9"\n\n"no",1e-1,a blog\n',
        encoding="utf-8-sig",
    )
    assert read(path) == Shares({"en": 78.2, "zh-Hans": 0.0, "no": 0.1}, ("Table 3, page 9", "a blog"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must be language,share,source, not nothing"),
        ("code,share,source\n", "the first line must be language,share,source, not code,share,source"),
        ("language,share\nen,3\n", "the first line must be language,share,source, not language,share"),
        ("language,share,source\n", "no languages; add a line for each, language,share,source"),
        ("language,share,source\nen,3\n", "line 2: 2 fields instead of 3; put a source with commas into double quotes"),
        ("language,share,source\nen,3,Smith, 2024\n", "line 2: 4 fields instead of 3"),
        ("language,share,source\nsr-Latin,3,x\n", "line 2: unknown language 'sr-Latin'; did you mean 'sr-Latn'?"),
        ("language,share,source\nen,much,x\n", "line 2: share 'much' is no number; give percent of the documents"),
        ("language,share,source\nen,3 %,x\n", "line 2: share '3 %' is no number"),
        ("language,share,source\nen,nan,x\n", "line 2: share nan is outside 0..100"),
        ("language,share,source\nen,-1,x\n", "line 2: share -1 is outside 0..100; give percent of the documents"),
        ("language,share,source\nen,101,x\n", "line 2: share 101 is outside 0..100"),
        ("language,share,source\nen,3, \n", "line 2: English has no source; say where the number is from"),
        ("language,share,source\nzh,3,x\nzh-Hans,3,x\n", "line 3: zh-Hans is there twice; keep one line"),
        (
            "language,share,source\nen,78,x\nde,40,x\n",
            "the shares add up to 118.0; give percent of all documents, 100 at",
        ),
        ("language,share,source\nen,.78,x\nde,.22,x\n", "the shares add up to 1; give percent, so that all documents"),
    ],
)
def test_what_may_be_wrong_with_a_file(text, message, tmp_path):
    path = tmp_path / "shares.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value).startswith(f"shares={path}")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(
        UserError, match=r"shares=.*none\.csv: no such file; the first line must be language,share,source"
    ):
        read(tmp_path / "none.csv")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\); check the path"):
        read(tmp_path)
    (tmp_path / "latin.csv").write_bytes("language,share,source\nen,3,Bücher\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.csv: not UTF-8; convert the file"):
        read(tmp_path / "latin.csv")
