"""Check judge=api and generation=server against a real OpenAI-compatible server: `transformers serve` with tiny models.

    make test-server                             sets up an environment of its own with the server, and runs this
    python tests/servers/run.py [judge|answers]  with an interpreter that has transformers[serving]; one part of it

The judge is tuned here, in seconds, to reply A to every question: so each pair has a known verdict, first, and the judge
must come out as one that goes by position alone. Answers must be those that this process gives by itself, of an untuned
model, of an adapter and of a fully tuned model. Takes about five minutes; the server listens on 127.0.0.1.
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
def serving(model: Path | None, log: Path) -> Any:
    """The server's address while it runs; it serves this model alone, or whichever it is asked for."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = "from transformers.cli.transformers import main; main()"  # its command may lie in another environment
    command = [sys.executable, "-c", start, "serve", *([str(model)] if model else []), "--host", "127.0.0.1"]
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


def door(name: str, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"{name}.py", *arguments, f"root={root}", "tracking=off"]
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)


def evaluate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return door("evaluate", root, "judge=api", *arguments)


def check_answers(root: Path, folder: Path) -> None:
    """Answers of the server are those of this process: untuned, with an adapter, fully tuned."""
    from ranks_program import write_corpus
    from tiny import make_folder

    make_folder(folder / "model")
    write_corpus(folder)
    files = [f"data.corpus={folder}/corpus.jsonl", f"data.prompts={folder}/prompts.jsonl"]
    world = [
        "model=hf",
        f"model.path={folder}/model",
        "data=jsonl",
        *files,
        "generation.max_new_tokens=12",
        "sweep.slots=1",
    ]
    tuning = ["languages.tuning=[en,es]", "mixture.fraction=0.5", "tuning.lr=0.01", "tuning.epochs=4"]
    cells = ([*tuning, "tuning=lora"], [*tuning, "tuning=full"], ["tuning=none"])

    def answer(*engine: str, of: Any = cells) -> dict[str, Any]:
        found = {}
        for cell in of:
            done = door("train", root, *world, *cell, *engine)
            logs = [log.read_text()[-3000:] for log in folder.glob("answers.log")]
            assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *logs])
            print(done.stdout)
        for path in sorted(root.glob("study/*/answers/*.jsonl")):
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
            found[f"{path.parts[-3]} {path.stem}"] = rows
            path.unlink()
        return found

    assert answer("generation=none") == {}
    with serving(None, folder / "answers.log") as address:
        served = answer("generation=server", f"generation.server.base_url={address}", "generation.server.concurrency=4")
        for path in sorted(root.glob("study/*/status.json")):
            print(json.dumps(json.loads(path.read_text())["generate"]["server"]))
        wish = ["generation.do_sample=true", "generation.top_k=1", "generation.repetition_penalty=1.3"]
        drawn = answer("generation=server", f"generation.server.base_url={address}", *wish, of=cells[2:])
    with serving(folder / "model", folder / "pinned.log") as address:
        pinned = door("train", root, *world, *cells[0], "generation=server", f"generation.server.base_url={address}")
        assert pinned.returncode == 1, pinned.stdout
        assert "pinned" in pinned.stdout
    compare(served, answer("generation=greedy"))
    compare(drawn, answer("generation=greedy", *wish, of=cells[2:]))


def compare(served: dict[str, Any], here: dict[str, Any]) -> None:
    """Equal in text and tokens; an answer that ends just at the limit counts as cut off at this server."""
    assert served, "no answers"
    number = 0
    for name, rows in served.items():
        for row, mine in zip(rows, here[name], strict=True):
            assert row["text"] == mine["text"], (name, row, mine)
            number += row == mine
            assert row == mine or mine["tokens"] >= 11, (name, row, mine)
    print(f"{sum(map(len, served.values()))} answers of {len(served)} files as here, {number} in every field")


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
    parts = sys.argv[1:] or ["judge", "answers"]
    with tempfile.TemporaryDirectory(prefix="pinch-server-") as folder:
        if "judge" in parts:
            check(Path(folder) / "runs", Path(folder))
        if "answers" in parts:
            check_answers(Path(folder) / "cells", Path(folder))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
