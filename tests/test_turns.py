"""Conversations as pairs of instruction and response, and what is said of those that are none."""

from typing import Any

import pytest

from pinch.config import Turns
from pinch.corpora.turns import conversation, turns


def test_the_ways_of_writing_a_conversation() -> None:
    expected = [("a", "b"), ("c", "d")]
    roles = ("user", "assistant", "user", "assistant")
    assert turns([{"role": role, "content": text} for role, text in zip(roles, "abcd", strict=True)]) == expected
    said = ("human", "gpt", "human", "gpt")
    assert turns([{"from": role, "value": text} for role, text in zip(said, "abcd", strict=True)]) == expected
    assert turns(["a", "b", "c", "d"]) == expected


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (None, "must be a list"),
        (["a"], "no answer"),
        (["a", " "], "message 2 of the conversation has no text"),
        (
            [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}],
            "message 1 .* 'system', not of the user",
        ),
        (
            [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
            "message 2 .* 'user', not of the assistant",
        ),
        ([{"text": "a"}, "b"], "message 1 of the conversation has no role and content"),
        (["a", {"role": "assistant", "content": ["b"]}], "message 2 of the conversation has no text"),
    ],
)
def test_what_is_no_conversation(messages: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        turns(messages)


def test_what_the_settings_keep() -> None:
    one, two = [("a", "b")], [("a", "b"), ("c", "d")]
    assert [conversation(one, wish) for wish in Turns] == [one] * 4
    assert {wish.name: conversation(two, wish) for wish in Turns} == {
        "refuse": None,
        "drop": None,
        "first": one,
        "keep": two,
    }
