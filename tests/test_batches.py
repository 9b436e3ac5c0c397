"""Files for batch APIs: written without any network, read back whatever order and whatever else they hold."""

import json
from pathlib import Path
from typing import Any

import pytest

from judge_double import Double
from judging import KEY, api_judge, expected, some_pairs
from pinch.config import JudgeConfig, JudgeKind
from pinch.errors import UserError
from pinch.judges.api import batches
from pinch.judges.api.batches import Results, write_requests
from pinch.judges.api.judge import ApiJudge
from pinch.judges.api.manner import Manner, save
from pinch.judges.store import VerdictStore
from pinch.records import Outcome, Pair

PAIRS = some_pairs(12)


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def judge(tmp_path: Path) -> ApiJudge:
    return ApiJudge(JudgeConfig(kind=JudgeKind.api, model="m"), tmp_path)


def wanted(judge: ApiJudge, workspace: Path) -> dict[str, Pair]:
    return VerdictStore(workspace, judge).missing(PAIRS)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").split("\n") if line]


def replied(request: dict[str, Any]) -> dict[str, Any]:
    """What a batch API makes of a request."""
    body = Double()._completion("ok", request["body"], "")
    response = {"status_code": 200, "request_id": "r", "body": body}
    return {"id": "batch_1", "custom_id": request["custom_id"], "response": response, "error": None}


def written(path: Path, values: list[Any]) -> Path:
    path.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8")
    return path


def test_there_and_back(judge: ApiJudge, tmp_path: Path) -> None:
    asked = wanted(judge, tmp_path)
    (path,) = write_requests(judge, asked, tmp_path)
    assert path.parent == tmp_path / "verdicts"
    assert path.name.startswith("m.batch-")
    assert path.name.endswith("-001.jsonl")
    requests = rows(path)
    assert [request["custom_id"] for request in requests] == list(asked)
    assert {(request["method"], request["url"]) for request in requests} == {("POST", "/v1/chat/completions")}
    result = written(tmp_path / "result.jsonl", [replied(request) for request in reversed(requests)])
    results = Results(judge, [result], asked)
    store = VerdictStore(tmp_path, judge)
    store.keep(list(results))
    assert [store.outcome(pair) for pair in PAIRS] == [expected(pair) for pair in PAIRS]
    assert store.missing(PAIRS) == {}
    assert results.describe() == "12 replies (4,800 tokens of questions, 360 of replies)"


def test_the_requests_are_those_that_would_be_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Double(refuses=["temperature"]) as double:
        judge = api_judge(double, tmp_path)
        given = {judgement.pair: judgement for batch in judge.judge(PAIRS) for judgement in batch}
        judge.stop()
        sent = {json.dumps(seen.body, sort_keys=True) for seen in double.requests}
    asked = {f"key {number}": pair for number, pair in enumerate(PAIRS)}
    (path,) = write_requests(judge, asked, tmp_path)
    assert {json.dumps(request["body"], sort_keys=True) for request in rows(path)} <= sent
    result = written(tmp_path / "result.jsonl", [replied(request) for request in rows(path)])
    for judgement in Results(judge, [result], asked):
        assert judgement == given[judgement.pair]


def test_without_a_probe_the_settings_are_taken_as_given(judge: ApiJudge, tmp_path: Path) -> None:
    (path,) = write_requests(judge, wanted(judge, tmp_path), tmp_path)
    body = rows(path)[0]["body"]
    assert body.keys() == {"model", "messages", "max_tokens", "temperature", "seed"}


def test_a_stored_probe_is_used(judge: ApiJudge, tmp_path: Path) -> None:
    found = Manner("max_completion_tokens", temperature=False, seed=False, reply="json_object")
    save(tmp_path / "verdicts" / "m.server.json", judge._wanted, found, "m-1")
    (path,) = write_requests(judge, wanted(judge, tmp_path), tmp_path)
    body = rows(path)[0]["body"]
    assert body.keys() == {"model", "messages", "max_completion_tokens", "response_format"}
    (given,) = Results(judge, [written(tmp_path / "r.jsonl", [replied(rows(path)[0])])], wanted(judge, tmp_path))
    assert "seed" not in given.facts


def test_the_same_pairs_make_the_same_files(judge: ApiJudge, tmp_path: Path) -> None:
    asked = wanted(judge, tmp_path)
    first = write_requests(judge, asked, tmp_path)
    before = first[0].read_bytes()
    assert write_requests(judge, asked, tmp_path) == first
    assert first[0].read_bytes() == before
    fewer = dict(list(asked.items())[1:])
    assert write_requests(judge, fewer, tmp_path) != first
    assert write_requests(judge, {}, tmp_path) == []


def test_large_files_are_split(judge: ApiJudge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = wanted(judge, tmp_path)
    monkeypatch.setattr(batches, "ROWS", 5)
    paths = write_requests(judge, asked, tmp_path)
    assert [len(rows(path)) for path in paths] == [5, 5, 2]
    assert [path.name[-9:] for path in paths] == ["001.jsonl", "002.jsonl", "003.jsonl"]
    whole = b"".join(path.read_bytes() for path in paths)
    monkeypatch.setattr(batches, "ROWS", 1000)
    monkeypatch.setattr(batches, "BYTES", len(whole) // 4)
    paths = write_requests(judge, asked, tmp_path)
    assert len(paths) > 4
    assert all(path.stat().st_size <= len(whole) // 4 for path in paths)
    assert b"".join(path.read_bytes() for path in paths) == whole


def test_line_separators_inside_answers_do_not_break_rows(judge: ApiJudge, tmp_path: Path) -> None:
    (path,) = write_requests(judge, {"k": Pair("p", "en", "i", "one\u2028two\x85", "three")}, tmp_path)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1


def test_what_is_no_verdict_is_counted(judge: ApiJudge, tmp_path: Path) -> None:
    asked = wanted(judge, tmp_path)
    (path,) = write_requests(judge, asked, tmp_path)
    one, two, three, four, five, six, *_ = rows(path)
    key = "custom_id"
    result = [
        replied(one),
        replied(one),
        {key: two[key], "response": None, "error": {"code": "batch_expired", "message": "expired"}},
        {key: three[key], "response": {"status_code": 400, "body": {"error": {"message": "too\nlong"}}}, "error": None},
        {key: four[key], "response": {"status_code": 500, "body": None}},
        {key: five[key], "response": {"status_code": 200, "body": {"choices": []}}},
        replied(six) | {key: "somebody else's"},
        replied(two),
    ]
    muted = replied(six)
    muted["response"]["body"]["choices"][0]["message"]["content"] = "I cannot say."
    results = Results(judge, [written(tmp_path / "a.jsonl", result), written(tmp_path / "b.jsonl", [muted])], asked)
    given = list(results)
    assert [judgement.pair for judgement in given] == [asked[row[key]] for row in (one, two, six)]
    assert [judgement.outcome is Outcome.invalid for judgement in given] == [False, False, True]
    assert given[2].raw == "I cannot say."
    assert (results.read, results.unknown, results.repeated) == (3, 1, 1)
    assert results.errors == {
        "expired": 1, "too long": 1, "status 500": 1, "the reply has no choices[0].message": 1
    }  # fmt: skip
    assert results.describe() == (
        "3 replies (1,200 tokens of questions, 90 of replies); "
        "4 errors, which leave their pairs unjudged (1 times: expired); "
        "1 rows of pairs that are judged already or of other settings; 1 rows of pairs that had their reply"
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"response": {}, "error": None}, r"line 2: field 'custom_id' is missing"),
        ({"custom_id": "k"}, r"line 2: no result of a batch API \(it has neither response nor error\)"),
        ({"custom_id": "k", "response": "x"}, r"line 2: no result of a batch API"),
        ("text", r"line 2: a row must be a JSON object"),
    ],
)
def test_a_file_that_holds_no_results(judge: ApiJudge, tmp_path: Path, row: Any, message: str) -> None:
    path = written(tmp_path / "r.jsonl", [{"custom_id": "k", "response": {}, "error": None}, row])
    with pytest.raises(UserError, match=message):
        list(Results(judge, [path], {}))


def test_a_file_that_is_not_there(judge: ApiJudge, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        list(Results(judge, [tmp_path / "none.jsonl"], {}))
