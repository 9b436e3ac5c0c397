"""Edge: runs of Weights & Biases, opened, filled and finished in bounded time, whatever the server does.

A process waits for a server that does not answer once, `tracking.timeout` seconds at most, and goes on offline from then
on. wandb writes what it is told to its own file in the workspace before it sends it, so nothing is lost.
"""

import netrc
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pinch.config import TrackingConfig
from pinch.tracking.bounded import within
from pinch.tracking.said import say

FOR_TABLES, FOR_FINISH = 1 / 3, 1 / 2
"""Shares of tracking.timeout that the end of a run may wait: for the questions that wandb asks before it takes a table or a
picture, and for what is not sent yet. Below 1 together: the client needs a moment of its own to give up."""

NOTHING, EVERYTHING = -1, sys.maxsize
"""As the last optimizer step that a run has."""

FOR_DISK = 60.0
"""Seconds for what needs no server."""

SENT, SUPERSEDED = "sent\n", "superseded by a newer file\n"
"""What stands in our marks of files that `wandb sync` shall leave alone; its own are empty."""

_away: set[str] = set()
"""Addresses of servers that this process has given up on."""


@dataclass
class Session:
    """An open W&B run. `after` is the last optimizer step that it has; `older` are files of the same run, written offline
    before, that nobody has sent yet."""

    run: Any
    online: bool
    url: str
    folder: Path
    timeout: float
    after: int = NOTHING
    older: list[Path] = field(default_factory=list)
    _media: dict[str, Any] = field(default_factory=dict)

    def log(self, values: Mapping[str, Any]) -> None:
        """One row of history; does not wait for the server."""
        self.run.log(dict(values))

    def summarise(self, values: Mapping[str, Any]) -> None:
        """Set summary values; does not wait for the server."""
        self.run.summary.update(dict(values))

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table for the end of the run, in place of one of the same name; none without rows."""
        import wandb

        if rows:
            data = [list(row) for row in rows]
            self._media[name] = wandb.Table(columns=list(columns), data=data, allow_mixed_types=True)

    def picture(self, name: str, path: Path) -> None:
        """A picture for the end of the run."""
        import wandb

        self._media[name] = wandb.Image(str(path))

    def has(self, name: str) -> bool:
        """Whether the summary, the server's included, has a value of that name."""
        return self.run.summary.get(name) is not None

    def close(self, exit_code: int) -> bool:
        """Log tables and pictures, and finish the run; gives whether the server has all of it."""
        steps = [(FOR_TABLES, self._log_media), (1 - FOR_TABLES, lambda: self.run.finish(exit_code=exit_code))]
        whole = True
        for share, step in steps:
            try:
                within(self.timeout * share if self.online else FOR_DISK, step)
            except Exception as error:  # a tracker must never stop a cell
                whole = False
                self._broke(error)
        if whole:
            self._supersede()
        return whole and self.online

    def _log_media(self) -> None:
        if self._media:
            self.run.log(dict(self._media))

    def _supersede(self) -> None:
        """All that is in the older files has reached the server, or is in the file of this session as well."""
        for path in self.older:
            mark(path).write_text(SENT if self.online else SUPERSEDED, encoding="utf-8")

    def _broke(self, error: Exception) -> None:
        if self.online:
            _give_up(
                self.url, error, f"going on offline in {self.folder}; python evaluate.py sends later what is missing"
            )
        else:
            say(f"W&B failed ({_line(error)}); the files of the cells are complete without it")


def open_session(folder: Path, settings: TrackingConfig, **arguments: Any) -> Session | None:
    """Open the run that the arguments of wandb.init describe, keeping its files under `folder`; None where W&B is switched
    off by its own settings (WANDB_MODE=disabled)."""
    prepare(folder)
    import wandb

    server = wandb.setup().settings
    if server.mode == "disabled":
        return None
    common = {
        "project": settings.project,
        "entity": settings.entity,
        "resume": "allow",
        "reinit": "create_new",
        "dir": str(folder.parent.absolute()),  # wandb adds the folder name wandb itself
        "settings": _settings(wandb, settings.timeout),
        **arguments,
    }
    older, sent = unsent(folder, arguments["id"]), was_sent(folder, arguments["id"])
    if reachable(server):
        before = _written_online(folder, arguments["id"])
        try:
            run: Any = wandb.init(mode="online", **common)
            known = run.summary.get("train/step")
            after = int(known) if isinstance(known, int | float) else NOTHING
            return Session(run, True, server.base_url, folder, settings.timeout, after, older)
        except Exception as error:  # a tracker must never stop a cell
            _give_up(server.base_url, error, f"going on offline in {folder}; send it later with wandb sync {folder}")
            wandb.teardown()  # else the id stays in use in this process
            for empty in _written_online(folder, arguments["id"]) - before:
                shutil.rmtree(empty.parent, ignore_errors=True)
    elif not has_key(server.base_url):
        say(f"no W&B key is configured, runs are kept in {folder}; send them later with wandb sync {folder}")
    run = wandb.init(mode="offline", **common)
    return Session(run, False, server.base_url, folder, settings.timeout, EVERYTHING if sent else NOTHING, older)


def prepare(folder: Path) -> None:
    """What this process' wandb must know before it is imported: where its files go, and that it reports nothing of itself.
    Its settings file and keys stay where `wandb login` put them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"):
        os.environ[name] = str(folder.absolute())
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")


def reachable(server: Any) -> bool:
    """Whether to try the server of wandb's settings: a key is there, nobody asked for offline, and it did not fail here."""
    return server.mode == "online" and server.base_url not in _away and has_key(server.base_url)


def online_now(folder: Path) -> bool:
    """Whether runs opened now, with their files in `folder`, would go to a server."""
    if not (os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE") or _netrc().exists()):
        return False  # without importing wandb, which takes a second
    prepare(folder)
    import wandb

    return reachable(wandb.setup().settings)


def has_key(base_url: str) -> bool:
    """Whether a key for the server is in the environment or in ~/.netrc, where `wandb login` puts it."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    try:
        return netrc.netrc(_netrc()).authenticators(urlsplit(base_url).hostname or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _netrc() -> Path:
    return Path(os.environ.get("NETRC", Path.home() / ".netrc"))


def unsent(folder: Path, name: str) -> list[Path]:
    """Files of a run that were written offline and that are still to be sent, by wandb's marks and ours."""
    return [path for path in _written_offline(folder, name) if not mark(path).exists()]


def was_sent(folder: Path, name: str) -> bool:
    """Whether a server has, or may have, something of a run: then its curves are not sent again from files, since offline
    nobody knows how much arrived."""
    marks = [mark(path) for path in _written_offline(folder, name)]
    by_hand = any(path.exists() and path.read_text(encoding="utf-8") != SUPERSEDED for path in marks)
    return by_hand or bool(_written_online(folder, name))


def mark(path: Path) -> Path:
    """The file by which `wandb sync` knows that it need not send another."""
    return path.with_name(f"{path.name}.synced")


def _written_offline(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"offline-run-*/run-{name}.wandb"))


def _written_online(folder: Path, name: str) -> set[Path]:
    return set(folder.glob(f"run-*/run-{name}.wandb"))


def _settings(wandb: Any, timeout: float) -> Any:
    return wandb.Settings(
        silent=True,
        console="off",
        init_timeout=timeout,
        finish_timeout=timeout * FOR_FINISH,
        finish_timeout_raises=True,
        x_disable_stats=True,
        disable_git=True,
        disable_code=True,
    )


def _give_up(url: str, error: Exception, instead: str) -> None:
    if url not in _away:
        _away.add(url)
        say(f"W&B at {url} failed ({_line(error)}); {instead}")


def _line(error: Exception) -> str:
    """The error in one line."""
    return (str(error).strip() or type(error).__name__).split("\n")[0][:200]
