"""The page for annotators in a real browser: keys pressed, files downloaded, and read back.

The browser is driven over a pipe, by its own protocol; without one these tests are skipped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from fcntl import F_DUPFD, fcntl
from pathlib import Path
from typing import Any

import pytest

from pinch.judges.people.annotations import Annotations, read_annotations
from pinch.judges.people.page import Page, write_page
from pinch.judges.people.verdicts import HumanVerdicts
from pinch.records import Outcome, Pair

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"no browser: none of {', '.join(NAMES)} is installed")

LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--remote-debugging-pipe", "about:blank",
)  # fmt: skip

PAIRS = [
    Pair("p1", "fi", "Mikä?", "yksi", "kaksi"),
    Pair("p2", "fi", "Kuka?", "minä", "sinä"),
    Pair("p3", "fi", "Missä?", "täällä", "tuolla"),
    Pair("p4", "fi", "Milloin?", "nyt", "aina"),
    Pair("p5", "ar", "ما؟", "واحد", "اثنان"),
]


class RefusedError(AssertionError):
    """The browser could not do what it was told."""


class Browser:
    """A browser, spoken to in messages that end with a zero byte, one tab at a time."""

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None
        theirs, self._to = os.pipe()
        self._from, back = os.pipe()
        high = [fcntl(end, F_DUPFD, 10) for end in (theirs, back)]  # 3 and 4 may be taken here
        command = [
            sys.executable,
            "-c",
            LAUNCH,
            *map(str, high),
            CHROMIUM,
            f"--user-data-dir={folder / 'profile'}",
            *FLAGS,
        ]
        self._process = subprocess.Popen(
            command, pass_fds=high, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for end in (theirs, back, *high):
            os.close(end)
        self._buffer = b""
        self._number = 0
        self._tab = ""
        self._context = ""
        self.asked: list[str] = []
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.downloads = folder

    def begin(self, downloads: Path) -> None:
        """Forget everything, as a browser on another machine."""
        self._tab = ""
        self._context = self.call("Target.createBrowserContext")["browserContextId"]
        self.asked = []  # kinds of the dialogs that came up; all are answered with OK
        self.requests = []
        self.errors = []
        self.downloads = downloads
        behavior = {"behavior": "allow", "downloadPath": str(downloads), "browserContextId": self._context}
        self.call("Browser.setDownloadBehavior", **behavior)
        self.tab()

    def end(self) -> None:
        self._tab = ""
        self.call("Target.disposeBrowserContext", browserContextId=self._context)

    def tab(self, script: str = "") -> None:
        """Go on in a new tab, in which `script` runs before every page."""
        target = self.call("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
        self._tab = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = self._send(method, params)
        while (message := self._receive()).get("id") != number:
            self._note(message)
        if "error" in message:
            raise RefusedError(f"{method}: {message['error']}")
        result: dict[str, Any] = message["result"]
        return result

    def js(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Wait until a condition holds in the page, be it another one by then."""

        def look() -> Any:
            with suppress(RefusedError):
                return self.js(expression)
            return False

        return until(look, expression)

    def open(self, page: Page) -> None:
        self.call("Page.navigate", url=page.path.as_uri())
        self.wait(f"document.readyState === 'complete' && location.href === {json.dumps(page.path.as_uri())}")

    def reload(self) -> None:
        self.js("window.before = true")
        self._send("Page.reload", {})  # its answer may wait for a dialog
        self.wait("!window.before && document.readyState === 'complete' && Boolean(document.getElementById('data'))")

    def press(self, key: str, code: str = "", **more: Any) -> None:
        """A key, when the page is ready for it: a pair that has just come up takes none for a moment."""
        self.wait("!current || document.getElementById('guide').open || performance.now() - shownAt > PAUSE")
        text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=code or key, **text, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=code or key)

    def click(self, selector: str) -> None:
        """A click with the mouse in the middle of an element."""
        self.js(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{ block: 'center' }})")
        box = self.js(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")
        where = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **where)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def text(self, selector: str) -> str:
        return str(self.js(f"document.querySelector({json.dumps(selector)}).textContent"))

    def downloaded(self) -> Path:
        """The file that comes down next; it is moved out of the way of the one after it."""
        path = until(lambda: next(iter(self.downloads.glob("*.json")), None), "a download")
        return Path(shutil.move(path, self.downloads / f"{path.name}.{len(list(self.downloads.iterdir()))}"))

    def close(self) -> None:
        with suppress(OSError, AssertionError):
            self._send("Browser.close", {})
        for end in (self._to, self._from):
            os.close(end)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _send(self, method: str, params: dict[str, Any]) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._tab and method.split(".")[0] not in ("Browser", "Target"):
            message["sessionId"] = self._tab
        os.write(self._to, json.dumps(message).encode() + b"\0")
        return self._number

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = os.read(self._from, 1 << 16)
            assert data, "the browser has ended"
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        value: dict[str, Any] = json.loads(message)
        return value

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Page.javascriptDialogOpening":
            self.asked.append(params["type"])
            self._send("Page.handleJavaScriptDialog", {"accept": True})
        elif message.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"]))


def until(look: Any, what: str) -> Any:
    for _ in range(200):
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture
def browser(process: Browser, tmp_path: Path) -> Iterator[Browser]:
    process.begin(tmp_path / "downloads")
    yield process
    process.end()
    assert process.errors == []


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return write_page(tmp_path, PAIRS, 0, "study")


def begin(browser: Browser, page: Page, name: str = "Ana", languages: tuple[str, ...] = ("fi",)) -> None:
    browser.open(page)
    browser.type(name)  # the field has the focus
    for code in languages:
        browser.click(f"#read button[value={code}]")
    browser.click("#go")
    browser.wait("Boolean(person)")


def outcomes(found: Annotations) -> dict[str, str]:
    return {label.pair.prompt: label.choice.value for label in found.labels}


def stands_left(browser: Browser) -> tuple[str, str, str]:
    return browser.text("#question"), browser.text("#left"), browser.text("#right")


def test_from_the_keys_to_the_verdicts(browser: Browser, page: Page, tmp_path: Path) -> None:
    begin(browser, page)
    seen = []
    for key, code in (("1", "Digit1"), ("ArrowRight", ""), (" ", "Space")):
        seen.append(stands_left(browser))
        browser.press(key, code)
    browser.press("n", "KeyN")
    browser.type("hard to say, 難しい")
    browser.press("Enter")
    seen.append(stands_left(browser))
    browser.press("ы", "KeyS")  # the key S where it types Cyrillic
    assert browser.text("#end-title") == "Done: 4 pairs, thank you."
    assert "more pairs in Arabic" in browser.text("#end-text")
    browser.click("#end-download")
    path = browser.downloaded()
    found = read_annotations(path, tmp_path)
    assert [label.choice.value for label in sorted(found.labels, key=lambda label: label.at)] == [
        "left", "right", "tie", "skip",
    ]  # fmt: skip
    told = {(label.pair.instruction, label.pair.first, label.pair.second): label for label in found.labels}
    assert [told[pair].choice.value for pair in seen] == ["left", "right", "tie", "skip"]
    assert [told[pair].note for pair in seen] == ["", "", "", "hard to say, 難しい"]
    assert all(label.seconds >= 0.3 for label in found.labels)
    assert found.warnings == [f"{path}: unfinished, 4 of 5 pairs are labelled (ar 0 of 1)"]
    known = HumanVerdicts(tmp_path, "human")
    assert known.add(found.labels) == (4, 0, 0)
    first = told[seen[0]].pair
    given = next(pair for pair in PAIRS if pair.prompt == first.prompt)
    expected = Outcome.first if given.first == first.first else Outcome.second
    assert known.labels(given) == {"Ana": expected}
    assert {pair.language for pair in known.missing(PAIRS)} == {"fi", "ar"}


def test_buttons_back_and_a_change_of_mind(browser: Browser, page: Page, tmp_path: Path) -> None:
    begin(browser, page)
    first, pressed = (
        browser.text("#question"),
        "document.querySelector('[data-choice=left]').getAttribute('aria-pressed')",
    )
    browser.wait("performance.now() - shownAt > PAUSE")
    browser.click("[data-choice=left]")
    second = browser.text("#question")
    browser.press("2", "Digit2")
    browser.press("Backspace")
    browser.press("u", "KeyU")
    assert (browser.text("#question"), browser.js(pressed)) == (first, "true")
    browser.press("Enter")
    assert (browser.text("#question"), browser.js(pressed)) == (second, "false")
    browser.press("u", "KeyU")
    browser.press("0", "Digit0")
    assert browser.text("#question") not in (first, second)
    assert browser.text("#where").startswith("Finnish · 2 of 4 pairs labelled")
    browser.click("#download")
    found = outcomes(read_annotations(browser.downloaded(), tmp_path))
    by_question = {pair.instruction: found.get(pair.prompt) for pair in PAIRS}
    assert (by_question[first], by_question[second]) == ("tie", "right")


def test_keys_that_do_nothing(browser: Browser, page: Page) -> None:
    begin(browser, page)
    browser.press("1", "Digit1", autoRepeat=True)
    browser.press("1", "Digit1", modifiers=2)
    browser.press("x", "KeyX")
    browser.js("shownAt = performance.now() + 1e6")  # within the moment after a pair came up
    browser.js("choose('left')")
    assert browser.text("#where") == "Finnish · 0 of 4 pairs labelled"
    browser.js("shownAt = 0")
    browser.press("n", "KeyN")
    browser.type("1 2 0 s u")  # a note, not labels
    browser.press("Escape")
    assert browser.js("document.activeElement.id") == "pair"
    assert browser.text("#where") == "Finnish · 0 of 4 pairs labelled"


def test_progress_survives_and_leaving_is_warned_of(browser: Browser, page: Page) -> None:
    begin(browser, page)
    browser.press("1", "Digit1")
    browser.press("2", "Digit2")
    shown = browser.text("#question")
    browser.reload()
    assert browser.asked == ["beforeunload"]
    assert browser.text("#where") == "Finnish · 2 of 4 pairs labelled"
    assert (browser.text("#question"), browser.text("#download")) == (shown, "Download (2 new)")
    assert not browser.js("document.getElementById('guide').open")
    browser.click("#download")
    browser.downloaded()
    browser.reload()
    assert browser.asked == ["beforeunload"]
    assert browser.text("#download") == "Download"


def test_going_on_elsewhere_from_a_file(browser: Browser, page: Page, tmp_path: Path) -> None:
    begin(browser, page)
    browser.press("1", "Digit1")
    browser.press("s", "KeyS")
    browser.click("#download")
    path = browser.downloaded()
    browser.js("people = []; person = null; localStorage.clear()")
    browser.reload()
    node = browser.call("DOM.getDocument")["root"]["nodeId"]
    field = browser.call("DOM.querySelector", nodeId=node, selector="#file")["nodeId"]
    wrong = tmp_path / "wrong.json"
    for text, problem in (
        ("{", "wrong.json is not a file that this page has saved."),
        ('{"format": "pinch-annotations", "annotator": "x", "labels": [], "version": 9}', "was saved by a newer page."),
        (
            '{"format": "pinch-annotations", "annotator": "x", "labels": [], "version": 1, "page": "y"}',
            "another page, y.",
        ),
    ):
        wrong.write_text(text, encoding="utf-8")
        browser.call("DOM.setFileInputFiles", nodeId=field, files=[str(wrong)])
        browser.wait(f"document.getElementById('problem').textContent.endsWith({json.dumps(problem)})")
    browser.call("DOM.setFileInputFiles", nodeId=field, files=[str(path)])
    browser.wait("person && !document.getElementById('guide').open")
    assert browser.text("#where") == "Finnish · 2 of 4 pairs labelled"
    assert (browser.text("#who"), browser.text("#download")) == ("You: Ana", "Download")
    browser.press("2", "Digit2")
    browser.press("2", "Digit2")
    browser.click("#end-skipped")
    assert browser.text("#where").endswith("this one too: choose again or keep it")
    browser.press("2", "Digit2")
    assert browser.text("#end-text").startswith("There are more pairs in Arabic")
    browser.click("#end-download")
    found = read_annotations(browser.downloaded(), tmp_path)
    assert sorted(outcomes(found).values()) == ["left", "right", "right", "right"]


def test_two_tabs_and_two_people(browser: Browser, page: Page, tmp_path: Path) -> None:
    begin(browser, page)
    one = browser._tab
    browser.tab()
    browser.open(page)
    browser.press("1", "Digit1")
    other, browser._tab = browser._tab, one
    browser.js("show(page.pairs.filter((pair) => pair.language === 'fi').at(-1))")
    browser.press("2", "Digit2")
    browser._tab = other
    browser.reload()
    assert browser.text("#where") == "Finnish · 2 of 4 pairs labelled"
    browser.js("guide(); document.getElementById('name').value = 'Ben'; confirm = () => false; start()")
    assert (browser.text("#where"), browser.text("#who")) == ("Finnish · 0 of 4 pairs labelled", "You: Ben")
    browser.js("guide(); document.getElementById('name').value = 'Ana'; start()")
    assert browser.text("#where") == "Finnish · 2 of 4 pairs labelled"
    browser.js("guide(); document.getElementById('name').value = 'Anna'; confirm = () => true; start()")
    browser.click("#download")
    found = read_annotations(browser.downloaded(), tmp_path)
    assert (found.annotator, len(found.labels)) == ("Anna", 2)


def test_what_another_tab_has_kept_is_never_overwritten(browser: Browser, page: Page) -> None:
    begin(browser, page)
    first = browser.js("current.id")
    browser.press("1", "Digit1")
    kept = browser.js("localStorage.getItem(KEY)")
    browser.js("person.labels = {}")  # as a tab that has not heard of it
    browser.js(f"localStorage.setItem(KEY, {json.dumps(kept)}); shownAt = 0; choose('right')")
    assert browser.js(f"JSON.parse(localStorage.getItem(KEY)).people[0].labels['{first}'].choice") == "left"
    assert browser.text("#where") == "Finnish · 2 of 4 pairs labelled"
    browser.js("localStorage.setItem(KEY, '{broken'); shownAt = 0; choose('right')")
    assert browser.js("Object.keys(JSON.parse(localStorage.getItem(KEY)).people[0].labels).length") == 3


def test_where_nothing_can_be_kept_that_is_said(browser: Browser, page: Page, tmp_path: Path) -> None:
    browser.tab(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError'); } })"
    )
    begin(browser, page)
    assert browser.text("#warning") == (
        "This browser does not keep your labels (SecurityError): download them before you close or reload this page."
    )
    browser.press("1", "Digit1")
    browser.click("#download")
    assert len(read_annotations(browser.downloaded(), tmp_path).labels) == 1


def test_name_and_languages_are_asked_first(browser: Browser, page: Page) -> None:
    browser.open(page)
    browser.press("Escape")
    browser.press("Escape")
    browser.wait("document.getElementById('guide').open")
    browser.click("#go")
    assert browser.text("#problem") == "Please give your name or initials."
    browser.type("  Ana   B ")
    browser.click("#go")
    assert browser.text("#problem") == "Please choose at least one language."
    browser.click("#read button[value=ar]")
    browser.click("#go")
    assert browser.text("#who") == "You: Ana B"
    assert browser.text("#where") == "Arabic · 0 of 1 pair labelled"
    browser.click("#languages button[value=fi]")
    browser.click("#languages button[value=ar]")
    assert browser.text("#where") == "Finnish · 0 of 4 pairs labelled"
    browser.click("#languages button[value=fi]")
    assert browser.text("#said") == "At least one language stays chosen."


ATTACK = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><!--"
SHOWN = [
    ("en", "Hello?", ATTACK, ATTACK, ["ltr"]),
    ("en", "Hello?", "a\u202eb\u0007", "aU+202EbU+0007", ["ltr"]),
    ("en", "Hello?", "one\r\ntwo\u2028three", "one\ntwo\nthree", ["ltr"]),
    ("en", "Hello?", " \n", "(empty)", ["ltr"]),
    ("ar", "ما؟", "Python هي لغة برمجة سهلة", "Python هي لغة برمجة سهلة", ["rtl", "rtl"]),
    ("ar", "ما؟", "مثلاً:\nprint(1)\n\n42", "مثلاً:print(1)42", ["rtl", "rtl", "ltr", "rtl", "rtl"]),
    ("ar", "ما؟", "Python is a language", "Python is a language", ["ltr", "ltr"]),
    ("fi", "Mitä?", "שלום לכולם", "שלום לכולם", ["rtl", "rtl"]),
]


def test_answers_are_plain_text_in_their_own_direction(browser: Browser, tmp_path: Path) -> None:
    pairs = [Pair(f"p{n}", code, f"{asked} {n}", text, "other") for n, (code, asked, text, _, _) in enumerate(SHOWN)]
    page = write_page(tmp_path, pairs, 0, "study")
    begin(browser, page, languages=("ar", "en", "fi"))
    for pair, (code, _, _, text, directions) in zip(pairs, SHOWN, strict=True):
        browser.js(f"show(page.pairs.find((pair) => pair.instruction === {json.dumps(pair.instruction)}))")
        side = "left" if browser.text("#left") != "other" else "right"
        assert browser.text(f"#{side}") == text
        assert browser.js(f"document.getElementById('{side}').lang") == code
        found = browser.js(
            f"['', ' > div'].flatMap((s) => [...document.querySelectorAll('#{side}' + s)].map((e) => e.dir))"
        )
        assert found == directions
    assert browser.js("document.title") == "study · which answer is better?"
    assert browser.js("document.querySelectorAll('img').length") == 0
    assert {url for url in browser.requests if url != "about:blank"} == {page.path.as_uri()}


@pytest.mark.parametrize(("width", "height"), [(1200, 900), (390, 844), (320, 568), (844, 390)])
def test_long_answers_leave_the_buttons_in_reach(browser: Browser, tmp_path: Path, width: int, height: int) -> None:
    page = write_page(tmp_path, [Pair("p1", "en", "word " * 400, "x" * 20000, "line\n" * 2000)], 0, "study")
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    browser.open(page)
    browser.type("Ana")
    browser.press("Enter")
    assert browser.js("document.documentElement.scrollWidth") <= width
    assert browser.js("document.documentElement.scrollHeight") < 4 * height
    assert browser.js("[...document.querySelectorAll('#footer button')].every((b) => b.hidden || b.offsetHeight >= 44)")
    if height > 560:
        assert browser.js("document.querySelector('[data-choice=tie]').getBoundingClientRect().bottom") <= height
    browser.press("ArrowDown")
    browser.wait("document.getElementById('left').scrollTop > 0 && document.getElementById('right').scrollTop > 0")
