"""What tests of translation share: letters of another script as a translation, a server and an engine that give it."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from judge_double import Double
from pinch.config import EngineConfig, TranslateConfig, TranslationEngine
from pinch.judges.api.failures import RequestError, Trouble
from pinch.translate.memory import Given, Wanted

LATIN = "abcdefghijklmnopqrstuvwxyz"
LETTERS = {"ru": "абцдефгхийклмнопярстуввхыз", "he": "אבגדהוזחטיכלמנסעפצקרשתאבגד"}
NAMES = {"Russian": "ru", "Hebrew": "he"}
TEXT = re.compile(r"<<< TEXT (\w+) >>>\n(.*)\n<<< END OF TEXT \1 >>>", re.DOTALL)


def into(text: str, language: str) -> str:
    """The text in the letters of another language."""
    table = str.maketrans(LATIN + LATIN.upper(), LETTERS[language] + LETTERS[language].upper())
    return text.translate(table)


@dataclass
class TranslatingDouble(Double):
    """The hostile server of the judges' tests, which translates; it repeats the boundaries with `frames`, and answers with
    `says` where that is set."""

    frames: bool = False
    says: str | None = None

    def _completion(self, what: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        found = TEXT.search(body["messages"][-1]["content"])
        assert found, "no text between boundaries"
        told = " ".join(message["content"] for message in body["messages"])
        code = next(code for name, code in NAMES.items() if f"into {name}" in told)
        text = into(found[2], code) if self.says is None else self.says
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if self.frames:
            message["content"] = f"<<< TEXT {found[1]} >>>\n{text}\n<<< END OF TEXT {found[1]} >>>"
        if what == "refusal":
            message |= {"content": None, "refusal": "I can't help with that."}
        elif what in ("empty", "null"):
            message["content"] = "" if what == "empty" else None
        finish = "length" if what == "length" else "stop"
        choice = {"index": 0, "message": message, "finish_reason": finish}
        usage = {"prompt_tokens": 40, "completion_tokens": 10} if self.usage else None
        return {"object": "chat.completion", "model": "double-1", "choices": [choice], "usage": usage}


class Letters:
    """An engine that gives other letters; `says` overrides single texts, `most` is how many it takes up."""

    def __init__(self, says: dict[str, str] | None = None, most: int = 10**9) -> None:
        self.identity: dict[str, Any] = {"engine": "letters", "version": 1}
        self.asked: list[str] = []
        self._says, self._most = says or {}, most

    def translate(self, texts: Sequence[Wanted]) -> Iterator[list[Given]]:
        for one in texts:
            if len(self.asked) >= self._most:
                return
            self.asked.append(one.text)
            said = self._says.get(one.text)
            yield [Given(one, into(one.text, one.target) if said is None else said)]

    def stop(self) -> list[Given]:
        return []

    def notes(self) -> list[str]:
        return []


class Lettered:
    """A service without a client, three texts of 100 characters at a time, that gives other letters; `fails` are what its
    next requests end in, `keeps` what it makes of HTML."""

    name, package = "Lettered", "lettered"
    others: tuple[str, ...] = ("A_FILE",)
    texts, size = 3, 100

    def __init__(self, *fails: Exception | None, keeps: Callable[[str], str] = str) -> None:
        self.fails, self.keeps = list(fails), keeps
        self.asked: list[tuple[list[str], str, str, bool]] = []
        self.key: str | None = None

    def sent(self, text: str) -> int:
        return len(text)

    def billed(self, plain: str, html: str | None) -> int:
        return len(html or plain)

    def open(self, key: str) -> None:
        self.key = key

    def languages(self) -> tuple[set[str], set[str]]:
        return {"EN"}, {"EN-US", "RU", "HE", "NB"}

    def translate(self, texts: Sequence[str], source: str, target: str, html: bool) -> list[str]:
        self.asked.append((list(texts), source, target, html))
        if self.fails and (error := self.fails.pop(0)) is not None:
            raise error
        return [self.keeps(text) if html else into(text, target.lower()) for text in texts]

    def failure(self, error: Exception) -> RequestError | None:
        return error if isinstance(error, RequestError) else None


def trouble(name: str, words: str = "no", status: int | None = None, **more: Any) -> RequestError:
    return RequestError(Trouble[name], words, status, **more)


SOURCE = [
    {"id": "a", "instruction": "Sort these. See `x`.", "response": "Use `sorted(x)` for it.\n\n- Then look."},
    {"id": "b", "instruction": "Who wrote the book?", "response": "A man from London wrote the book in 1851."},
    {"id": "c", "instruction": "Name a river in the north.", "response": "The Thames is a river, I believe."},
]


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def settings(tmp_path: Path, **changes: Any) -> TranslateConfig:
    """Settings for the three rows above, into Russian, with a server."""
    corpus = tmp_path / "en.jsonl"
    if not corpus.exists():
        write_rows(corpus, SOURCE)
    fields = {field.name for field in dataclasses.fields(EngineConfig)}
    engine: dict[str, Any] = {"kind": TranslationEngine["api"], "model": "m"}
    engine |= {name: changes.pop(name) for name in list(changes) if name in fields}
    known: dict[str, Any] = {"corpus": str(corpus), "to": ["ru"], "out": str(tmp_path / "out")}
    return TranslateConfig(**known | {"engine": EngineConfig(**engine)} | changes)


def console() -> tuple[Console, StringIO]:
    """A console, and what it printed."""
    printed = StringIO()
    return Console(file=printed, width=200), printed
