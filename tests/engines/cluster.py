"""A Slurm of one node on this machine: Debian's own packages, loopback only, all of its state in one folder.

    slurm = Slurm(folder, os.environ); slurm.start(); slurm.run("sbatch", ...); slurm.stop()

munged, mariadbd, slurmdbd (for the job table that sacct shows), slurmctld and slurmd run in the foreground as children of
this process, which ends them by their ids. No system file is written, and a Slurm that the machine has is not touched.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from sweeps import processes

PACKAGES = ("slurm-wlm", "slurmdbd", "munge", "mariadb-server")
PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "sacctmgr", "munged", "mariadbd", "mariadb-install-db")

SLURM_CONF = """\
ClusterName=pinch
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
StateSaveLocation={state}/slurmctld
SlurmdSpoolDir={state}/slurmd
AuthType=auth/munge
# a requeued job starts once the credential of its first start has expired; 120 seconds if nothing is said
AuthInfo=socket={state}/munge/socket,cred_expire=10
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
GresTypes=gpu
SchedulerParameters=sched_interval=2,bf_interval=2
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd_port}
AccountingStoragePass={state}/munge/socket
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:2
PartitionName=gpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""

GRES_CONF = """\
# no GPUs, but devices that every machine has, so that jobs can ask for one as they do on a cluster
Name=gpu File=/dev/zero
Name=gpu File=/dev/null
"""

DBD_CONF = """\
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={dbd_port}
SlurmUser={user}
PidFile={state}/slurmdbd.pid
LogFile={state}/slurmdbd.log
AuthType=auth/munge
AuthInfo=socket={state}/munge/socket
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={sql_port}
StorageUser=slurm
StoragePass={password}
"""


def missing() -> str:
    """What keeps Slurm from running here, in one line; empty when nothing does. Installs the packages where that disturbs
    nobody: as root, on a machine whose services are not run by systemd (a container, a builder)."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=_path())]
    if not absent:
        return ""
    command = f"apt-get install --no-install-recommends {' '.join(PACKAGES)}"
    if not shutil.which("apt-get"):
        return f"{', '.join(absent)} not found, and no apt-get to install them with"
    if os.geteuid() != 0:
        return f"{', '.join(absent)} not found, and only root can install them: {command}"
    if Path("/run/systemd/system").exists():
        return f"{', '.join(absent)} not found; installing would start system services, so do it by hand: {command}"
    print(f"installing: {command}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in ("apt-get update -qq", command.replace("install", "install -y -qq", 1)):
        done = subprocess.run(words.split(), env=environment, capture_output=True, text=True)
        if done.returncode:
            return f"{words}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}"
    return ""


class Slurm:
    """A cluster with its state in a folder. Whoever calls `start` calls `stop`, also after a failure."""

    def __init__(self, state: Path, environment: Mapping[str, str]) -> None:
        self._state = state
        self._services: list[subprocess.Popen[bytes]] = []
        self.up = False
        self.environment = dict(environment) | {
            "PATH": _path(),
            "SLURM_CONF": str(state / "slurm.conf"),
            "SLURM_TIME_FORMAT": "%H:%M:%S",
        }

    def run(self, *words: str, check: bool = True) -> str:
        """What a command prints. Raises RuntimeError when it fails."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=60)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def states(self, job: str) -> list[str]:
        """The state of every task of a job, as sacct has it, in the order of the tasks."""
        lines = self.run("sacct", "-nPX", "-j", job, "-o", "JobID,State").split("\n")
        rows = [line.split("|") for line in lines if line]
        return [state.split()[0] for _, state in sorted(rows, key=lambda row: int(row[0].partition("_")[2] or 0))]

    def queue(self, *words: str) -> list[str]:
        """The lines of squeue, one per task."""
        return [line for line in self.run("squeue", "-hr", *words).split("\n") if line.strip()]

    def table(self, job: str) -> str:
        """The job table, for people. -D: a requeued task has a line for each of its starts."""
        columns = "JobID%12,JobName%12,State%20,ExitCode,Start,Elapsed,NodeList%6"
        return self.run("sacct", "-DX", "-j", job, "-o", columns)

    # --- services --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Raises RuntimeError when a service does not come up."""
        state, port = self._state, _free_ports(4)
        for name in ("munge", "mysql", "slurmctld", "slurmd"):
            (state / name).mkdir(mode=0o700)
        host = socket.gethostname().split(".")[0]
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10
        values = {
            "host": host,
            "user": self.run("id", "-un").strip(),
            "state": state,
            "cpus": os.cpu_count(),
            "memory": memory,
            "password": secrets.token_hex(8),
            "ctld_port": port[0],
            "slurmd_port": port[1],
            "dbd_port": port[2],
            "sql_port": port[3],
        }
        (state / "slurm.conf").write_text(SLURM_CONF.format(**values))
        (state / "gres.conf").write_text(GRES_CONF)
        (state / "slurmdbd.conf").touch(mode=0o600)
        (state / "slurmdbd.conf").write_text(DBD_CONF.format(**values))
        self._start_munge()
        self._start_mysql(str(values["user"]), port[3], str(values["password"]))
        self._serve("slurmdbd", "-D")
        self._until("slurmdbd", "sacctmgr", "-n", "show", "cluster")
        self.run("sacctmgr", "-i", "add", "cluster", "pinch")
        self._serve("slurmctld", "-D", "-i")
        self._until("slurmctld", "scontrol", "ping")
        self._serve("slurmd", "-D", "-N", host)
        self._until("slurmd", "srun", "-n1", "-t1", "true")
        self.up = True

    def _start_munge(self) -> None:
        folder = self._state / "munge"
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        for above in (self._state, folder):
            above.chmod(0o711)  # munge wants its socket to be there for all users
        self._serve("munged", "--foreground", *(f"--{option}={folder / name}" for option, name in files.items()))
        self._until("munged", "munge", f"--socket={folder / 'socket'}", "-n")

    def _start_mysql(self, user: str, port: int, password: str) -> None:
        folder = self._state / "mysql"
        options = [f"--datadir={folder}", f"--user={user}"]
        self.run("mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", *options)
        where = f"--socket={folder / 'socket'}"
        network = [f"--port={port}", "--bind-address=127.0.0.1", f"--pid-file={folder / 'pid'}"]
        self._serve("mariadbd", "--no-defaults", *options, where, *network)
        client = ("mariadb", "--no-defaults", "--user=root", where, "-e")
        self._until("mariadbd", *client, "SELECT 1")
        for statement in (
            f"CREATE USER slurm@'127.0.0.1' IDENTIFIED BY '{password}'",
            f"CREATE USER slurm@localhost IDENTIFIED BY '{password}'",
            "GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1'",
            "GRANT ALL ON slurm_acct_db.* TO slurm@localhost",
        ):
            self.run(*client, statement)

    def _serve(self, *words: str) -> None:
        with (self._state / f"{words[0]}.out").open("wb") as output:
            self._services.append(
                subprocess.Popen(
                    words, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    cwd=self._state, start_new_session=True,
                )
            )  # fmt: skip

    def _until(self, service: str, *words: str, seconds: float = 60) -> None:
        """Wait until a command that asks a service succeeds."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.run(*words)
                return
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                if self._services[-1].poll() is not None or time.monotonic() > deadline:
                    said = (self._state / f"{service}.out").read_text(errors="replace").strip().split("\n")[-1]
                    raise RuntimeError(f"{service} does not answer: {said or error}") from None
            time.sleep(0.2)

    def stop(self) -> None:
        """Cancel what is queued or runs, then end the services in the reverse order of their start."""
        try:
            if self.queue():
                self.run("scancel", "--user", self.run("id", "-un").strip())
                deadline = time.monotonic() + 30
                while self.queue() and time.monotonic() < deadline:
                    time.sleep(0.5)
        except (RuntimeError, subprocess.TimeoutExpired):
            pass  # it never came up
        for service in reversed(self._services):
            service.terminate()
            try:
                service.wait(20)
            except subprocess.TimeoutExpired:
                service.kill()
                service.wait()
        self._services.clear()
        for pid in processes(f"SLURM_CONF={self._state / 'slurm.conf'}"):
            os.kill(pid, signal.SIGKILL)  # a step that outlived its job


def _path() -> str:
    """Debian keeps services in sbin, which is not on everybody's path."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
