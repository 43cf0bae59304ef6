"""Ends what a supervisor that was killed left running: by the identity of its processes, never by a name."""

from __future__ import annotations

import signal
import time

from devenv.backends.process.identity import identity, marked, signal_group, signal_marked
from devenv.backends.process.records import RUNNING, Folder, Record

GRACE = 5.0  # seconds between TERM and KILL
LOOK = 0.05


def left(record: Record) -> bool:
    """Whether the very process of a record still runs; its pid may mean another one by now."""
    return record.state == RUNNING and bool(record.identity) and identity(record.pid) == record.identity


def end_leftovers(folder: Folder) -> list[str]:
    """End what is left, forget it, and return the names of the units."""
    records = folder.records()
    alive = [record for record in records.values() if left(record)]
    for record in alive:
        signal_group(record.pid, signal.SIGTERM)
    for record in records.values():
        if record not in alive:
            signal_marked(record.mark, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(
        left(record) or is_marked(record) for record in records.values()
    ):
        time.sleep(LOOK)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and sum(map(_kill, records.values())):
        time.sleep(LOOK)
    for unit in records:
        folder.forget(unit)
    return sorted(records)


def is_marked(record: Record) -> bool:
    """Whether a process of the unit is there that its main process has started."""
    return any(True for _ in marked(record.mark))


def _kill(record: Record) -> bool:
    """Kill what is left of a unit; whether anything was."""
    if alive := left(record):
        signal_group(record.pid, signal.SIGKILL)
    return signal_marked(record.mark) or alive
