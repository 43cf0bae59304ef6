"""What tells that a file or a folder is another one, or was changed, where no event does."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

Identity = tuple[int, int]
"""Device and inode of a folder: another one at the same path is another folder."""


def identity(folder: str) -> Identity | None:
    """That of a folder; None where there is none."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def stamp(status: os.stat_result) -> int:
    """A number that differs when a file changed."""
    return hash((status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode))


def stamps(folder: str) -> dict[str, tuple[bool, int]]:
    """Name -> whether it is a folder, and what differs when it changed. Raises `OSError`."""
    entries = {}
    with os.scandir(folder) as rows:
        for entry in rows:
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                is_folder = stat.S_ISDIR(status.st_mode)
                entries[entry.name] = is_folder, status.st_ino if is_folder else stamp(status)
    return entries
