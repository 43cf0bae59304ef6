"""A tree of files watched with watchdog's own observer: FSEvents on macOS, for which a tree is one watch."""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from watchdog.events import (
    EVENT_TYPE_CLOSED_NO_WRITE,
    EVENT_TYPE_DELETED,
    EVENT_TYPE_MODIFIED,
    EVENT_TYPE_OPENED,
    FileSystemEvent,
    FileSystemEventHandler,
)

from devenv.watching.mailbox import INCOMPLETE
from devenv.watching.stamps import Identity, identity

if sys.platform == "darwin":
    from devenv.watching.fsevents import Observer
else:
    from watchdog.observers import Observer

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver, ObservedWatch

    from devenv.watching.mailbox import Mailbox

NameOf = Callable[[int], str]
"""The path of an opened file, as the disk has it."""


GETPATH = getattr(fcntl, "F_GETPATH", 0)  # macOS alone has it


def _getpath(opened: int) -> str:
    return os.fsdecode(fcntl.fcntl(opened, GETPATH, bytes(1024)).rstrip(b"\0"))


NAME_OF: NameOf | None = _getpath if GETPATH else None


class Tree(FileSystemEventHandler):
    """The observed folders, and what their events mean."""

    def __init__(
        self,
        folders: Sequence[str],
        files: Iterable[str],
        enters: Callable[[str], bool],
        mailbox: Mailbox,
        note: Callable[[str], None],
        *,
        observer: Callable[[], BaseObserver] = Observer,
        name_of: NameOf | None = NAME_OF,
    ) -> None:
        self._roots = {real(folder, name_of): folder for folder in folders}
        self._files = {real(file, name_of): file for file in files}
        self._enters = enters
        self._mailbox = mailbox
        self._note = note
        self._lock = threading.RLock()
        parents = {os.path.dirname(file) for file in self._files}
        self._watches: dict[str, ObservedWatch | None] = dict.fromkeys(sorted({*self._roots, *parents}))
        self._identities: dict[str, Identity | None] = dict.fromkeys(self._watches)
        self._observer = observer()
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
            current = identity(folder)
            if current == before:
                continue
            changed, self._identities[folder] = True, current
            if (watch := self._watches[folder]) is not None:
                self._watches[folder] = None
                self._observer.unschedule(watch)
            if current is not None:
                self._watches[folder] = self._observer.schedule(self, folder, recursive=folder in self._roots)
        return changed

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Report what an event says, unless it is about an ignored folder."""
        if event.event_type in (EVENT_TYPE_OPENED, EVENT_TYPE_CLOSED_NO_WRITE, INCOMPLETE):
            return
        if event.is_directory and event.event_type == EVENT_TYPE_MODIFIED:
            return  # each name that changed in it has an event of its own
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        if event.event_type == EVENT_TYPE_DELETED and paths[0] in self._identities:
            self._identities[paths[0]] = None  # it is observed no more, even if it is back by the next look
        try:
            self._mailbox.put(
                {name for path in paths for name in self._names(path, is_folder=event.is_directory)}
            )
        except Exception as error:  # raised to whoever takes the batches
            self._mailbox.fail(error)

    def on_incomplete(self, event: FileSystemEvent) -> None:
        """Have everything compared."""
        self._mailbox.put((), rescan=True)

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


def real(path: str, name_of: NameOf | None = NAME_OF) -> str:
    """A path as FSEvents names it: without links, and with its letters in the case they have on the disk."""
    if name_of is None:
        return os.path.realpath(path)
    try:
        opened = os.open(
            path, os.O_RDONLY | os.O_NONBLOCK
        )  # a pipe, as of a password manager, may have no writer
    except OSError:  # not there yet
        folder, name = os.path.split(os.path.realpath(path))
        return os.path.join(real(folder, name_of), name) if name else path
    try:
        return name_of(opened)
    finally:
        os.close(opened)
