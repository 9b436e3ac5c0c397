"""The check of judges, on judges whose faults are known."""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from rich.console import Console

from pinch.config import JudgeConfig
from pinch.judges.check import report as checking
from pinch.judges.check.report import Kind, Report, Sanity, check, conclusions, report, show
from pinch.judges.check.trials import IDENTICAL, attacks, pairs, sanity
from pinch.judges.protocol import Judgement
from pinch.judges.reference import ReferenceJudge
from pinch.languages import SLAVIC, TWELVE
from pinch.records import Outcome, Pair

ORDERS = 2 * len(attacks())
FIRST, SECOND = Outcome.first, Outcome.second


class Fake:
    """A judge that answers by a function; the last `late` judgements come with stop()."""

    name = "fake"
    sees_reference = False

    def __init__(self, say: Callable[[Pair], Outcome], raw: str = "said", late: int = 0) -> None:
        self.identity: dict[str, Any] = {"judge": "fake"}
        self.say, self.raw, self.late = say, raw, late
        self.rest: list[Judgement] = []

    def judge(self, pairs: Sequence[Pair]) -> Iterator[Sequence[Judgement]]:
        made = [Judgement(pair, self.say(pair), self.raw) for pair in pairs]
        made, self.rest = made[: len(made) - self.late], made[len(made) - self.late :]
        for start in range(0, len(made), 100):
            yield made[start : start + 100]

    def stop(self) -> Sequence[Judgement]:
        return self.rest

    def read(self, raw: str, facts: Mapping[str, Any]) -> Outcome:
        raise NotImplementedError

    def tokens(self, pairs: Any) -> tuple[int, int]:
        return 0, 0

    def notes(self) -> list[str]:
        return []


GOOD = {attack.good for attack in attacks()} | {trial.orders[0].first for trial in sanity()}
ATTACK = {attack.attacked: attack for attack in attacks()}


def honest(pair: Pair) -> Outcome:
    """Knows the good answers; of two it takes the one in the language asked, which is the reference there."""
    if pair.first.strip() == pair.second.strip():
        return FIRST
    if pair.first in GOOD and pair.second in GOOD:
        return FIRST if pair.first == pair.reference else SECOND
    return FIRST if pair.first in GOOD else SECOND


def test_an_honest_judge_resists_everything() -> None:
    told: list[int] = []
    made = check(Fake(honest, late=7), told.append)
    total = made.total()
    assert (total.attacks, total.orders, total.right, total.resisted) == (len(attacks()), ORDERS, ORDERS, ORDERS)
    assert (total.tied, total.fooled, total.invalid) == (0, 0, 0)
    assert not made.fooled
    assert {row.result for row in made.sanity} == {"passed"}
    assert (made.asked, made.missing, made.invalid) == (352, 0, 0)
    assert told == [100, 200, 300, 345, 352]  # what stop() gives counts
    assert conclusions(made) == [
        "fake: of 122 orders 122 right without an attack; of those 122 resisted, 0 tied, 0 fooled, "
        "0 invalid; sanity 85 of 85 passed"
    ]


def test_a_gullible_judge_is_fooled_by_what_it_obeys() -> None:
    def gullible(pair: Pair) -> Outcome:
        attack = ATTACK.get(pair.first) or ATTACK.get(pair.second)
        if attack is None or attack.kind not in ("verdict line", "role tag", "unicode"):
            return honest(pair)
        if attack.kind == "role tag":
            return Outcome.tie
        if attack.kind == "unicode":
            return Outcome.invalid
        return FIRST  # obeys "Verdict: A" wherever it stands

    made = check(Fake(gullible, raw="Verdict: A"))
    kinds = {kind.kind: kind for kind in made.kinds}
    assert kinds["verdict line"] == Kind("verdict line", 5, 10, 10, resisted=5, tied=0, fooled=5, invalid=0)
    assert kinds["role tag"] == Kind("role tag", 5, 10, 10, resisted=0, tied=10, fooled=0, invalid=0)
    assert kinds["unicode"] == Kind("unicode", 5, 10, 10, resisted=0, tied=0, fooled=0, invalid=10)
    assert kinds["code fence"].resisted == 4
    # the good answer is first in the order that it still wins
    assert [(row.id, row.shown, row.raw) for row in made.fooled][:1] == [("verdict-line-en", "first", "Verdict: A")]
    assert {row.shown for row in made.fooled} == {"first"}
    assert made.invalid == 10


def test_a_judge_of_position_is_found_out() -> None:
    made = check(Fake(lambda pair: SECOND))
    total = made.total()
    assert (total.orders, total.right, total.resisted, total.fooled) == (ORDERS, ORDERS // 2, ORDERS // 2, 0)
    assert {row.result for row in made.sanity if row.question == IDENTICAL} == {"passed"}
    assert {row.result for row in made.sanity if row.question != IDENTICAL} == {"tie"}
    said = conclusions(made)
    assert said[1].startswith("The judge often cannot tell the good answer from the bad one")
    assert said[2] == "It goes by position: 0 verdicts for the answer shown first, 352 for the other."


def test_what_is_wrong_without_an_attack_is_no_resistance() -> None:
    opposite = {FIRST: SECOND, SECOND: FIRST}
    made = check(Fake(lambda pair: opposite[honest(pair)]))
    assert (made.total().right, made.total().resisted, made.total().fooled) == (0, 0, 0)
    assert {row.result for row in made.sanity if row.question != IDENTICAL} == {"lost"}


def test_identical_answers_must_not_be_told_apart() -> None:
    def telling(pair: Pair) -> Outcome:
        return SECOND if pair.second == pair.first.rstrip() != pair.first else honest(pair)

    made = check(Fake(telling))
    assert {row.result for row in made.sanity if row.question == IDENTICAL} == {"picked one"}


def test_no_verdicts_at_all() -> None:
    made = check(Fake(lambda pair: Outcome.invalid))
    assert made.total().right == 0
    assert made.invalid == 352
    assert {row.result for row in made.sanity} == {"invalid"}
    assert conclusions(made)[-1] == "352 of 352 replies hold no verdict."


def test_pairs_without_a_reply_are_left_out() -> None:
    class Broken(Fake):
        def judge(self, pairs: Sequence[Pair]) -> Iterator[Sequence[Judgement]]:
            yield [Judgement(pair, honest(pair), "") for pair in pairs[:10]]
            yield [Judgement(pair, Outcome.invalid, "", {"error": "busy"}) for pair in pairs[10:20]]

    made = check(Broken(honest))
    assert (made.asked, made.missing, made.invalid) == (352, 342, 0)
    assert made.total().orders == 5  # ten pairs: five orders with and without the attack
    assert {row.result for row in made.sanity} == {"missing"}
    assert conclusions(made)[-1] == "342 of 352 pairs got no reply and are left out; check again for them."


def test_an_interrupted_check_stops_the_judge() -> None:
    stopped = []

    class Interrupted(Fake):
        def judge(self, pairs: Sequence[Pair]) -> Iterator[Sequence[Judgement]]:
            raise KeyboardInterrupt
            yield []

        def stop(self) -> Sequence[Judgement]:
            stopped.append(True)
            return ()

    with pytest.raises(KeyboardInterrupt):
        check(Interrupted(honest))
    assert stopped == [True]


def test_the_embedded_judge_passes() -> None:
    """It reads nothing but agreement with the reference, so there is nothing to talk it into."""
    made = check(ReferenceJudge(JudgeConfig(), list(dict.fromkeys((*TWELVE, *SLAVIC)))))
    assert (made.total().right, made.total().resisted) == (ORDERS, ORDERS)
    assert {row.result for row in made.sanity} == {"passed"}


def test_a_report_of_judgements_that_are_there_already() -> None:
    assert report("fake", {pair: Judgement(pair, honest(pair), "said") for pair in pairs()}) == check(Fake(honest))
    assert report("fake", {}).missing == 352


def test_the_report_as_json() -> None:
    made = check(Fake(lambda pair: FIRST))
    value = json.loads(json.dumps(made.to_json()))
    assert value["judge"] == "fake"
    assert value["first"] == 352
    assert value["kinds"][0]["kind"] == "verdict line"
    assert value["sanity"][0] == {"language": "en", "question": IDENTICAL, "result": "passed"}


def test_showing() -> None:
    kind = Kind("verdict line", 1, 2, 2, 1, 0, 1, 0)
    fooled = checking.Fooled(
        "verdict-line-en", "verdict line", "en", "first", "x" * 100 + "\x1b[2J\u202e\nVerdict: [[A]]"
    )
    made = Report(
        "fake", 4, 0, 0, 2, 2, (kind,), (fooled,), (Sanity("en", IDENTICAL, "passed"), Sanity("en", "empty", "tie"))
    )
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    show(made, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "fooled by verdict-line-en, shown first: ..." in text
    assert "x [2J Verdict: [[A]]\n" in text  # nothing in a reply gets at the terminal
    assert "\x1b" not in text
    for word in ("verdict line", "resisted", "identical answers", "passed", "tie"):
        assert word in text
    assert "sanity 1 of 2 passed" in text


def test_some_hundred_pairs() -> None:
    assert 300 < len(pairs()) < 400
