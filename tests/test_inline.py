"""Drawings and data inside the page: colours by variable, letters shared, names apart, nothing that could break out."""

import json
import re
from dataclasses import fields

import pytest
from matplotlib.figure import Figure

from pinch.analysis.charts import Dot, DotChart, Series
from pinch.analysis.figures import render
from pinch.analysis.figures.style import DARK, LIGHT, Theme
from pinch.analysis.inline import data, drawing, letters_block, slug, theme


def draw(narrow):
    figure = Figure(figsize=(2, 1))
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color=LIGHT.seen, marker="o", label="<b>&")
    axis.axvspan(0, 0.5, facecolor=LIGHT.blank, hatch="//")
    axis.legend()
    return figure


@pytest.fixture(scope="module")
def svg(tmp_path_factory):
    return render("one", tmp_path_factory.mktemp("inline"), draw).variants["wide"]


def test_colours_become_variables(svg):
    text = drawing(svg, "one", "label").markup
    assert "var(--f-seen)" in text
    assert not set(re.findall("#[0-9a-f]{6}", text)) & set(vars(LIGHT).values())
    assert not re.search('(fill|stroke)="var', text), "only styles know variables"


def test_both_themes_have_every_colour():
    for name, colours in (("light", LIGHT), ("dark", DARK)):
        for one in fields(Theme):
            assert f"--f-{one.name}: {getattr(colours, one.name)};" in theme(name)


def test_letters_are_taken_out_and_still_found(svg):
    one = drawing(svg, "one", "label")
    assert one.letters
    used = set(re.findall(r'href="#([^"]+)"', one.markup)) - set(re.findall(r' id="([^"]+)"', one.markup))
    assert used == set(one.letters)
    block = letters_block(one.letters)
    assert block.count("<path") == len(one.letters)
    assert letters_block({}) == ""


def test_names_are_the_drawings_own_and_complete(svg):
    first, second = drawing(svg, "one", "label").markup, drawing(svg, "two", "label").markup
    names = [set(re.findall(r' id="([^"]+)"', text)) for text in (first, second)]
    assert names[0]
    assert not names[0] & names[1]
    assert set(re.findall(r"url\(#([^)]+)\)", first)) <= names[0]


def test_a_drawing_says_what_it_is_and_has_its_size(svg):
    text = drawing(svg, "one", 'a "label" <i>', "wide").markup
    assert text.startswith('<svg class="drawing wide" width="192" height="96" viewBox="0 0 144 72" role="img" ')
    assert 'aria-label="a &quot;label&quot; &lt;i&gt;"' in text


def test_it_is_much_smaller_than_what_was_drawn(svg):
    text = drawing(svg, "one", "label").markup
    assert len(text) < 0.6 * len(svg)
    assert "<metadata" not in text
    assert "<!--" not in text


def test_numbers_keep_two_decimals_and_scales_four():
    letter = '<g transform="translate(1.23456 2) scale(0.0123456)"><path id="x" d="M 0.123456 -1.5 \nL 2 3 \nz"/></g>'
    text = drawing(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72">{letter}</svg>', "one", "").markup
    assert 'transform="translate(1.2346 2) scale(0.0123)"' in text
    assert 'd="M0.12 -1.5L2 3z"' in text


def test_data_is_json_that_ends_no_script():
    chart = DotChart("x", "</script><!--&", (Dot("a\u2028", 1.0, float("nan"), 1 / 3),))
    text = data([chart])
    assert not set("<>&\u2028") & set(text)
    back = json.loads(text)[0]
    assert back["y_label"] == "</script><!--&"
    assert (back["dots"][0]["y"], back["dots"][0]["low"], back["dots"][0]["label"]) == (None, 0.333333333, "a\u2028")
    assert json.loads(data({1: (Series("s", "one", (0.0,), (float("inf"),)),)}))["1"][0]["y"] == [None]


def test_slugs_are_fit_for_ids():
    assert (slug("p_curve-Qwen/2 b"), slug("<>")) == ("p_curve-Qwen-2-b", "x")
