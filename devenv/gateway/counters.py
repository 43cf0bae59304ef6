"""Request counts in fixed windows of the calendar, in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

PERIODS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "month": 2592000,
    "year": 31536000,
}
# Old windows are dropped beyond this number, so that memory stays bounded.
MOST = 50_000


class Counters:
    """Counts by key and window; they outlive a reload of the configuration, as Kong's do."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self._counts: dict[tuple[str, str, int], int] = {}

    def used(self, key: str, period: str, at: float) -> int:
        """Return how often a key was counted in the window that holds a moment."""
        return self._counts.get((key, period, window_start(period, at)), 0)

    def add(self, key: str, period: str, at: float) -> None:
        """Count a key once in the window that holds a moment."""
        if len(self._counts) >= MOST:
            self._forget(at)
        place = (key, period, window_start(period, at))
        self._counts[place] = self._counts.get(place, 0) + 1

    def _forget(self, at: float) -> None:
        self._counts = {
            (key, period, start): count
            for (key, period, start), count in self._counts.items()
            if start == window_start(period, at)
        }


def window_start(period: str, at: float) -> int:
    """Return when the calendar window that holds a moment began, in seconds."""
    if period in ("month", "year"):
        moment = datetime.fromtimestamp(at, UTC)
        first = datetime(moment.year, moment.month if period == "month" else 1, 1, tzinfo=UTC)
        return int(first.timestamp())
    return int(at) // PERIODS[period] * PERIODS[period]


def window_left(period: str, at: float) -> int:
    """Return the seconds until a window is over, at least one."""
    return max(1, PERIODS[period] - int(at - window_start(period, at)))
