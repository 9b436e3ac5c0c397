"""Shapes: stamps of files, so that what was made of a file's content is kept only as long as the file stays the same."""

import os
from collections.abc import Iterable
from pathlib import Path

Stamp = tuple[str, int, int, int, int]
"""Absolute path, size, the times (ns) of the last change of content and of anything, and the inode: a file that is written
or replaced gets another stamp, even within the same second or with its old time put back."""


def stamps(paths: Iterable[Path]) -> tuple[Stamp, ...]:
    """The stamps of the files that are there; a missing file has none, so that whoever reads it says that it is missing."""
    return tuple(_stamp(path) for path in paths if path.exists())


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return os.path.abspath(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
