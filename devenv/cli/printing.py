"""What several commands print."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from devenv.backends.base import Backend
from devenv.console import Console
from devenv.plan.model import Found


def print_logs(
    console: Console,
    backend: Backend,
    units: Sequence[Found],
    *,
    follow: bool,
    tail: int | None = None,
    since: str | None = None,
    timestamps: bool = False,
) -> None:
    """Print log lines with their unit's name before them."""
    stop, names = threading.Event(), [unit.unit for unit in units]
    try:
        for line in backend.logs(units, follow=follow, tail=tail, since=since, stop=stop):
            prefix = f"{console.prefix(line.unit, names)} " if len(names) > 1 else ""
            moment = f"{console.style(line.time[:23], 'dim')} " if timestamps else ""
            console.print(f"{prefix}{moment}{line.text}")
    finally:
        stop.set()
