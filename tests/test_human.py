"""Pages to annotate, the files they save, and what is kept of them; all counts by hand."""

import json
import multiprocessing
import re
import threading
from dataclasses import replace
from html.parser import HTMLParser
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from pinch.cells import exclusive
from pinch.errors import UserError
from pinch.judges.people.annotations import Choice, Label, read_annotations
from pinch.judges.people.page import Page, address, write_page
from pinch.judges.people.verdicts import Added, HumanVerdicts
from pinch.records import Outcome, Pair, read_jsonl

PAIRS = [
    Pair("p1", "fi", "Mikä?", "yksi", "kaksi", "kolme"),
    Pair("p2", "fi", "Kuka?", "minä", "sinä"),
    Pair("p3", "ar", "ما؟", "واحد", "اثنان"),
]


def swapped(pair: Pair) -> Pair:
    return replace(pair, first=pair.second, second=pair.first)


def plenty(number: int, language: str = "en") -> list[Pair]:
    return [Pair(f"q{n}", language, f"Question {n}?", f"good {n}", f"bad {n}") for n in range(number)]


def manifest(page: Page) -> list[dict[str, Any]]:
    return read_jsonl(page.path.with_suffix(".jsonl"), lambda row: row)


class Scripts(HTMLParser):
    """Collects what the page's script elements hold, as a browser delimits them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.found.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and data.strip():
            self.found[-1] = (self.found[-1][0], self.found[-1][1] + data)


def shown(page: Page) -> dict[str, Any]:
    """The data of the page, as its script sees them."""
    (data,) = [
        text for attributes, text in Scripts(page.path.read_text("utf-8")).found if attributes.get("id") == "data"
    ]
    return json.loads(data)


# --- the page ----------------------------------------------------------------------------------------------------------


def test_the_same_pairs_make_the_same_page_in_whichever_order(tmp_path: Path) -> None:
    one = write_page(tmp_path / "one", PAIRS, 0, "study")
    other = write_page(tmp_path / "other", [swapped(pair) for pair in reversed(PAIRS)], 0, "study")
    assert (one.pairs, one.digest, one.path.name) == (3, other.digest, f"study-{one.digest}.html")
    assert one.path.read_bytes() == other.path.read_bytes()
    assert manifest(one) == manifest(other)
    assert write_page(tmp_path, PAIRS, 1, "study").digest != one.digest


def test_every_content_is_shown_once_and_equal_answers_never(tmp_path: Path) -> None:
    twin = replace(PAIRS[0], prompt="p9")
    page = write_page(tmp_path, [*PAIRS, swapped(PAIRS[0]), twin, Pair("p4", "fi", "Miksi?", "en", "en")], 0, "study")
    assert page.pairs == 3
    assert sorted(row["prompt"] for row in manifest(page)) == ["p1", "p2", "p3"]


def test_sides_are_drawn_and_languages_take_turns(tmp_path: Path) -> None:
    page = write_page(tmp_path, [*plenty(200), *plenty(10, "fi")], 0, "study")
    rows = manifest(page)
    good = sum(row["left"].startswith("good") for row in rows)
    assert 80 <= good <= 130  # 105 expected, standard deviation 7
    assert [row["language"] for row in rows[:22]] == ["en", "fi"] * 10 + ["en", "en"]
    numbers = [int(row["prompt"][1:]) for row in rows if row["language"] == "en"]
    assert sorted(numbers) == list(range(200))
    assert numbers != sorted(numbers)


def test_the_page_tells_nothing_but_language_instruction_and_answers(tmp_path: Path) -> None:
    page = write_page(tmp_path, PAIRS, 0, "study")
    data = shown(page)
    assert data["languages"] == [
        {"code": "ar", "name": "Arabic", "rtl": True},
        {"code": "fi", "name": "Finnish", "rtl": False},
    ]
    assert {key for pair in data["pairs"] for key in pair} == {"id", "language", "instruction", "left", "right"}
    assert [pair["id"] for pair in data["pairs"]] == [row["id"] for row in manifest(page)]
    assert "kolme" not in page.path.read_text("utf-8")  # the reference answer


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "a\u2028b\u2029c\u0000d\u202ee",
    "{{ page }} {% raw %} {% endraw %} &lt;b&gt; \\u003c",
    "half of a pair \ud800",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_answers_stay_text(tmp_path: Path, text: str) -> None:
    pair = Pair("p1", "en", text, text, "other")
    page = write_page(tmp_path, [pair], 0, "study <b>")
    scripts = Scripts(page.path.read_text("utf-8")).found
    assert len(scripts) == 2  # the data and the program
    (row,) = shown(page)["pairs"]
    assert (row["instruction"], {row["left"], row["right"]}) == (text, {text, "other"})
    assert "study &lt;b&gt;" in page.path.read_text("utf-8")
    saved = write(tmp_path, page, [{"id": address(pair), "choice": "tie"}])
    assert address(read_annotations(saved, tmp_path).labels[0].pair) == address(pair)


def test_the_page_names_no_other_file_or_server(tmp_path: Path) -> None:
    text = write_page(tmp_path, PAIRS, 0, "study").path.read_text("utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<link|<img|\bsrc=", text)
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    ("title", "name"), [("../../x", "x"), ("a study: 2", "a-study-2"), ("..", "page"), ("研究", "研究")]
)
def test_the_title_becomes_a_plain_file_name(tmp_path: Path, title: str, name: str) -> None:
    page = write_page(tmp_path, PAIRS, 0, title)
    assert page.path == tmp_path / f"{name}-{page.digest}.html"


def test_nothing_to_annotate(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no page to annotate, for no two answers differ; judge other cells"):
        write_page(tmp_path, [Pair("p", "fi", "Mikä?", "sama", "sama")], 0, "study")


# --- the file it saves -------------------------------------------------------------------------------------------------


def write(folder: Path, page: Page, given: list[Any], **changes: Any) -> Path:
    value = {
        "format": "pinch-annotations",
        "version": 1,
        "page": page.digest,
        "annotator": " Ana  B ",
        "labels": given,
    }
    path = folder / "labels.json"
    path.write_text(json.dumps(value | changes), encoding="utf-8")
    return path


def rows(page: Page, choice: str = "left", seconds: float = 5.0) -> list[dict[str, Any]]:
    return [{"id": row["id"], "choice": choice, "seconds": seconds, "note": "", "at": ""} for row in manifest(page)]


def test_labels_come_back_with_their_pairs(tmp_path: Path) -> None:
    page = write_page(tmp_path, PAIRS, 0, "study")
    first = manifest(page)[0]
    label = {"id": first["id"], "choice": "right", "seconds": 3.5, "note": "x", "at": "2026-01-31T12:00:00.000Z"}
    found = read_annotations(write(tmp_path, page, [label, *rows(page)[1:]]), tmp_path)
    assert (found.annotator, len(found.labels), found.warnings) == ("Ana B", 3, [])
    pair = Pair(first["prompt"], first["language"], first["instruction"], first["left"], first["right"])
    assert found.labels[0] == Label(pair, "Ana B", page.digest, Choice.right, 3.5, "x", label["at"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON; give the file that the page has saved, as it is"),
        ("[]", "not a file of annotations; give the one that the page has saved, as it is"),
        ('{"format": "other", "version": 1}', "not a file of annotations"),
        ('{"format": "pinch-annotations", "version": true}', "not a file of annotations"),
        (
            '{"format": "pinch-annotations", "version": 2}',
            "version 2 of the format, but 1 is the newest known here; update",
        ),
        (
            '{"format": "pinch-annotations", "version": 1}',
            "its page 'None' is not in .*; put the page's .jsonl file back",
        ),
        ('{"format": "pinch-annotations", "version": 1, "page": "*"}', "its page '\\*' is not in"),
        ('{"format": "pinch-annotations", "version": 1, "page": "abc123"}', "its page 'abc123' is not in"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    write_page(tmp_path, PAIRS, 0, "study")
    path = tmp_path / "labels.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=f"labels.json: {message}") as caught:
        read_annotations(path, tmp_path)
    assert "\n" not in str(caught.value)


def test_no_such_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none.json: no such file; check judge.results"):
        read_annotations(tmp_path / "none.json", tmp_path)
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\); check the path"):
        read_annotations(tmp_path, tmp_path)
    (tmp_path / "labels.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not JSON"):
        read_annotations(tmp_path / "labels.json", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annotator": "  "}, 'it does not say who labelled; add "annotator" and a name'),
        ({"annotator": 7}, "it does not say who labelled"),
        ({"labels": {}}, "it holds no list of labels; save it again"),
        ({"labels": ["x"]}, "label 1: id None is not on its page; save the file again"),
        ({"labels": [{"id": "0123456789abcdef"}]}, "label 1: id '0123456789abcdef' is not on its page"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    page = write_page(tmp_path, PAIRS, 0, "study")
    with pytest.raises(UserError, match=f"labels.json.*{message}"):
        read_annotations(write(tmp_path, page, rows(page), **change), tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"choice": "first"}, "label 3: choice 'first' is none of left, right, tie, skip"),
        ({"choice": None}, "label 3: choice None is none of"),
        ({"seconds": -1}, "label 3: seconds -1 is no time"),
        ({"seconds": float("nan")}, "label 3: seconds nan is no time"),
        ({"seconds": True}, "label 3: seconds True is no time"),
        ({"note": 1}, "label 3: note 1 is no text"),
        ({"at": "yesterday"}, "label 3: at 'yesterday' is no time like 2026-01-31T12:00:00.000Z"),
    ],
)
def test_labels_that_cannot_be_used(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    page = write_page(tmp_path, PAIRS, 0, "study")
    *good, bad = rows(page)
    with pytest.raises(UserError, match=message):
        read_annotations(write(tmp_path, page, [*good, bad | change]), tmp_path)


def test_a_manifest_that_was_changed(tmp_path: Path) -> None:
    page = write_page(tmp_path, PAIRS, 0, "study")
    path = page.path.with_suffix(".jsonl")
    path.write_text(path.read_text("utf-8").replace("kaksi", "kaksi!"), encoding="utf-8")
    with pytest.raises(UserError, match=r"study-.*jsonl: changed since its page was written; put the original back"):
        read_annotations(write(tmp_path, page, rows(page)), tmp_path)
    write_page(tmp_path, PAIRS, 0, "study")
    path.write_text("\n".join(path.read_text("utf-8").split("\n")[1:]), encoding="utf-8")
    with pytest.raises(UserError, match="changed since its page was written"):
        read_annotations(write(tmp_path, page, rows(page)[1:]), tmp_path)


def test_what_looks_wrong_is_said(tmp_path: Path) -> None:
    page = write_page(tmp_path, [*plenty(30), *plenty(5, "fi")], 0, "study")
    (path, english) = (tmp_path / "labels.json", {row["id"] for row in manifest(page) if row["language"] == "en"})
    labels = [row for row in rows(page, seconds=1.9) if row["id"] in english]
    found = read_annotations(write(tmp_path, page, [labels[0] | {"choice": "tie"}, *labels]), tmp_path)
    assert found.warnings == [
        f"{path}: 1 labels are of pairs that are labelled again further down; the last one counts",
        f"{path}: unfinished, 30 of 35 pairs are labelled (fi 0 of 5)",
        f"{path}: half of the labels took under 2 seconds each; ask whether the answers were read",
        f"{path}: 30 of 30 choices are of the left answer, though sides were drawn by lot",
    ]
    assert [label.choice for label in found.labels] == [Choice.left] * 30


@pytest.mark.parametrize(("left", "right", "warned"), [(18, 2, False), (19, 1, True), (1, 19, True), (19, 0, False)])
def test_one_side_needs_more_than_nine_in_ten_of_twenty(tmp_path: Path, left: int, right: int, warned: bool) -> None:
    page = write_page(tmp_path, plenty(25), 0, "study")
    choices = ["left"] * left + ["right"] * right + ["tie"] * (25 - left - right)
    labels = [row | {"choice": choice} for row, choice in zip(rows(page), choices, strict=True)]
    found = read_annotations(write(tmp_path, page, labels), tmp_path)
    assert any("drawn by lot" in warning for warning in found.warnings) is warned


# --- what is kept ------------------------------------------------------------------------------------------------------


def label(pair: Pair, choice: str, annotator: str = "Ana", at: str = "", note: str = "") -> Label:
    return Label(pair, annotator, "page", Choice(choice), 4.0, note, at)


def test_labels_are_seen_in_the_order_of_the_pair(tmp_path: Path) -> None:
    known = HumanVerdicts(tmp_path, "human")
    assert known.add([label(PAIRS[0], "left"), label(PAIRS[1], "tie"), label(PAIRS[2], "skip")]) == (3, 0, 0)
    assert known.labels(PAIRS[0]) == {"Ana": Outcome.first}
    assert known.labels(swapped(PAIRS[0])) == {"Ana": Outcome.second}
    assert known.labels(swapped(PAIRS[1])) == {"Ana": Outcome.tie}
    assert known.labels(PAIRS[2]) == {}
    assert known.missing([swapped(PAIRS[0]), swapped(PAIRS[2]), PAIRS[2]]) == [swapped(PAIRS[2])]


def test_rows_say_where_they_come_from(tmp_path: Path) -> None:
    HumanVerdicts(tmp_path, "experts").add([label(PAIRS[0], "right", note="ä", at="2026-01-31T12:00:00.000Z")])
    (row,) = read_jsonl(tmp_path / "verdicts" / "experts.jsonl", lambda row: row)
    assert row["key"] == address(PAIRS[0]) == address(swapped(PAIRS[0]))
    assert (row["judge"], row["language"], row["prompt"]) == ("experts", "fi", "p1")
    assert (row["outcome"], row["raw"]) == ("second", "right")
    facts = row["facts"]
    assert {name: facts[name] for name in facts if name != "left"} == {
        "annotator": "Ana", "page": "page", "seconds": 4.0, "note": "ä", "at": "2026-01-31T12:00:00.000Z",
    }  # fmt: skip


def test_the_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    labels = [label(PAIRS[0], "left"), label(PAIRS[1], "skip"), label(PAIRS[0], "right", "Ben")]
    known = HumanVerdicts(tmp_path, "human")
    known.add(labels)
    before, revision = known.path.read_bytes(), known.revision
    again = HumanVerdicts(tmp_path, "human")
    assert again.add(labels) == Added(new=0, changed=0, same=3)
    assert again.path.read_bytes() == before
    assert again.revision == revision
    assert again.annotators == ["Ana", "Ben"]


def test_the_later_label_counts_and_the_earlier_is_kept(tmp_path: Path) -> None:
    known = HumanVerdicts(tmp_path, "human")
    known.add([label(PAIRS[0], "left")])
    revision = known.revision
    assert known.add([label(swapped(PAIRS[0]), "right")]) == (0, 0, 1)  # the same, as shown the other way round
    assert known.add([label(PAIRS[0], "right")]) == (0, 1, 0)
    assert known.labels(PAIRS[0]) == {"Ana": Outcome.second}
    assert known.revision != revision
    assert len(known.path.read_bytes().splitlines()) == 2
    known.add([label(PAIRS[0], "skip")])
    assert known.labels(PAIRS[0]) == {}
    assert known.annotators == []


def test_files_may_come_in_any_order(tmp_path: Path) -> None:
    early = label(PAIRS[0], "left", at="2026-01-31T12:00:00.000Z")
    late = label(PAIRS[0], "right", at="2026-01-31T12:00:01.000Z")
    last = label(PAIRS[0], "left", at="2026-01-31T12:00:02.000Z")
    revisions = set()
    for number, order in enumerate(permutations([early, late, last])):
        known = HumanVerdicts(tmp_path / str(number), "human")
        for one in (*order, *order):
            known.add([one])
        assert known.labels(PAIRS[0]) == {"Ana": Outcome.first}
        revisions.add(known.revision)
    assert len(revisions) == 1


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    known = HumanVerdicts(tmp_path, "human")
    known.add([label(PAIRS[0], "left")])
    whole = known.path.read_bytes()
    known.path.write_bytes(whole + whole[:40])
    again = HumanVerdicts(tmp_path, "human")
    assert again.labels(PAIRS[0]) == {"Ana": Outcome.first}
    again.add([label(PAIRS[1], "left")])
    assert again.path.read_bytes().startswith(whole)
    assert len(HumanVerdicts(tmp_path, "human").path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    "row", ["{}", "[]", "x", '{"key": "k", "outcome": "first", "facts": {}}', '{"outcome": "best"}']
)
def test_rows_of_another_judge_are_refused(tmp_path: Path, row: str) -> None:
    path = tmp_path / "verdicts" / "human.jsonl"
    path.parent.mkdir()
    path.write_text(f"{row}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"human.jsonl, line 1: not a person's verdict; choose another judge.name"):
        HumanVerdicts(tmp_path, "human")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "verdicts").write_text("a file", encoding="utf-8")
    with pytest.raises(UserError, match=r"human.jsonl: cannot be (read|written) \(Not a directory\)"):
        HumanVerdicts(tmp_path, "human").add([label(PAIRS[0], "left")])


def add_many(workspace: Path, annotator: str, start: Any) -> None:
    known = HumanVerdicts(workspace, "human")
    start.wait()
    for pair in plenty(10):
        known.add([label(pair, "left", annotator)])


def test_several_processes_add_without_losing_a_line(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(3)
    processes = [fork.Process(target=add_many, args=(tmp_path, name, start)) for name in ("Ana", "Ben", "Ana")]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    known = HumanVerdicts(tmp_path, "human")
    assert all(known.labels(pair) == {"Ana": Outcome.first, "Ben": Outcome.first} for pair in plenty(10))
    assert len(known.path.read_bytes().splitlines()) == 20


def test_who_adds_waits_for_the_process_that_is_adding(tmp_path: Path) -> None:
    known = HumanVerdicts(tmp_path, "human")
    thread = threading.Thread(target=known.add, args=([label(PAIRS[0], "left")],))
    with exclusive(tmp_path, "verdicts-human"):
        thread.start()
        thread.join(0.3)
        assert not known.path.exists()
    thread.join()
    assert known.path.exists()
