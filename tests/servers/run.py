"""Check judge=api against a real OpenAI-compatible server: `transformers serve` with a tiny chat model that says A.

    make test-server                  sets up an environment of its own with the server, and runs this
    python tests/servers/run.py       with an interpreter that has transformers[serving]

The model is tuned here, in seconds, to reply A to every question: so each pair has a known verdict, first, and the judge
must come out as one that goes by position alone. Takes about two minutes; the server listens on 127.0.0.1.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

WAIT = 180.0
"""Seconds until the server must answer."""


def make_judge(folder: Path) -> Path:
    """A chat model that replies A to whatever it is asked."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tiny import make_folder

    make_folder(folder, max_position_embeddings=8192)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    asked = [f"<s><|user|>{'the river ' * n}<|end|><|assistant|>A</s>" for n in (3, 40, 200)]
    batch = [torch.tensor([tokenizer(text, add_special_tokens=False).input_ids]) for text in asked]
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for step in range(120):
        ids = batch[step % len(batch)]
        labels = torch.full_like(ids, -100)
        labels[0, -2:] = ids[0, -2:]
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval().save_pretrained(folder)
    return folder


@contextmanager
def serving(model: Path, log: Path) -> Any:
    """The server's address while it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = "from transformers.cli.transformers import main; main()"  # its command may lie in another environment
    command = [sys.executable, "-c", start, "serve", str(model), "--host", "127.0.0.1"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--device", "cpu"],
            stdout=out,
            stderr=out,
            env=environment,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + WAIT
        while not healthy(port):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"error: the server did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def evaluate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "evaluate.py", f"root={root}", "tracking=off", "judge=api", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)


def check(root: Path, folder: Path) -> None:
    from months import Workspace, add_five

    cells = add_five(Workspace(root))
    judge = make_judge(folder / "says-a")
    with serving(judge, folder / "server.log") as address:
        asked = [f"judge.model={judge}", f"judge.base_url={address}"]
        short = [*asked, "judge.prompt=labels", "judge.max_tokens=8"]
        done = evaluate(root, *short)
        assert done.returncode == 0, done.stdout + done.stderr
        print(done.stdout)
        store = root / "study" / "verdicts" / "says-a.jsonl"
        rows = [json.loads(line) for line in store.read_text(encoding="utf-8").split("\n") if line]
        keys = Counter(row["key"] for row in rows)
        assert set(keys.values()) == {1}, "one result per pair and order"
        assert {row["outcome"] for row in rows} == {"first"}
        row = json.loads(cells["both"].scores_path.read_text())["says-a"]["against"]["base"]["languages"]["en"]
        assert (row["n"], row["ties"], row["identical"], row["invalid"], row["score"]) == (4, 3, 1, 0, 50.0)
        print("what the server accepts:", (root / "study" / "verdicts" / "says-a.server.json").read_text())
        again = evaluate(root, *short)
        assert again.returncode == 0
        assert len(store.read_text(encoding="utf-8").split("\n")) == len(rows) + 1, "nothing is asked twice"
        refused = evaluate(root, *asked, "judge.logprobs=true", "judge.name=by-logprobs")
        assert refused.returncode == 2, refused.stdout
        assert "logprobs" in refused.stderr
        print(refused.stderr)
    gone = evaluate(root, *short, "judge.name=gone", "judge.retries=1")
    assert gone.returncode == 2
    assert "nobody answers" in gone.stderr
    print(gone.stderr)
    print(f"{len(rows)} verdicts, each once; the same command again asked nothing")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="pinch-server-") as folder:
        check(Path(folder) / "runs", Path(folder))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
