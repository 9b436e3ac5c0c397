r"""LaTeX tables: read back by a strict reader that knows what these files may hold, and no LaTeX is needed for it.

It demands ASCII, balanced braces, environments that close in order, known commands only, no special character that is not
escaped, and as many places in every line as the table has columns."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from pinch.analysis.latex import LONGEST, escaped, tables
from pinch.analysis.report import CellRow, Mean
from pinch.analysis.sections import Result

NASTY = 'a_b & 50 % #1 $x$ {y} \\input{z} ~^ <i> | "q" − – → 中 č ü\n[x]'
COMMANDS = set(
    re.findall(
        r"\w+",
        """caption label centering footnotesize scriptsize setlength tabcolsep begin end toprule midrule bottomrule
        tabularnewline multicolumn emph textit raggedright linewidth textbackslash textasciitilde textasciicircum
        textless textgreater textbar texttt pm times rightarrow leq geq cdot ldots""",
    )
)
TOKEN = re.compile(r"\\([a-zA-Z]+|.)|([{}&$%#_~^])|([^\\{}&$%#_~^]+)", re.S)


def lines_of(text):
    """The lines of every table of a file as (columns, places of each line), after everything has been checked."""
    head, text = text.split("\n", 1)
    assert head.startswith("% Needs \\usepackage{booktabs}.")
    assert text.isascii()
    depth, maths, opened = 0, False, []
    for command, special, _ in TOKEN.findall(text):
        if command and command.isalpha():
            assert command in COMMANDS or command in ("v", "u", "H", "c", "r"), command
        elif command:
            assert command in "{}$&#_%'`^~=.\"", command
        depth += {"{": 1, "}": -1}.get(special, 0)
        maths ^= special == "$"
        assert depth >= 0
        assert special not in ("%", "#", "_", "^"), f"{special} is not escaped"
    assert (depth, maths) == (0, False)
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    found = []
    for spec, body in re.findall(r"\\begin\{tabular\}\{((?:[^{}]|\{[^{}]*\})*)\}\n(.*?)\\end\{tabular\}", text, re.S):
        columns = len(re.sub(r"\{[^{}]*\}", "", spec))
        body = re.sub(r"\\(top|mid|bottom)rule\n", "", body)
        lines = [line.strip() for line in body.split("\\tabularnewline")]
        assert lines.pop() == ""
        assert not any(line.startswith(("[", "*")) for line in lines), "an option of the line before"
        places = [re.split(r"(?<!\\)&", line) for line in lines]
        for line in places:
            wide = sum(int(number) - 1 for one in line for number in re.findall(r"\\multicolumn\{(\d+)\}", one))
            assert len(line) + wide == columns, line
        found.append((columns, places))
    return found


def cell(name="en ar", **changes):
    known = {
        "id": "x", "languages": name, "share": 100.0, "seed": "0", "base": Mean(50.0), "seen": Mean(48.0, 45.0, 51.0),
        "unseen": None, "exact": 70.0, "right_language": None, "loss": 0.123, "seconds": 5.0, "state": "judged",
    }  # fmt: skip
    return CellRow(**known | changes)


def matrix(against="monolingual", size=2):
    codes = tuple(f"c_{at}" for at in range(size))
    values = np.full((size, size), 33.36)
    values[0, 1] = np.nan
    own = np.eye(size, dtype=bool) & (against == "monolingual")
    return SimpleNamespace(
        against=against, rows=codes, columns=codes, values=values, own=own,
        row_means=np.array([np.nan] + [33.36] * (size - 1)), family=SimpleNamespace(label=NASTY),
    )  # fmt: skip


RESULTS = [
    (NASTY, Result(NASTY, -2.25, -4.0, -0.5, NASTY, NASTY, 0.0001, 2.5)),
    (NASTY, Result("[bracket", None, None, None, "", "Fisher", None, None)),
    ("Share", Result("r", 0.216, -0.44, 0.72, "11", "Fisher", 0.51, 0.74, "r_1")),
]


def test_results_with_everything_a_text_may_hold():
    ((columns, lines),) = lines_of(tables(RESULTS, [], [])["results.tex"])
    assert columns == 7
    assert [len(line) for line in lines] == [7, 1, 7, 7, 1, 7]
    assert [one.strip() for one in lines[5][1:3]] == ["0.22 r\\_1", "[$-$0.44, 0.72]"]
    assert lines[2][1].strip() == "$-$2.2"


def test_matrices_have_a_file_each():
    found = tables([], [matrix(), matrix("base"), matrix(size=13)], [])
    assert list(found) == ["monolingual.tex", "monolingual_base.tex", "monolingual_2.tex"]
    ((columns, lines),) = lines_of(found["monolingual.tex"])
    assert columns == 4
    assert [one.strip() for one in lines[0]] == ["", "c\\_0", "c\\_1", "mean"]
    assert [one.strip() for one in lines[1]] == ["c\\_0", "\\textit{33.4}", "--", "--"]
    assert [one.strip() for one in lines[2]] == ["c\\_1", "33.4", "\\textit{33.4}", "33.4"]
    ((_, lines),) = lines_of(found["monolingual_base.tex"])
    assert "textit" not in str(lines)
    ((columns, lines),) = lines_of(found["monolingual_2.tex"])
    assert columns == 15
    assert lines[2][1].strip() == "33"


def test_models_and_their_means_with_intervals():
    found = tables([], [], [cell(), cell(NASTY, state=NASTY)], NASTY)
    ((_, models),) = lines_of(found["models.tex"])
    assert [one.strip() for one in models[1]] == [
        "\\raggedright en ar",
        "100.0",
        "0",
        "70.0",
        "--",
        "0.12",
        "\\raggedright judged",
    ]
    ((_, scores),) = lines_of(found["scores.tex"])
    assert [one.strip() for one in scores[1][3:]] == ["50.0", "", "48.0", "[45.0, 51.0]", "--", ""]


def test_long_tables_go_on_in_the_next_float_and_have_one_label():
    text = tables([], [], [cell()] * (2 * LONGEST + 1))["models.tex"]
    assert [len(lines) - 1 for _, lines in lines_of(text)] == [LONGEST, LONGEST, 1]
    assert text.count("\\label{tab:models}") == 1
    assert text.count("The models, continued.") == 2


def test_what_is_not_there_has_no_file():
    assert tables([], [], []) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50 % & more", "50 \\% \\& more"),
        ("č Ő é", "\\v{c} \\H{O} \\'{e}"),
        ("−1 ± 2 → 3", "$-$1 $\\pm$ 2 $\\rightarrow$ 3"),
        ("中\u200f", "\\texttt{U+4E2D}\\texttt{U+200F}"),
        ("\\end{table}", "\\textbackslash{}end\\{table\\}"),
        ("a\nb\x00", "a b\\texttt{U+0000}"),
        ("\u0301", "\\texttt{U+0301}"),
    ],
)
def test_text_is_printed_as_it_is(text, expected):
    assert escaped(text) == expected


@pytest.mark.parametrize("broken", ["a & b", "50 %", "{", "\\input{x}", "é", "x_1"])
def test_the_reader_itself_finds_what_is_wrong(broken):
    good = tables([], [matrix()], [])["monolingual.tex"]
    lines_of(good)
    with pytest.raises(AssertionError):
        lines_of(good.replace("mean", broken))
