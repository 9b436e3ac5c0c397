"""Check that other engines train the same cells: Slurm (two ways), Ray, joblib; ends with a table.

    make test-engines                                   all of them, in environments of their own
    python tests/engines/run.py slurm submitit joblib   some of them, with this interpreter
    RAY_PYTHON=.venv-ray/bin/python python tests/engines/run.py ray

Takes about ten minutes on two cores. An engine that cannot run here says in a line what is missing.
"""

import os
import sys
import tempfile
from pathlib import Path

from on_one_machine import check_joblib, check_ray
from on_slurm import check_slurm, check_submitit
from rich.console import Console
from rich.table import Table
from sweeps import LONG, QUICK, Bench, Checks

ENGINES = ("slurm", "submitit", "joblib", "ray")


def main(arguments: list[str]) -> int:
    unknown = set(arguments) - set(ENGINES)
    if unknown:
        print(f"error: {', '.join(unknown)}: there is no such engine; there are: {', '.join(ENGINES)}", file=sys.stderr)
        return 2
    chosen = arguments or list(ENGINES)
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="pinch-engines-") as folder:
        bench = Bench.make(Path(folder))
        try:
            with checks.check("pinch", "the reference: quick and long cells with hydra/launcher=pinch"):
                bench.train(QUICK, "quick")
                bench.train(LONG, "long")
            if "slurm" in chosen:
                check_slurm(bench, checks)
            if "submitit" in chosen:
                check_submitit(bench, checks)
            if "joblib" in chosen:
                check_joblib(bench, checks)
            if "ray" in chosen:
                check_ray(bench, checks, Path(os.environ.get("RAY_PYTHON", ".venv-ray/bin/python")).absolute())
        finally:
            bench.clear()
    table = Table("engine", "check", "", "seconds", "note", title="Engines", title_justify="left")
    for engine, what, state, seconds, note in checks.rows:
        table.add_row(engine, what, state, f"{seconds:.0f}", note[:160])
    Console(width=160).print(table)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
