"""The connection to a chat server: addresses, keys and what its errors mean."""

import asyncio
import json
import socket

import pytest

from judge_double import Double
from judging import KEY, api_judge, judged, some_pairs
from pinch.config import JudgeConfig, JudgeKind
from pinch.errors import UserError
from pinch.judges.api.failures import Trouble, classify, field_of, words_of
from pinch.judges.api.server import Server


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def server(url: str | None = None, **changes: object) -> Server:
    return Server(JudgeConfig(kind=JudgeKind.api, model="m", base_url=url, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "address", "identity"),
    [
        (None, "api.openai.com/v1", "api.openai.com/v1"),
        ("https://Host.example:8443/v1/", "host.example:8443/v1", "host.example:8443/v1"),
        ("http://localhost:8000/v1", "localhost:8000/v1", "localhost/v1"),
        ("http://127.0.0.1:1234/v1", "127.0.0.1:1234/v1", "127.0.0.1/v1"),
    ],
)
def test_addresses(url: str | None, address: str, identity: str) -> None:
    assert server(url).address == address
    assert server(url).identity == identity


def test_the_address_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://router.example/api/v1")
    assert server().address == "router.example/api/v1"
    assert server("http://localhost:1/v1").address == "localhost:1/v1"


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "http://", "http://host:x/v1", "http://[::1/v1"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UserError, match=r"judge\.base_url is no address of a server"):
        server(url)


@pytest.mark.parametrize("url", [f"https://me:{KEY}@host/v1", f"https://{KEY}@host/v1", f"https://host/v1?key={KEY}"])
def test_an_address_with_a_secret_is_refused(url: str) -> None:
    with pytest.raises(UserError, match=r"put the key into \$OPENAI_API_KEY") as caught:
        server(url)
    assert KEY not in str(caught.value)


def opened(one: Server) -> None:
    async def enter() -> None:
        async with one:
            pass

    asyncio.run(enter())


def test_a_key_is_needed_for_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserError, match=r"\$OPENAI_API_KEY is not set; put the key for host\.example/v1 there"):
        opened(server("https://host.example/v1"))
    with pytest.raises(UserError, match=r"\$OTHER is not set"):
        opened(server("https://host.example/v1", key="OTHER"))
    opened(server("http://localhost:1/v1"))


@pytest.mark.parametrize("broken", [f'"{KEY}"', "sk-one two", "sk-\u0438\u043a\u0441"])
def test_a_key_that_is_none(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", broken)
    with pytest.raises(UserError, match="holds characters that no key has") as caught:
        opened(server("https://host.example/v1"))
    assert broken not in str(caught.value)


def test_the_key_is_sent_without_its_line_break(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    with Double() as double:
        judged(api_judge(double), some_pairs(2))
        assert {seen.key for seen in double.requests} == {KEY}


def test_without_a_key_a_server_on_this_machine_gets_a_dummy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with Double() as double:
        judged(api_judge(double), some_pairs(2))
        assert {seen.key for seen in double.requests} == {"none"}


@pytest.mark.parametrize(
    ("status", "words", "trouble"),
    [
        (429, "rate limit", Trouble.passing),
        (429, "insufficient_quota You exceeded your quota", Trouble.lasting),
        (500, "", Trouble.passing),
        (529, "overloaded", Trouble.passing),
        (408, "", Trouble.passing),
        (409, "", Trouble.passing),
        (401, "", Trouble.lasting),
        (402, "", Trouble.lasting),
        (403, "country not supported", Trouble.lasting),
        (403, "Your input was flagged", Trouble.pair),
        (404, "", Trouble.lasting),
        (307, "", Trouble.lasting),
        (400, "Unsupported parameter", Trouble.refused),
        (422, "extra fields not permitted", Trouble.refused),
        (400, "This model's maximum context length is 4096 tokens", Trouble.pair),
        (400, "content_filter The response was filtered", Trouble.pair),
        (400, "prompt is too long", Trouble.pair),
    ],
)
def test_what_an_error_means(status: int, words: str, trouble: Trouble) -> None:
    assert classify(status, words) is trouble


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "No.", "code": 1}}, "No."),
        ({"error": "No."}, "No."),
        ({"message": "No."}, "No."),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"msg": "x"}]}, '[{"msg": "x"}]'),
        ({"odd": 1}, '{"odd": 1}'),
        ("<html><b>Bad</b> Gateway</html>", "Bad Gateway"),
        (None, "no words"),
    ],
)
def test_the_words_of_an_error(body: object, words: str) -> None:
    assert " ".join(words_of(body).split()) == words


def test_the_field_of_an_error() -> None:
    assert field_of({"detail": [{"loc": ["body", "seed"], "msg": "extra"}]}) == "seed"
    assert field_of({"detail": "Not Found"}) == field_of("x") == field_of({"detail": [{"loc": ["body"]}]}) == ""


@pytest.mark.parametrize(
    ("always", "message"),
    [
        ("401", r"the server does not accept the key \(401: trouble 401.*check what \$OPENAI_API_KEY holds"),
        ("402", r"the account has nothing left \(402"),
        ("429 insufficient_quota", r"the account has nothing left \(429"),
        ("403", r"the server denies access \(403.*may use judge\.model=double"),
        ("404", r"the server does not know what is asked for \(404.*judge\.base_url"),
        ("503", r"the server does not work \(503: trouble 503.*when it does, run this again"),
    ],
)
def test_what_would_meet_every_pair_ends_judging(always: str, message: str) -> None:
    with Double(always=always) as double, pytest.raises(UserError, match=message):
        judged(api_judge(double, retries=1), some_pairs(4))
    assert len(double.requests) == {"503": 6}.get(always, 1), "503: two tries in each of three formats"


def test_a_missing_key_is_said_where_one_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with Double(always="401") as double, pytest.raises(UserError, match=r"put the key into \$OPENAI_API_KEY"):
        judged(api_judge(double), some_pairs(2))


def test_nobody_answers() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        double = Double(port=taken.getsockname()[1])
        with pytest.raises(UserError, match=r"127\.0\.0\.1:\d+/v1: nobody answers \(.+\); start the server or check"):
            judged(api_judge(double), some_pairs(2))


def test_a_reply_without_end_is_given_up() -> None:
    with Double(always="trickle") as double:
        message = r"does not work \(no whole reply within judge\.timeout=0\.2 seconds\)"
        with pytest.raises(UserError, match=message):
            judged(api_judge(double, retries=1, timeout=0.2), some_pairs(2))


def test_long_words_are_cut_and_the_key_masked_before() -> None:
    one = server("http://localhost:1/v1")
    opened(one)
    long = "x" * 230 + f" {KEY} " + "y" * 100
    words = one._words(long)
    assert len(words) == 240
    assert KEY[:4] not in words
    assert "\n" not in one._words("one\ntwo")
    assert json.dumps(one._words("one\ntwo")) == '"one two"'
