"""The content of files of this machine that may change while they are read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from typing import IO, NamedTuple

from devenv.backends.agent.changes import Sending
from devenv.backends.agent.record import entry
from devenv.stack.model import EXECUTABLE

BLOCK = 1 << 20  # bytes of a large file that are read at once
LARGE = 4 << 20  # bytes; a larger file is sent while it is read
READS = 3  # of a file that changes while it is read


class Content(NamedTuple):
    """A small file as it was at one moment."""

    data: bytes
    mode: int
    digest: str


class Reading:
    """A large file that is sent while it is read."""

    def __init__(self, file: IO[bytes], change: Sending) -> None:
        self._file, self._target = file, change.target
        self._status = os.fstat(file.fileno())
        self.size, self.mode, self.digest = self._status.st_size, mode_of(self._status, change), ""

        self.whole = False

    def blocks(self) -> Iterator[bytes]:
        """As many bytes as were announced, whatever happens to the file."""
        left, digest = self.size, hashlib.sha256()
        while left and (block := self._file.read(min(BLOCK, left))):
            digest.update(block)
            left -= len(block)
            yield block
        self.whole = not left and _stamp(os.fstat(self._file.fileno())) == _stamp(self._status)
        self.digest = digest_of(digest.hexdigest(), self.mode)
        while left:
            yield bytes(min(BLOCK, left))
            left -= min(BLOCK, left)

    def parts(self) -> Iterator[bytes]:
        """The same, and a line that says whether they are whole."""
        yield from self.blocks()
        yield b"end" + entry(self.digest, self._target) + b"\n" if self.whole else b"cut\n"


def small(change: Sending) -> Content | None:
    """A small file's content; None for all that is something else, or cannot be read."""
    assert change.source is not None
    try:
        status = os.lstat(change.source)
        regular = stat.S_ISREG(status.st_mode) and status.st_size <= LARGE
        return read(change) if regular else None
    except OSError:
        return None


def read(change: Sending) -> Content | None:
    """A file that did not change while it was read. Raises `OSError`."""
    assert change.source is not None
    for _ in range(READS):
        with open(change.source, "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            data = file.read(before.st_size + 1) or b""
            after = os.fstat(file.fileno())
        if _stamp(before) == _stamp(after) and len(data) == after.st_size:
            mode = mode_of(after, change)
            return Content(data, mode, digest_of(hashlib.sha256(data).hexdigest(), mode))
    return None


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_mode


def mode_of(status: os.stat_result, change: Sending) -> int:
    """The file's own mode; executable where the Dockerfile makes it so, which its digest tells."""
    return stat.S_IMODE(status.st_mode) & 0o777 | (0o111 if change.digest.endswith(EXECUTABLE) else 0)


def digest_of(hexdigest: str, mode: int) -> str:
    """As `sources` has it."""
    return hexdigest[:16] + (EXECUTABLE if mode & 0o100 else "")
