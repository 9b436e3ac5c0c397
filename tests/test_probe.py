"""What a server accepts is found out with few requests, kept, and never guessed."""

import json
from pathlib import Path
from typing import Any

import pytest

from judge_double import Double, Seen
from judging import KEY, api_judge, expected, judged, some_pairs
from pinch.config import BudgetConfig, ReplyFormat, TokensField
from pinch.errors import UserError
from pinch.judges.api.manner import Manner
from pinch.judges.questions import load

PAIRS = some_pairs(4)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def found(double: Double, **changes: Any) -> tuple[Manner, int]:
    """The manner that is found for a server, and the requests it took; all pairs are judged rightly with it."""
    judge = api_judge(double, **changes)
    given = judged(judge, PAIRS)
    assert [judgement.outcome for judgement in sorted(given, key=lambda one: PAIRS.index(one.pair))] == [
        expected(pair) for pair in PAIRS
    ]
    return judge.asking(), len(double.requests) - len(PAIRS)


def test_a_server_that_takes_everything_costs_one_request() -> None:
    with Double() as double:
        assert found(double) == (Manner(), 1)
        body = double.requests[-1].body
    assert body["temperature"] == 0.0
    assert body["max_tokens"] == 1024
    assert body["response_format"]["json_schema"]["strict"] is True
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


PERSONALITIES = {
    "max_tokens": {"tokens_field": "max_completion_tokens"},
    "temperature": {"temperature": False},
    "seed": {"seed": False},
    "system": {"system": False},
    "json_schema": {"reply": "json_object"},
    "response_format": {"reply": "text"},
}


@pytest.mark.parametrize("silent", [False, True], ids=["named", "unnamed"])
@pytest.mark.parametrize("refused", PERSONALITIES)
def test_what_is_refused_is_given_up_and_nothing_else(refused: str, silent: bool) -> None:
    with Double(refuses=[refused], silent=silent) as double:
        manner, requests = found(double)
    assert manner == Manner(**PERSONALITIES[refused])
    assert requests <= (11 if silent else 3)


@pytest.mark.parametrize("silent", [False, True], ids=["named", "unnamed"])
def test_a_reasoning_model_that_refuses_a_lot(silent: bool) -> None:
    with Double(refuses=["max_tokens", "temperature", "seed", "system", "response_format"], silent=silent) as double:
        manner, requests = found(double)
        body = double.requests[-1].body
    assert manner == Manner("max_completion_tokens", False, False, False, "text", 0)
    assert requests <= 12
    assert body.keys() == {"model", "messages", "max_completion_tokens"}
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert body["messages"][0]["content"].startswith(load("pairwise").system[:20])


def test_a_server_that_refuses_whatever_it_gets() -> None:
    with (
        Double(always="400") as double,
        pytest.raises(UserError, match=r"refuses every form of request \(400: trouble"),
    ):
        judged(api_judge(double), PAIRS)
    assert len(double.requests) == 3


@pytest.mark.parametrize(
    ("refused", "changes", "setting", "remedy"),
    [
        (
            "max_tokens",
            {"tokens_field": TokensField.max_tokens},
            "judge.tokens_field=max_tokens",
            "judge.tokens_field=auto",
        ),
        ("temperature", {"temperature": 0.7}, "judge.temperature=0.7", "judge.temperature=null"),
        ("seed", {"seed": 7}, "judge.seed=7", "judge.seed=null"),
        ("json_schema", {"reply": ReplyFormat.json_schema}, "judge.reply=json_schema", "judge.reply=auto"),
        ("logprobs", {"logprobs": True}, "judge.logprobs=true", "judge.logprobs=false"),
    ],
)
def test_what_was_set_on_purpose_is_not_given_up(refused: str, changes: Any, setting: str, remedy: str) -> None:
    with Double(refuses=[refused]) as double, pytest.raises(UserError) as caught:
        judged(api_judge(double, **changes), PAIRS)
    assert f"the server refuses {setting} (400: " in str(caught.value)
    assert f"set {remedy}" in str(caught.value)
    assert len(double.requests) == (2 if refused == "logprobs" else 1), "top_logprobs of 20 and of 5"


@pytest.mark.parametrize("changes", [{"temperature": None}, {"seed": None}])
def test_what_is_not_to_be_sent_is_not_sent(changes: dict[str, Any]) -> None:
    (name,) = changes
    with Double() as double:
        found(double, **changes)
        assert not any(name in seen.body for seen in double.requests)


@pytest.mark.parametrize("reply", [ReplyFormat.text, ReplyFormat.json_object])
def test_a_format_that_is_set(reply: ReplyFormat) -> None:
    with Double() as double:
        assert found(double, reply=reply) == (Manner(reply=reply.value), 1)
        assert all(
            seen.body.get("response_format", {"type": "text"})["type"] == reply.value for seen in double.requests
        )


@pytest.mark.parametrize("trouble", ["429", "429 after", "500", "reset", "cut", "schema", "trickle"])
def test_a_busy_server_is_probed_all_the_same(trouble: str) -> None:
    with Double(script=[trouble, trouble]) as double:
        assert found(double, timeout=0.3) == (Manner(), 3)


def test_only_a_format_with_a_readable_verdict_counts() -> None:
    with Double(script=["foreign", "empty"]) as double:  # json_schema, json_object
        assert found(double) == (Manner(reply="text"), 3)


def test_the_last_format_gets_several_chances() -> None:
    with Double(script=["foreign", "foreign"]) as double:
        assert found(double, reply=ReplyFormat.text) == (Manner(reply="text"), 3)
        assert len({json.dumps(seen.body) for seen in double.requests[:3]}) == 3, "other boundaries"


@pytest.mark.parametrize(
    ("always", "message"),
    [
        ("foreign", r"judge\.model=double: the reply to a test question holds no verdict \('Обидва.*use another model"),
        ("length", r"the reply to a test question is cut off; raise judge\.max_tokens=1024"),
    ],
)
def test_a_judge_that_never_gives_a_verdict_costs_no_more_than_the_probe(always: str, message: str) -> None:
    with Double(always=always) as double, pytest.raises(UserError, match=message):
        judged(api_judge(double), PAIRS)
    assert len(double.requests) == 5


@pytest.mark.parametrize("script", [["foreign", "400"], ["foreign", "foreign", "400", "ok", "400"]])
def test_a_refusal_while_a_readable_reply_is_waited_for(script: list[str]) -> None:
    with Double(script=script) as double:
        manner, _ = found(double, reply=ReplyFormat.text)
    assert manner.reply == "text"


def test_a_key_that_expires_while_a_readable_reply_is_waited_for() -> None:
    with Double(script=["foreign"], always="401") as double, pytest.raises(UserError, match="does not accept the key"):
        judged(api_judge(double, reply=ReplyFormat.text), PAIRS)


def test_a_server_that_changes_its_mind_all_the_time() -> None:
    script = ["400", "ok", *["400"] * 5, *["400", "ok"] * 20]  # only the least is taken, and that every other time
    message = "takes a request and then refuses the same one"
    with Double(script=script) as double, pytest.raises(UserError, match=message):
        judged(api_judge(double), PAIRS)
    assert len(double.requests) == 24


def test_a_limit_that_the_server_cannot_serve() -> None:
    with (
        Double(always="400 context_length_exceeded") as double,
        pytest.raises(UserError, match=r"check judge\.max_tokens="),
    ):
        judged(api_judge(double), PAIRS)


@pytest.mark.parametrize("refused", [[], [20]])
def test_probabilities(refused: list[Any]) -> None:
    with Double(ignores=(), refuses=refused) as double:
        judge = api_judge(double, logprobs=True)
        given = judged(judge, PAIRS)
        body = double.requests[-1].body
    assert judge.template.name == "labels"
    assert body["max_tokens"] == 1
    assert body["top_logprobs"] == (5 if refused else 20)
    assert "response_format" not in body
    for judgement in given:
        p = judgement.facts["p_first"]
        assert judgement.facts["mass"] == pytest.approx(0.9)
        assert judgement.outcome.value == ("first" if p > 0.5 else "second")
        assert judge.read(judgement.raw, judgement.facts) is judgement.outcome
    assert len({judgement.facts["p_first"] for judgement in given}) > 1


def test_a_server_that_ignores_probabilities_is_found_out() -> None:
    message = "the server sends no probabilities of tokens; set judge.logprobs=false"
    with Double(ignores=["logprobs"]) as double, pytest.raises(UserError, match=message):
        judged(api_judge(double, logprobs=True), PAIRS)
    assert len(double.requests) == 1


def bodies(seen: list[Seen]) -> list[set[str]]:
    return [set(one.body) for one in seen]


def test_what_was_found_is_kept_and_used_again(tmp_path: Path) -> None:
    with Double(refuses=["temperature"]) as double:
        judged(api_judge(double, tmp_path), PAIRS)
        stored = json.loads((tmp_path / "verdicts" / "double.server.json").read_text())
        assert stored["manner"]["temperature"] is False
        assert stored["server model"] == "double-1"
        double.requests.clear()
        judge = api_judge(double, tmp_path)
        judged(judge, PAIRS)
        assert len(double.requests) == len(PAIRS), "no probe"
        assert judge.notes()[1] == "double: the server takes no judge.temperature=0.0; its own was used"
        double.requests.clear()
        judged(api_judge(double, tmp_path, probe=True), PAIRS)
        assert len(double.requests) == len(PAIRS) + 2, "a new probe"


@pytest.mark.parametrize(
    "changes", [{"max_tokens": 99}, {"model": "other", "name": "double"}, {"reply": ReplyFormat.text}]
)
def test_other_settings_are_probed_anew(tmp_path: Path, changes: dict[str, Any]) -> None:
    with Double() as double:
        judged(api_judge(double, tmp_path), PAIRS)
        double.requests.clear()
        judged(api_judge(double, tmp_path, **changes), PAIRS)
        assert len(double.requests) == len(PAIRS) + 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"for": 1}', '{"manner": {"x": 1}}'])
def test_a_broken_file_is_probed_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "verdicts" / "double.server.json"
    path.parent.mkdir()
    path.write_text(text)
    with Double() as double:
        judged(api_judge(double, tmp_path), PAIRS)
        assert len(double.requests) == len(PAIRS) + 1
    assert json.loads(path.read_text())["manner"]["reply"] == "json_schema"


def test_the_probe_is_part_of_the_budget_and_can_use_it_up() -> None:
    with Double(refuses=["temperature", "seed"]) as double:
        judge = api_judge(double, budget=BudgetConfig(calls=2))
        assert judged(judge, PAIRS) == []
        assert len(double.requests) == 2
    assert "judge.budget.calls=2" in judge.exhausted
