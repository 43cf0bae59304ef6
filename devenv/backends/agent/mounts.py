"""Which mount of a container a path is on."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable


def mount_points(mountinfo: bytes) -> tuple[str, ...]:
    """What /proc/self/mountinfo lists; spaces and their like are octal in it."""
    rows = (line.split(b" ") for line in mountinfo.splitlines())
    return tuple(
        os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), row[4]))
        for row in rows
        if len(row) > 4
    )


def mount_of(mounts: Iterable[str], path: str) -> str:
    """The mount that a path without links is on."""
    path = posixpath.normpath(path)
    above = [mount for mount in mounts if mount == "/" or f"{path}/".startswith(f"{mount}/")]
    return max(above, key=len, default="/")
