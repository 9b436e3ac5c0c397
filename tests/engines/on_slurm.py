"""Checks: Slurm trains what hydra/launcher=pinch trains, as jobs of submitit and as arrays of plain cell files, whatever
happens to the jobs in between. The batch script is the one of docs/clusters.md, to the letter.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from cluster import Slurm, missing
from sweeps import FAILING, LONG, QUICK, ROOT, SMALL, Bench, Checks, processes

SMALL_JOBS = ("hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=1", "hydra.launcher.array_parallelism=2")
"""What this machine has, in place of what the documentation asks for."""

DDP = ("-m", "languages=one", "seed=0,1", "trainer=ddp", "trainer.devices=2", *SMALL, "tuning.max_steps=6")


def check_slurm(bench: Bench, checks: Checks) -> None:
    _on_a_cluster(bench, checks, "slurm", _check_arrays)


def check_submitit(bench: Bench, checks: Checks) -> None:
    if not find_spec("hydra_plugins.hydra_submitit_launcher"):
        checks.skip("submitit", "its launcher is not installed: pip install -e '.[submitit]'")
        return
    _on_a_cluster(bench, checks, "submitit", _check_submitit)


def _on_a_cluster(bench: Bench, checks: Checks, engine: str, body: Callable[["Cluster", Checks], None]) -> None:
    why = missing()
    if why:
        checks.skip(engine, why)
        return
    with tempfile.TemporaryDirectory(prefix="pinch-slurm-") as state:  # a short path: sockets lie in it
        slurm = Slurm(Path(state), bench.environment)
        try:
            with checks.check(engine, "a Slurm of one node comes up"):
                slurm.start()
                print(slurm.run("sinfo"), flush=True)
            if slurm.up:
                body(Cluster(replace(bench, environment=slurm.environment), slurm), checks)
        finally:
            slurm.stop()
    with checks.check(engine, "no process is left"):
        bench.nothing_left()


class Cluster:
    """The commands of a user of the cluster; `bench` is on its login node."""

    def __init__(self, bench: Bench, slurm: Slurm) -> None:
        self.bench, self.slurm = bench, slurm
        preset = bench.root("presets") / "hydra" / "launcher" / "cluster.yaml"
        preset.parent.mkdir(parents=True, exist_ok=True)
        preset.write_text(documented("yaml"))

    def plan(self, words: tuple[str, ...], root: str) -> list[str]:
        """Write cells.txt; gives its lines."""
        with self.bench.start((*words, "plan=files"), root) as run:
            out, errors = run.communicate(timeout=120)
        assert run.returncode == 0, errors
        self._list(root).write_text(out)
        lines = out.split()
        assert all(Path(line).is_file() for line in lines), out
        return lines

    def submit(self, root: str, tasks: str, *options: str) -> str:
        """Submit the script of the documentation over cells.txt; gives the array's number."""
        script = self.bench.root(root) / "cells.sbatch"
        script.write_text(documented("bash").replace(".venv/bin/python", sys.executable))
        logs = f"--output={self.bench.root(root)}/%A_%a.log"
        small = ("--cpus-per-task=1", "--mem=900M", logs, *options)  # what this machine has
        words = ("sbatch", "--parsable", f"--array={tasks}", *small, str(script), str(self._list(root)))
        done = subprocess.run(words, env=self.slurm.environment, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        return str(done.stdout).strip()

    def submitted(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The command line that has submitit do it, with the preset of the documentation."""
        return ("--config-dir", str(self.bench.root("presets")), *words, "hydra/launcher=cluster", *SMALL_JOBS)

    def last(self) -> str:
        """The number of the newest array, or job."""
        return self.slurm.run("sacct", "-nPX", "-o", "JobID", "--name=pinch").split()[-1].split("_")[0]

    def wait(self, job: str, seconds: float = 300) -> list[str]:
        """The states of the tasks of an array once none of them is queued; prints the job table."""
        self.bench.until(f"the end of job {job}", lambda: not self.slurm.queue("-j", job), seconds)
        ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        self.bench.until("sacct to know", lambda: all(state in ended for state in self.slurm.states(job)), 30)
        print(self.slurm.table(job), flush=True)
        return self.slurm.states(job)

    def log(self, root: str, job: str, task: int) -> str:
        return (self.bench.root(root) / f"{job}_{task}.log").read_text()

    def _list(self, root: str) -> Path:
        self.bench.root(root).mkdir(exist_ok=True)
        return self.bench.root(root) / "cells.txt"


def documented(kind: str) -> str:
    """The first block of docs/clusters.md in this language: the batch script, or the preset for submitit."""
    text = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
    found = re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    assert found, f"docs/clusters.md has no block of {kind}"
    return found[1]


def cell_of(file: str) -> Path:
    """The folder of the cell that a cell file stands for."""
    return Path(file).parent.parent / Path(file).stem.rpartition("-")[0]


def _check_arrays(cluster: Cluster, checks: Checks) -> None:
    for what, body in (
        ("the same cells, byte for byte", _array),
        ("a failing cell: exit code 1, a line in its log; no cell file: 2", _array_failing),
        ("one task cancelled, one requeued, one never begun: the same commands finish them", _array_broken),
        ("trainer=ddp trainer.devices=2 in one task: as on two devices without Slurm", _array_ddp),
    ):
        with checks.check("slurm", what) as notes:
            notes.append(body(cluster, cluster.bench))


def _array(cluster: Cluster, bench: Bench) -> str:
    lines = cluster.plan(QUICK, "array")
    assert len(lines) == 4, lines
    states = cluster.wait(cluster.submit("array", "1-4%2"))
    assert states == ["COMPLETED"] * 4, states
    assert cluster.plan(QUICK, "array") == [], "done cells are not listed"
    return bench.same("array", "quick")


def _array_failing(cluster: Cluster, bench: Bench) -> str:
    cluster.plan(FAILING, "array-failing")
    job = cluster.submit("array-failing", "1-3%2")
    states = cluster.wait(job)
    assert states == ["COMPLETED", "FAILED", "FAILED"], states
    codes = cluster.slurm.run("sacct", "-nPX", "-j", job, "-o", "ExitCode").split()
    assert sorted(codes) == ["0:0", "1:0", "2:0"], codes
    assert "the loss is no number" in cluster.log("array-failing", job, 2)
    assert "error: " in cluster.log("array-failing", job, 3)
    for task in (1, 2, 3):
        assert "Traceback" not in cluster.log("array-failing", job, task), cluster.log("array-failing", job, task)
    return f"exit codes {', '.join(codes)}"


def _array_broken(cluster: Cluster, bench: Bench) -> str:
    lines = cluster.plan(LONG, "array-broken")
    job = cluster.submit("array-broken", "1-4%2")
    bench.until(
        "the first two tasks at work", lambda: all(bench.status(cell_of(line)) == "running" for line in lines[:2])
    )
    cluster.slurm.run("scancel", f"{job}_1")
    cluster.slurm.run("scontrol", "requeue", f"{job}_2")
    cluster.slurm.run("scancel", f"{job}_4")
    states = cluster.wait(job)
    assert states[:3] == ["CANCELLED", "COMPLETED", "COMPLETED"], states  # sacct need not know a task that never began
    kept = {cell: (cell / "status.json").read_bytes() for cell in map(cell_of, lines[1:3])}
    again = cluster.plan(LONG, "array-broken")
    assert again == [lines[0], lines[3]], again
    states = cluster.wait(cluster.submit("array-broken", "1-2%2"))
    assert states == ["COMPLETED"] * 2, states
    for cell, before in kept.items():
        assert (cell / "status.json").read_bytes() == before, f"{cell.name} ran again"
    return f"{len(kept)} kept, {len(again)} run again; {bench.same('array-broken', 'long')}"


def _array_ddp(cluster: Cluster, bench: Bench) -> str:
    bench.train(DDP, "ddp")
    cluster.plan(DDP, "array-ddp")
    states = cluster.wait(cluster.submit("array-ddp", "1-2%1", "--gpus=2", "--cpus-per-task=2"))
    assert states == ["COMPLETED"] * 2, states
    return bench.same("array-ddp", "ddp")


def _check_submitit(cluster: Cluster, checks: Checks) -> None:
    for what, body in (
        ("the same cells, byte for byte; again: no job", _submitit),
        ("a failing cell: reported in a line, exit code 1", _submitit_failing),
        ("a job cancelled, one killed: said in a line, the others go on, the same command finishes", _submitit_broken),
        ("the command killed: its jobs go on, the same command skips them", _submitit_alone),
        ("a job that runs out of time is requeued and finishes", _submitit_time),
    ):
        with checks.check("submitit", what) as notes:
            notes.append(body(cluster, cluster.bench))


def _submitit(cluster: Cluster, bench: Bench) -> str:
    bench.train(cluster.submitted(QUICK), "submitit")
    job = cluster.last()
    states = cluster.wait(job)
    assert states == ["COMPLETED"] * 4, states
    assert "4 skipped" in bench.train(cluster.submitted(QUICK), "submitit")
    assert cluster.last() == job
    return bench.same("submitit", "quick")


def _submitit_failing(cluster: Cluster, bench: Bench) -> str:
    said = bench.train(cluster.submitted(FAILING), "submitit-failing", code=1)
    assert "2 distinct cells: 1 done, 1 failed" in said, said
    assert "the loss is no number" in said, said
    return "1 done, 1 failed"


def _submitit_broken(cluster: Cluster, bench: Bench) -> str:
    with bench.start(cluster.submitted(LONG), "submitit-broken") as run:
        bench.until("two jobs at work", bench.tuning("submitit-broken", 2), run=run)
        job = cluster.last()
        cluster.slurm.run("scancel", f"{job}_0")
        for pid in set(processes("SLURM_ARRAY_TASK_ID=1")) & set(bench.left_over()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # as when the machine runs out of memory
        said = "".join(run.communicate(timeout=300))
    assert run.returncode == 1, said
    assert "the worker ended by SIGTERM" in said, said
    assert "cluster gave up: " in said, said
    assert "Traceback" not in said, said
    states = cluster.wait(job)
    assert states == ["CANCELLED", "FAILED", "COMPLETED", "COMPLETED"], states
    bench.train(cluster.submitted(LONG), "submitit-broken")
    states = cluster.wait(cluster.last())
    assert states == ["COMPLETED"] * 2, f"jobs for the two cells that are missing: {states}"
    return f"2 kept, 2 run again; {bench.same('submitit-broken', 'long')}"


def _submitit_alone(cluster: Cluster, bench: Bench) -> str:
    with bench.start(cluster.submitted(LONG), "submitit-alone") as run:
        bench.until("two jobs at work", bench.tuning("submitit-alone", 2), run=run)
        run.kill()
        run.communicate(timeout=60)
    job = cluster.last()
    states = cluster.wait(job)
    assert states == ["COMPLETED"] * 4, states
    assert "4 skipped" in bench.train(cluster.submitted(LONG), "submitit-alone")
    assert cluster.last() == job
    return bench.same("submitit-alone", "long")


def _submitit_time(cluster: Cluster, bench: Bench) -> str:
    with bench.start(cluster.submitted((*LONG, "languages=one")), "submitit-time") as run:
        bench.until("two jobs at work", bench.tuning("submitit-time", 2), run=run)
        job = cluster.last()
        cluster.slurm.run("scancel", "--signal=USR2", f"{job}_0")  # what comes before the time limit
        said = "".join(run.communicate(timeout=300))
    assert run.returncode == 0, said
    states = cluster.wait(job)
    starts = len(cluster.slurm.run("sacct", "-nDX", "-j", job, "-o", "JobID").split())
    assert states == ["COMPLETED"] * 2, states
    assert starts == 3, f"{starts} starts"
    return f"{starts} starts for 2 cells, {len(bench.done('submitit-time'))} done"
