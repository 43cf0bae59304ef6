"""Changes below folders and of single files, as batches of paths.

On Linux one inotify instance has a watch for each entered folder, so that an ignored folder costs nothing;
elsewhere the events of watchdog's own observer are filtered. Folders that the kernel has no watch for, and
all of them where watchdog has no observer, are compared every second.
"""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from os.path import abspath
from typing import Protocol

from devenv.watching.mailbox import Batch, Mailbox

if sys.platform == "linux":
    from devenv.watching.inotify import Tree
else:
    try:
        with warnings.catch_warnings(action="ignore"):  # our own note says what to do
            from devenv.watching.native import Tree
    except ImportError:  # watchdog was installed without its module for this system
        from devenv.watching.polling import Tree

__all__ = ["Batch", "Watcher"]

PULSE = 1.0  # seconds between two looks at what no event tells
GAP = 5.0  # seconds; a process that did not run for longer was stopped, or the machine slept


class Looking(Protocol):
    """A tree that puts what changes in it into its mailbox."""

    @property
    def watched(self) -> int: ...

    def look(self) -> None: ...

    def renew(self) -> None: ...

    def close(self) -> None: ...


class Way(Protocol):
    """A way to watch folders and files: `inotify.Tree`, `native.Tree`, `polling.Tree`."""

    def __call__(
        self,
        folders: Sequence[str],
        files: Collection[str],
        enters: Callable[[str], bool],
        mailbox: Mailbox,
        note: Callable[[str], None],
        /,
    ) -> Looking: ...


def since_boot() -> float:
    """Seconds on a clock that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Watcher:
    """Watches from the moment it is made, in a thread of its own that no consumer can block."""

    def __init__(
        self,
        folders: Sequence[str],
        files: Collection[str],
        enters: Callable[[str], bool],
        *,
        note: Callable[[str], None],
        quiet: float = 0.005,
        longest: float = 0.1,
        clock: Callable[[], float] = since_boot,
        tree: Way = Tree,
        pulse: float = PULSE,
    ) -> None:
        """Watch everything below `folders` that `enters(absolute folder)` allows, and single files.

        Neither has to exist yet. `note` takes lines for people, from any thread. A batch ends after `quiet`
        seconds without a change, or `longest` after its first. What has no event is looked for every `pulse`
        seconds.
        """
        self._mailbox = Mailbox(quiet, longest)
        self._clock, self._pause = clock, pulse
        self._tree = tree(
            [abspath(folder) for folder in folders],
            [abspath(file) for file in files],
            enters,
            self._mailbox,
            note,
        )

    @property
    def watched(self) -> int:
        """How many watches the kernel keeps for this."""
        return self._tree.watched

    def batches(self, stop: threading.Event) -> Iterator[Batch]:
        """Batches of changes, as they come; ends when `stop` is set or the watcher is closed."""
        threading.Thread(target=self._pulse, args=(stop,), name="watching-pulse", daemon=True).start()
        while (batch := self._mailbox.take(stop)) is not None:
            yield batch

    def close(self) -> None:
        """Release all watches."""
        self._mailbox.close()
        self._tree.close()

    def _pulse(self, stop: threading.Event) -> None:
        pause = self._pause
        try:
            before = self._clock()
            while not stop.wait(pause) and not self._mailbox.closed:
                started = self._clock()
                if started - before > pause + GAP:
                    self._tree.renew()
                else:
                    self._tree.look()
                before = self._clock()
                pause = max(self._pause, 10 * (before - started))
        except Exception as error:  # raised to whoever takes the batches
            self._mailbox.fail(error)
        self._mailbox.wake()
