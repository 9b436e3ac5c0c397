"""Replies of chat servers in the shapes that are about, and the verdicts in them."""

import math
from typing import Any

import pytest

from pinch.judges.api import replies
from pinch.records import Outcome

TOP = [{"token": " A", "logprob": math.log(0.5)}, {"token": "A", "logprob": math.log(0.1)}]
TOP += [{"token": "B", "logprob": math.log(0.2)}, {"token": "Answer", "logprob": math.log(0.2)}]


def body(message: Any = None, **choice: Any) -> dict[str, Any]:
    message = {"content": "Verdict: A"} if message is None else message
    return {"choices": [{"message": message, "finish_reason": "stop", **choice}], "model": "m"}


def test_a_plain_reply() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    reply = replies.read(body() | {"usage": usage, "system_fingerprint": "fp"})
    assert reply == replies.Reply("Verdict: A", "stop", "m", "fp", 7, 2, None)
    assert reply.says() == {"finish": "stop", "model": "m", "fingerprint": "fp"}


@pytest.mark.parametrize(
    ("message", "text", "finish"),
    [
        ({"content": None}, "", "stop"),
        ({}, "", "stop"),
        ({"content": None, "refusal": "No."}, "No.", "refusal"),
        (
            {"content": [{"type": "thinking"}, {"text": "So: "}, {"type": "text", "text": "A"}]},
            "So: A",
            "stop",
        ),
        ({"content": 7}, "", "stop"),
    ],
)
def test_content_in_other_shapes(message: Any, text: str, finish: str) -> None:
    reply = replies.read(body(message))
    assert (reply.text, reply.finish) == (text, finish)


@pytest.mark.parametrize(
    "usage", [None, [], {}, {"prompt_tokens": True}, {"prompt_tokens": -1}, {"prompt_tokens": "7"}]
)
def test_usage_that_says_nothing(usage: Any) -> None:
    assert replies.read(body() | {"usage": usage}).prompt_tokens is None


@pytest.mark.parametrize(
    ("broken", "words", "status"),
    [
        ("text", "no JSON object", None),
        ([], "no JSON object", None),
        ({}, "choices", None),
        ({"choices": []}, "choices", None),
        ({"choices": [{"text": "A"}]}, "message", None),
        ({"choices": [7]}, "message", None),
        ({"error": {"message": "busy", "code": 503}}, "busy", 503),
        ({"error": {"message": "busy", "code": "overloaded"}}, "busy", None),
        ({"error": "out of order"}, "out of order", None),
        (body(error={"message": "upstream", "code": 502}), "upstream", 502),
    ],
)
def test_what_is_no_reply(broken: Any, words: str, status: int | None) -> None:
    with pytest.raises(replies.BrokenError, match=words) as caught:
        replies.read(broken)
    assert caught.value.status == status


def test_probabilities_of_the_letters_are_summed_over_blanks() -> None:
    reply = replies.read(body(logprobs={"content": [{**TOP[0], "top_logprobs": TOP}]}))
    assert reply.letters == pytest.approx((0.6, 0.2))
    assert reply.says()["p_first"] == pytest.approx(0.75)
    assert reply.says()["mass"] == pytest.approx(0.8)


def test_the_chosen_token_counts_where_the_list_lacks_it() -> None:
    reply = replies.read(body(logprobs={"content": [{**TOP[2], "top_logprobs": []}]}))
    assert reply.letters == pytest.approx((0.0, 0.2))


@pytest.mark.parametrize(
    "logprobs", [None, {}, {"content": None}, {"content": []}, {"content": [{}]}, {"content": [7]}]
)
def test_no_probabilities(logprobs: Any) -> None:
    assert replies.read(body(logprobs=logprobs)).letters is None


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"p_first": 0.51, "finish": "length"}, Outcome.first),
        ({"p_first": 0.49}, Outcome.second),
        ({"p_first": 0.5}, Outcome.tie),
        ({"p_first": 0}, Outcome.second),
        ({"mass": 0.0}, Outcome.invalid),
        ({}, Outcome.invalid),
        ({"p_first": 0.9, "error": "gone"}, Outcome.invalid),
    ],
)
def test_outcome_by_probability(facts: dict[str, Any], outcome: Outcome) -> None:
    assert replies.outcome("A", facts, logprobs=True) is outcome


@pytest.mark.parametrize(
    ("raw", "facts", "outcome"),
    [
        ("Verdict b1: B", {"boundary": "b1", "finish": "stop"}, Outcome.second),
        ("Verdict b1: B", {"boundary": "b1", "finish": "length"}, Outcome.invalid),
        ("Verdict b1: B", {"boundary": "b1", "finish": "refusal"}, Outcome.invalid),
        ("Verdict b1: B", {"boundary": "b1", "error": "gone"}, Outcome.invalid),
        ("Verdict b1: B", {"boundary": "b1", "refused": "400: too long"}, Outcome.invalid),
        (" \n", {"boundary": "b1"}, Outcome.invalid),
    ],
)
def test_outcome_by_text(raw: str, facts: dict[str, Any], outcome: Outcome) -> None:
    assert replies.outcome(raw, facts, logprobs=False) is outcome


def test_probabilities_of_nothing() -> None:
    assert replies.probabilities((0.0, 0.0)) == {"mass": 0.0}
    assert replies.probabilities((0.3, 0.0)) == {"p_first": 1.0, "mass": 0.3}
