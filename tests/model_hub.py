"""A double of the Hugging Face hub on this machine: serves folders as models, or refuses as the hub does.

    with serve({"org/name": folder, "org/gated": "GatedRepo"}) as address: ...

Only what loading a model asks for: `HEAD` and `GET` of <id>/resolve/<revision>/<file>, and the model's and its files' list.
The revisions `main` and COMMIT exist. Ids that are not listed do not exist.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
STATUS = {"GatedRepo": 403, "RepoNotFound": 401, "RevisionNotFound": 404, "EntryNotFound": 404, "": 403, "down": 503}
"""Status of each X-Error-Code; the hub tells those without a token that what is missing is refused."""


class Hub(BaseHTTPRequestHandler):
    models: Mapping[str, Path | str]
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(head=True)

    def do_GET(self) -> None:
        self._answer(head=False)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, head: bool) -> None:
        self.asked.append(self.path)
        parts = unquote(self.path.split("?")[0]).strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        owner, name, *rest = parts[2:] if api else parts
        model = self.models.get(f"{owner}/{name}", "RepoNotFound")
        if isinstance(model, str):
            self._refuse(model)
        elif (rest[1] if len(rest) > 1 else "main") not in ("main", COMMIT):
            self._refuse("RevisionNotFound")
        elif api:
            self._list(model, rest)
        else:
            self._file(model, "/".join(rest[2:]), head)

    def _list(self, folder: Path, rest: list[str]) -> None:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        if rest[:1] == ["tree"]:
            if len(rest) > 2:
                self._refuse("EntryNotFound")
                return
            listed: object = [
                {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": _etag(path)} for path in files
            ]
        else:
            listed = {"id": "x/y", "sha": COMMIT, "siblings": [{"rfilename": path.name} for path in files], "tags": []}
        self._send(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})

    def _file(self, folder: Path, name: str, head: bool) -> None:
        path = folder / name
        if not path.is_file():
            self._refuse("EntryNotFound")
            return
        body = path.read_bytes()
        self._send(200, b"" if head else body, {"ETag": f'"{_etag(path)}"', "X-Repo-Commit": COMMIT}, len(body))

    def _refuse(self, code: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": f"refused: {code}"} if code not in ("", "down") else {}
        self._send(STATUS[code], b"", headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


@contextmanager
def serve(models: Mapping[str, Path | str], asked: list[str] | None = None) -> Iterator[str]:
    """Models by id: a folder, or the error code with which they are refused. `asked` collects the paths asked for."""
    handler = type("OneHub", (Hub,), {"models": models, "asked": [] if asked is None else asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
