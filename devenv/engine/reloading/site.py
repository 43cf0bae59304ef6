"""What the units of a loop share, and when what failed in one of them is tried again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.engine.reloading.links import linked
from devenv.events import Report

if TYPE_CHECKING:
    from devenv.backends.base import Backend
    from devenv.engine.ready import Tail
    from devenv.engine.reloading.links import Link
    from devenv.sources.digests import Digests

FIRST, SELDOM = 1.0, 30.0  # seconds until a file is sent again: at first, and at most


@dataclass(frozen=True)
class Site:
    """What the units of a loop share.

    `tail`: the last lines of a unit's log. `restart` has the backend restart a unit that has no supervisor,
    `rebuild` asks for a new image of a unit; `wanted` says whether a unit without a container is to have one.
    `fail` takes what a thread died of: a loop of which a part is
    dead must not look alive. `patience`: seconds in which files arrive that need no word;
    `again`: seconds until a file that was not taken is sent again for the first time.
    `moment`: seconds in which an engine tells of a container that started. `link_to` starts the agent in a
    container.
    """

    backend: Backend
    root: Path
    checkout: str
    digests: Digests
    tail: Tail
    restart: Callable[[str], None]
    rebuild: Callable[[str], None]
    wanted: Callable[[str], bool]
    report: Report
    fail: Callable[[BaseException], None]
    patience: float = 5.0
    again: float = FIRST
    moment: float = 1.0
    link_to: Callable[..., Link] = linked
    stop: threading.Event = field(default_factory=threading.Event)

    def begin(self, work: Callable[[], None], name: str) -> None:
        """Start a thread of the loop."""

        def carry_out() -> None:
            try:
                work()
            except BaseException as error:  # SystemExit, too: whoever read our output has gone
                self.fail(error)

        threading.Thread(target=carry_out, daemon=True, name=name).start()


class Retry:
    """When something is tried again: soon at first, and then less and less often. Times are in seconds."""

    def __init__(self, first: float = FIRST) -> None:
        self._first, self._pause, self.due = first, first, 0.0

    def plan(self, now: float, *, anew: bool) -> None:
        """Try again in a while; `anew` where something else happened than the time before."""
        self._pause = self._first if anew else min(SELDOM, self._pause * 2)
        self.due = now + self._pause
