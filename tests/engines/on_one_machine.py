"""Checks: hydra/launcher=joblib and hydra/launcher=ray train what hydra/launcher=pinch trains."""

import os
import signal
import subprocess
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from sweeps import FAILING, LONG, QUICK, Bench, Checks

JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
RAY = ("hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2", "+hydra.launcher.ray.init.include_dashboard=false")


def check_joblib(bench: Bench, checks: Checks) -> None:
    if not find_spec("hydra_plugins.hydra_joblib_launcher"):
        checks.skip("joblib", "its launcher is not installed: pip install -e '.[joblib]'")
        return
    _check(bench, checks, "joblib", JOBLIB)
    with checks.check("joblib", "a killed job: one line, and the same command goes on") as notes:
        with bench.start((*LONG, *JOBLIB), "joblib-killed") as run:
            bench.until("two cells at work", bench.tuning("joblib-killed", 2), run=run)
            victim = next(
                pid for pid in _children(run.pid) if "loky" in _command(pid) and "tracker" not in _command(pid)
            )
            os.kill(victim, signal.SIGKILL)
            said = "".join(run.communicate(timeout=180))
        assert run.returncode == 1, said
        assert "joblib gave up: " in said, said
        assert "Traceback" not in said, said
        bench.nothing_left()
        before = len(bench.done("joblib-killed"))
        bench.train((*LONG, *JOBLIB), "joblib-killed")
        notes.append(f"{before} done before; then {bench.same('joblib-killed', 'long')}")


def check_ray(bench: Bench, checks: Checks, python: Path) -> None:
    version = subprocess.run(
        [
            python,
            "-c",
            "import ray, cloudpickle; print('ray', ray.__version__, 'cloudpickle', cloudpickle.__version__)",
        ],
        capture_output=True,
        text=True,
    )
    if version.returncode:
        checks.skip("ray", f"{python} has no Ray; make test-engines makes that environment")
        return
    print(version.stdout.strip())
    bench = replace(bench, python=str(python))
    _check(bench, checks, "ray", RAY)
    with checks.check("ray", "the command killed: no worker stays, the same command goes on") as notes:
        with bench.start((*LONG, *RAY), "ray-killed") as run:
            bench.until("two cells at work", bench.tuning("ray-killed", 2), run=run)
            assert _of_ray(bench, "raylet")
            run.kill()
            run.communicate(timeout=60)
        bench.until("the end of the workers", lambda: not _of_ray(bench, "pinch.worker"), 30)
        notes.append(f"agents of Ray that take a minute to see it: {len(bench.left_over())}")
        bench.clear()
        bench.train((*LONG, *RAY), "ray-killed")
        notes.append(bench.same("ray-killed", "long"))


def _of_ray(bench: Bench, name: str) -> list[int]:
    return [pid for pid in bench.left_over() if name in _command(pid)]


def _check(bench: Bench, checks: Checks, engine: str, launcher: tuple[str, ...]) -> None:
    with checks.check(engine, "the same cells, byte for byte") as notes:
        bench.train((*QUICK, *launcher), engine)
        notes.append(bench.same(engine, "quick"))
    with checks.check(engine, "the same command again sends nothing"):
        assert "4 skipped" in bench.train((*QUICK, *launcher), engine)
    with checks.check(engine, "a failing cell: reported in a line, exit code 1") as notes:
        said = bench.train((*FAILING, *launcher), f"{engine}-failing", code=1)
        assert "2 distinct cells: 1 done, 1 failed" in said, said
        assert "the loss is no number" in said, said
        notes.append("1 done, 1 failed")
    with checks.check(engine, "a typo in the last cell: nothing is sent"):
        said = bench.train((*QUICK, "mixture.budget=24,999999", *launcher), f"{engine}-typo", code=2)
        assert "error: cell 2 of 8: mixture.budget=999999" in said, said
        assert not bench.cells(f"{engine}-typo")
    with checks.check(engine, "no process is left"):
        bench.nothing_left()


def _children(pid: int) -> list[int]:
    """Ids of a process' children and theirs."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, listed) for found in (child, *_children(child))]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""  # it is gone
