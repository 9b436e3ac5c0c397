"""A server that misbehaves in every way at once: the run ends, and every pair has one result per order, the right one."""

import json
from collections import Counter
from pathlib import Path

import pytest

from judge_double import BUSY, MISCHIEF, MUTE, Double
from judging import KEY, api_judge, expected, some_pairs
from pinch.judges.store import VerdictStore
from pinch.records import Outcome

PAIRS = some_pairs(2000)  # 1,000 in both orders
BIAS = 0.1


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def test_two_thousand_calls_with_everything_mixed_in(tmp_path: Path) -> None:
    with Double(hostile=0.01, bias=BIAS, retry_after="2") as double:  # 1 % of each kind, 17 % in all
        judge = api_judge(double, tmp_path, timeout=1.0)
        store = VerdictStore(tmp_path, judge)
        assert sum(store.judge_missing(PAIRS)) == len(PAIRS)
        assert len(double.requests) <= judge.spent.calls, "every request counts"
        assert judge.stop() == []
    lines = (tmp_path / "verdicts" / "double.jsonl").read_text().split("\n")
    rows = [json.loads(line) for line in lines if line]
    assert Counter(row["key"] for row in rows) == Counter(map(store.key, PAIRS)), "one result per pair and order"
    assert set(double.mischief) == {"ok", *MISCHIEF}
    assert sum(double.mischief[kind] for kind in BUSY) > 200
    assert sum(double.mischief[kind] for kind in MUTE) > 70
    invalid = [pair for pair in PAIRS if store.outcome(pair) is Outcome.invalid]
    assert 0 < len(invalid) <= 12, "no verdict twice in a row: (5 %)**2 of 2,000 is 5"
    assert all(store.outcome(pair) is expected(pair, BIAS) for pair in PAIRS if pair not in invalid)
    assert not any(store.unanswered(pair) for pair in PAIRS)
    assert KEY not in "".join(lines)

    with Double(bias=BIAS) as clean:  # what was not obtained is, as soon as it is asked for again
        again = VerdictStore(tmp_path, api_judge(clean, tmp_path))
        assert again.missing(PAIRS) == {}
        missing = again.missing(PAIRS, retry_invalid=True)
        assert sum(again.judge_missing(list(missing.values()))) == len(invalid)
    assert all(again.outcome(pair) is expected(pair, BIAS) for pair in PAIRS)


@pytest.mark.parametrize("kind", MISCHIEF)
def test_a_server_full_of_one_kind(tmp_path: Path, kind: str) -> None:
    pairs = PAIRS[:30]
    script = ["ok", *(what for _ in range(12) for what in (kind, "ok", "ok"))]  # the probe goes through
    with Double(script=script, retry_after="1") as double:
        store = VerdictStore(tmp_path, api_judge(double, tmp_path, timeout=0.4, asks=6))
        assert sum(store.judge_missing(pairs)) == len(pairs)
        assert double.mischief[kind] == 12
    assert [store.outcome(pair) for pair in pairs] == [expected(pair) for pair in pairs]


def test_no_retries_at_all(tmp_path: Path) -> None:
    """What got no reply is an error, not a verdict, and asked again by the next run."""
    with Double(hostile=0.02, seed=1, script=["ok"]) as double:  # the probe goes through
        settings = {"retries": 0, "asks": 1, "timeout": 0.4}
        store = VerdictStore(tmp_path, api_judge(double, tmp_path, **settings))
        sum(store.judge_missing(PAIRS[:300]))
    unanswered = [pair for pair in PAIRS[:300] if store.unanswered(pair)]
    assert len(unanswered) > 20
    assert all(store.outcome(pair) is Outcome.invalid for pair in unanswered)
    assert set(store.missing(PAIRS[:300]).values()) == set(unanswered)
    with Double() as double:
        store = VerdictStore(tmp_path, api_judge(double, tmp_path))
        assert sum(store.judge_missing(list(store.missing(PAIRS[:300]).values()))) == len(unanswered)
    assert store.missing(PAIRS[:300]) == {}
