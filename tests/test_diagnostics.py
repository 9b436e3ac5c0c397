"""A judge's position, consistency, length and failures, counted by hand; agreement of judges; what a user is told."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from pinch import diagnostics, scoring
from pinch.diagnostics import Share, share
from pinch.records import Item, Outcome

NUMBERS = itertools.count()


def item(forth: str, back: str, **others: object) -> Item:
    """An item with what was said of both orders; its prompt is a new one unless named."""
    both = Outcome(forth) if forth else None, Outcome(back) if back else None
    result = scoring.resolve(both[0], both[1]) if both[0] and both[1] else scoring.UNJUDGED
    fields: dict[str, object] = {"language": "en", "prompt": f"p{next(NUMBERS)}", "judge": "gpt", "length": 10} | others
    return Item(
        "cell", fields.pop("judge"), "base", "reference", fields.pop("language"), fields.pop("prompt"), result.outcome,
        result.score, None, None, "und", None, forth, back, **fields,
    )  # fmt: skip


def items(**numbers: int) -> list[Item]:
    """Items by what was said, e.g. first_tie=3; named are the positions in the order forth, back."""
    return [item(*name.split("_")) for name, number in numbers.items() for _ in range(number)]


EVERY = items(
    first_first=6, second_second=1, first_second=5, second_first=2, tie_tie=3, first_tie=2, tie_first=1, second_tie=1,
    tie_second=1, invalid_first=1, tie_invalid=1, invalid_invalid=2,
)  # fmt: skip


def test_every_kind_of_pair_is_counted() -> None:
    found = diagnostics.diagnose(EVERY).overall
    assert (found.asked, found.n, found.invalid, found.unjudged) == (26, 22, 4, 0)
    assert (found.first_first, found.second_second) == (6, 1)
    assert (found.for_cell, found.for_reference) == (5, 2)
    assert (found.tie_tie, found.tie_first, found.tie_second) == (3, 3, 2)
    assert found.invalid_share.value == 4 / 26


def test_a_tie_is_half_for_each_position() -> None:
    """22 items, 44 verdicts: first 6*2 + 5 + 2 + 3 = 22, tie 3*2 + 3 + 2 = 11, second 11."""
    found = diagnostics.diagnose(EVERY).overall
    assert found.p_first.value == pytest.approx((22 + 11 / 2) / 44)
    assert found.bias == pytest.approx((6 - 1) / 44 + (3 - 2) / 88)
    assert found.consistency.value == pytest.approx(1 - 7 / 22)


def test_ties_by_contradiction_and_ties_said() -> None:
    found = diagnostics.diagnose(EVERY).overall
    assert (found.ties_by_contradiction, found.ties_said) == pytest.approx((7 / 22, 8 / 22))
    assert found.ties.value == pytest.approx(15 / 22)
    assert found.ties.value == pytest.approx(np.mean([i.outcome == "tie" for i in EVERY if i.outcome != "invalid"]))


def test_position_is_tested_exactly() -> None:
    """6 against 1 of fair coins: two-sided 2 (1 + 7) / 128."""
    assert diagnostics.diagnose(items(first_first=6, second_second=1, first_second=40)).overall.p == 2 * 8 / 128
    assert diagnostics.diagnose(items(first_first=3, second_second=3)).overall.p == 1
    assert diagnostics.diagnose(items(first_second=3, tie_tie=1)).overall.p == 1


def test_ties_in_one_order_take_part_in_the_test() -> None:
    """Leanings .5 five times: signs are flipped, 2 of 32 patterns are as extreme; with 1 of weight 1: still 2 of 64."""
    assert diagnostics.diagnose(items(first_tie=5)).overall.p == 2 / 32
    assert diagnostics.diagnose(items(tie_first=5, first_first=1)).overall.p == 2 / 64


def test_items_of_one_prompt_are_one_unit() -> None:
    """Six prompts in eleven languages that all say the same tell as much as six."""
    languages = [f"l{number}" for number in range(11)]
    once = [item("first", "first", prompt=f"p{n}") for n in range(6)]
    many = [replace(one, language=code) for one in once for code in languages]
    alone, together = diagnostics.diagnose(once), diagnostics.diagnose(many)
    assert alone.overall.p == together.overall.p == 2 / 64
    assert together.overall.n == 66
    assert together.overall.consistency.high == pytest.approx(alone.overall.consistency.high)
    assert together.overall.p_first.low == pytest.approx(alone.overall.p_first.low)
    assert together.languages["l0"].p_holm == pytest.approx(11 * 2 / 64)
    mixed = [item("first", "first", prompt="a"), item("second", "second", prompt="a", language="fi")]
    assert diagnostics.diagnose(mixed).overall.p == 1


def test_longer_wins_of_decided_items_with_different_lengths() -> None:
    found = diagnostics.diagnose(
        [
            item("first", "second", length=9, reference_length=3),  # the longer one wins
            item("second", "first", length=3, reference_length=9),  # and again
            item("second", "first", length=9, reference_length=3),  # the shorter one
            item("first", "second", length=4, reference_length=4),
            item("first", "first", length=9, reference_length=3),
            item("first", "tie", length=9, reference_length=3),
        ]
    ).overall
    assert (found.longer_wins.value, found.longer_wins.n) == (2 / 3, 3)
    assert (found.longer_wins.low, found.longer_wins.high) == pytest.approx((0.2077, 0.9385), abs=1e-4)  # Wilson


def test_what_nobody_was_asked_does_not_count() -> None:
    rows = [
        item("first", "second"),
        item("first", ""),  # stopped half-way
        replace(item("", ""), language="fi"),
        replace(item("", ""), outcome="identical", score=0.5),
        replace(item("", ""), outcome="self", score=0.5),
        replace(item("", ""), outcome="win", score=1.0),  # of a panel
    ]
    found = diagnostics.diagnose(rows)
    assert (found.overall.asked, found.overall.unjudged) == (1, 2)
    assert (found.languages["fi"].asked, found.languages["fi"].unjudged) == (0, 1)
    assert np.isnan(found.languages["fi"].bias)


def test_a_language_gate_hides_nothing() -> None:
    gated = [replace(one, outcome="loss", score=0.0) for one in EVERY]
    assert diagnostics.diagnose(gated).overall == diagnostics.diagnose(EVERY).overall


def test_showing_the_pairs_the_other_way_round_mirrors_the_bias() -> None:
    swap = {"first": "second", "second": "first"}
    mirrored = [replace(i, forth=swap.get(i.forth, i.forth), back=swap.get(i.back, i.back)) for i in EVERY]
    one, other = diagnostics.diagnose(EVERY).overall, diagnostics.diagnose(mirrored).overall
    assert other.bias == pytest.approx(-one.bias)
    assert (other.p, other.consistency, other.ties) == (one.p, one.consistency, one.ties)
    assert other.p_first.low == pytest.approx(1 - one.p_first.high)


def test_nothing_at_all() -> None:
    found = diagnostics.diagnose([])
    assert (found.judge, found.languages, found.overall.n, found.overall.p) == ("", {}, 0, 1.0)
    assert np.isnan(found.overall.consistency.value)
    assert list(diagnostics.lines(found)) == []


def test_one_judge_at_a_time() -> None:
    with pytest.raises(ValueError, match=r"several judges \(gpt, other\)"):
        diagnostics.diagnose([item("first", "first"), item("first", "first", judge="other")])


def test_heterogeneity_by_hand() -> None:
    """30:10 against 10:30, everywhere 20 expected: chi-square 4 * 100 / 20 = 20 with 1 degree of freedom."""
    rows = items(first_first=30, second_second=10)
    rows += [replace(i, language="fi") for i in items(first_first=10, second_second=30)]
    found = diagnostics.diagnose(rows).heterogeneity
    assert (found.chi2, found.freedom, found.least_expected) == (pytest.approx(20), 1, 20)
    assert found.p == pytest.approx(7.744e-6, rel=1e-3)


def test_heterogeneity_of_small_counts_is_drawn() -> None:
    """4:0 against 0:4: 2 of the 70 tables with these margins are as extreme; the chi-square distribution says .005."""
    rows = items(first_first=4) + [replace(i, language="fi") for i in items(second_second=4)]
    found = diagnostics.diagnose(rows).heterogeneity
    assert found.chi2 == pytest.approx(8)
    assert found.p == pytest.approx(2 / 70, abs=0.006)
    for one_sided in (items(first_first=9), rows[:4], rows[:4] + [replace(i, language="fi") for i in rows[:4]]):
        assert np.isnan(diagnostics.diagnose(one_sided).heterogeneity.p)


def test_heterogeneity_counts_prompts_not_cells() -> None:
    rows = items(first_first=30, second_second=10)
    rows += [replace(i, language="fi") for i in items(first_first=10, second_second=30)]
    copies = [replace(i, cell=f"cell{n}") for i in rows for n in range(5)]
    once, often = diagnostics.diagnose(rows).heterogeneity, diagnostics.diagnose(copies).heterogeneity
    assert often.chi2 == pytest.approx(once.chi2, rel=0.05)


def test_wilson_interval_of_a_share() -> None:
    alone = share(np.array([True] * 8 + [False] * 2), np.arange(10))
    assert alone == Share(0.8, pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4), 10)
    fivefold = share(np.repeat([True] * 8 + [False] * 2, 5), np.repeat(np.arange(10), 5))
    assert fivefold.n == 50
    assert fivefold.low == pytest.approx(alone.low, abs=0.03)  # ten units with estimated variance (n - 1)
    whole = share(np.array([True] * 50), np.repeat(np.arange(10), 5))
    assert (whole.low, whole.high) == (pytest.approx(0.7225, abs=1e-4), 1.0)
    opposed = share(np.array([True, False] * 5), np.repeat(np.arange(5), 2))  # clusters that balance out
    assert opposed.high - opposed.low == pytest.approx(2 * (0.5 - 0.2366), abs=1e-4)  # no better than 10 units


def test_share_covers_in_clusters() -> None:
    """200 draws of 40 prompts with 8 alike items each: the nominal 95 % interval holds."""
    rng = np.random.default_rng(0)
    hit = 0
    for _ in range(200):
        of_prompt = rng.beta(4, 1, 40)  # mean .8
        found = share((rng.random((40, 8)) < of_prompt[:, None]).ravel(), np.repeat(np.arange(40), 8))
        hit += found.low <= 0.8 <= found.high
    assert hit >= 182


def test_holm_by_hand() -> None:
    assert diagnostics.holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])
    assert diagnostics.holm(np.array([0.9, 0.8])) == pytest.approx([1, 1])


def judged(words: str, judge: str = "gpt", gated: bool = False) -> Iterator[Item]:
    """Items of prompts 0, 1, ... by their outcomes' first letters, half of them in Finnish; '-' is not asked."""
    said = {"w": ("first", "second"), "l": ("second", "first"), "t": ("first", "first"), "i": ("invalid", "tie")}
    for number, word in enumerate(words):
        forth, back = said.get(word, ("", ""))
        found = item(forth, back, prompt=f"p{number // 2}", language="fi" if number % 2 else "en", judge=judge)
        yield replace(found, outcome="loss", score=0.0) if gated else found


def test_agreement_of_a_judge_with_people() -> None:
    found = diagnostics.agreement_with(judged("wwtlilw-w"), judged("wltlw-i" + "ww"))
    assert (found.overall.n, found.overall.invalid) == (5, 2)
    assert found.overall.raw.value == 4 / 5
    assert found.overall.tie_discounted.value == 4 / 5
    assert (found.overall.low_if_invalid_differ, found.overall.high_if_invalid_agree) == (4 / 7, 6 / 7)
    assert found.overall.raw.n == 3  # prompts 0, 1 and 4
    assert {code: row.n for code, row in found.languages.items()} == {"en": 3, "fi": 2}
    assert found.languages["en"].raw.value == 1
    assert diagnostics.agreement_with(judged("wt"), judged("tl")).overall.tie_discounted.value == 0.5


def test_agreement_does_not_come_from_the_language_gate() -> None:
    both = diagnostics.agreement_with(judged("wlwl", gated=True), judged("lwlw", gated=True))
    assert both.overall.raw.value == 0
    people = [replace(one, forth="", back="") for one in judged("wlwl")]
    assert diagnostics.agreement_with(judged("wlwl"), people).overall.raw.value == 1


def test_tie_rule_of_agreement() -> None:
    half = [item("first", "tie", prompt="p0")]
    assert diagnostics.agreement_with(half, judged("w")).overall.raw.value == 0
    assert diagnostics.agreement_with(half, judged("w"), "average").overall.raw.value == 1


def test_agreement_without_common_items() -> None:
    found = diagnostics.agreement_with(judged("ww"), [])
    assert (found.overall.n, found.overall.invalid, found.languages) == (0, 0, {})
    assert list(diagnostics.agreement_lines("people", found)) == []
    unread = diagnostics.agreement_with(judged("ii"), judged("ww"))
    assert list(diagnostics.agreement_lines("people", unread)) == [
        "agreement with people: none of 2 pairs has a valid verdict of both"
    ]


def test_an_item_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="the item cell base en p0 occurs twice"):
        diagnostics.agreement_with(judged("ww"), [*judged("w"), *judged("w")])


def test_agreement_among_several() -> None:
    panel = {"a": judged("wwtli"), "b": judged("wltlw"), "c": judged("wwtw-")}
    found = diagnostics.agreement_among(panel)
    assert list(found.pairs) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [found.pairs[pair].overall.raw.value for pair in found.pairs] == [3 / 4, 3 / 4, 2 / 4]
    assert found.raw.value == pytest.approx((1 + 1 / 3 + 1 + 1 / 3) / 4)
    assert found.fleiss.value < found.ac1.value
    with pytest.raises(ValueError, match="two of them or more"):
        diagnostics.agreement_among({"a": judged("w")})


def test_a_good_judge_gives_no_cause() -> None:
    assert list(diagnostics.lines(diagnostics.diagnose(items(first_second=30, second_first=28, first_first=2)))) == []


def test_what_a_user_is_told() -> None:
    rows = items(first_first=40, second_second=4, first_second=6, tie_tie=2, invalid_first=16)
    rows += [replace(i, language="fi") for i in items(first_first=12, second_second=14, second_first=24, tie_first=2)]
    position, languages, unequal, consistency, invalid, ties = diagnostics.lines(diagnostics.diagnose(rows))
    assert position.startswith("judge gpt favours the answer shown first: 66.8 % (")
    assert position.endswith(
        "its verdicts name it, p < 0.001; both orders are asked, so this costs decisions, not fairness"
    )
    assert languages == "judge gpt favours a position, corrected for 2 languages, in: en first 84.6 %"
    assert unequal.startswith("judge gpt favours positions unequally from language to language (chi-square ")
    told = "judge gpt contradicts itself: when the answers of a pair change places it names the other one on 67.3 % ("
    assert consistency.startswith(told)
    assert consistency.endswith(" of 104 pairs, worst in en (84.6 %), all ties")
    assert invalid.startswith("judge gpt gave no valid verdict on 13.3 % (")
    assert invalid.endswith(" of 120 pairs, worst in en (23.5 %); read its scores with their bounds")
    assert ties.startswith("judge gpt decides little: 71.2 % (")
    assert ties.endswith(
        "pairs are ties, 67.3 % by contradiction and 3.8 % said, worst in en (88.5 %), which draws scores to 50"
    )


def test_the_strongest_of_many_languages_are_named() -> None:
    rows = [
        replace(one, language=f"l{number}")
        for number in range(7)
        for one in items(first_first=20 + 2 * number, first_second=80)
    ]
    _, languages = diagnostics.lines(diagnostics.diagnose(rows))
    named = "l6 first 64.3 %, l5 first 63.6 %, l4 first 63.0 %, l3 first 62.3 %, l2 first 61.5 % and 2 more"
    assert languages == f"judge gpt favours a position, corrected for 7 languages, in: {named}"


def test_small_biases_and_few_pairs_are_not_spoken_of() -> None:
    many = items(first_first=60, second_second=20, first_second=2000)
    found = diagnostics.diagnose(many)
    assert found.overall.p < 0.001
    assert found.overall.bias < 0.01
    assert list(diagnostics.lines(found)) == []
    assert list(diagnostics.lines(diagnostics.diagnose(items(first_first=19)))) == []


def test_what_is_said_of_agreement() -> None:
    found = diagnostics.agreement_with(judged("wl" * 30), judged("wl" * 28 + "wwii"))
    (line,) = diagnostics.agreement_lines("people", found)
    assert line.startswith("agreement with people on 58 pairs: 98.3 % (")
    assert ", least in fi (96.6 %); with 2 invalid ones between 95.0 and 98.3 %" in line
    assert "98.3 % with half a point for one tie, kappa 0.97 (" in line
    assert not line.endswith("by kappa no better than chance")
    (line,) = diagnostics.agreement_lines("people", diagnostics.agreement_with(judged("wlwl" * 9), judged("wllw" * 9)))
    assert line.endswith("; by kappa no better than chance")
    (line,) = diagnostics.agreement_lines("people", diagnostics.agreement_with(judged("ww"), judged("ww")))
    assert "kappa undefined, AC1 1.00 (" in line


def test_records_become_json() -> None:
    found = diagnostics.plain(diagnostics.diagnose(items(first_second=3)))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["heterogeneity"]["p"] is None
    assert found["overall"]["consistency"]["n"] == 3
    among = diagnostics.plain(diagnostics.agreement_among({"a": judged("w"), "b": judged("w")}))
    assert among["pairs"]["a & b"]["overall"]["kappa"]["value"] is None
    json.dumps(among, allow_nan=False)
