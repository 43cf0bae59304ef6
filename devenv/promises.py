"""Ports that an `up` has decided on and not taken yet, for every other `up` on this machine to see.

Between the decision and the start of a container there may be a build of minutes. A process promises its
ports in a file that it holds locked; the kernel lets go of that however the process ends.
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
    """The promises of one process. On a home that nobody can write to there are none."""

    def __init__(self, folder: Path, who: str) -> None:
        """`who` is told to those who would like the same port; it is also whose promises are our own."""
        self._folder, self._who = folder, who
        self._own: IO[str] | None = None

    @contextlib.contextmanager
    def deciding(self) -> Iterator[Mapping[int, str]]:
        """What others have promised: port -> who. They do not decide at the same time."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            gate = (self._folder / "gate").open("a+", encoding="utf-8")
        except OSError:
            yield {}
            return
        with gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            yield self._of_others()

    def _of_others(self) -> dict[int, str]:
        ports: dict[int, str] = {}
        for path in self._folder.glob("*.json"):
            with (
                contextlib.suppress(OSError, ValueError, TypeError),
                path.open("r+", encoding="utf-8") as file,
            ):
                if _let_go(file):
                    path.unlink()  # nobody opens it now: that takes the gate
                    continue
                promise = json.load(file)
                if promise["who"] != self._who:
                    ports |= dict.fromkeys(map(int, promise["ports"]), f"{promise['who']}, which comes up")
        return ports

    def make(self, ports: Collection[int]) -> None:
        """Promise these ports, and no others any more, until `close` or the process ends."""
        with contextlib.suppress(OSError):
            if self._own is None:
                self._own = (self._folder / f"{os.getpid()}.json").open("a+", encoding="utf-8")
                fcntl.flock(self._own, fcntl.LOCK_EX)
            self._own.truncate(0)
            self._own.write(json.dumps({"who": self._who, "ports": sorted(ports)}))
            self._own.flush()

    def close(self) -> None:
        """The ports are taken, or not wanted any more: nothing is left of the promise."""
        if self._own is not None:
            with contextlib.suppress(OSError):
                Path(self._own.name).unlink()
            self._own.close()
            self._own = None


def _let_go(file: IO[str]) -> bool:
    """Whether the process that made this promise is gone."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
