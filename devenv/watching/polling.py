"""A tree of files that are compared at each look, for a system that reports no changes to Python."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from devenv.watching.stamps import Identity, identity, stamp

if TYPE_CHECKING:
    from devenv.watching.mailbox import Mailbox


class Tree:
    """The files of the folders, as they were at the last look."""

    def __init__(
        self,
        folders: Sequence[str],
        files: Iterable[str],
        enters: Callable[[str], bool],
        mailbox: Mailbox,
        note: Callable[[str], None],
    ) -> None:
        self._roots, self._files = tuple(folders), tuple(files)
        self._enters = enters
        self._mailbox = mailbox
        self._lock = threading.Lock()
        note(
            "this Python is told of no changed files, so that all are compared every second;"
            " to be told: pip install --force-reinstall watchdog"
        )
        self._there, self._stamps = self._standing(), dict(self._look())

    @property
    def watched(self) -> int:
        """How many watches the kernel keeps: none."""
        return 0

    def look(self) -> None:
        """Report what differs from the last look."""
        self._compare(rescan=False)

    def renew(self) -> None:
        """The same, after a while in which nothing was looked at."""
        self._compare(rescan=True)

    def close(self) -> None:
        """There is nothing to release."""

    def _compare(self, *, rescan: bool) -> None:
        with self._lock:
            there, before = self._there, self._stamps
            self._there, self._stamps = self._standing(), dict(self._look())
            names = before.keys() | self._stamps.keys()
            changed = {name for name in names if before.get(name) != self._stamps.get(name)}
            self._mailbox.put(changed, rescan=rescan or there != self._there)

    def _standing(self) -> Mapping[str, Identity | None]:
        """Which folders are there."""
        return {folder: identity(folder) for folder in self._roots}

    def _look(self) -> Iterator[tuple[str, int]]:
        for file in self._files:
            with suppress(OSError):
                yield file, stamp(os.stat(file))
        todo = list(self._roots)
        while todo:
            with suppress(OSError), os.scandir(todo.pop()) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        with suppress(OSError):
                            yield entry.path, stamp(entry.stat(follow_symlinks=False))
                    elif self._enters(entry.path):
                        todo.append(entry.path)
