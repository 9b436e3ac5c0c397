"""DeepL and Google Cloud Translation (v2) on this machine, as far as their clients ask: letters of another script,
mischief as told, HTML in which elements that are not to be translated stay.
"""

import html
import json
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from translating import into

KEPT = re.compile(r'(<span translate="no">.*?</span>)')
LANGUAGES = {"deepl": ["EN", "RU", "HE", "EN-US", "PT-BR", "PT-PT"], "google": ["en", "ru", "iw", "zh-CN", "no", "sr"]}


@dataclass
class ServiceDouble:
    """One of the two, inside `with`. `script` says what happens to the first translations (a mischief, or "ok"), `always`
    what happens to all; `plain` are languages that are refused as HTML, `most` is the length of a text that is refused."""

    kind: str
    script: list[str] = field(default_factory=list)
    always: str = "ok"
    plain: tuple[str, ...] = ()
    most: int = 10**9
    delay: threading.Event | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    listed: int = 0

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        double = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                double.answer(self, self.rfile.read(length).decode(), "languages")

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                if self.path == "/token":  # where an account would get what opens the service
                    double._send(self, 400, {"error": "invalid_grant", "error_description": "no such account"})
                else:
                    double.answer(self, body, "translate")

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.delay is not None:
            self.delay.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, handler: BaseHTTPRequestHandler, body: str, what: str) -> None:
        key = handler.headers.get("Authorization") or handler.headers.get("x-goog-api-key") or ""
        self.keys.append(key)
        if what == "languages":
            self.listed += 1
            self._send(handler, 200, self._languages(handler.path, body))
            return
        asked = json.loads(body)
        with self._lock:
            self.requests.append(asked)
            mischief = self.script.pop(0) if self.script else self.always
        if self.delay is not None:
            self.delay.wait(20)
        if mischief == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            return
        texts, target, as_html = self._read(asked)
        status, words = (int(mischief[:3]), mischief[4:]) if mischief[:3].isdigit() else (200, "")
        if max(map(len, texts)) > self.most:
            status, words = 400, "Text too long"
        elif as_html and target in self.plain:
            status, words = 400, "Tag handling is not supported for this language"
        if status != 200:
            said = (words or "sorry").replace("{key}", key.rpartition(" ")[2])
            self._send(handler, status, self._error(status, said))
        elif mischief == "no json":
            self._send(handler, 200, "<html>")
        else:
            made = [self._translated(text, target, as_html, mischief) for text in texts]
            self._send(handler, 200, self._reply(made[:-1] if mischief == "count" else made))

    def _translated(self, text: str, target: str, as_html: bool, mischief: str) -> str:
        if not as_html:
            return into(text, target)
        parts = [part if KEPT.fullmatch(part) else self._escaped(part, target) for part in KEPT.split(text)]
        return "".join(part for part in parts if mischief != "drop" or not KEPT.fullmatch(part))

    def _escaped(self, part: str, target: str) -> str:
        return html.escape(into(html.unescape(part), target)).replace("&#x27;", "&#39;")

    def _read(self, asked: dict[str, Any]) -> tuple[list[str], str, bool]:
        """Texts, target language, whether they are HTML."""
        if self.kind == "deepl":
            return asked["text"], asked["target_lang"].lower(), asked.get("tag_handling") == "html"
        target = {"iw": "he"}.get(asked["target"], asked["target"])
        return asked["q"], target, asked["format"] == "html"

    def _languages(self, path: str, body: str) -> Any:
        known = LANGUAGES[self.kind]
        if self.kind == "google":
            return {"data": {"languages": [{"language": code} for code in known]}}
        wanted = parse_qs(body or urlsplit(path).query).get("type", ["source"])[0]
        short = [code for code in known if (len(code) == 2) or wanted == "target"]
        return [{"language": code, "name": code} for code in short]

    def _reply(self, made: list[str]) -> Any:
        if self.kind == "deepl":
            rows = [{"text": text, "detected_source_language": "EN", "billed_characters": 1} for text in made]
            return {"translations": rows}
        return {"data": {"translations": [{"translatedText": text} for text in made]}}

    def _error(self, status: int, words: str) -> Any:
        return {"message": words} if self.kind == "deepl" else {"error": {"code": status, "message": words}}

    def _send(self, handler: BaseHTTPRequestHandler, status: int, what: Any) -> None:
        data = (what if isinstance(what, str) else json.dumps(what)).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)
