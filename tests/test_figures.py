"""Figures: files are written, the same data gives the same bytes, colours exchange cleanly, labels keep apart."""

import re

import pytest

from fake_study import Shape, build
from pinch.analysis import figures
from pinch.analysis.curves import curves, language_count
from pinch.analysis.figures.lines import spread
from pinch.analysis.figures.style import DARK, LIGHT, ON_DARK, ON_LIGHT, darken, short
from pinch.analysis.matrices import answer_language, monolingual_matrix
from pinch.analysis.study import Options, families
from test_curves import study_of


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    shape = Shape((0, 1), (2, 3), (0.1, 1.0), ("en", "ar", "es"), ("en", "ar", "fi", "es", "zh-Hans"), prompts=8)
    study = study_of(build(tmp_path_factory.mktemp("figures"), shape))
    family, options = families(study)[0], Options(resamples=50)
    found = curves(study, family, options)
    return {
        "p_curve": figures.draw_curve(found[0]),
        "p_curve_sets": figures.draw_small_curves(found),
        "language_count": figures.draw_count(language_count(study, family, options)),
        "heatmap": figures.draw_matrix(monolingual_matrix(study, family, "monolingual", options)),
        "shares": figures.draw_shares([answer_language(study, "a & <b>", found[0].cells(x)) for x in (0.0, 0.1, 1.0)]),
    }


@pytest.mark.parametrize("name", ["p_curve", "p_curve_sets", "language_count", "heatmap", "shares"])
def test_every_figure_is_written_and_repeats_itself(drawings, name, tmp_path):
    first = figures.render(name, tmp_path / "one", drawings[name])
    again = figures.render(name, tmp_path / "two", drawings[name])
    assert first == again
    assert set(first.variants) == {(theme, width) for theme in ("light", "dark") for width in ("wide", "narrow")}
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [f"{name}.png", f"{name}.svg"]
    for file in (f"{name}.png", f"{name}.svg"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert (tmp_path / "one" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_names_no_date_and_no_program(drawings, tmp_path):
    picture = figures.render("p_curve", tmp_path, drawings["p_curve"])
    assert "dc:date" not in picture.variants["light", "wide"]


def test_the_dark_version_has_no_colour_of_the_light_one(drawings, tmp_path):
    dark = figures.render("p_curve", tmp_path, drawings["p_curve"]).variants["dark", "wide"]
    assert not set(re.findall("#[0-9a-f]{6}", dark)) & set(vars(LIGHT).values())
    assert DARK.paper in dark


def test_colours_are_distinct_so_that_they_can_be_exchanged():
    light, dark = list(vars(LIGHT).values()), list(vars(DARK).values())
    assert len(set(light)) == len(light)
    assert not {ON_DARK, ON_LIGHT} & set(light)
    assert not set(light) & set(dark)
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in [*light, *dark])
    assert darken(f"fill: {LIGHT.paper}; stroke: {LIGHT.ink}") == f"fill: {DARK.paper}; stroke: {DARK.ink}"


def contrast(one, other):
    def light(colour):
        parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_and_lines_stand_out(theme):
    assert contrast(theme.ink, theme.paper) > 7
    assert contrast(theme.muted, theme.paper) > 4.5
    for colour in (theme.seen, theme.unseen, theme.base):
        assert contrast(colour, theme.paper) > 3


def test_labels_keep_their_distance_and_stay_near():
    assert spread([], 1, 0, 10) == []
    assert spread([2.0, 8.0], 1, 0, 10) == [2.0, 8.0]
    assert spread([5.0, 5.0, 5.0], 1, 0, 10) == pytest.approx([4, 5, 6])
    assert spread([9.9, 10.0], 1, 0, 10) == pytest.approx([9, 10])
    assert spread([0.0, 0.1], 1, 0, 10) == pytest.approx([0, 1])


def test_chinese_is_zh_in_figures():
    assert (short("zh-Hans"), short("sr-Latn"), short("en")) == ("zh", "sr-Latn", "en")
