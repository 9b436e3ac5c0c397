"""Pure: tables for a paper, in LaTeX with booktabs.

In: results, matrices and lines of the table of models. Out: a text per file, each some floating tables to be taken in by
\\input; the preamble needs \\usepackage{booktabs} and nothing else. All text is escaped and the files are plain ASCII, so
that every engine takes them: accents become commands, letters that LaTeX's own fonts lack become their code (U+4E2D).
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

from pinch.analysis.matrices import Matrix
from pinch.analysis.report import CellRow, Mean, chance, effect, number
from pinch.analysis.sections import Result

MARKS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "\N{MINUS SIGN}": "$-$", "\N{EN DASH}": "--", "\N{EM DASH}": "---",
    "\N{PLUS-MINUS SIGN}": r"$\pm$", "\N{MULTIPLICATION SIGN}": r"$\times$", "\N{RIGHTWARDS ARROW}": r"$\rightarrow$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$", "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$", "\N{MIDDLE DOT}": r"$\cdot$",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}", "\N{LEFT SINGLE QUOTATION MARK}": "`", "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``", "\N{RIGHT DOUBLE QUOTATION MARK}": "''", "\N{NO-BREAK SPACE}": "~",
}  # fmt: skip

ACCENTS = {
    "\N{COMBINING GRAVE ACCENT}": "`", "\N{COMBINING ACUTE ACCENT}": "'", "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~", "\N{COMBINING MACRON}": "=", "\N{COMBINING BREVE}": "u", "\N{COMBINING DOT ABOVE}": ".",
    "\N{COMBINING DIAERESIS}": '"', "\N{COMBINING RING ABOVE}": "r", "\N{COMBINING DOUBLE ACUTE ACCENT}": "H",
    "\N{COMBINING CARON}": "v", "\N{COMBINING CEDILLA}": "c",
}  # fmt: skip

LONGEST = 36
"""Lines of one floating table; more go on in the next, since a float is never broken over pages."""

END = r"\tabularnewline"
"""The end of a line; a double backslash would mean something else after a ragged column."""

MOST_DECIMALS = 12
"""A matrix with more columns than this has its numbers without decimals, in a smaller font."""


def tables(
    results: Sequence[tuple[str, Result]],
    matrices: Sequence[Matrix],
    cells: Sequence[CellRow],
    against: str = "monolingual",
) -> dict[str, str]:
    """Texts by file name: results.tex (chapter title and result), models.tex, scores.tex, and a file per matrix:
    monolingual.tex, monolingual_base.tex, numbered where there are several. `against` is the reference of the scores."""
    found = {"results.tex": _results(results)} if results else {}
    names: Counter[str] = Counter()
    for matrix in matrices:
        name = "monolingual" if matrix.against == "monolingual" else f"monolingual_{matrix.against}"
        names[name] += 1
        name = name if names[name] == 1 else f"{name}_{names[name]}"
        found[f"{name}.tex"] = _matrix(matrix, name)
    if cells:
        found["models.tex"] = _models(cells)
        found["scores.tex"] = _scores(cells, against)
    return {name: f"% Needs \\usepackage{{booktabs}}. Written by analyze.py.\n{text}" for name, text in found.items()}


def escaped(text: str) -> str:
    """Text as LaTeX that prints it, in ASCII and on one line."""
    made: list[str] = []
    for letter in unicodedata.normalize("NFD", " ".join(text.split())):
        if letter in ACCENTS and made and made[-1].isalpha():
            made[-1] = f"\\{ACCENTS[letter]}{{{made[-1]}}}"
        elif letter in MARKS:
            made.append(MARKS[letter])
        elif letter.isascii() and letter.isprintable():
            made.append(letter)
        else:
            made.append(f"\\texttt{{U+{ord(letter):04X}}}")
    return "".join(made)


def _results(results: Sequence[tuple[str, Result]]) -> str:
    rows, before = [], None
    for chapter, one in results:
        if chapter != before:
            rows.append(f"\\multicolumn{{7}}{{l}}{{\\emph{{{escaped(chapter)}}}}}")
            before = chapter
        span = "--" if one.low is None or one.high is None else f"[{_in(one.low, one)}, {_in(one.high, one)}]"
        unit = f" {escaped(one.unit)}" if one.unit != "points" and one.effect is not None else ""
        known = [_wrapped(one.question), f"{_in(one.effect, one)}{unit}", span, _wrapped(one.n)]
        rows.append(_row([*known, escaped(chance(one.p)), _wrapped(one.test), _in(one.detectable, one)]))
    caption = (
        "What was tested. Effects are in points where no unit stands beside them; detectable: the smallest effect that "
        "could have been seen."
    )
    head = _row(["question", "effect", "interval", "$n$", "$p$", "test", "detectable"])
    columns = r"p{.28\linewidth}rlp{.16\linewidth}rp{.16\linewidth}r"
    return _floats("results", caption, columns, head, rows, r"\scriptsize")


def _in(value: float | None, result: Result) -> str:
    return escaped(effect(value, result.unit))


def _wrapped(text: str) -> str:
    """A text in a column that breaks lines."""
    return f"\\raggedright {escaped(text)}"


def _matrix(matrix: Matrix, name: str) -> str:
    small = len(matrix.columns) > MOST_DECIMALS
    digits = 0 if small else 1
    rows = []
    for r, code in enumerate(matrix.rows):
        places = [
            f"\\textit{{{_shown(value, digits)}}}" if own and np.isfinite(value) else _shown(value, digits)
            for value, own in zip(matrix.values[r], matrix.own[r], strict=True)
        ]
        rows.append(_row([escaped(code), *places, _shown(matrix.row_means[r], digits)]))
    who = "the untuned model" if matrix.against == "base" else f"the {matrix.against} reference"
    own = " In italics: a model against itself, 50 by definition and not part of the mean." if matrix.own.any() else ""
    caption = f"{matrix.family.label}: score against {who}, in percent; rows: tuned on, columns: asked in.{own}"
    head = _row(["", *(escaped(code) for code in matrix.columns), "mean"])
    size = r"\scriptsize" if small else r"\footnotesize"
    return _floats(name, caption, f"l{'r' * len(matrix.columns)}r", head, rows, size)


def _shown(value: float, digits: int) -> str:
    return escaped(number(float(value), digits))


def _models(cells: Sequence[CellRow]) -> str:
    rows = [
        _row(
            [
                _wrapped(one.languages),
                escaped(number(one.share)),
                escaped(one.seed),
                *(escaped(number(value)) for value in (one.exact, one.right_language)),
                escaped(number(one.loss, 2)),
                _wrapped(one.state),
            ]
        )
        for one in cells
    ]
    caption = (
        "The models: languages tuned on, multilingual share of the examples, and in the languages not tuned on exact match "
        "and answers in the language asked, in percent."
    )
    head = _row(["tuned on", "share, \\%", "seed", "exact, \\%", "language, \\%", "loss", "state"])
    return _floats("models", caption, r"p{.34\linewidth}rrrrrp{.14\linewidth}", head, rows, r"\footnotesize")


def _scores(cells: Sequence[CellRow], against: str) -> str:
    rows = [
        _row(
            [
                _wrapped(one.languages),
                escaped(number(one.share)),
                escaped(one.seed),
                *(part for mean in (one.base, one.seen, one.unseen) for part in _mean(mean)),
            ]
        )
        for one in cells
    ]
    caption = (
        f"Scores against the {against} reference, means over languages in percent with intervals over prompts; 50 is par, "
        "and without an interval where a model is its own reference."
    )
    groups = " & ".join(f"\\multicolumn{{2}}{{c}}{{{name}}}" for name in ("base", "seen", "unseen"))
    head = f"tuned on & share, \\% & seed & {groups}"
    return _floats("scores", caption, r"p{.3\linewidth}rrrlrlrl", head, rows, r"\footnotesize")


def _mean(mean: Mean | None) -> tuple[str, str]:
    if mean is None:
        return "--", ""
    span = "" if mean.low is None or mean.high is None else f"[{number(mean.low)}, {number(mean.high)}]"
    return escaped(number(mean.value)), escaped(span)


def _row(places: Sequence[str]) -> str:
    """Places of a line; one that begins with a bracket or a star would be taken for an option of the line before."""
    line = " & ".join(places)
    return f"{{}}{line}" if line.startswith(("[", "*")) else line


def _floats(name: str, caption: str, columns: str, head: str, rows: Sequence[str], size: str) -> str:
    """Rows as floating tables, as many as it takes; only the first has the label."""
    parts = [rows[at : at + LONGEST] for at in range(0, len(rows), LONGEST)]
    texts = []
    for at, part in enumerate(parts):
        said = escaped(caption if at == 0 else f"{caption.split('.')[0].split(':')[0]}, continued.")
        lines = [
            r"\begin{table}[tbp]",
            r"\centering",
            f"\\caption{{{said}}}",
            *([f"\\label{{tab:{name.replace('_', '-')}}}"] if at == 0 else []),
            size,
            r"\setlength{\tabcolsep}{3pt}",
            f"\\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            f"{head} {END}",
            r"\midrule",
            *(f"{row} {END}" for row in part),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        texts.append("\n".join(lines))
    return "\n\n".join(texts) + "\n"
