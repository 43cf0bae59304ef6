"""The logs of several units as one stream of lines, merged by time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from threading import Event
from typing import IO

from devenv.backends import loglines
from devenv.backends.base import LogLine
from devenv.backends.process.logfile import lines as lines_of

LOOK = 0.1  # seconds between two looks at logs that are followed
BATCH = 500


def lines(
    logs: Mapping[str, Path], *, follow: bool, tail: int | None, since: int | None, stop: Event
) -> Iterator[Sequence[LogLine]]:
    """Lines of units' logs; those that are there, and with `follow` all that come."""
    first = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%S") if since else ""
    with ExitStack() as opened:
        following = {
            unit: opened.enter_context(closing(_Following(log))) for unit, log in logs.items() if follow
        }
        yield from loglines.merged([_there(unit, log, tail, first) for unit, log in logs.items()], stop)
        if follow:
            yield from _followed(following, stop)


def _followed(following: Mapping[str, _Following], stop: Event) -> Iterator[Sequence[LogLine]]:
    while True:
        last = stop.is_set()  # what is there by now is not left behind
        new = [line for unit, log in following.items() for line in loglines.parsed(unit, log.read())]
        if new:
            yield sorted(new, key=loglines.TIME)
        if last:
            return
        if not new:
            stop.wait(LOOK)


def _there(unit: str, log: Path, tail: int | None, first: str) -> Iterator[Sequence[LogLine]]:
    raw: Iterable[bytes] = (line for line in lines_of(log) if line.decode(errors="replace") >= first)
    raw = raw if tail is None else deque(raw, maxlen=tail)
    numbered = iter(raw)
    while batch := list(islice(numbered, BATCH)):
        yield loglines.parsed(unit, batch)


class _Following:
    """Reads what is added to a log, also when a new file takes its place."""

    def __init__(self, path: Path) -> None:
        self._path, self._file, self._rest = path, self._open(path), b""
        if self._file is not None:
            self._file.seek(0, 2)

    @staticmethod
    def _open(path: Path) -> IO[bytes] | None:
        try:
            return path.open("rb")
        except OSError:
            return None

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def read(self) -> list[bytes]:
        """The whole lines that came."""
        if self._file is None:
            self._file = self._open(self._path)
            if self._file is None:
                return []
        part = self._file.read()
        if not part and self._is_replaced():
            part = self._file.read()  # what came after the look, and before another file took its place
            self._file.close()
            self._file = self._open(self._path)
            whole, self._rest = (self._rest + part).split(b"\n")[:-1], b""
            return whole
        *whole, self._rest = (self._rest + part).split(b"\n")
        return whole

    def _is_replaced(self) -> bool:
        import os

        assert self._file is not None
        try:
            there, ours = self._path.stat(), os.fstat(self._file.fileno())
        except OSError:
            return False
        return there.st_ino != ours.st_ino or there.st_size < self._file.tell()
