"""A cache of files' digests, so that unchanged ones are not read again."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devenv.stack.model import EXECUTABLE

SMALL = 1 << 16  # bytes that are read at once
SETTLED = 2.0  # seconds; a file changed more recently may change again without a new time


class Digests:
    """A cache of file digests by size, time and inode, so that unchanged files are not read again."""

    def __init__(self, previous: Mapping[str, Any]) -> None:
        self._previous = previous
        self.current: dict[str, list[Any]] = {}

    @classmethod
    def load(cls, file: Path) -> Digests:
        """From a file; a missing or broken one is treated as empty."""
        try:
            digests = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            digests = {}
        return cls(digests if isinstance(digests, dict) else {})

    @property
    def changed(self) -> bool:
        """Whether the cache file has to be rewritten."""
        return self.current != self._previous

    def dump(self) -> str:
        """All digests as the text of the cache file."""
        return json.dumps(self.current)

    def of(self, path: str | Path, status: os.stat_result | None = None) -> str:
        """The digest of a file's bytes, in 16 hex digits, with `EXECUTABLE` if its owner may execute it.

        `status`: what it was asked for before.
        """
        status = status or Path(path).stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ino]
        previous = self._previous.get(str(path))
        if isinstance(previous, list) and len(previous) == 4 and previous[:3] == stamp:
            digest = str(previous[3])
        else:
            with open(path, "rb", buffering=0) as file:
                small = status.st_size <= SMALL
                content = hashlib.sha256(file.readall()) if small else hashlib.file_digest(file, "sha256")
                digest = content.hexdigest()[:16]
        if time.time() - status.st_mtime > SETTLED:
            self.current[str(path)] = [*stamp, digest]
        return digest + (EXECUTABLE if status.st_mode & stat.S_IXUSR else "")
