"""watchdog's observer for macOS, which also tells when FSEvents dropped events."""

from __future__ import annotations

from typing import Any

from watchdog.events import FileSystemEvent
from watchdog.observers.api import BaseObserver
from watchdog.observers.fsevents import FSEventsEmitter

from devenv.watching.mailbox import INCOMPLETE

MUST_SCAN, USER_DROPPED, KERNEL_DROPPED = 0x1, 0x2, 0x4  # flags of an event that stands for lost ones


class Incomplete(FileSystemEvent):
    """Events below a folder are missing."""

    event_type = INCOMPLETE
    is_directory = True


class Emitter(FSEventsEmitter):
    """The events of one folder."""

    def queue_events(self, timeout: float, events: list[Any]) -> None:  # type: ignore[override]
        """Pass events on."""
        dropped = any(event.flags & (MUST_SCAN | USER_DROPPED | KERNEL_DROPPED) for event in events)
        super().queue_events(timeout, events)
        if dropped:
            self.queue_event(Incomplete(self._absolute_watch_path))


class Observer(BaseObserver):
    """Observes folders."""

    def __init__(self) -> None:
        super().__init__(Emitter)
