"""A worker that trains nothing: it speaks the protocol of pinch.worker and does what FAKE_WORKER tells for the cell's seed.

FAKE_WORKER is JSON, {seed: [what to do at the first attempt, at the second, ...]}; the last is repeated. done: leave a file
`finished`; fail, fail final, crash (exit code 3), kill (SIGKILL), hang, busy, silent (say done, leave no file), print.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import yaml


def say(**event: object) -> None:
    print(json.dumps(event), flush=True)


def obey(order: dict[str, object]) -> int:
    values = yaml.safe_load(Path(str(order["cell"])).read_text())
    settings = values["settings"]
    folder = Path(values["folder"], settings["root"], settings["workspace"], values["cell"])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"attempts-{order['rank']}").open("a+") as file:
        file.write(f"{os.getpid()}\n")
        file.seek(0)
        number = len(file.readlines())
    say(kind="progress", what="tuning", share=0.5)
    say(kind="note", text="every worker says this")
    todo = json.loads(os.environ.get("FAKE_WORKER", "{}")).get(str(settings["seed"]), ["done"])
    what = todo[min(number, len(todo)) - 1]
    if what.startswith("rank "):
        rank, what = what.removeprefix("rank ").split(": ")
        if int(rank) != order["rank"]:
            time.sleep(60)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "crash":
        print("something broke", file=sys.stderr, flush=True)
        return 3
    if what in ("fail", "fail final"):
        say(kind="failed", error="it failed", final=what == "fail final")
        return 1
    if what == "hang":
        time.sleep(60)
    if what == "busy":
        say(kind="busy")
        return 0
    if what != "silent":
        (folder / "finished").write_text(
            json.dumps(
                {
                    name: os.environ.get(name)
                    for name in ("RANK", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "SLURM_JOB_ID")
                }
            )
        )
    say(kind="done")
    return 0


for line in sys.stdin:
    if code := obey(json.loads(line)):
        sys.exit(code)
