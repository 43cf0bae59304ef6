"""Reserves the ports that an `up` has picked and not bound yet, so that no other `up` picks them.

Between picking a port and starting the container there may be minutes of building. A process lists its
ports in a file that it keeps locked; the kernel releases the lock however the process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO


class Promises:
    """The reserved ports of one process. Without a home folder to write and lock in, nothing is reserved."""

    def __init__(self, folder: Path, who: str) -> None:
        """`who` is shown to others that want the same port; promises by the same `who` are our own."""
        self._folder, self._who = folder, who
        self._own: IO[str] | None = None

    @contextlib.contextmanager
    def deciding(self) -> Iterator[Mapping[int, str]]:
        """Ports that others have promised: port -> who. Holds a lock, so that nobody else picks meanwhile."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            gate = (self._folder / "gate").open("a+", encoding="utf-8")
        except OSError:
            yield {}
            return
        with gate:
            yield self._of_others() if _locked(gate) else {}

    def _of_others(self) -> dict[int, str]:
        ports: dict[int, str] = {}
        for path in self._folder.glob("*.json"):
            with (
                contextlib.suppress(OSError, ValueError, TypeError),
                path.open("r+", encoding="utf-8") as file,
            ):
                if _let_go(file):
                    path.unlink()  # safe: opening it requires the gate, which we hold
                    continue
                promise = json.load(file)
                if promise["who"] != self._who:
                    ports |= dict.fromkeys(map(int, promise["ports"]), f"{promise['who']}, which comes up")
        return ports

    def make(self, ports: Collection[int]) -> None:
        """Promise exactly these ports until `close` or the end of the process."""
        with contextlib.suppress(OSError):
            if self._own is None:
                self._own = (self._folder / f"{os.getpid()}.json").open("a+", encoding="utf-8")
                fcntl.flock(self._own, fcntl.LOCK_EX)
            self._own.truncate(0)
            self._own.write(json.dumps({"who": self._who, "ports": sorted(ports)}))
            self._own.flush()

    def close(self) -> None:
        """Withdraw the promise: the ports are bound, or not needed any more."""
        if self._own is not None:
            with contextlib.suppress(OSError):
                Path(self._own.name).unlink()
            with contextlib.suppress(OSError):  # what a full disk did not take is tried once more
                self._own.close()
            self._own = None


def _locked(gate: IO[str]) -> bool:
    """Wait for the gate; False on a file system without locks, as some shares are."""
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _let_go(file: IO[str]) -> bool:
    """Whether the process that made this promise is gone."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
