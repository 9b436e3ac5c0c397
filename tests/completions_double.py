"""A completions server on this machine that imitates vLLM with LoRA adapters, and misbehaves as told.

    python tests/completions_double.py --port 0 --hostile 0.01      prints its address and serves until it is interrupted

What it answers follows from the model's name and the prompt alone: `said` gives the tokens. An adapter is what its file
holds, so two cells answer differently. Mischief is drawn by a hash of the request and how often it was seen, so it hits the
same requests in whatever order they come in.
"""

import argparse
import contextlib
import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MISCHIEF = (
    "429",
    "429 after",
    "500",
    "reset",
    "slow",
    "cut",
    "no json",
    "html",
    "two choices",
    "no choices",
    "error in 200",
    "aborted",
)
"""Replies that hold no answer: the request is to be sent again."""

TYPES = {
    "top_k": int,
    "min_p": (int, float),
    "repetition_penalty": (int, float),
    "stop_token_ids": list,
    "return_token_ids": bool,
}
"""Fields beyond the protocol, as vLLM knows them."""


def number(*parts: object) -> int:
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16)


def said(model: str, prompt: list[Any], seed: int | None) -> list[Any]:
    """The answer of a model to a prompt: some of the prompt's tokens (or words), never the first."""
    size = 1 + number(model, prompt, seed, "size") % 5
    return [prompt[1 + number(model, prompt, seed, place) % (len(prompt) - 1)] for place in range(size)]


@dataclass
class Completions:
    """The server; inside `with`, it runs in threads. `lists`: models in its list beside the base; `loads`: it has the
    endpoints for adapters; `ids`, `tells`: it takes and tells token ids; `knows`: fields beyond the protocol; `inert`:
    adapters have no effect; `jitter`: how far log-probabilities wander; `counts`: how many tokens it reads in a text;
    `ending`: what is written behind every answer's text; `script` says what happens to the first completions, `hostile` how
    likely each mischief is afterwards."""

    base: str = "base"
    lists: Iterable[str] = ()
    root: str | None = None
    loads: bool = True
    ids: bool = True
    tells: bool = True
    knows: Iterable[str] = tuple(TYPES)
    logprobs: bool = True
    inert: bool = False
    jitter: float = 0.0
    end: int = 1
    longest: int = 256
    rank: int = 16
    counts: Any = None
    extra: int = 0
    ending: str = ""
    script: Iterable[str] = ()
    hostile: float = 0.0
    retry_after: str = "0.1"
    delay: float = 0.0
    port: int = 0
    loaded: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    mischief: Counter[str] = field(default_factory=Counter)
    most: int = 0

    def __post_init__(self) -> None:
        self._script, self._times, self._lock = list(self.script), Counter[str](), threading.Lock()
        self._under_way = self._counted = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def bodies(self, path: str = "/v1/completions") -> list[dict[str, Any]]:
        """What was sent there."""
        return [body for where, body, _ in self.requests if where == path]

    def __enter__(self) -> "Completions":
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # --- what it says --------------------------------------------------------------------------------------------------

    def get(self, path: str) -> tuple[int, Any]:
        if path == "/v1/models":
            known = {"object": "model", "owned_by": "vllm"}
            rows = [{"id": self.base, "root": self.root or "/models/base", "max_model_len": self.longest, **known}]
            rows += [{"id": name, "root": name, "parent": self.base, **known} for name in (*self.lists, *self.loaded)]
            return 200, {"object": "list", "data": rows}
        if path == "/version":
            return 200, {"version": "0.99-double"}
        return 404, {"detail": "Not Found"}

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path == "/v1/load_lora_adapter" and self.loads:
            return self._load(body)
        if path == "/v1/unload_lora_adapter" and self.loads:
            name = body["lora_name"]
            if self.loaded.pop(name, None) is None:
                return _error(404, f"The lora adapter '{name}' cannot be found.")
            return 200, f"Success: LoRA adapter '{name}' removed successfully."
        if path == "/v1/completions":
            return self._complete(body)
        return 404, {"detail": "Not Found"}

    def _load(self, body: dict[str, Any]) -> tuple[int, Any]:
        name, folder = body["lora_name"], Path(body["lora_path"])
        if name in self.loaded:
            return _error(400, f"The lora adapter '{name}' has already been loaded.")
        try:
            rank = json.loads((folder / "adapter_config.json").read_text())["r"]
            content = hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()
        except OSError:
            return _error(404, f"Loading lora {name} failed: No adapter found for {folder}")
        if rank > self.rank:
            return _error(400, f"LoRA rank {rank} is greater than max_lora_rank {self.rank}.")
        self.loaded[name] = content
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def _complete(self, body: dict[str, Any]) -> tuple[int, Any]:
        for name in self.knows:
            if name in body and not isinstance(body[name], TYPES[name]):
                return _error(400, f"[{{'loc': ('body', '{name}'), 'msg': 'Input is not valid'}}]")
        if body["model"] not in (self.base, *self.lists, *self.loaded):
            return _error(404, f"The model `{body['model']}` does not exist.")
        prompt = body["prompt"]
        if isinstance(prompt, list) and not self.ids:
            return _error(400, "prompt must be a string.")
        model = "base" if self.inert else self.loaded.get(body["model"], body["model"])
        parts = prompt if isinstance(prompt, list) else prompt.split()
        tokens = said(model, parts, body.get("seed"))
        finish = "stop" if len(tokens) < body["max_tokens"] else "length"
        tokens = tokens[: body["max_tokens"]]
        text = " ".join(map(str, tokens)) + self.ending
        for stop in body.get("stop", ()):
            text, found, _ = text.partition(stop)
            finish = "stop" if found else finish
        choice: dict[str, Any] = {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}
        if self.tells and body.get("return_token_ids") and isinstance(prompt, list):
            choice["token_ids"] = [*tokens, self.end] if finish == "stop" else tokens
        if self.logprobs and body.get("logprobs"):
            self._counted += 1
            wander = self.jitter * (number(self._counted) % 100) / 100
            likely = {f"t{place}": -1 - number(model, prompt, place) % 100 / 50 - wander for place in range(4)}
            choice["logprobs"] = {"tokens": ["t0"], "token_logprobs": [likely["t0"]], "top_logprobs": [likely]}
        size = len(parts) if isinstance(prompt, list) else self.counts(prompt) if self.counts else None
        usage = {"prompt_tokens": None if size is None else size + self.extra}
        usage |= {"completion_tokens": len(tokens) + (finish == "stop")}
        return 200, {"id": "cmpl-always-this", "object": "text_completion", "choices": [choice], "usage": usage}

    # --- how it misbehaves ---------------------------------------------------------------------------------------------

    def drawn(self, path: str, raw: bytes) -> str:
        """What happens to a request."""
        if path != "/v1/completions":
            return "ok"
        with self._lock:
            if self._script:
                return self._script.pop(0)
            name = hashlib.sha256(raw).hexdigest()
            self._times[name] += 1
            place = number(name, self._times[name]) / 2**32 / self.hostile if self.hostile else len(MISCHIEF)
            return MISCHIEF[int(place)] if place < len(MISCHIEF) else "ok"

    @contextlib.contextmanager
    def under_way(self) -> Any:
        with self._lock:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1


def _error(status: int, message: str) -> tuple[int, Any]:
    return status, {"error": {"message": message, "type": "BadRequestError", "code": status}}


def _handler(double: Completions) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            self._send(*double.get(self.path))

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            body = json.loads(raw)
            double.requests.append((self.path, body, self.headers.get("authorization", "")))
            with double.under_way():
                if double.delay:
                    time.sleep(double.delay)
                what = double.drawn(self.path, raw)
                double.mischief[what] += 1
                self._misbehave(what, body) if what != "ok" else self._send(*double.post(self.path, body))

        def _misbehave(self, what: str, body: dict[str, Any]) -> None:
            if what == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return
            if what == "slow":
                time.sleep(1.5)
            if what.split()[0].isdigit():
                key = self.headers.get("authorization", "")
                status, said = _error(int(what.split()[0]), f"busy, says {key}")
                self._send(status, said, {"Retry-After": double.retry_after} if "after" in what else {})
                return
            status, reply = double.post(self.path, body)
            if status != 200 or what == "slow":
                self._send(status, reply)
            elif what == "html":
                self._send(502, "<html><h1>502 Bad Gateway</h1></html>")
            elif what == "no json":
                self._send(200, "maintenance")
            elif what == "cut":
                self._write(200, "application/json", json.dumps(reply)[:40].encode(), {})
            elif what == "error in 200":
                self._send(200, {"error": {"message": "upstream is busy", "code": 503}})
            else:
                choices = reply["choices"]
                choices = {"two choices": choices * 2, "no choices": []}.get(what, choices)
                ending = {"finish_reason": "abort"} if what == "aborted" else {}
                self._send(200, reply | {"choices": [choice | ending for choice in choices]})

        def _send(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
            kind = "text/plain" if isinstance(said, str) else "application/json"
            text = said if isinstance(said, str) else json.dumps(said)
            self._write(status, kind, text.encode(), headers or {})

        def _write(self, status: int, kind: str, data: bytes, headers: dict[str, str]) -> None:
            with contextlib.suppress(OSError):  # who asked may be gone
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--hostile", type=float, default=0.0, help="probability of each kind of mischief")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds per reply")
    chosen = parser.parse_args()
    with Completions(**vars(chosen)) as double, contextlib.suppress(KeyboardInterrupt):
        print(double.url, flush=True)
        threading.Event().wait()
    print(json.dumps(double.mischief), flush=True)


if __name__ == "__main__":
    main()
