"""Files that change because of what their change caused, as when a program writes one whenever it starts.

A person saves at any time; an echo comes during an action or right after it, and only then. So a file that
changed so many times in a row is held for a while. If it changes nevertheless, somebody else does it. If it
is quiet until the action is made up for, and changes right after that, again and again, it is an echo.

Whoever waits for an answer before the next edit, as a coding agent does, is quiet as well. But that takes a
moment in which an echo is there already: what comes after it counts little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from enum import Enum, auto

WINDOW = 1.0  # seconds after an action in which an echo of it comes
MOMENT = 0.2  # seconds after an action; who looks at what came of it takes longer to save
PROMPT, LATE = 4, 1  # what a change counts until then, and after it
TIMES = 8  # prompt changes in a row until one is held
PROBES = 2  # actions made up for, and followed by a change, until it is an echo
FACTOR, SHORTEST, LONGEST = 1.5, 1.0, 10.0  # of the longest time between two changes: how long one is held


class Verdict(Enum):
    """What is done about changed files: act, wait until they are `due`, leave them alone for the first time
    or again."""

    ACT = auto()
    HOLD = auto()
    SUSPEND = auto()
    DROP = auto()


class Feedback:
    """What one unit's actions cause among its own sources. Times are in seconds, of any one clock."""

    def __init__(self) -> None:
        self._running, self._ended, self._window_ends = False, 0.0, 0.0
        self._limit, self._probes = TIMES * PROMPT, 0
        self._counts, self._weights = Counter[str](), Counter[str]()
        self._first, self._last, self._longest = 0.0, 0.0, 0.0
        self._held: frozenset[str] = frozenset()
        self._tried: frozenset[str] = frozenset()
        self._suspended: set[str] = set()
        self._echoed: set[str] = set()
        self.due = 0.0

    @property
    def holds(self) -> bool:
        """Whether changes are held until `due`."""
        return bool(self._held)

    def began(self, now: float) -> None:
        """An action begins. What did not change after the one before is no longer suspended."""
        if now > self._window_ends:
            self._suspended &= self._echoed
            self._echoed.clear()
        self._running = True

    def ended(self, now: float, *, window: float = WINDOW) -> None:
        """The action is over; its echo comes within `window`."""
        self._running, self._window_ends = False, now + window
        self._ended = self._window_ends - WINDOW

    def judge(self, paths: Collection[str], since: float, now: float) -> Verdict:
        """What to do about files that changed at `since`."""
        if self._held:
            self._start(self._limit * TIMES)
            return Verdict.ACT
        if not self._running and since > self._window_ends:
            self._start(TIMES * PROMPT)
        elif self._suspended.issuperset(paths):
            self._echoed.update(paths)
            return Verdict.DROP
        self._count(paths, since)
        if self._tried and not self._tried.issuperset(paths):
            self._tried, self._probes = frozenset(), 0
        if self._tried and self._probes == PROBES:
            self._suspended |= self._tried
            self._echoed |= self._tried
            self._tried, self._probes = frozenset(), 0
            return Verdict.SUSPEND
        if self._tried or all(self._weights[path] >= self._limit for path in paths):
            self._held = frozenset(path for path, weight in self._weights.items() if weight >= self._limit)
            self.due = now + min(LONGEST, max(SHORTEST, self._longest * FACTOR))
            return Verdict.HOLD
        return Verdict.ACT

    def silent(self) -> None:
        """Nothing changed while files were held: it is time to act."""
        self._tried, self._held = self._held, frozenset()
        self._probes += 1

    def echo(self, path: str) -> str:
        """How often a suspended file changed, in words."""
        return f"it changed {self._counts[path]} times in {self._last - self._first:.0f} s, after each action"

    def _start(self, limit: int) -> None:
        self._counts.clear()
        self._weights.clear()
        self._held = self._tried = frozenset()
        self._limit, self._probes, self._longest = limit, 0, 0.0

    def _count(self, paths: Collection[str], since: float) -> None:
        if not self._counts:
            self._first = since
        elif not self._tried:
            self._longest = max(self._longest, since - self._last)
        self._last = since
        self._counts.update(paths)
        weight = PROMPT if self._running or since <= self._ended + MOMENT else LATE
        self._weights.update(dict.fromkeys(paths, weight))
