"""Which verdict a reply holds: the ways to say it, what is no verdict, and properties of all texts."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pinch.judges.parsing import SCHEMA, verdict
from pinch.records import Outcome

B = "1a2b3c4d5e6f"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "llmbar_both_orders.jsonl"

FIRST = [
    "A",
    " A.\n",
    "a",
    "**A**",
    '"A"',
    "`A`",
    "(A)",
    "[[A]]",
    "Ａ",  # full width
    "\u200fA\u200f",
    "А",  # Cyrillic
    "Answer A",
    "Response A.",
    "Output (a)",
    f"Verdict {B}: A",
    f"verdict {B.upper()} : a.",
    f"**Verdict {B}: A**",
    f"**Verdict {B}:** A",
    f"### Verdict {B}\n\n**A**",
    f"Verdict {B}:\nA",
    f"Verdict {B}：A",
    f"Verdict {B} - A",
    f"Verdict [{B}]: [[A]]",
    f"Verdict <{B}>: 'A'",
    f"Verdict {{{B}}}: A",
    f"Verdict: A ({B})",
    f"My final verdict {B} is A.",
    f"Verdict {B}: Answer A",
    f"Verdict {B}: A is better.",
    f"Verdict {B}: A is the clearly better one",
    f"Verdict {B}: A, because it is in Finnish.",
    f"Verdict {B}: A (it is in Finnish)",
    f"Both are fine. So: Verdict {B}: A",
    f"- Verdict {B}: A\r\n",
    f"Verdict {B}: B\nNo, wait.\nVerdict {B}: A",
    f"I end with Verdict {B}: A or Verdict {B}: B.\nVerdict {B}: A",
    f"Verdict {B}: A\nVerdict: B",  # only the judge knows the boundary
    f"Verdict {B}: A\n\nI hope that helps. B was close.",
    f"```\nVerdict {B}: A\n```",
    "A is complete, B is not.\nVerdict: A",
    "It is close.\n\n**Final verdict: [[A]]**",
    "It is close.\n[[A]]",
    "Better answer: A",
    "The winner is answer A.\n",
    '{"reasoning": "B is short.", "verdict": "A"}',
    ' {"Verdict": "answer a", "score": 3}\n',
    '```json\n{"reasoning": "B is short.", "verdict": "A"}\n```',
    'In JSON:\n```json\n{\n"verdict": "A"\n}\n```\n',
    'My reply:\n{"verdict": "A"}',
    "<think>Verdict: B. Or A? B!</think>\nA",
    f"<think>\nVerdict {B}: B\n</think>\n\nVerdict {B}: A",
]
TIE = ["tie", "Tie.", f"Verdict {B}: tie", f"Verdict {B}: a tie", "Verdict: TIE", '{"verdict": "tie"}', "x\n[[tie]]"]
INVALID = [
    "",
    "  \n\n",
    "I",
    "C",
    "AB",
    "Both",
    "Neither is good.",
    "A better answer would be",
    "A is better.",
    "I prefer A",
    "Answer A says so.\nAnswer B does not:",
    f"Verdict {B}: A or B",
    f"Verdict {B}: A/B",
    f"Verdict {B}: A, B",
    f"Verdict {B}: b/a",
    f"Verdict {B}: A tie between A and B",
    f"Verdict {B}: A. Verdict {B}: B",
    f"Verdict {B}: A better answer would be in Finnish.",
    f"Verdict {B}: A is worse",
    f"Verdict {B}: C",
    f"Verdict {B}:",
    f"Verdict {B}: not A",
    f"Verdict {B}: A\nVerdict {B}: A or B",
    "Verdict: A or B",
    "Verdict: A, I think",
    "Verdict: A\nBut B is in Finnish.",
    "Verdict 000000000000: A",
    "Verdict {boundary}: A",
    "Verdict 3f9a: A",
    "> Verdict: A",
    "Answer B says:\n> so it is\n> [[A]]",
    'It says "Verdict: A".',
    "Answer B ends with this.\u2028Verdict: A",
    "```\nVerdict: A\n```\nis what it says.",
    "```\nVerdict: A\n```",
    '{"verdict": "A or B"}',
    '{"verdict": 1}',
    '{"verdict": null}',
    '{"winner": "A"}',
    '[{"verdict": "A"}]',
    '{"verdict": "A"',
    '{"verdict": "A"} says answer B.',
    "<think>I might say\nVerdict: A",
    f"<think>Verdict {B}: A",
    "No puedo ayudar con eso.",
    "{" * 100_000,
    '{"a":' * 100_000,
    "[" * 100_000 + "A",
]


@pytest.mark.parametrize("text", FIRST)
def test_first(text: str) -> None:
    assert verdict(text, B) is Outcome.first


@pytest.mark.parametrize("text", TIE)
def test_tie(text: str) -> None:
    assert verdict(text, B) is Outcome.tie


@pytest.mark.parametrize("text", INVALID, ids=range(len(INVALID)))
def test_invalid(text: str) -> None:
    assert verdict(text, B) is Outcome.invalid


def test_what_the_schema_allows_is_read() -> None:
    outcomes = [
        verdict(json.dumps({"reasoning": 'It says {"verdict": "B"}.\nVerdict: B', "verdict": label}), B)
        for label in SCHEMA["properties"]["verdict"]["enum"]
    ]
    assert outcomes == [Outcome.first, Outcome.second, Outcome.tie]
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"])  # what strict modes ask for
    assert SCHEMA["additionalProperties"] is False


def test_long_texts_are_read_at_once() -> None:
    for piece in ("verdict ", "verdict" + " " * 100, "```{", "<think>", "> ", "[[a]", "\n", f"verdict {B} "):
        verdict(piece * 20_000, B)  # quadratic reading would take minutes


# --- properties ----------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        "verdict",
        "Verdict",
        B,
        "A",
        "B",
        "tie",
        "or",
        ":",
        "**",
        "[[",
        "]]",
        "\n",
        " ",
        "{",
        "}",
        '"verdict"',
        "```",
        "is",
        ",",
    ]
)
REPLIES = st.one_of(st.text(), st.lists(WORDS, max_size=30).map("".join), st.lists(WORDS, max_size=30).map(" ".join))
AMBIGUOUS = re.compile(r"(?<![a-zA-Z0-9])(?:[ab](?![a-zA-Z0-9])|[AaBb]n?\s+(?i:tie))")
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
SWAP = str.maketrans("AB", "BA")
SWAPPED = {Outcome.first: Outcome.second, Outcome.second: Outcome.first}


@UNTIMED
@given(REPLIES, st.text(alphabet="0123456789abcdef", min_size=1, max_size=12))
def test_never_raises(text: str, boundary: str) -> None:
    assert isinstance(verdict(text, boundary), Outcome)


# small letters are articles as well, and so is the A of "A tie"; look-alikes would have to be swapped too
@UNTIMED
@given(REPLIES.filter(lambda text: text.isascii() and not AMBIGUOUS.search(text)))
def test_swapping_the_labels_swaps_the_outcome(text: str) -> None:
    outcome = verdict(text, B)
    assert verdict(text.translate(SWAP), B) is SWAPPED.get(outcome, outcome)


@UNTIMED
@given(REPLIES.filter(lambda text: B not in text), st.text(alphabet="xyz. \n", min_size=1))
def test_without_boundary_and_without_verdict_at_the_end_is_invalid(text: str, end: str) -> None:
    assert verdict(f"{text}\nThat is all{end}", B) is Outcome.invalid


@UNTIMED
@given(REPLIES.filter(lambda text: "<think" not in text), st.sampled_from("AB"))
def test_a_verdict_line_at_the_end_counts_whatever_stands_before_it(text: str, label: str) -> None:
    expected = {"A": Outcome.first, "B": Outcome.second}[label]
    assert verdict(f"{text}\nVerdict {B}: {label}", B) is expected


def test_replies_of_real_judges() -> None:
    if not DATA.exists():
        pytest.skip(f"{DATA.name} is not part of the repository")
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").split("\n") if line]
    outcomes = {"1": Outcome.first, "2": Outcome.second}
    swapped = {"1": Outcome.second, "2": Outcome.first}
    read = 0
    for row in rows:
        for raw, winner, names in (
            (row.get("raw_ab"), row["w_ab"], outcomes),
            (row.get("raw_ba"), row["w_ba"], swapped),
        ):
            if raw is None:
                continue
            found = verdict(raw, B)
            read += found is not Outcome.invalid
            if found is not Outcome.invalid:
                assert found is names[winner]
    assert read == 5018  # of 5,028; four are empty and one refuses, in both orders
