"""analyze.py from files to files: what is written, what is said when something is missing, and what must not change."""

import csv
import html
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from fake_study import UNTUNED_TEXT, Shape, build
from pinch.analysis.report import plain
from pinch.analyze import analyze, write_csv
from pinch.config import AnalyzeConfig, JudgeConfig
from pinch.errors import UserError

SHAPE = Shape((0, 1), (2, 3), (0.01, 1.0), ("en", "ar", "es", "cs"), ("en", "ar", "fi", "es", "cs", "he"), prompts=12)


def run(root, workspace="study", **changes):
    console = Console(record=True, width=200, file=io.StringIO())
    code = analyze(AnalyzeConfig(root=str(root), workspace=workspace, resamples=50, **changes), console)
    return code, console.export_text()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("analyze")
    build(folder, SHAPE)
    return folder


@pytest.fixture(scope="module")
def done(root):
    code, text = run(root)
    assert code == 0
    return root / "study" / "analysis", text


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_terminal_says_what_the_numbers_are_not(done):
    assert "toy" in done[1]
    assert "note: This is the embedded world" in done[1]


def test_everything_is_written(done):
    folder, _ = done
    figures = ["answer_language", "language_count", "monolingual_heatmap", "monolingual_heatmap_base", "p_curve"]
    for name in [*figures, "p_curve_sets", "pairs"]:
        for ending in ("png", "svg", "csv"):
            assert (folder / f"{name}.{ending}").stat().st_size > 100, (name, ending)
    for name in ("scores.csv", "results.csv", "report.html", "report.md", "findings.json", "tables/results.tex"):
        assert (folder / name).exists()
    assert not [path for path in folder.iterdir() if path.name.startswith(".")], "no temporary file is left"


def test_scores_have_a_row_per_cell_language_and_reference(done):
    rows = read(done[0] / "scores.csv")
    cells = {row["cell"] for row in rows}
    assert len(cells) == 2 * 4 + 2 * 2 * 2 + 1
    against = {(row["against"], row["language"]) for row in rows}
    assert against == {("base", code) for code in SHAPE.evaluation} | {
        ("monolingual", code) for code in ("en", "ar", "es", "cs")
    }
    assert len({(row["cell"], row["against"], row["language"]) for row in rows}) == len(rows)
    row = next(row for row in rows if row["role"] == "seen" and row["against"] == "monolingual")
    assert int(row["n"]) == int(row["wins"]) + int(row["ties"]) + int(row["losses"]) == 12


def test_findings_stand_in_both_reports_and_the_main_ones_are_printed(done):
    folder, text = done
    said = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    keys = [one["key"] for one in said]
    assert keys[:4] == ["short", "base_alone", "pinch", "full"]
    assert {"language_count", "monolingual", "versus_base", "answer_language"} <= set(keys)
    page = (folder / "report.html").read_text(encoding="utf-8")
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    printed = "".join(text.replace("│", " ").split())
    for one in said:
        for sentence in (one["text"], *one["points"]):
            assert html.escape(sentence, quote=False).replace("'", "&#39;") in page
            assert plain(sentence) in markdown
    assert "".join(said[0]["text"].split()) in printed
    assert "report.html" in text


def test_every_result_says_of_what(done):
    rows = read(done[0] / "results.csv")
    assert len(rows) > 10
    assert all(row["chapter"] and row["question"] and row["n"] and row["test"] for row in rows)


def test_the_report_states_the_limits_of_the_embedded_world(done):
    page = (done[0] / "report.html").read_text(encoding="utf-8")
    assert "a property of this toy corpus" in page
    assert "quiz answers" in page
    assert "toy corpus" in (done[0] / "report.md").read_text(encoding="utf-8")


def test_answers_of_the_models_are_shown_escaped(done):
    page = (done[0] / "report.html").read_text(encoding="utf-8")
    assert UNTUNED_TEXT not in page
    assert "&lt;script&gt;alert(1)" in page
    assert re.search('lang="he"[^>]* dir="(rtl|auto)"', page)


def test_running_again_changes_nothing(done, root):
    folder = done[0]
    before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run(root)
    assert {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_missing_figure_is_said_with_the_command_that_makes_its_cells(tmp_path):
    build(tmp_path, Shape((0,), (), (), ("en", "es"), ("en", "es"), prompts=5, untuned=False), workspace="mine")
    code, text = run(tmp_path, "mine")
    assert code == 0
    assert "missing: How many languages" in text
    assert "python train.py +experiment=language_count" in text
    folder = tmp_path / "mine" / "analysis"
    assert not (folder / "p_curve.png").exists()
    assert (folder / "monolingual_heatmap.png").exists()
    assert "How much multilingual data" in (folder / "report.html").read_text(encoding="utf-8")


def test_without_references_the_answers_still_speak(tmp_path):
    shape = Shape((0,), (2,), (0.1, 1.0), ("en",), ("en", "ar", "es"), prompts=20, untuned=False)
    build(tmp_path, shape)
    _, text = run(tmp_path)
    assert "share of answers in the language asked is" in text
    assert "missing: Scores beyond the base language" in text
    assert "python train.py +experiment=monolingual" in text
    assert "No scores:" not in text
    assert (tmp_path / "study" / "analysis" / "p_curve.png").exists()


def test_the_untuned_model_alone_is_reported(tmp_path):
    build(tmp_path, Shape((0,), (), (), (), ("en", "es"), prompts=4))
    code, text = run(tmp_path)
    assert code == 0
    assert "Nothing can be said yet" in text


def test_nothing_judged_says_what_to_do(root, tmp_path):
    shutil.copytree(root / "study", tmp_path / "study", ignore=shutil.ignore_patterns("items", "analysis"))
    with pytest.raises(UserError, match=r"nothing is judged yet; run python evaluate.py root=.* first"):
        run(tmp_path)


def test_an_unknown_judge_is_named_with_the_one_that_exists(root):
    with pytest.raises(UserError, match=r"judge=refrence: .*did you mean 'reference'"):
        run(root, judge=JudgeConfig(name="refrence"))


def test_no_cells_say_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"no cells there; run python train.py first"):
        run(tmp_path)


def test_a_broken_item_is_reported_with_file_and_line(root, tmp_path):
    shutil.copytree(root / "study", tmp_path / "study", ignore=shutil.ignore_patterns("analysis"))
    path = next(tmp_path.glob("study/*/items/reference.jsonl"))
    path.write_text(path.read_text(encoding="utf-8") + "{\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"reference.jsonl, line \d+: broken JSON"):
        run(tmp_path)


def test_unjudged_cells_are_listed_as_such(root, tmp_path):
    shutil.copytree(root / "study", tmp_path / "study", ignore=shutil.ignore_patterns("analysis"))
    cell = next(path for path in tmp_path.glob("study/*-s1-*") if "+" in path.name)
    shutil.rmtree(cell / "items")
    (cell / "status.json").write_text('{"tune": {"state": "failed", "error": "loss <nan>"}}', encoding="utf-8")
    assert run(tmp_path)[0] == 0
    page = (tmp_path / "study" / "analysis" / "report.html").read_text(encoding="utf-8")
    assert "1 not judged" in page
    assert "tune failed: loss &lt;nan&gt;" in page


def test_invalid_judgements_are_counted_and_said(tmp_path):
    build(tmp_path, Shape((0,), (2,), (1.0,), ("en", "ar"), ("en", "ar"), prompts=20, invalid=0.2))
    run(tmp_path)
    folder = tmp_path / "study" / "analysis"
    assert "judgements" in (folder / "report.md").read_text(encoding="utf-8")
    assert any(int(row["invalid"]) > 0 for row in read(folder / "scores.csv"))


def test_csv_has_numbers_in_full_and_nothing_for_nothing(tmp_path):
    write_csv(tmp_path / "a.csv", [{"x": 1 / 3, "y": None}, {"x": float("nan"), "z": "ü,"}])
    assert (tmp_path / "a.csv").read_bytes() == 'x,y,z\n0.333333333,,\n,,"ü,"\n'.encode()


def test_the_door_runs(tmp_path):
    door = Path(__file__).resolve().parents[1] / "analyze.py"
    done = subprocess.run(
        [sys.executable, str(door), f"root={tmp_path}"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}/study: no cells there")
    assert done.stderr.count("\n") == 1
