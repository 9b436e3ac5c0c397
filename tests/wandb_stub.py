"""A W&B server on loopback, as far as the client asks for one: runs with config, history, summary and end, files, tables
as artifacts, saved views. It keeps its state, so that what is sent twice shows; and it can hang, reset connections or
answer 500, from the start or from one moment on.
"""

import base64
import contextlib
import json
import re
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

KEY = "0123456789" * 4
"""What the client takes for a key: 40 characters."""

ENTITY = "people"


@dataclass
class StubRun:
    """A run as the server knows it; `opened` counts how often a client opened it."""

    id: str
    project: str
    name: str = ""
    group: str = ""
    job_type: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    artifacts: list[str] = field(default_factory=list)
    opened: int = 0


class Stub:
    """Used in a `with` statement. `fault` is none, hang, reset, error (500) or refuse (401), and may be changed at any time.
    `requests` counts whatever comes in, `asked` GraphQL operations."""

    def __init__(self, fault: str = "none") -> None:
        self.fault = fault
        self.runs: dict[str, StubRun] = {}
        self.views: dict[str, dict[str, Any]] = {}
        self.requests = 0
        self.asked: Counter[str] = Counter()
        self.unknown: list[str] = []
        self.keys: set[str] = set()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> "Stub":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs that shall talk to this server."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY}

    def wait_over(self, seconds: float) -> None:
        self._over.wait(seconds)

    # --- what is asked -------------------------------------------------------------------------------------------------

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The answer to one GraphQL document, by the fields that it names."""
        operation = (re.search(r"\b(?:query|mutation)\s+(\w+)", query) or re.search(r"(\w+)", query)).group(1)  # type: ignore[union-attr]
        with self._lock:
            self.asked[operation] += 1
            variables = variables.get("input", variables)
            for words, answer in ANSWERS.items():
                if words in query:
                    return {"data": answer(self, variables)}
            self.unknown.append(operation)
            return {"errors": [{"message": f"no such operation here: {operation}"}], "data": None}

    def run(self, project: str, name: str) -> StubRun:
        return self.runs.setdefault(name, StubRun(name, project))

    def stream(self, name: str, body: dict[str, Any]) -> None:
        """A message of the file stream: lines of history, whole summaries, the end."""
        with self._lock:
            run = self.runs[name]
            for file, sent in body.get("files", {}).items():
                lines = (
                    [json.loads(line) for line in sent["content"]] if file.endswith((".jsonl", "summary.json")) else []
                )
                if file == "wandb-history.jsonl":
                    run.history[sent["offset"] :] = lines
                elif file == "wandb-summary.json" and lines:
                    run.summary = lines[-1]
            if body.get("complete"):
                run.exit_code = body.get("exitcode")


def _viewer(stub: Stub, _: dict[str, Any]) -> dict[str, Any]:
    teams = {"edges": [{"node": {"id": "t", "name": ENTITY, "photoUrl": None}}]}
    user = {"id": "u", "entity": ENTITY, "username": ENTITY, "name": ENTITY, "email": "", "flags": "{}", "admin": False}
    return {"viewer": {**user, "teams": teams, "apiKeys": {"edges": []}, "featureFlags": []}}


def _upsert(stub: Stub, given: dict[str, Any]) -> dict[str, Any]:
    run = stub.run(given.get("project") or "uncategorized", given.get("name") or given.get("id") or "")
    inserted = not run.opened
    run.opened += given.get("groupName") is not None or given.get("config") is not None
    if given.get("config"):
        run.config = {name: entry["value"] for name, entry in json.loads(given["config"]).items()}
    for ours, theirs in (("name", "displayName"), ("group", "groupName"), ("job_type", "jobType"), ("tags", "tags")):
        if given.get(theirs) is not None:
            setattr(run, ours, given[theirs])
    return {"upsertBucket": {"bucket": _bucket(run), "inserted": inserted}}


def _bucket(run: StubRun) -> dict[str, Any]:
    wrapped = {name: {"value": value} for name, value in run.config.items()}
    return {
        "id": run.id,
        "name": run.id,
        "displayName": run.name,
        "description": None,
        "config": json.dumps(wrapped),
        "sweepName": None,
        "project": {"id": "p", "name": run.project, "entity": {"id": "e", "name": ENTITY}},
        "historyLineCount": len(run.history),
        "wandbConfig": json.dumps({"t": 1}),
        "tags": run.tags,
        "groupName": run.group,
        "jobType": run.job_type,
    }


def _resume(stub: Stub, given: dict[str, Any]) -> dict[str, Any]:
    run = stub.runs.get(given.get("name", ""))
    if run is None:
        return {
            "model": {"id": "p", "name": given.get("project"), "entity": {"id": "e", "name": ENTITY}, "bucket": None}
        }
    tail = json.dumps([json.dumps(row) for row in run.history[-1:]])
    known = {
        "summaryMetrics": json.dumps(run.summary),
        "logLineCount": 0,
        "eventsLineCount": 0,
        "historyTail": tail,
        "eventsTail": "[]",
    }
    return {
        "model": {
            "id": "p",
            "name": run.project,
            "entity": {"id": "e", "name": ENTITY},
            "bucket": {**_bucket(run), **known},
        }
    }


def _run_files(stub: Stub, given: dict[str, Any]) -> dict[str, Any]:
    name = given.get("run") or given.get("runName") or ""
    files = [{"name": file, "uploadUrl": f"{stub.url}/put/{name}/{file}"} for file in given.get("files", [])]
    return {"createRunFiles": {"runID": name, "uploadHeaders": [], "files": files}}


def _artifact(stub: Stub, given: dict[str, Any]) -> dict[str, Any]:
    run = stub.runs.get(given.get("runName") or "")
    if run is not None:
        run.artifacts.append(str(given.get("artifactCollectionNames") or given.get("artifactTypeName")))
    artifact = {"id": "artifact", "state": "PENDING", "artifactSequence": {"id": "s", "latestArtifact": None}}
    return {"createArtifact": {"artifact": artifact}}


def _manifest(stub: Stub, given: dict[str, Any]) -> dict[str, Any]:
    file = {"id": "f", "name": "manifest", "displayName": "manifest", "uploadUrl": f"{stub.url}/put/-/manifest"}
    made = {"id": "m", "file": {**file, "uploadHeaders": []}}
    return {"createArtifactManifest": {"artifactManifest": made}}


def _artifact_files(stub: Stub, given: dict[str, Any]) -> dict[str, Any]:
    names = [spec["name"] for spec in given.get("artifactFiles", [])]
    nodes = [
        {
            "id": name,
            "name": name,
            "displayName": name,
            "uploadUrl": f"{stub.url}/put/-/{name}",
            "uploadHeaders": [],
            "uploadMultipartUrls": None,
            "storagePath": name,
            "artifact": {"id": "artifact"},
        }
        for name in names
    ]
    return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}


def _view(stub: Stub, given: dict[str, Any]) -> dict[str, Any]:
    name = given.get("id") or given.get("name") or f"view-{len(stub.views)}"
    inserted = name not in stub.views
    stub.views[name] = stub.views.get(name, {}) | given
    project = {"id": "p", "name": given.get("projectName"), "entityName": given.get("entityName")}
    kept = {key: given.get(key) for key in ("type", "displayName", "description", "spec")}
    return {
        "upsertView": {
            "view": {"id": name, "name": name, "project": project, "updatedAt": None, **kept},
            "inserted": inserted,
        }
    }


def _views(stub: Stub, given: dict[str, Any]) -> dict[str, Any]:
    found = [
        {"node": {"id": name, "name": name, **{key: view.get(key) for key in ("displayName", "spec", "type")}}}
        for name, view in stub.views.items()
        if given.get("viewName") in (None, name) and given.get("viewType") in (None, view.get("type"))
    ]
    return {"project": {"id": "p", "allViews": {"edges": found}}}


ANSWERS = {
    "upsertBucket(": _upsert,
    "createRunFiles(": _run_files,
    "createArtifact(": _artifact,
    "createArtifactManifest(": _manifest,
    "createArtifactFiles(": _artifact_files,
    "commitArtifact(": lambda stub, given: {"commitArtifact": {"artifact": {"id": "artifact", "digest": "d"}}},
    "upsertView(": _view,
    "allViews(": _views,
    "query RunResumeStatus": _resume,
    "query ArtifactType": lambda stub, given: {"project": {"artifact": None}},
    "viewer": _viewer,
}  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Nothing: clients that go away are expected here."""


def _handler(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body, path = self._body(), urlsplit(self.path).path
            if self._broken():
                return
            if path == "/graphql":
                asked = json.loads(body)
                self._note_key()
                self._reply(stub.graphql(asked["query"], asked.get("variables") or {}))
            elif path.endswith("/file_stream"):
                stub.stream(unquote(path.split("/")[-2]), json.loads(body))
                self._reply({"exitcode": None, "limits": {}})
            else:
                self._reply({})  # the client's own telemetry

        def do_PUT(self) -> None:
            body = self._body()
            if self._broken():
                return
            _, _, name, file = unquote(urlsplit(self.path).path).split("/", 3)
            if name in stub.runs:
                stub.runs[name].files[file] = body
            self._reply({})

        def do_GET(self) -> None:
            if not self._broken():
                self._reply({}, 404)

        def _note_key(self) -> None:
            kind, _, word = self.headers.get("Authorization", "").partition(" ")
            if kind == "Basic":
                stub.keys.add(base64.b64decode(word).decode().partition(":")[2])

        def do_CONNECT(self) -> None:
            stub.requests += 1
            self._reply({}, 502)

        def _broken(self) -> bool:
            stub.requests += 1
            if stub.fault == "hang":
                stub.wait_over(600)
                self.close_connection = True
            elif stub.fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.connection.close()
                self.close_connection = True
            elif stub.fault != "none":
                self._reply({"error": "on purpose"}, 500 if stub.fault == "error" else 401)
            return stub.fault != "none"

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _reply(self, answer: Any, status: int = 200) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def finish(self) -> None:
            with contextlib.suppress(OSError, ValueError):  # the client, or this handler, has closed the connection
                super().finish()

    return Handler


if __name__ == "__main__":
    with Stub() as served:
        print(served.url, flush=True)
        while True:
            time.sleep(1)
