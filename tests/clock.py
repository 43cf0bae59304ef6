"""A clock for what waits: time passes on it only while somebody sleeps, and then at once."""

from __future__ import annotations


class Clock:
    """Stands in for the module `time`; `now` is in seconds."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
