"""engine=deepl and engine=google with the official clients, where they are installed, against doubles of the services."""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pinch.config import Formality, TranslationBudget, TranslationEngine, TranslationPrice
from pinch.errors import UserError
from pinch.judges.api.waiting import Patience
from pinch.translate.flow import translate
from pinch.translate.memory import Given, Wanted
from pinch.translate.services import ServiceEngine
from service_double import ServiceDouble
from translating import SOURCE, console, into, read_rows, settings, write_rows

KEY = "a-key-nobody-may-see-0123456789:fx"
CLIENTS = {"deepl": "deepl", "google": "google.cloud.translate_v2"}


@pytest.fixture(params=CLIENTS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    try:
        importlib.import_module(CLIENTS[request.param])
    except ImportError:
        pytest.skip(f"the client of {request.param} is not installed")
    monkeypatch.setenv("A_KEY", KEY)
    return str(request.param)


def engine(tmp_path: Path, double: ServiceDouble, to: tuple[str, ...] = ("ru", "he"), **changes: Any) -> ServiceEngine:
    known: dict[str, Any] = {"kind": TranslationEngine[double.kind], "model": None, "key": "A_KEY"}
    known |= {"base_url": double.url, "concurrency": 2, "timeout": 5.0} | changes
    return ServiceEngine(settings(tmp_path, **known).engine, "en", to, Patience(scale=0.01))


def translated(made: ServiceEngine, texts: list[Wanted]) -> dict[str, Given]:
    given = [one for batch in made.translate(texts) for one in batch]
    assert made.stop() == []
    return {one.wanted.text: one for one in given}


def some(number: int, target: str = "ru") -> list[Wanted]:
    return [Wanted(f"This is text number {n}, isn't it?", "en", target) for n in range(number)]


def test_texts_of_both_kinds(kind: str, tmp_path: Path) -> None:
    texts = ['Say "no" & go, it\'s < 3 &amp; more.', "Run [1] & don't <b>stop</b> [2]."]
    with ServiceDouble(kind) as double:
        made = engine(tmp_path, double)
        given = translated(made, [Wanted(text, "en", "he") for text in texts])
    assert [given[text].text for text in texts] == [into(text, "he") for text in texts]
    assert KEY in double.keys[-1]
    assert double.listed in (1, 2)
    assert made.budget.spent.calls == 3  # the list of languages, and one of each kind


def test_what_passes_is_sent_again(kind: str, tmp_path: Path) -> None:
    script = ["429", "503 busy", "500", "reset", "count", "no json"]
    with ServiceDouble(kind, script=list(script)) as double:
        given = translated(engine(tmp_path, double, concurrency=1), some(3))
    assert [one.text for one in given.values()] == [into(one.text, "ru") for one in some(3)]
    assert len(double.requests) == len(script) + 1


def test_a_service_that_never_works(kind: str, tmp_path: Path) -> None:
    with ServiceDouble(kind, always="503 {key} is busy") as double:
        given = translated(engine(tmp_path, double, retries=1), some(3))
    assert all(one.again and "[key] is busy" in one.fault and KEY not in one.fault for one in given.values())
    assert len(double.requests) == 2


def test_a_service_that_hangs(kind: str, tmp_path: Path) -> None:
    with ServiceDouble(kind, delay=threading.Event()) as double:
        given = translated(engine(tmp_path, double, timeout=0.2, retries=1), some(1))
    assert given[some(1)[0].text].fault == "no whole reply within engine.timeout=0.2 seconds"


def test_html_that_a_language_does_not_take(kind: str, tmp_path: Path) -> None:
    texts = [Wanted(f"Run [1] number {n}.", "en", "ru") for n in range(3)]
    with ServiceDouble(kind, plain=("ru",)) as double:
        made = engine(tmp_path, double)
        given = translated(made, texts)
        assert [one.text for one in given.values()] == [into(one.text, "ru") for one in texts]
        translated(made, [Wanted("Stop [1].", "en", "ru")])
    assert len(double.requests) == 3


def test_one_text_spoils_no_other(kind: str, tmp_path: Path) -> None:
    texts = [*some(4), Wanted("x" * 300, "en", "ru")]
    with ServiceDouble(kind, most=200) as double:
        given = translated(engine(tmp_path, double), texts)
    assert given.pop("x" * 300).fault.startswith("refused: 400: ")
    assert [one.text for one in given.values()] == [into(one.text, "ru") for one in some(4)]


@pytest.mark.parametrize(
    ("kind", "trouble"),
    [
        ("deepl", "403 no {key}"),
        ("google", "401 no {key}"),
        ("google", "403 no {key}"),
        ("google", "400 API key not valid: {key}"),
    ],
    indirect=["kind"],
)
def test_a_key_that_is_not_accepted(kind: str, tmp_path: Path, trouble: str) -> None:
    with (
        ServiceDouble(kind, always=trouble) as double,
        pytest.raises(UserError, match="it does not accept the key") as caught,
    ):
        translated(engine(tmp_path, double), some(3))
    assert "check what $A_KEY holds" in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(double.requests) <= (3 if kind == "google" else 1)  # Google's session tries to renew what 401 refuses


def test_a_quota_that_is_used_up(kind: str, tmp_path: Path) -> None:
    trouble = "456 Quota exceeded" if kind == "deepl" else "403 Daily Limit Exceeded"
    with ServiceDouble(kind, script=["ok"], always=trouble) as double:
        coming = engine(tmp_path, double, concurrency=1).translate([*some(2), Wanted("Run [1].", "en", "ru")])
        assert [one.text for one in next(coming)] == [into(one.text, "ru") for one in some(2)]
        with pytest.raises(UserError, match=r"the quota is used up .*; what is translated is kept"):
            next(coming)


@pytest.mark.parametrize("kind", ["google"], indirect=True)
def test_a_limit_per_minute_passes(kind: str, tmp_path: Path) -> None:
    with ServiceDouble(kind, script=["403 User Rate Limit Exceeded"]) as double:
        assert translated(engine(tmp_path, double), some(1))[some(1)[0].text].fault == ""


def test_languages_by_the_names_of_the_service(kind: str, tmp_path: Path) -> None:
    with ServiceDouble(kind) as double:
        translated(engine(tmp_path, double, ("he", "pt") if kind == "deepl" else ("he",)), some(1, "he"))
        with pytest.raises(UserError, match="does not translate into sr-Latn; leave that out of to, or name a code"):
            translated(engine(tmp_path, double, ("ru", "sr-Latn")), some(1))
        with pytest.raises(UserError, match="does not translate into xx-YY"):
            translated(engine(tmp_path, double, ("ru",), variants={"ru": "xx-YY"}), some(1))
    sent = double.requests[0]
    assert (sent.get("target_lang"), sent.get("source_lang")) == ("HE", "EN") or sent["target"] == "iw"
    assert len(double.requests) == 1


@pytest.mark.parametrize("kind", ["deepl"], indirect=True)
def test_what_deepl_is_asked(kind: str, tmp_path: Path) -> None:
    with ServiceDouble(kind) as double:
        changes = {"formality": Formality.prefer_more, "model": "quality_optimized", "variants": {"pt": "pt-PT"}}
        made = engine(tmp_path, double, ("pt",), **changes)
        double.script = ["400 Value for 'target_lang' not supported."]
        with pytest.raises(UserError, match=r"DeepL refuses en to pt \(400: .*; leave pt out of to"):
            translated(made, some(2, "pt"))
    sent = double.requests[0]
    assert (sent["formality"], sent["model_type"], sent["target_lang"]) == ("prefer_more", "quality_optimized", "PT-PT")
    assert (sent["split_sentences"], sent["preserve_formatting"]) == ("nonewlines", True)


def test_nobody_is_there(kind: str, tmp_path: Path) -> None:
    with ServiceDouble(kind) as double:
        place = double.url
    known: dict[str, Any] = {"kind": TranslationEngine[kind], "model": None, "key": "A_KEY", "base_url": place}
    made = ServiceEngine(settings(tmp_path, **known).engine, "en", ["ru"], Patience(scale=0.01))
    with pytest.raises(UserError, match=r"nobody answers .*; check the network, and engine\.base_url") as caught:
        translated(made, some(1))
    assert len(str(caught.value).split("\n")) == 1


def test_a_budget_in_characters(kind: str, tmp_path: Path) -> None:
    texts = [Wanted("a" * 4_000, "en", "ru"), Wanted("b" * 4_000, "en", "ru"), Wanted("c" * 3_000, "en", "ru")]
    budget, price = TranslationBudget(characters=9_000), TranslationPrice(characters=20.0)
    with ServiceDouble(kind) as double:
        made = engine(tmp_path, double, budget=budget, price=price, concurrency=1)
        if kind == "deepl":
            made._service.texts = 1
        given = translated(made, texts)
    assert (len(given), len(double.requests)) == (2, 2)
    lines = made.notes()
    assert lines[0].endswith("calls, 8,000 characters, 0.16 to pay")
    assert lines[1] == "engine.budget.characters=9000 allows nothing more; run this again to go on"


@pytest.mark.parametrize("kind", ["google"], indirect=True)
def test_a_file_of_credentials_that_is_none(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_KEY")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with ServiceDouble(kind) as double, pytest.raises(UserError, match=r"check what \$GOOGLE_APPLICATION_CREDENTIALS"):
        translated(engine(tmp_path, double), some(1))


@pytest.mark.parametrize("kind", ["google"], indirect=True)
def test_an_account_that_is_not_known(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    secret = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = secret.private_bytes(serialization.Encoding.PEM, form, none).decode()
    monkeypatch.delenv("A_KEY")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    with ServiceDouble(kind) as double:
        account = {"type": "service_account", "client_email": "a@example.org", "private_key": pem, "project_id": "p"}
        (tmp_path / "account.json").write_text(json.dumps(account | {"token_uri": f"{double.url}/token"}))
        line = r"Google: it does not accept the key \(401: .*check what \$GOOGLE_APPLICATION_CREDENTIALS holds"
        with pytest.raises(UserError, match=line):
            translated(engine(tmp_path, double), some(1))


def test_spans_that_are_dropped_are_put_back(kind: str, tmp_path: Path) -> None:
    known = {"kind": TranslationEngine[kind], "model": None, "key": "A_KEY"}
    with ServiceDouble(kind, always="drop") as double:
        assert translate(settings(tmp_path, **known), console()[0], engine(tmp_path, double)) == 0
    row = read_rows(tmp_path / "out/corpus/ru.jsonl")[0]
    assert row["response"] == into("Use ", "ru") + "`sorted(x)`" + into(" for it.\n\n- Then look.", "ru")


def test_a_corpus_from_the_door_on_after_an_interrupt(kind: str, tmp_path: Path) -> None:
    write_rows(tmp_path / "en.jsonl", SOURCE)
    source = Path(__file__).resolve().parents[1] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source), "COLUMNS": "200", "A_KEY": KEY}
    with ServiceDouble(kind, delay=threading.Event()) as double:
        command = [sys.executable, "-m", "pinch.translate", "corpus=en.jsonl", "to=[ru]", f"engine={kind}"]
        command += [f"engine.base_url={double.url}", "engine.key=A_KEY", "engine.concurrency=1"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True)
        until = time.monotonic() + 60
        while not double.requests and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert double.delay is not None
        double.delay.set()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert len(double.requests) == 1
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    rows = read_rows(tmp_path / "translated/corpus/ru.jsonl")
    assert rows[0]["response"] == into("Use ", "ru") + "`sorted(x)`" + into(" for it.\n\n- Then look.", "ru")
    sent = [text for asked in double.requests for text in asked.get("text") or asked["q"]]
    assert len(sent) == len(set(sent)) == 7
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY not in written
    assert json.loads((tmp_path / "translated/report.json").read_text())["engine"]["engine"] == kind
