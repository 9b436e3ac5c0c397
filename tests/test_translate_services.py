"""engine=deepl and engine=google without their clients: requests, tries, budget, languages, and what it says."""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pinch.config import PlanConfig, PlanShow, TranslationBudget, TranslationEngine, TranslationPrice
from pinch.errors import UserError
from pinch.judges.api.waiting import Patience
from pinch.translate.codes import of_service
from pinch.translate.flow import translate
from pinch.translate.markup import unwrapped, wrapped
from pinch.translate.memory import Given, Wanted
from pinch.translate.parcels import parcels
from pinch.translate.services import ServiceEngine
from translating import Lettered, console, into, read_rows, settings, trouble, write_rows

KEY = "a-key-nobody-may-see-0123456789"
DEEPL: dict[str, Any] = {"kind": TranslationEngine["deepl"], "model": None, "key": "A_KEY", "concurrency": 1}
GOOGLE = DEEPL | {"kind": TranslationEngine["google"]}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", KEY)


def some(number: int, target: str = "ru") -> list[Wanted]:
    return [Wanted(f"Text number {n}.", "en", target) for n in range(number)]


def engine(tmp_path: Path, service: Lettered, to: Sequence[str] = ("ru", "he"), **changes: Any) -> ServiceEngine:
    return ServiceEngine(settings(tmp_path, **DEEPL | changes).engine, "en", to, Patience(scale=0.001), service)


def translated(made: ServiceEngine, texts: list[Wanted]) -> dict[str, Given]:
    given = [one for batch in made.translate(texts) for one in batch]
    assert made.stop() == []
    return {one.wanted.text: one for one in given}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ('It\'s "a" & b < c.', 'It\'s "a" &amp; b &lt; c.'),
        ("See [1], &amp;.", 'See <span translate="no">[1]</span>, &amp;amp;.'),
    ],
)
def test_html_and_back(text: str, html: str) -> None:
    assert wrapped(text) == html
    assert unwrapped(html) == text


def test_what_services_make_of_html() -> None:
    assert unwrapped("d&#39;une &quot;[1]&quot; <SPAN class=x translate='no'>[2]</SPAN>") == 'd\'une "[1]" [2]'


def test_requests_within_the_limits() -> None:
    texts = [*some(4), Wanted("x" * 150, "en", "ru"), Wanted("See [1].", "en", "ru"), Wanted("y" * 60, "en", "he")]
    made = [
        ([one.text[:6] for one in parcel.texts], parcel.target, parcel.html) for parcel in parcels(texts, Lettered())
    ]
    assert made == [
        (["Text n"] * 3, "ru", False),
        (["Text n"], "ru", False),
        (["xxxxxx"], "ru", False),
        (["See [1"], "ru", True),
        (["yyyyyy"], "he", False),
    ]
    assert [len(parcel.texts) for parcel in parcels([Wanted("z" * 60, "en", "ru")] * 2, Lettered())] == [1, 1]


@pytest.mark.parametrize(
    ("kind", "code", "known", "named", "found"),
    [
        ("deepl", "en", {"EN", "EN-GB", "EN-US"}, None, "EN-US"),
        ("deepl", "en", {"EN"}, None, "EN"),
        ("deepl", "pt", {"PT", "PT-BR", "PT-PT"}, None, "PT-BR"),
        ("deepl", "pt", {"PT", "PT-BR", "PT-PT"}, "pt-pt", "PT-PT"),
        ("deepl", "no", {"NB"}, None, "NB"),
        ("deepl", "zh-Hans", {"ZH", "ZH-HANS", "ZH-HANT"}, None, "ZH-HANS"),
        ("deepl", "sr-Cyrl", {"sr"}, None, "sr"),
        ("deepl", "sr-Latn", {"sr"}, None, None),
        ("deepl", "sr-Latn", {"sr", "sr-Latn"}, None, "sr-Latn"),
        ("google", "he", {"iw"}, None, "iw"),
        ("google", "zh-Hans", {"zh-CN", "zh-TW"}, None, "zh-CN"),
        ("google", "no", {"no"}, None, "no"),
        ("google", "fi", {"fi"}, None, "fi"),
        ("google", "fi", {"fi"}, "xx", None),
    ],
)
def test_names_of_languages(kind: str, code: str, known: set[str], named: str | None, found: str | None) -> None:
    assert of_service(kind, code, known, named) == found


def test_texts_and_what_they_count_for(tmp_path: Path) -> None:
    service = Lettered(keeps=lambda html: html.replace("Use", into("Use", "ru")))
    made = engine(tmp_path, service, price=TranslationPrice(characters=10.0))
    given = translated(made, [*some(2), Wanted("Use [1] & go.", "en", "ru")])
    assert given["Use [1] & go."].text == into("Use", "ru") + " [1] & go."
    assert given["Text number 1."].text == into("Text number 1.", "ru")
    assert service.asked[1] == (['Use <span translate="no">[1]</span> &amp; go.'], "EN", "RU", True)
    assert service.key == KEY
    assert made.notes() == ["3 calls, 73 characters, 0.00073 to pay"]


def test_tries(tmp_path: Path) -> None:
    busy = trouble("passing", f"wait, {KEY}", 429, wait=0.01)
    service = Lettered(busy, ConnectionError("closed"), None)
    made = engine(tmp_path, service)
    assert translated(made, some(1))["Text number 0."].fault == ""
    # refused: nothing to pay; closed: who knows
    assert (made.budget.spent.calls, made.budget.spent.question) == (4, 2 * len("Text number 0."))
    service = Lettered(*[busy] * 9)
    (given,) = translated(engine(tmp_path, service, retries=2), some(1)).values()
    assert (given.fault, given.again, len(service.asked)) == ("429: wait, [key]", True, 3)


def test_a_service_that_hangs(tmp_path: Path) -> None:
    over = threading.Event()

    class Hangs(Lettered):
        def translate(self, *asked: Any) -> list[str]:
            over.wait(30)
            return super().translate(*asked)

    made = engine(tmp_path, Hangs(), timeout=0.05, retries=0)
    (given,) = translated(made, some(1)).values()
    over.set()
    assert (given.fault, given.again) == ("no whole reply within engine.timeout=0.05 seconds", True)
    assert made.budget.spent.question == len("Text number 0.")  # it may have been translated, and is paid for


def test_no_connection_is_lasting_only_at_first(tmp_path: Path) -> None:
    class NewConnectionError(Exception):
        """As the library below the clients names it."""

    class Nowhere(Lettered):
        def languages(self) -> tuple[set[str], set[str]]:
            raise ConnectionError(NewConnectionError("refused"))

    with pytest.raises(UserError, match="Lettered: nobody answers"):
        translated(engine(tmp_path, Nowhere()), some(1))
    service = Lettered(ConnectionError(NewConnectionError("refused")))
    assert translated(engine(tmp_path, service), some(1))["Text number 0."].fault == ""


def test_translations_of_another_number(tmp_path: Path) -> None:
    class Forgets(Lettered):
        def translate(self, *asked: Any) -> list[str]:
            given = super().translate(*asked)
            return given if len(self.asked) > 1 else given[:-1]

    service = Forgets()
    assert [one.text for one in translated(engine(tmp_path, service), some(2)).values()] == [
        into(one.text, "ru") for one in some(2)
    ]
    assert len(service.asked) == 2


def test_many_in_a_row_end_it(tmp_path: Path) -> None:
    service = Lettered(*[trouble("passing", "busy", 503)] * 99)
    with pytest.raises(UserError, match=r"Lettered: 5 requests in a row got no translation, .*\(503: busy\)"):
        translated(engine(tmp_path, service, retries=0), some(30))
    assert len(service.asked) == 5


def test_a_reply_in_between_starts_the_count_anew(tmp_path: Path) -> None:
    busy = trouble("passing", "busy", 503)
    given = translated(engine(tmp_path, Lettered(*[busy] * 4, None, *[busy] * 4), retries=0), some(27))
    assert sum(one.again for one in given.values()) == 24


def test_what_came_before_a_quota_is_kept(tmp_path: Path) -> None:
    corpus = settings(tmp_path, **DEEPL)
    service = Lettered(None, trouble("lasting", "over", 456, field="quota"))
    with pytest.raises(UserError, match=r"Lettered: the quota is used up \(456: over\); what is translated is kept"):
        translate(corpus, console()[0], engine(tmp_path, service))
    kept = sum(len(read_rows(path)) for path in (tmp_path / "out/memory").glob("*.jsonl"))
    assert kept == len(service.asked[0][0])
    again = Lettered()
    again.keeps = lambda html: html.replace("Use", into("Use", "ru"))
    translate(settings(tmp_path, reject=["empty"], **DEEPL), console()[0], engine(tmp_path, again))
    assert not {text for asked in again.asked for text in asked[0]} & set(service.asked[0][0])


def test_a_refusal_is_sent_plain_then_in_halves(tmp_path: Path) -> None:
    texts = [Wanted(f"Run [{n}].", "en", "ru") for n in range(2)]
    refused = trouble("refused", "bad", 400)
    service = Lettered(refused, refused, refused, None)
    given = translated(engine(tmp_path, service), texts)
    assert [(len(asked[0]), asked[3]) for asked in service.asked] == [(2, True), (2, False), (1, False), (1, False)]
    assert (given["Run [0]."].fault, given["Run [0]."].again) == ("400: bad", True)
    assert given["Run [1]."].text == into("Run [1].", "ru")


def test_a_language_without_html_is_asked_for_it_once(tmp_path: Path) -> None:
    service = Lettered(trouble("refused", "no tags", 400))
    made = engine(tmp_path, service)
    for text in ("Run [1].", "Stop [1]."):
        assert translated(made, [Wanted(text, "en", "ru")])[text].text == into(text, "ru")
    assert [asked[3] for asked in service.asked] == [True, False, False]


@pytest.mark.parametrize(("words", "status"), [("Text too long", 400), ("x", 413)])
def test_a_text_that_is_too_long(tmp_path: Path, words: str, status: int) -> None:
    (given,) = translated(engine(tmp_path, Lettered(trouble("refused", words, status))), some(1)).values()
    assert (given.fault, given.again) == (f"refused: {status}: {words}", False)


def test_an_empty_translation(tmp_path: Path) -> None:
    service = Lettered(keeps=lambda html: " ")
    (given,) = translated(engine(tmp_path, service), [Wanted("Run [1].", "en", "ru")]).values()
    assert given.fault == "no translation in the reply"


def test_budgets(tmp_path: Path) -> None:
    made = engine(tmp_path, Lettered(), budget=TranslationBudget(characters=50))
    assert len(translated(made, some(6))) == 3
    assert made.notes()[1] == "engine.budget.characters=50 allows nothing more; run this again to go on"
    assert translated(made, some(6)) == {}
    price = TranslationPrice(characters=1e6)
    made = engine(tmp_path, Lettered(), budget=TranslationBudget(money=50.0), price=price)
    assert len(translated(made, some(6))) == 3
    made = engine(tmp_path, Lettered(), budget=TranslationBudget(calls=2))  # the first asks for the languages
    assert len(translated(made, some(6))) == 3


def test_languages_that_a_service_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="Lettered does not translate into fi, sw; leave that out of to, or name a code"
    ):
        translated(engine(tmp_path, Lettered(), ("ru", "fi", "sw")), some(1))
    made = ServiceEngine(settings(tmp_path, **DEEPL).engine, "ru", ["he"], service=Lettered())
    with pytest.raises(UserError, match="Lettered does not translate from ru"):
        translated(made, [Wanted("x", "ru", "he")])
    service = Lettered(trouble("refused", "Value for 'target_lang' not supported.", 400))
    with pytest.raises(
        UserError, match=r"Lettered refuses en to ru \(400: .*; leave ru out of to, or name another code"
    ):
        translated(engine(tmp_path, service), some(2))


def test_a_service_that_gives_no_list(tmp_path: Path) -> None:
    class Silent(Lettered):
        def languages(self) -> tuple[set[str], set[str]]:
            raise trouble("refused", "what?", 400)

    with pytest.raises(UserError, match=r"Lettered: the service does not work \(400: what\?\)"):
        translated(engine(tmp_path, Silent()), some(1))


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (trouble("lasting", "no"), "nobody answers (no); check the network, and engine.base_url if it is set"),
        (trouble("lasting", "no", 403), "it does not accept the key (403: no); check what $A_KEY holds"),
        (trouble("lasting", "no", 402), "the account has nothing left (402: no); top it up"),
        (trouble("lasting", "no", 404), "it does not know what is asked for (404: no); check engine.base_url"),
    ],
)
def test_lasting_trouble_is_one_line(tmp_path: Path, failure: Exception, words: str) -> None:
    with pytest.raises(UserError) as caught:
        translated(engine(tmp_path, Lettered(failure)), some(3))
    assert str(caught.value).startswith(f"Lettered: {words}")


def test_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "a b")
    with pytest.raises(UserError, match=r"\$A_KEY holds characters that no key has"):
        translated(engine(tmp_path, Lettered()), some(1))
    monkeypatch.delenv("A_KEY")
    with pytest.raises(
        UserError, match=r"\$A_KEY is not set; put the key for Lettered there, or the path .* into \$A_FILE, or name"
    ):
        translated(engine(tmp_path, Lettered()), some(1))
    local, filed = Lettered(), Lettered()
    translated(engine(tmp_path, local, base_url="http://localhost:1/"), some(1))
    monkeypatch.setenv("A_FILE", "x.json")
    translated(engine(tmp_path, filed), some(1))
    assert (local.key, filed.key) == ("none", "")


@pytest.mark.parametrize(
    "place", ["localhost:80", "http://a:b@example.org", "http://x?key=1", "http://[", "http://x:0"]
)
def test_addresses_that_are_none(tmp_path: Path, place: str) -> None:
    with pytest.raises(UserError, match=r"engine\.base_url is no address of a service"):
        engine(tmp_path, Lettered(), base_url=place)


@pytest.mark.parametrize(
    ("kind", "name", "module"), [(DEEPL, "deepl", "deepl"), (GOOGLE, "google", "google.cloud.translate_v2")]
)
def test_a_client_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: dict[str, Any], name: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    made = ServiceEngine(settings(tmp_path, **kind).engine, "en", ["ru"])
    with pytest.raises(
        UserError, match=rf"engine={name} needs the client of .*, which is not installed; pip install -e '\.\[{name}\]'"
    ):
        translated(made, some(1))


def test_an_estimate_in_characters(tmp_path: Path) -> None:
    write_rows(
        tmp_path / "en.jsonl", [{"id": "a", "instruction": "Run `x` now.", "response": "I did.\nIt works & runs."}]
    )
    plan = PlanConfig("table", PlanShow.table)
    shown, printed = console()
    made = settings(tmp_path, plan=plan, price=TranslationPrice(characters=1e6), **DEEPL)
    assert translate(made, shown) == 0
    assert printed.getvalue().split("\n")[3].split() == ["ru", "1", "3", "0", "3", "34"]
    assert "about 34.00 at the prices given" in printed.getvalue()
    shown, printed = console()
    translate(settings(tmp_path, plan=plan, **GOOGLE), shown)
    assert printed.getvalue().split("\n")[3].split()[-1] == str(34 + len('<span translate="no"></span>'))
    assert "give engine.price.characters, per million characters" in printed.getvalue()


def test_a_variety_is_known_by_itself(tmp_path: Path) -> None:
    def asked(**changes: Any) -> int:
        service = Lettered()
        made = engine(tmp_path, service, ["ru"], **changes)
        translate(settings(tmp_path, reject=["empty"], **DEEPL | changes), console()[0], made)
        return sum(len(texts) for texts, *_ in service.asked)

    assert asked() == 7
    assert asked(variants={"he": "HE"}) == 0
    assert asked(variants={"ru": "RU"}) == 7
    assert asked() == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (DEEPL | {"model": "best"}, "engine.model: deepl has no 'best'; there are: latency_optimized"),
        (GOOGLE | {"model": "nmtt"}, "engine.model: google has no 'nmtt'; did you mean 'nmt'"),
        (DEEPL | {"variants": {"xx": "y"}}, "engine.variants: unknown language 'xx'"),
        (
            DEEPL | {"budget": TranslationBudget(money=1.0)},
            "engine.budget.money needs the price: engine.price.characters",
        ),
        (DEEPL | {"budget": TranslationBudget(tokens=9)}, "engine.budget.tokens limits nothing of engine=deepl; give"),
        ({"budget": TranslationBudget(characters=9)}, "engine.budget.characters limits nothing of engine=api; give"),
        (DEEPL | {"budget": TranslationBudget(characters=0)}, "engine.budget.characters=0 must be 1 or more"),
        (DEEPL | {"budget": TranslationBudget(money=0.0)}, "engine.budget.money=0.0 must be above 0"),
        (DEEPL | {"price": TranslationPrice(characters=-1.0)}, "engine.price.characters=-1.0 must not be negative"),
        (
            DEEPL | {"price": TranslationPrice(question=1.0)},
            "engine.price: give both engine.price.question and engine.price",
        ),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        settings(tmp_path, **changes)
    assert str(caught.value).startswith(words)
