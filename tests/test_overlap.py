"""Texts that are, or nearly are, one of a few others: hand-counted cases, and the index against comparing all with all."""

import random

import pytest

from pinch.corpora.overlap import grams, normal, overlapping


def test_what_is_compared() -> None:
    assert normal("  Ｗhat's\tUP, 2day? ") == "whatsup2day"
    assert normal("हिन्दी") == "हिन्दी", "vowel signs are part of a word"
    assert grams("abcdefg") == {"abcde", "bcdef", "cdefg"}
    assert grams("abc") == {"abc"}


def test_exact_and_near() -> None:
    others = ["abcdefghijklm"]  # 9 grams
    texts = {"same": "ABC, defghijklm!", "one more": "abcdefghijklmn", "other end": "abcdefghijklxy", "empty": "?!"}
    assert overlapping(texts, others, 0.9) == ({"same"}, {"one more"}), "9 of 10 grams"
    assert overlapping(texts, others, 0.91) == ({"same"}, set())
    assert overlapping(texts, others, 7 / 12) == ({"same"}, {"one more", "other end"}), "7 of 9 and of 10, 12 together"
    assert overlapping(texts, ["..."], 0.1) == (set(), set())


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 1.0])
def test_the_index_finds_what_comparing_all_finds(share: float) -> None:
    draw = random.Random(7)
    others = ["".join(draw.choices("ab", k=draw.randint(3, 30))) for _ in range(40)]
    texts = {str(n): "".join(draw.choices("ab", k=draw.randint(3, 30))) for n in range(300)}
    exact, near = overlapping(texts, others, share)
    assert exact == {name for name, text in texts.items() if text in others}
    alike = {
        name
        for name, text in texts.items()
        for other in others
        if len(grams(text) & grams(other)) >= share * len(grams(text) | grams(other))
    }
    assert near == alike - exact
    assert near or share == 1.0
