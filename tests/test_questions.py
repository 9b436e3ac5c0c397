"""What judges are asked: rendering in one pass, boundaries, prompt files and what may be wrong with them."""

from dataclasses import replace
from pathlib import Path

import pytest

from pinch.errors import UserError
from pinch.judges import questions
from pinch.judges.questions import NAMES, load, parse, scrub
from pinch.languages import LANGUAGES
from pinch.records import Pair

PAIR = Pair("p1", "fi", "Mikä on pääkaupunki?", "Helsinki.", "Turku.")
SMALL = "[system]\nFair, in {language}.\n[user]\n{instruction}|{first}|{second}|{boundary}"


def test_a_question_is_its_template_with_the_texts_in_place() -> None:
    question = parse(SMALL, "small").ask(PAIR)
    assert question.system == "Fair, in Finnish."
    assert question.user == f"Mikä on pääkaupunki?|Helsinki.|Turku.|{question.boundary}"


def test_without_a_system_part_there_is_none() -> None:
    assert parse("[user]\n{instruction}{first}{second}", "small").ask(PAIR).system == ""


def test_placeholders_inside_texts_stay_text() -> None:
    pair = replace(PAIR, instruction="{second}", first="{boundary} {{first}} {nonsense}", second="{first}")
    assert parse("[user]\n{instruction}|{first}|{second}", "small").ask(pair).user == (
        "{second}|{boundary} {{first}} {nonsense}|{first}"
    )


def test_doubled_braces_and_json_are_text() -> None:
    template = parse('[user]\n{{first}} {"verdict": "A"} {} { first } {instruction}{first}{second}', "small")
    assert template.ask(PAIR).user.startswith('{first} {"verdict": "A"} {} { first } Mikä')


def test_an_unknown_language_is_named_by_its_code() -> None:
    assert parse(SMALL, "small").ask(replace(PAIR, language="tlh")).system == "Fair, in tlh."


def test_surrogates_and_nuls_are_scrubbed_and_nothing_else() -> None:
    assert scrub("a\0b\ud83dc") == "a\ufffdb\ufffdc"
    kept = "e\u0301 \u2028 \u202e \u200b \ufeff \x85 \r\n\t \U0001f600 "
    assert scrub(kept) == kept
    question = parse(SMALL, "small").ask(replace(PAIR, first="\ud800", second="\0"))
    assert "|\ufffd|\ufffd|" in question.user
    question.user.encode("utf-8")


# --- the boundary --------------------------------------------------------------------------------------------------


def test_the_same_question_has_the_same_boundary_and_any_other_another_one() -> None:
    template = parse(SMALL, "small")
    boundary = template.ask(PAIR).boundary
    assert len(boundary) == questions.BOUNDARY_LENGTH
    assert set(boundary) <= set("0123456789abcdef")
    assert template.ask(replace(PAIR, prompt="p2", reference="Helsinki")).boundary == boundary  # shown to nobody
    others = [
        template.ask(replace(PAIR, first=PAIR.second, second=PAIR.first)),
        template.ask(replace(PAIR, instruction="?")),
        template.ask(replace(PAIR, language="et")),
        template.ask(replace(PAIR, first="Helsinki. ")),
        template.ask(PAIR, attempt=1),
        parse(SMALL + ".", "small").ask(PAIR),
    ]
    assert len({boundary, *(other.boundary for other in others)}) == 7


def test_attempts_differ_in_the_boundary_alone() -> None:
    template = load("pairwise")
    first, again = template.ask(PAIR), template.ask(PAIR, attempt=1)
    assert first.user.replace(first.boundary, again.boundary) == again.user
    assert first.system == again.system


def test_no_text_holds_its_boundary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "BOUNDARY_LENGTH", 1)
    template = parse("[user]\n{instruction}{first}{second}", "small")
    # the letters c to f stand in the template, so one digit is left
    for left in "0579":
        digits = "0123456789AB".replace(left, "")
        assert template.ask(replace(PAIR, first=digits)).boundary == left


# --- the prompts that come along -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_shipped_prompts(name: str) -> None:
    template = load(name)
    one, other = template.ask(PAIR), template.ask(replace(PAIR, language="he", first="x"))
    assert template.name == name
    assert one.system == other.system  # so that servers can keep it
    assert "{" not in one.user
    assert one.boundary not in one.system
    for word in ("order", "length", "language", "ignore"):
        assert word in one.system.lower()
    assert "Finnish" in one.user
    assert "Hebrew" in other.user
    assert one.user.index("Helsinki.") < one.user.index("Turku.")


def test_pairwise_asks_for_a_verdict_line_with_the_boundary_last() -> None:
    question = load("pairwise").ask(PAIR)
    assert question.user.endswith(f"Verdict {question.boundary}: A\nor\nVerdict {question.boundary}: B")


def test_labels_ends_right_before_the_label() -> None:
    assert load("labels").ask(PAIR).user.endswith("\nBetter answer:")


def test_every_language_has_an_english_name() -> None:
    for code, row in LANGUAGES.items():
        assert f"asked for: {row.name}\n" in load("labels").ask(replace(PAIR, language=code)).user


# --- files of users ------------------------------------------------------------------------------------------------


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    template = load(str(path))
    assert template.name == str(path)
    assert template == replace(parse(SMALL, "small"), name=str(path))


def test_the_digest_is_of_the_content_alone() -> None:
    assert parse(SMALL, "one").digest == parse(SMALL, "other").digest
    assert parse(SMALL, "one").digest != parse(SMALL.replace("Fair", "Unfair"), "one").digest
    assert parse("[system]\na\n[user]\n{instruction}{first}{second}", "x").digest != (
        parse("[system]\nb\n[user]\n{instruction}{first}{second}", "x").digest
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no [user] part; put the question under a line [user]"),
        ("[user]\n \n", "no [user] part"),
        ("{instruction}{first}{second}", "text before the first part; begin with a line [system] or [user]"),
        ("[user]\na\n[user]\nb", "two [user] parts; join them"),
        ("[user]\n{instruction}", "the [user] part lacks {first}, {second}; say where it goes"),
        ("[user]\n{instruction}{first}{{second}}", "the [user] part lacks {second}"),
        (
            "[user]\n{instruction}{first}{second}{answer}",
            "unknown placeholder {answer}; there are: {boundary}, {first}, {instruction}, {language}, {second}; "
            "write {{answer}} for the text itself",
        ),
        ("[user]\n{instructions}{first}{second}", "unknown placeholder {instructions}; did you mean '{instruction}'?"),
        (
            "[system]\n{first}\n[user]\n{instruction}{first}{second}",
            "{first} in the [system] part; move it to the [user]",
        ),
        ("[system]\n{boundary}\n[user]\n{instruction}{first}{second}", "{boundary} in the [system] part; move it"),
    ],
)
def test_what_may_be_wrong_with_a_file(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load(str(path))
    assert str(caught.value).startswith(f"judge.prompt={path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"judge.prompt=pairwize: no such file; did you mean 'pairwise'\?; give pairwise, la"
    ):
        load("pairwize")
    with pytest.raises(UserError, match=r"mine.txt: no such file; give pairwise, labels or a file$"):
        load(str(tmp_path / "mine.txt"))
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)"):
        load(str(tmp_path))
    (tmp_path / "latin.txt").write_bytes("[user]\nPäätä".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin.txt: not UTF-8; convert the file"):
        load(str(tmp_path / "latin.txt"))
