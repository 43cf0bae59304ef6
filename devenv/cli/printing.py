"""What several commands print."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # --help needs none of them
    from devenv.backends.base import Backend, LogLine
    from devenv.console import Console
    from devenv.plan.model import ObservedUnit


def print_logs(
    console: Console,
    backend: Backend,
    units: Sequence[ObservedUnit],
    *,
    follow: bool,
    tail: int | None = None,
    since: str | None = None,
    timestamps: bool = False,
    stop: threading.Event | None = None,
) -> None:
    """Print log lines with their unit's name before them, until `stop` is set."""
    stop, names = stop or threading.Event(), [unit.unit for unit in units]
    prefixes = {name: f"{console.prefix(name, names)} " if len(names) > 1 else "" for name in names}

    def text(line: LogLine) -> str:
        moment = f"{console.style(line.time[:23], 'dim')} " if timestamps else ""
        return f"{prefixes[line.unit]}{moment}{line.text}"

    try:
        for batch in backend.logs(units, follow=follow, tail=tail, since=since, stop=stop):
            console.print("\n".join(map(text, batch)))
    finally:
        stop.set()
