"""The last things that hot reload did, in a small file: what `devenv why` shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devenv.events import Reloaded
from devenv.writing import write_whole

KEPT = 200  # actions
SHOWN = 20  # files of an action
FILE = "reload.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One action. `time` is in seconds since the epoch, `synced` and `ready` in seconds."""

    time: float
    unit: str
    action: str
    files: tuple[str, ...]
    count: int
    reason: str
    cheaper: str
    synced: float
    ready: float | None
    error: str


class Journal:
    """The file. One that cannot be read or written is no reason to stop."""

    def __init__(self, state: Path) -> None:
        self._file = state / FILE
        self._lines = 0

    def add(self, event: Reloaded, time: float) -> None:
        """Append an action, and forget the oldest ones now and then."""
        entry = {
            "time": time,
            "unit": event.unit,
            "action": event.action.value,
            "files": list(event.files[:SHOWN]),
            "count": len(event.files),
            "reason": event.reason,
            "cheaper": event.cheaper,
            "synced": event.synced,
            "ready": event.ready,
            "error": event.error.what if event.error else "",
        }
        try:
            with self._file.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(json.dumps(entry) + "\n")
            self._lines += 1
            if self._lines % KEPT == 1:
                lines = self._file.read_text(encoding="utf-8").splitlines(keepends=True)
                write_whole(self._file, "".join(lines[-KEPT:]), mode=0o644)
        except (OSError, UnicodeDecodeError):
            pass

    def entries(self) -> tuple[Entry, ...]:
        """All of them, the oldest first."""
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return ()
        return tuple(_entries(lines[-KEPT:]))


def _entries(lines: Iterable[str]) -> Iterator[Entry]:
    for line in lines:
        try:
            fields: dict[str, Any] = json.loads(line)
            yield Entry(**{**fields, "files": tuple(fields["files"])})
        except (ValueError, TypeError, KeyError):  # cut off, or of another version
            continue
