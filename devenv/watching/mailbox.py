"""Changed paths on their way from the thread that watches to the one that acts."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from math import inf
from typing import NamedTuple

BULK = 100  # paths; more are not saved by a person, but written by a tool that is busy for a while
SERIES = 0.25  # seconds without a change, after which the next is not of the same series
INCOMPLETE = "incomplete"  # type of an event of an observer which says that others are missing
CALM = 10  # times as long as usual is at most waited for the end of a series


class Batch(NamedTuple):
    """What changed; only the latest state of a path counts.

    `paths` are absolute paths of files that appeared, changed or vanished, and of folders that vanished. With
    `rescan` changes may be missing (overflow, sleep, a root that went or came back): compare everything.
    With `more` a tool is writing a long series, which is better acted on as a whole: another batch follows.
    """

    paths: frozenset[str]
    rescan: bool = False
    more: bool = False


class Mailbox:
    """Collects changes until somebody takes them; putting never waits for the taker."""

    def __init__(self, quiet: float, longest: float, series: float = SERIES) -> None:
        self._quiet, self._longest, self._series = quiet, longest, series
        self._arrival = threading.Condition()
        self._paths = set[str]()
        self._rescan = False
        self._first = self._last = 0.0
        self._taken = 0  # paths of the same series in earlier batches
        self._began: float | None = None  # when the first batch came that was said to have more
        self._error: Exception | None = None
        self.closed = False

    def put(self, paths: Collection[str], *, rescan: bool = False) -> None:
        """Add changes."""
        if not paths and not rescan:
            return
        with self._arrival:
            now = time.monotonic()
            if now - self._last > self._series:
                self._taken = 0
            self._last = now
            if not self._full:
                self._first = now
                self._arrival.notify_all()
            self._paths.update(paths)
            self._rescan |= rescan

    def take(self, stop: threading.Event) -> Batch | None:
        """Everything until a pause, or None once closed or stopped. Raises what `fail` was called with."""
        with self._arrival:
            while not self._over(stop) and (pause := self._due - time.monotonic()) > 0:
                self._arrival.wait(None if pause == inf else pause)
            if self._error:
                raise self._error
            if self._over(stop):
                return None
            began = self._first if self._began is None else self._began
            self._taken += len(self._paths)
            self._began = began if self._calm(began) > time.monotonic() else None
            batch = Batch(frozenset(self._paths), self._rescan, self._began is not None)
            self._paths, self._rescan = set(), False
            return batch

    def fail(self, error: Exception) -> None:
        """Pass an error of the watching threads on to the taker."""
        with self._arrival:
            self._error = error
            self._arrival.notify_all()

    def wake(self) -> None:
        """Let a taker look at its `stop` again."""
        with self._arrival:
            self._arrival.notify_all()

    def close(self) -> None:
        """End all taking."""
        self.closed = True
        self.wake()

    @property
    def _full(self) -> bool:
        return bool(self._paths) or self._rescan

    @property
    def _due(self) -> float:
        """When there is something to take."""
        if self._full:
            return min(self._last + self._quiet, self._first + self._longest)
        return inf if self._began is None else self._calm(self._began)

    def _calm(self, began: float) -> float:
        """When to act on what came since then: at once at first, on a long series as a whole."""
        factor = min(max(1.0, self._taken / BULK), CALM)
        return min(self._last + self._quiet * factor, began + self._longest * factor)

    def _over(self, stop: threading.Event) -> bool:
        return self.closed or stop.is_set() or self._error is not None
