"""A tree of files watched with watchdog's own observer: FSEvents on macOS, for which a tree is one watch."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from watchdog.events import (
    EVENT_TYPE_CLOSED_NO_WRITE,
    EVENT_TYPE_OPENED,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

if TYPE_CHECKING:
    from watchdog.observers.api import ObservedWatch

    from devenv.watching.mailbox import Mailbox


class Tree(FileSystemEventHandler):
    """The observed folders, and what their events mean."""

    def __init__(
        self,
        folders: Sequence[str],
        files: Iterable[str],
        enters: Callable[[str], bool],
        mailbox: Mailbox,
        note: Callable[[str], None],
    ) -> None:
        self._roots = {os.path.realpath(folder): folder for folder in folders}  # FSEvents names real paths
        self._files = {os.path.realpath(file): file for file in files}
        self._enters = enters
        self._mailbox = mailbox
        self._note = note
        self._lock = threading.RLock()
        parents = {os.path.dirname(file) for file in self._files}
        self._watches: dict[str, ObservedWatch | None] = dict.fromkeys(sorted({*self._roots, *parents}))
        self._identities: dict[str, tuple[int, int] | None] = dict.fromkeys(self._watches)
        self._observer = Observer()
        self._observer.start()
        self._settle()

    @property
    def watched(self) -> int:
        """How many folders the observer has been given."""
        return sum(watch is not None for watch in self._watches.values())

    def look(self) -> None:
        """Find other folders at our paths."""
        with self._lock:
            self._mailbox.put((), rescan=self._settle())

    def renew(self) -> None:
        """Watch everything anew, because events may be missing."""
        with self._lock:
            self._identities = dict.fromkeys(self._identities)
            self._settle()
            self._mailbox.put((), rescan=True)

    def close(self) -> None:
        """Stop observing."""
        self._observer.stop()
        self._observer.join()

    def _settle(self) -> bool:
        changed = False
        for folder, before in self._identities.items():
            identity = _identity(folder)
            if identity == before:
                continue
            changed = True
            if (watch := self._watches[folder]) is not None:
                self._watches[folder] = None
                self._observer.unschedule(watch)
            if identity is not None:
                self._watches[folder] = self._observer.schedule(self, folder, recursive=folder in self._roots)
            self._identities[folder] = identity
        return changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Report what an event says, unless it is about an ignored folder."""
        if event.event_type in (EVENT_TYPE_OPENED, EVENT_TYPE_CLOSED_NO_WRITE):
            return
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        try:
            self._mailbox.put(
                {name for path in paths for name in self._names(path, is_folder=event.is_directory)}
            )
        except Exception as error:  # raised to whoever takes the batches
            self._mailbox.fail(error)

    def _names(self, path: str, *, is_folder: bool) -> list[str]:
        """The paths to report for one of an event."""
        names = [self._files[path]] if path in self._files else []
        for root, folder in self._roots.items():
            if not path.startswith(os.path.join(root, "")):
                continue
            name = os.path.join(folder, os.path.relpath(path, root))
            if not self._admits(folder, os.path.dirname(name)):
                continue
            if not is_folder:
                names.append(name)
            elif self._enters(name):
                names += self._below(name) if os.path.isdir(name) else [name]
        return names

    def _admits(self, root: str, folder: str) -> bool:
        while folder != root:
            if folder not in self._roots.values() and not self._enters(folder):
                return False
            folder = os.path.dirname(folder)
        return True

    def _below(self, top: str) -> list[str]:
        """The files in a folder, which may be older than its observation."""
        files = []
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if self._enters(os.path.join(folder, name))]
            files += [os.path.join(folder, name) for name in names]
        return files


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino
