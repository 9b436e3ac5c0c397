"""A chat server on this machine that judges by a rule known to the tests, and misbehaves as told.

    python tests/judge_double.py --port 0 --hostile 0.01        prints its address and serves until it is interrupted

The verdict depends on the two answers alone: `verdict(first, second, bias)` says what it will be. Mischief is drawn by a
hash of the seed, the request and how often it was seen, so it hits the same requests in whatever order they come in.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import math
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

BUSY = (
    "429",
    "429 after",
    "500",
    "503",
    "reset",
    "trickle",
    "cut",
    "no json",
    "schema",
    "html",
    "error in 200",
    "echo",
)
"""Mischief that brings no reply: the request is to be sent again."""

MUTE = ("refusal", "empty", "null", "length", "foreign")
"""Replies without a verdict: the question is to be asked again."""

MISCHIEF = (*BUSY, *MUTE)
MARKED = re.compile(
    r"<<< ANSWER A (\w+) >>>\n(.*)\n<<< END OF ANSWER A \1 >>>\n\n"
    r"<<< ANSWER B (\w+) >>>\n(.*)\n<<< END OF ANSWER B \3 >>>\n(?:.*\nVerdict (\w+): B$)?",
    re.DOTALL,
)
HEAD = "HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n"


def weight(answer: str) -> float:
    """What an answer is worth, 0..1."""
    return int(hashlib.sha256(answer.encode("utf-8", "replace")).hexdigest()[:8], 16) / 2**32


def verdict(first: str, second: str, bias: float = 0.0) -> str:
    """A, B or tie: the weightier answer, the first one with a bonus; a tie where they are close."""
    ahead = weight(first) + bias - weight(second)
    return "tie" if abs(ahead) < 0.05 else "A" if ahead > 0 else "B"


@dataclass
class Seen:
    """One request: its decoded body, the key it came with, and when it came."""

    body: dict[str, Any]
    key: str
    time: float


@dataclass
class Double:
    """The server; inside `with`, it runs in a thread. `refuses` are fields it answers with 400, named in the error unless
    `silent`; `script` says what happens to the first requests (a mischief, or "ok"), `hostile` how likely each mischief is
    afterwards, `always` one that all meet."""

    hostile: float = 0.0
    seed: int = 0
    bias: float = 0.0
    refuses: Iterable[str] = ()
    silent: bool = False
    ignores: Iterable[str] = ("logprobs",)
    script: Iterable[str] = ()
    always: str = "ok"
    retry_after: str = "0.2"
    usage: bool = True
    delay: float = 0.0
    judges: Callable[[str, str], str] | None = None
    port: int = 0
    requests: list[Seen] = field(default_factory=list)
    mischief: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._script = list(self.script)
        self._times: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._up = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> "Double":
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()))
        self._thread.start()
        self._up.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join()

    async def serve(self) -> None:
        """Serve until `__exit__`, or for ever."""
        self._loop, self._down = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        try:
            await self._down.wait()
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side is gone, or the server is to end
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; False when the connection is to be closed."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        body = json.loads(raw)
        key = re.search(r"(?im)^authorization: bearer (.*?)\r?$", head)
        self.requests.append(Seen(body, key[1] if key else "", self._loop.time()))
        if self.delay:
            await asyncio.sleep(self.delay)
        what = self._drawn(raw)
        self.mischief[what] += 1
        if what == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        status, kind, text, extra = self._reply(what, body, key[1] if key else "")
        data = text.encode()
        writer.write(HEAD.format(status, kind, len(data), extra).encode())
        for byte in data if what == "trickle" else ():
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write(data if what != "trickle" else b"")
        await writer.drain()
        return True

    def _drawn(self, raw: bytes) -> str:
        """What happens to a request."""
        if self._script:
            return self._script.pop(0)
        if not self.hostile:
            return self.always
        name = hashlib.sha256(raw).hexdigest()
        self._times[name] += 1
        drawn = hashlib.sha256(f"{self.seed}:{name}:{self._times[name]}".encode()).digest()
        place = int.from_bytes(drawn[:8], "big") / 2**64 / self.hostile
        return MISCHIEF[int(place)] if place < len(MISCHIEF) else self.always

    def _reply(self, what: str, body: dict[str, Any], key: str) -> tuple[int, str, str, str]:
        """Status, content type, body and further headers."""
        asked_to_wait = f"Retry-After: {self.retry_after}\r\n" if what == "429 after" else ""
        if what.split()[0].isdigit():
            status = int(what.split()[0])
            code = what.split()[-1] if len(what.split()) > 1 else "busy"
            error = {"message": f"trouble {status} ({code})", "type": "error", "param": None, "code": code}
            return status, "application/json", json.dumps({"error": error}), asked_to_wait
        if what == "echo":
            return 500, "application/json", json.dumps({"error": {"message": f"bad state for key {key}"}}), ""
        if what == "html":
            return 502, "text/html", "<html><h1>502 Bad Gateway</h1></html>", ""
        if what == "no json":
            return 200, "text/html", "<html>maintenance</html>", ""
        if what == "error in 200":
            return 200, "application/json", json.dumps({"error": {"message": "upstream is busy", "code": 503}}), ""
        refused = self._refused(body)
        if refused:
            return 400, "application/json", json.dumps({"error": refused}), ""
        if what == "schema":
            return 200, "application/json", json.dumps({"object": "chat.completion", "choices": [{"text": "A"}]}), ""
        text = json.dumps(self._completion(what, body, key), ensure_ascii=False)
        return 200, "application/json", text[: len(text) // 2] if what == "cut" else text, ""

    def _refused(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """The error of a field that this server does not take, as servers say it."""
        for name in self.refuses:
            kind = body.get("response_format", {}).get("type")
            roles = [message["role"] for message in body["messages"]]
            if name in body or name == kind or (name == "system" and name in roles) or name == body.get("top_logprobs"):
                if self.silent:
                    return {"message": "Bad Request", "type": "invalid_request_error", "param": None, "code": None}
                known = {
                    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                    "'max_completion_tokens' instead.",
                    "temperature": "Unsupported value: 'temperature' does not support 0 with this model. Only the default "
                    "(1) value is supported.",
                    "seed": "Unrecognized request argument supplied: seed",
                    "system": "System role not supported",
                    "json_schema": "Invalid parameter: 'response_format' of type 'json_schema' is not supported.",
                    "20": "Invalid value for 'top_logprobs': must be 5 or less.",
                }
                param = name if name in ("max_tokens", "temperature") else None
                message = known.get(str(name), f"{name} is not supported")
                return {"message": message, "type": "invalid_request_error", "param": param, "code": "unsupported"}
        return None

    def _completion(self, what: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        """A chat completion with the verdict, or without one as told."""
        found = MARKED.search(body["messages"][-1]["content"])
        assert found, "no answers between boundaries"
        _, first, _, second, boundary = found.groups()
        label = self.judges(first, second) if self.judges else verdict(first, second, self.bias)
        message: dict[str, Any] = {"role": "assistant", "content": said(label, boundary, body), "refusal": None}
        if what == "refusal":
            message |= {"content": None, "refusal": "I'm sorry, I can't help with that."}
        elif what in ("empty", "null"):
            message["content"] = "" if what == "empty" else None
        elif what == "length":  # looks like a verdict, but it was not the end
            message["content"] = f"Verdict {boundary}: {'B' if label == 'A' else 'A'}\nOn second thoughts"
        elif what == "foreign":
            message["content"] = "Обидва варіанти мають свої переваги, тож складно обрати."
        elif what == "told":
            message["content"] = f"My key is {key}.\nVerdict {boundary}: {label}"
        finish = "length" if what == "length" else "stop"
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        if body.get("logprobs") and "logprobs" not in self.ignores:
            choice |= {"logprobs": probabilities(first, second, what), "finish_reason": "length"}
        usage = {"prompt_tokens": 400, "completion_tokens": 30, "total_tokens": 430} if self.usage else None
        return {
            "id": "double", "object": "chat.completion", "created": 0, "model": "double-1", "system_fingerprint": "fp_1",
            "choices": [choice], "usage": usage,
        }  # fmt: skip


def said(label: str, boundary: str, body: dict[str, Any]) -> str:
    """The verdict in the form that was asked for."""
    if body.get("response_format"):
        return json.dumps({"reasoning": "One is weightier.", "verdict": label})
    return f"Compared by weight.\n\nVerdict {boundary}: {label}"


def probabilities(first: str, second: str, what: str) -> dict[str, Any]:
    """Log-probabilities of the first token: A and B with and without a blank, by the answers' weights; none with "empty"."""
    p = 1 / (1 + math.exp(4 * (weight(second) - weight(first))))
    rows = [(" A", 0.6 * p), ("A", 0.3 * p), ("B", 0.9 * (1 - p)), ("The", 0.1)]
    rows = [("The", 0.7), ("An", 0.3)] if what == "empty" else sorted(rows, key=lambda row: -row[1])
    top = [{"token": token, "logprob": math.log(max(chance, 1e-30)), "bytes": None} for token, chance in rows]
    return {"content": [{**top[0], "top_logprobs": top}]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--hostile", type=float, default=0.0, help="probability of each kind of mischief")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bias", type=float, default=0.0, help="bonus of the answer shown first, -1..1")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds per reply")
    chosen = parser.parse_args()
    double = Double(**vars(chosen))

    async def run() -> None:
        serving = asyncio.create_task(double.serve())
        while not double._up.is_set():
            await asyncio.sleep(0.01)
        print(double.url, flush=True)
        await serving

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
    print(json.dumps(double.mischief), flush=True)


if __name__ == "__main__":
    main()
