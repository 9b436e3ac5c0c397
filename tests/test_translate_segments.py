"""Texts become pieces and texts again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinch.translate import segments
from pinch.translate.segments import Segment, cut, join, plain

MIXED = """# Sorting in Python

Use `sorted(xs)` or see https://docs.python.org/3/library/functions.html. It returns a list!

```python
print("Hello, world.")  # stays
```

1. First, install {package} (e.g. with pip). Then run <b>it</b>.
   - Costs are $5 and $6, Dr. Smith said.
> Energy is $E = mc^2$, mail me@example.org.

$$
a + b
$$
42
"""

CHUNKS = [
    "a. B",
    "```",
    "`x`",
    "\n",
    "```\n",
    " ",
    "$x$",
    "$$",
    "<b>",
    "{a}",
    "http://a.b/c.",
    "[1]",
    "\u3002",
    "\u2028",
    "\r",
]


def translated(text: str, sentences: bool = True) -> list[str]:
    return [piece.text for piece in cut(text, sentences) if isinstance(piece, Segment)]


@given(st.lists(st.sampled_from(CHUNKS) | st.text(max_size=8), max_size=12).map("".join), st.booleans())
def test_pieces_make_the_text_again(text: str, sentences: bool) -> None:
    assert plain(cut(text, sentences)) == text


@given(st.lists(st.sampled_from(CHUNKS) | st.text(max_size=8), max_size=12).map("".join))
def test_markers_are_put_back(text: str) -> None:
    for piece in cut(text):
        if isinstance(piece, Segment):
            assert piece.restored(piece.masked()) == piece.text
            assert plain(piece.apart()) == piece.text


def test_what_is_translated_of_a_mixed_text() -> None:
    assert translated(MIXED) == [
        "Sorting in Python",
        "Use `sorted(xs)` or see https://docs.python.org/3/library/functions.html.",
        "It returns a list!",
        "First, install {package} (e.g. with pip).",
        "Then run <b>it</b>.",
        "Costs are $5 and $6, Dr. Smith said.",
        "Energy is $E = mc^2$, mail me@example.org.",
    ]
    assert plain(cut(MIXED)) == MIXED


def test_lines_stay_whole_on_request() -> None:
    assert translated("One. Two.\n- Three. Four.", sentences=False) == ["One. Two.", "Three. Four."]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("see `a b` now", ["`a b`"]),
        ("see ``a`b`` now", ["``a`b``"]),
        ("go to (https://a.org/b?c=d#e), then", ["https://a.org/b?c=d#e"]),
        ("go to www.a.org.", ["www.a.org"]),
        ("write to a.b+c@d-e.co.uk.", ["a.b+c@d-e.co.uk"]),
        (r"so \(a+b\) and \[c\] and $x_1$", [r"\(a+b\)", r"\[c\]", "$x_1$"]),
        (r"\begin{align}a\end{align} x", [r"\begin{align}a\end{align}"]),
        ("it costs $5, not $6 or US$7", []),
        ("Hi {name}, {{ x }} and ${y} %s %(n)d, 100% sure", ["{name}", "{{ x }}", "${y}", "%s", "%(n)d"]),
        ("a <br/> b </p> 1 < 2 > 0", ["<br/>", "</p>"]),
        ("~~~\ncode\n~~~\ntext", ["~~~\ncode\n~~~"]),
        ("so\n```py\nnever\n closed.", ["```py\nnever\n closed."]),
    ],
)
def test_spans(text: str, kept: list[str]) -> None:
    assert [text[a:b] for a, b in segments.spans(text)] == kept


def test_markers_avoid_those_of_the_text() -> None:
    (piece,) = cut("As [1] says, run `x` and `y`")
    assert isinstance(piece, Segment)
    assert piece.masked() == "As [1] says, run [2] and [3]"
    assert piece.restored("[3] a [ \u0662 ] b [1]") == "`y` a `x` b [1]"


@pytest.mark.parametrize("said", ["nothing", "[1] and no other", "[1] [2] [2]", "[1] [3]"])
def test_lost_or_doubled_markers(said: str) -> None:
    assert Segment("`x` or `y`", ((0, 3), (7, 10))).restored(said) is None


def test_apart() -> None:
    segment = Segment("Run `x` before lunch, `y`.", ((4, 7), (22, 25)))
    assert segment.apart() == [Segment("Run"), " ", "`x`", " ", Segment("before lunch,"), " ", "`y`", "."]


def test_blanks_between_sentences_are_the_targets() -> None:
    pieces = cut("One is. Two is.\nThree is.")
    assert (
        join(pieces, ["\u4e00\u3002", "\u4e8c\u3002", "\u4e09\u3002"], spaced=False)
        == "\u4e00\u3002\u4e8c\u3002\n\u4e09\u3002"
    )
    assert join(cut("\u4e00\u3002\u4e8c\u3002"), ["One.", "Two."], spaced=True) == "One. Two."
