"""What judges are asked: rendering in one pass, boundaries, prompt files and what may be wrong with them."""

import re
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


def test_attempts_differ_in_the_boundaries_alone() -> None:
    template = load("pairwise")
    first, again = template.ask(PAIR), template.ask(PAIR, attempt=1)
    codes = [re.findall(r"\b[0-9a-f]{12}\b", question.user) for question in (first, again)]
    assert not set(codes[0]) & set(codes[1])
    blanked = [re.sub(r"\b[0-9a-f]{12}\b", "#", question.user) for question in (first, again)]
    assert blanked[0] == blanked[1]
    assert first.system == again.system


BLOCKS = "[user]\n{instruction_boundary} {instruction}|{first_boundary} {first}|{second_boundary} {second}|{boundary}"


def test_a_text_s_boundary_depends_on_what_stands_up_to_it() -> None:
    template = parse(BLOCKS, "small")

    def codes(pair: Pair, attempt: int = 0) -> list[str]:
        return [block.split(" ")[0] for block in template.ask(pair, attempt).user.split("|")]

    known = codes(PAIR)
    assert len(set(known)) == 4
    for changes, kept in (
        ({"second": "Oulu."}, 2),
        ({"first": "Oulu."}, 1),
        ({"instruction": "?"}, 0),
        ({"language": "et"}, 0),
        ({"prompt": "p2", "reference": "Helsinki"}, 4),  # shown to nobody
    ):
        other = codes(replace(PAIR, **changes))
        assert [one == two for one, two in zip(known, other, strict=True)] == [n < kept for n in range(4)]
    assert not set(known) & set(codes(PAIR, attempt=1))


def test_blocks_are_taken_in_the_order_they_are_shown_in() -> None:
    template = parse("[user]\n{second_boundary} {second}|{first_boundary} {first}|{instruction}", "small")
    one, other = (template.ask(pair).user for pair in (PAIR, replace(PAIR, first="Oulu.", instruction="?")))
    assert one.split("|")[0] == other.split("|")[0]
    assert one.split("|")[1][:12] != other.split("|")[1][:12]


@pytest.mark.parametrize("name", NAMES)
def test_questions_that_begin_with_the_same_texts_begin_with_the_same_bytes(name: str) -> None:
    template = load(name)
    one = template.ask(PAIR)
    for changes, last in (({"second": "Oulu."}, "<<< END OF ANSWER A"), ({"first": "Oulu."}, "<<< END OF INSTRUCTION")):
        other = template.ask(replace(PAIR, **changes)).user
        assert last in one.user
        assert other.startswith(one.user[: one.user.index(last) + len(last) + len(" 0123456789ab >>>")])


def test_a_boundary_that_a_later_text_foresaw_is_not_taken() -> None:
    template = parse(BLOCKS, "small")
    foreseen = template.ask(PAIR).user.split(" ")[0]
    user = template.ask(replace(PAIR, second=f"It is {foreseen}.")).user
    assert user.count(foreseen) == 1
    again = template.ask(replace(PAIR, second=f"It is {foreseen} or {user[:12]}.")).user
    assert again[:12] not in (foreseen, user[:12])


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


def test_verdicts_of_before_texts_had_boundaries_of_their_own_are_found() -> None:
    """Digests are part of the addresses of verdicts, so these must stay."""
    assert {name: load(name).digest for name in NAMES} == {"pairwise": "422d18d291e8dc9e", "labels": "89b79268159f1c2e"}
    assert parse(BLOCKS, "x").digest == parse(BLOCKS.replace("first_b", "b").replace("second_b", "b"), "y").digest


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
            "unknown placeholder {answer}; there are: {boundary}, {first_boundary}, {first}, {instruction_boundary}, "
            "{instruction}, {language}, {second_boundary}, {second}; write {{answer}} for the text itself",
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
