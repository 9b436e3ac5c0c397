"""The judge behind a chat server: verdicts, what is kept of them, what is asked again, and what never gets out."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from judge_double import Double
from judging import KEY, api_judge, expected, judged, some_pairs
from pinch.config import BudgetConfig, JudgeConfig, JudgeKind, PriceConfig, ReplyFormat
from pinch.errors import UserError
from pinch.judges.api.interview import IN_A_ROW, UNFINISHED, seed_of
from pinch.judges.api.judge import ApiJudge
from pinch.judges.api.manner import Manner, save
from pinch.judges.protocol import Judgement
from pinch.judges.store import VerdictStore
from pinch.records import Outcome

PAIRS = some_pairs(40)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def probed(double: Double, workspace: Path, manner: Manner | None = None, **changes: Any) -> ApiJudge:
    """A judge whose server was probed before, so that the double's script is about pairs alone."""
    judge = api_judge(double, workspace, **changes)
    save(workspace / "verdicts" / "double.server.json", judge._wanted, manner or Manner(reply="text"), "double")
    return judge


def only(judge: ApiJudge) -> Judgement:
    (given,) = judged(judge, PAIRS[:1])
    return given


@pytest.mark.parametrize("reply", [ReplyFormat.auto, ReplyFormat.json_object, ReplyFormat.text])
def test_every_pair_gets_the_verdict_that_the_server_gave(reply: ReplyFormat) -> None:
    with Double(bias=0.2) as double:
        judge = api_judge(double, reply=reply)
        given = judged(judge, PAIRS)
    assert {judgement.pair for judgement in given} == set(PAIRS)
    assert len(given) == len(PAIRS)
    assert {judgement.outcome for judgement in given} == {Outcome.first, Outcome.second, Outcome.tie}
    for judgement in given:
        assert judgement.outcome is expected(judgement.pair, bias=0.2)
        assert judge.read(judgement.raw, judgement.facts) is judgement.outcome


def test_what_is_kept_of_a_reply() -> None:
    with Double() as double:
        judge = api_judge(double, reply=ReplyFormat.text)
        given = only(judge)
    boundary = judge.template.ask(PAIRS[0]).boundary
    assert given.raw.endswith(f"Verdict {boundary}: {'A' if given.outcome is Outcome.first else 'B'}")
    assert given.facts == {
        "boundary": boundary, "finish": "stop", "model": "double-1", "fingerprint": "fp_1",
        "prompt_tokens": 400, "completion_tokens": 30, "seed": seed_of(0, boundary), "tries": 1, "asks": 1,
    }  # fmt: skip


def test_a_server_that_says_nothing_of_itself() -> None:
    with Double(usage=False) as double:
        given = only(api_judge(double))
    assert "prompt_tokens" not in given.facts


def test_seeds_differ_by_pair_order_and_attempt_and_stay() -> None:
    with Double() as double:
        first = {one.pair: one.facts["seed"] for one in judged(api_judge(double), PAIRS)}
        again = {one.pair: one.facts["seed"] for one in judged(api_judge(double), PAIRS)}
        other = {one.pair: one.facts["seed"] for one in judged(api_judge(double, seed=1), PAIRS)}
        sent = {seen.body["seed"] for seen in double.requests}
    assert first == again
    assert len(set(first.values())) == len(PAIRS)
    assert not set(first.values()) & set(other.values())
    assert set(first.values()) < sent
    assert all(0 <= seed < 2**31 for seed in sent)


def test_a_seed_that_the_server_does_not_take_is_no_fact(tmp_path: Path) -> None:
    with Double() as double:
        given = only(probed(double, tmp_path, Manner(reply="text", seed=False)))
        assert "seed" not in double.requests[0].body
    assert "seed" not in given.facts


# --- identity ------------------------------------------------------------------------------------------------------


def identity(**changes: Any) -> dict[str, Any]:
    settings = {"kind": JudgeKind.api, "model": "m", "base_url": "http://localhost:8000/v1"} | changes
    return ApiJudge(JudgeConfig(**settings)).identity


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "n"},
        {"temperature": 0.5},
        {"temperature": None},
        {"max_tokens": 64},
        {"reply": ReplyFormat.text},
        {"seed": 1},
        {"logprobs": True},
        {"prompt": "labels"},
        {"base_url": "https://host.example/v1"},
    ],
)
def test_what_could_change_a_verdict_is_part_of_the_identity(changes: dict[str, Any]) -> None:
    assert identity(**changes) != identity()


@pytest.mark.parametrize(
    "changes",
    [
        {"retries": 0},
        {"asks": 9},
        {"concurrency": 1},
        {"timeout": 1.0},
        {"budget": BudgetConfig(calls=1)},
        {"price": PriceConfig(1.0, 1.0)},
        {"probe": True},
        {"key": "OTHER"},
        {"base_url": "http://localhost:9000/v1/"},
    ],
)
def test_what_could_not_is_none(changes: dict[str, Any]) -> None:
    assert identity(**changes) == identity()


def test_a_judge_is_made_without_a_key_or_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    judge = ApiJudge(JudgeConfig(kind=JudgeKind.api, model="org/Some-Model:7b"))
    assert judge.name == "Some-Model-7b"
    assert judge.identity["server"] == "api.openai.com/v1"
    assert judge.sees_reference is False
    assert judge.stop() == []
    assert judge.notes() == []
    with pytest.raises(UserError, match=r"\$OPENAI_API_KEY is not set"):
        next(judge.judge(PAIRS))


# --- replies without a verdict -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mute", ["refusal", "empty", "null", "length", "foreign"])
def test_a_reply_without_a_verdict_is_asked_for_again(tmp_path: Path, mute: str) -> None:
    with Double(script=[mute]) as double:
        judge = probed(double, tmp_path)
        given = only(judge)
        first, second = (seen.body for seen in double.requests)
    assert given.outcome is expected(PAIRS[0])
    assert (given.facts["asks"], given.facts["tries"]) == (2, 2)
    assert (given.facts["prompt_tokens"], given.facts["completion_tokens"]) == (800, 60)
    (unread,) = given.facts["unread"]
    assert unread["boundary"] == judge.template.ask(PAIRS[0], 0).boundary
    assert given.facts["boundary"] == judge.template.ask(PAIRS[0], 1).boundary
    assert unread["raw"] == {"refusal": "I'm sorry, I can't help with that."}.get(mute, unread["raw"])
    assert first["seed"] != second["seed"]
    assert judge.read(given.raw, given.facts) is given.outcome


def test_cut_off_is_invalid_even_with_a_verdict_line(tmp_path: Path) -> None:
    with Double(always="length") as double:
        judge = probed(double, tmp_path, asks=3)
        given = only(judge)
        assert len(double.requests) == 3
    assert given.outcome is Outcome.invalid
    assert "Verdict" in given.raw
    assert (given.facts["finish"], given.facts["asks"], len(given.facts["unread"])) == ("length", 3, 2)
    assert "error" not in given.facts, "it replied: it is not asked again unless that is wanted"
    assert judge.read(given.raw, given.facts) is Outcome.invalid


def test_one_ask_is_one_ask(tmp_path: Path) -> None:
    with Double(always="foreign") as double:
        assert only(probed(double, tmp_path, asks=1)).outcome is Outcome.invalid
        assert len(double.requests) == 1


def test_a_stored_reply_is_read_by_the_first_that_holds_a_verdict() -> None:
    judge = ApiJudge(JudgeConfig(kind=JudgeKind.api, model="m"))
    facts = {"boundary": "bb", "unread": [{"raw": "Verdict aa: A", "boundary": "aa", "finish": "stop"}]}
    assert judge.read("Verdict bb: B", facts) is Outcome.first
    facts["unread"][0]["finish"] = "length"
    assert judge.read("Verdict bb: B", facts) is Outcome.second


def test_probabilities_without_either_letter_are_invalid(tmp_path: Path) -> None:
    with Double(always="empty", ignores=()) as double:
        judge = probed(double, tmp_path, Manner(reply="text", top_logprobs=20), logprobs=True)
        given = only(judge)
        assert len(double.requests) == 2
    assert given.outcome is Outcome.invalid
    assert given.facts["mass"] == 0
    assert "p_first" not in given.facts
    assert judge.read(given.raw, given.facts) is Outcome.invalid


# --- requests that fail --------------------------------------------------------------------------------------------


def test_tries_used_up_leave_an_error_and_no_reply(tmp_path: Path) -> None:
    with Double(script=["503"] * 3) as double:
        judge = probed(double, tmp_path, retries=2, concurrency=1)
        given = {judgement.pair: judgement for judgement in judged(judge, PAIRS[:3])}
    one = given[PAIRS[0]]
    assert (one.outcome, one.raw) == (Outcome.invalid, "")
    assert one.facts == {"tries": 3, "asks": 0, "error": "503: trouble 503 (busy)"}
    assert judge.read(one.raw, one.facts) is Outcome.invalid
    assert [given[pair].outcome for pair in PAIRS[1:3]] == [expected(pair) for pair in PAIRS[1:3]]


def test_a_server_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    with Double() as double:
        judge = api_judge(double, retries=1)
        assert judged(judge, PAIRS[:2])
        calls = judge.spent.calls
    given = judged(judge, PAIRS[2:5])
    assert [judgement.facts["tries"] for judgement in given] == [2, 2, 2]
    assert all("connection" in judgement.facts["error"].lower() for judgement in given)
    assert judge.spent.calls == calls + 6
    assert judge.spent.tokens == calls * 430, "nothing was worked on"


def test_tries_of_both_asks_count(tmp_path: Path) -> None:
    with Double(script=["503", "empty", "429", "429"]) as double:
        given = only(probed(double, tmp_path))
    assert (given.facts["tries"], given.facts["asks"]) == (5, 2)


def test_failing_after_a_reply_keeps_the_reply(tmp_path: Path) -> None:
    with Double(script=["foreign", "503", "503"]) as double:
        given = only(probed(double, tmp_path, retries=1))
    assert given.raw.startswith("Обидва")
    assert given.facts["error"] == "503: trouble 503 (busy)"
    assert given.outcome is Outcome.invalid


def test_a_question_that_is_not_wanted_is_a_refusal_of_its_own(tmp_path: Path) -> None:
    with Double(script=["400 content_filter"]) as double:
        judge = probed(double, tmp_path, concurrency=1)
        given = {judgement.pair: judgement for judgement in judged(judge, PAIRS[:2])}
    refused = given[PAIRS[0]]
    assert refused.outcome is Outcome.invalid
    assert refused.raw == refused.facts["refused"] == "400: trouble 400 (content_filter)"
    assert "error" not in refused.facts
    assert given[PAIRS[1]].outcome is expected(PAIRS[1])
    assert judge.read(refused.raw, refused.facts) is Outcome.invalid


def test_refusals_of_pairs_end_nothing(tmp_path: Path) -> None:
    with Double(always="400 context_length_exceeded") as double:
        given = judged(probed(double, tmp_path), PAIRS)
    assert len(given) == len(PAIRS) > IN_A_ROW


@pytest.mark.parametrize("always", ["400", "503"])
def test_failures_in_a_row_end_judging(tmp_path: Path, always: str) -> None:
    with Double(always=always) as double:
        judge = probed(double, tmp_path, retries=1, concurrency=4)
        store = VerdictStore(tmp_path, judge)
        with pytest.raises(UserError, match=rf"20 pairs in a row got no reply.*\({always}: trouble") as caught:
            list(store.judge_missing(PAIRS))
    assert "judge.probe=true" in str(caught.value)
    unanswered = [pair for pair in PAIRS if store.unanswered(pair)]
    assert 19 <= len(unanswered) <= 22, "what failed before is kept, as errors"
    assert len(store.missing(PAIRS)) == len(PAIRS)


def test_failures_with_replies_in_between_do_not(tmp_path: Path) -> None:
    script = (["400"] * (IN_A_ROW - 1) + ["ok"]) * 2
    with Double(script=script) as double:
        given = judged(probed(double, tmp_path, concurrency=1), PAIRS)
    assert sum("error" in judgement.facts for judgement in given) == 2 * (IN_A_ROW - 1)


def test_a_key_that_expires_ends_judging_and_keeps_what_came_before(tmp_path: Path) -> None:
    with Double(script=["ok"] * 5, always="401") as double:
        judge = probed(double, tmp_path, concurrency=1)
        store = VerdictStore(tmp_path, judge)
        with pytest.raises(UserError, match="does not accept the key"):
            list(store.judge_missing(PAIRS))
    assert len(VerdictStore(tmp_path, judge).outcomes) == 5


# --- what never gets out -------------------------------------------------------------------------------------------


def test_the_key_is_in_no_file_and_no_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Double(always="told", script=["ok", "echo", "echo", "400"]) as double:
        judge = api_judge(double, tmp_path, reply=ReplyFormat.text, retries=0)
        store = VerdictStore(tmp_path, judge)
        list(store.judge_missing(PAIRS[:8]))
        assert {seen.key for seen in double.requests} == {KEY}
    files = {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert set(files) >= {"double.jsonl", "double.server.json"}
    assert "bad state for key [key]" in files["double.jsonl"]
    assert "My key is [key]." in files["double.jsonl"]
    out, err = capfd.readouterr()
    for text in (*files.values(), out, err, caplog.text, repr(judge.identity), str(judge.notes())):
        assert KEY not in text


def test_the_key_is_in_no_message() -> None:
    with Double(always="echo") as double, pytest.raises(UserError) as caught:
        judged(api_judge(double, retries=0), PAIRS)
    assert double.mischief["echo"] == 3
    assert "bad state for key [key]" in str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in repr(error)
        error = error.__cause__ or error.__context__


def test_a_short_key_masks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "A")
    with Double() as double:
        assert only(api_judge(double)).outcome is expected(PAIRS[0])


# --- around --------------------------------------------------------------------------------------------------------


def test_texts_that_cannot_be_sent_are_sent_all_the_same() -> None:
    odd = replace(PAIRS[0], first="half a pair \ud83d, a NUL \0, \u2028 and a smile \U0001f600", second="\udc00")
    with Double(judges=lambda first, second: "A" if "\ufffd" in first else "B") as double:
        (given,) = judged(api_judge(double), [odd])
    assert given.outcome is Outcome.first


def test_estimates_by_hand() -> None:
    judge = ApiJudge(JudgeConfig(kind=JudgeKind.api, model="m"))
    question = judge.template.ask(PAIRS[0])
    size = len((question.system + question.user).encode())
    assert judge.tokens(PAIRS[:1]) == (size // 4, 150)
    assert judge.tokens(PAIRS[:2], reply=20.4) == (2 * size // 4, 41)
    assert judge.tokens([]) == (0, 0)
    short = ApiJudge(JudgeConfig(kind=JudgeKind.api, model="m", max_tokens=16))
    assert short.tokens(PAIRS[:2])[1] == 32
    letters = ApiJudge(JudgeConfig(kind=JudgeKind.api, model="m", logprobs=True))
    assert letters.tokens(PAIRS[:3])[1] == 3


def test_what_was_spent_is_said() -> None:
    with Double() as double:
        judge = api_judge(double, price=PriceConfig(question=1.0, reply=10.0))
        judged(judge, PAIRS[:3])
    assert judge.notes() == ["double: 4 calls, 1,720 tokens (1,600 of questions, 120 of replies), 0.0028 to pay"]


def test_a_budget_that_ends_between_two_asks_keeps_the_reply(tmp_path: Path) -> None:
    with Double(always="foreign") as double:
        judge = probed(double, tmp_path, budget=BudgetConfig(calls=1))
        given = only(judge)
    assert given.raw.startswith("Обидва")
    assert given.facts["error"] == UNFINISHED


def test_one_judge_can_judge_several_times() -> None:
    with Double() as double:
        judge = api_judge(double)
        assert len(judged(judge, PAIRS[:3])) == len(judged(judge, PAIRS[3:6])) == 3
        assert judged(judge, []) == []
        assert len(double.requests) == 7, "one probe"


def test_the_client_is_imported_late() -> None:
    import subprocess
    import sys

    code = (
        "import sys, pinch.judges.api, pinch.judges.api.batches; sys.exit(bool({'openai', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
