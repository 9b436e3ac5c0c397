"""Figures: files are written, the same data gives the same bytes, colours exchange cleanly, labels keep apart."""

import re
from itertools import pairwise

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from fake_study import Shape, build
from made_cells import made_cell, made_study
from pinch.analysis.curves import curves
from pinch.analysis.figures.lines import draw_count, draw_curve, draw_every_language, draw_small_curves, spread
from pinch.analysis.figures.style import DARK, LIGHT, ON_DARK, ON_LIGHT, STYLE, render, short
from pinch.analysis.questions.count.counts import language_count
from pinch.analysis.study import Options, families
from pinch.languages import TWELVE
from test_curves import study_of


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    shape = Shape((0, 1), (2, 3), (0.1, 1.0), ("en", "ar", "es"), ("en", "ar", "fi", "es", "zh-Hans"), prompts=8)
    study = study_of(build(tmp_path_factory.mktemp("figures"), shape))
    family, options = families(study)[0], Options(resamples=50)
    found = curves(study, family, options)
    return {
        "p_curve": draw_curve(found[0]),
        "p_curve_all": draw_every_language(found[0]),
        "p_curve_sets": draw_small_curves(found),
        "language_count": draw_count(language_count(study, family, options)),
    }


@pytest.mark.parametrize("name", ["p_curve", "p_curve_all", "p_curve_sets", "language_count"])
def test_every_figure_is_written_and_repeats_itself(drawings, name, tmp_path):
    first = render(name, tmp_path / "one", drawings[name])
    again = render(name, tmp_path / "two", drawings[name])
    assert first == again
    assert set(first.variants) == {"wide", "narrow"}
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [f"{name}.png", f"{name}.svg"]
    for file in (f"{name}.png", f"{name}.svg"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert (tmp_path / "one" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_names_no_date_and_no_program(drawings, tmp_path):
    picture = render("p_curve", tmp_path, drawings["p_curve"])
    assert "dc:date" not in picture.variants["wide"]


def test_colours_are_distinct_so_that_they_can_be_exchanged():
    light, dark = list(vars(LIGHT).values()), list(vars(DARK).values())
    assert len(set(light)) == len(light)
    assert not {ON_DARK, ON_LIGHT} & set(light)
    assert not set(light) & set(dark)
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in [*light, *dark])


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


def labels(narrow):
    """The names at the ends of eleven lines that all end near 50, over twelve shares: (text, lower, upper) of a panel."""
    cells = [made_cell("en"), *(made_cell(" ".join(["en", *others()]), fraction=n / 11) for n in range(1, 12))]
    study, family = made_study(cells, " ".join(TWELVE), lambda cell, code, n: 0.5 + 0.01 * (n - 2))
    figure = draw_every_language(curves(study, family, Options(resamples=20))[0])(narrow)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent()) for axis in figure.axes for text in axis.texts]
    whole = figure.bbox
    return [(name, box.y0, box.y1) for name, box in boxes[:11]], all(
        whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1 for _, box in boxes
    )


def others():
    return [code for code in TWELVE if code != "en"]


@pytest.mark.parametrize("narrow", [False, True])
def test_names_of_eleven_languages_lie_apart_and_inside(narrow):
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        found, inside = labels(narrow)
    assert {name for name, _, _ in found} == {short(code) for code in others()}
    found.sort(key=lambda row: row[1])
    for (one, _, top), (other, bottom, _) in pairwise(found):
        assert top <= bottom + 1, f"{one} lies over {other}"
    assert inside


def test_chinese_is_zh_in_figures():
    assert (short("zh-Hans"), short("sr-Latn"), short("en")) == ("zh", "sr-Latn", "en")
