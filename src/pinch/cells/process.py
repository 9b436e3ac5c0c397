"""Edge: a process as the owner of something, written down so that others can tell whether it still runs."""

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A process that holds something since a time (seconds since 1970). `place` is where its pid means something: a boot
    and namespaces; `start` tells processes apart that have the same pid one after the other."""

    host: str
    pid: int
    since: float
    place: str
    start: str

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}"

    def line(self) -> str:
        return json.dumps(asdict(self))

    @property
    def here(self) -> bool:
        """Whether this process can look its pid up."""
        return self.place == _place()

    def runs(self) -> bool | None:
        """Whether the process is still there and still the same; None when this host's system does not tell."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # another user's
        start = _start(self.pid)
        return start == self.start if start and self.start else None


def this_process() -> Owner:
    pid = os.getpid()
    return Owner(socket.gethostname(), pid, time.time(), _place(), _start(pid))


def parse(line: bytes, since: float) -> Owner:
    """The owner of a line, an unknown one since `since` when the line is broken."""
    try:
        return Owner(**json.loads(line))
    except (ValueError, TypeError):
        return Owner("an unknown host", 0, since, "", "")


def _place() -> str:
    """This boot and these namespaces, in which a pid means one process; the host where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname()
    names = [f"/proc/self/ns/{name}" for name in ("pid", "time")]
    return " ".join([boot, *(os.readlink(name) for name in names if os.path.lexists(name))])


def _start(pid: int) -> str:
    """When a process of this host was started, in ticks since the boot; "dead" when it only waits to be reaped; empty
    where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *rest = text[text.rindex(")") + 2 :].split()  # the name before it may hold blanks and brackets
    return "dead" if state in "ZX" else rest[18]
