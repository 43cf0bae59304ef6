"""A unit's log: lines with their times, as container engines write them, in a file that stays small."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

LONGEST = 64 * 1024  # bytes of a line that is written before its end is there
MOST = 10 * 1024 * 1024  # bytes of a log, after which a new file begins and the one before the last goes


class LogFile:
    """Takes what a program prints. `fresh` begins anew."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path, self._rest = path, b""
        if fresh:  # another file, so that whoever reads the old one notices
            for file in (path, older(path)):
                file.unlink(missing_ok=True)
        self._file = path.open("ab", buffering=0)

    def write(self, part: bytes) -> None:
        """Log what came, up to the last whole line; nothing at the end of the output."""
        *lines, self._rest = (self._rest + part).split(b"\n")
        if len(self._rest) > LONGEST or (self._rest and not part):
            lines, self._rest = [*lines, self._rest], b""
        if lines:
            with contextlib.suppress(OSError):  # a full disk costs lines, not the program
                self._append(lines)

    def _append(self, lines: Sequence[bytes]) -> None:
        moment = f"{stamp(time.time_ns())} ".encode()
        self._file.write(b"".join(moment + line + b"\n" for line in lines))
        if self._file.tell() > MOST:
            self._path.replace(older(self._path))
            before, self._file = self._file, self._path.open("wb", buffering=0)
            before.close()

    def flush(self) -> None:
        """Log a last line without an end."""
        self.write(b"")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def older(path: Path) -> Path:
    """What came before a log, once that was long."""
    return path.with_suffix(".log.1")


def stamp(nanoseconds: int) -> str:
    """A moment since 1970 as `2026-01-01T00:00:00.123456789Z`."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a log from its beginning, with their times."""
    for file in (older(path), path):
        if file.exists():
            with file.open("rb") as log:
                for line in log:
                    yield line.rstrip(b"\n")
