"""A tree of files watched with inotify: one instance, a watch for each entered folder, few kinds of events.

The observers of watchdog enter every folder, and pass on neither overflows nor what they could not watch. Its
lower layer does both.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from watchdog.observers.inotify_c import InotifyConstants as Inotify
from watchdog.observers.inotify_c import InotifyFD

from devenv.watching.stamps import Identity, identity, stamp, stamps

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import CallbackId, InotifyEvent, Mask, WatchCallback, WatchDescriptor

    from devenv.watching.mailbox import Mailbox

BUFFER = 1 << 18  # bytes; a burst is read in few calls, before the kernel's queue is full

APPEARED = Inotify.IN_CREATE | Inotify.IN_MOVED_TO
VANISHED = Inotify.IN_DELETE | Inotify.IN_MOVED_FROM
LEFT = Inotify.IN_DELETE_SELF | Inotify.IN_MOVE_SELF | Inotify.IN_UNMOUNT | Inotify.IN_IGNORED
MASK = (
    APPEARED
    | VANISHED
    | Inotify.IN_CLOSE_WRITE
    | Inotify.IN_ATTRIB
    | Inotify.IN_DELETE_SELF
    | Inotify.IN_MOVE_SELF
    | Inotify.IN_ONLYDIR
)

LIMITS = {errno.ENOSPC: ("max_user_watches", 524288), errno.EMFILE: ("max_user_instances", 1024)}
"""Error -> the kernel setting that ran out, and what is plenty."""

State = tuple[Identity | None, bool]
"""Which folder is there, or None; and whether it is watched or polled."""


class Kernel(InotifyFD):
    """An inotify instance and the thread that reads it, into `deliver`."""

    def __init__(self, deliver: Callable[[Kernel, Sequence[InotifyEvent]], None]) -> None:
        super().__init__()
        self._is_reading = False  # or one that is closed before its first read is leaked
        self._deliver = deliver

    def run(self) -> None:
        """Read until closed."""
        while self.should_keep_running():
            events = self.read_events(event_buffer_size=BUFFER)
            self._deliver(self, events)
            for event in events:
                if event.is_ignored:
                    self.handle_event(event)  # watchdog forgets the watch


class _Unused:
    """What watchdog calls for each event: nothing, for `Kernel` delivers them itself."""

    def on_event(self, event: InotifyEvent) -> None:
        pass

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        pass

    def on_queue_overflow(self) -> None:
        pass


UNUSED: WatchCallback = _Unused()


class Tree:
    """The watches, and what their events mean. Any thread may call it."""

    def __init__(
        self,
        folders: Sequence[str],
        files: Iterable[str],
        enters: Callable[[str], bool],
        mailbox: Mailbox,
        note: Callable[[str], None],
    ) -> None:
        self._roots = frozenset(folders)
        self._enters = enters
        self._mailbox = mailbox
        self._note = note
        self._files = _by_target(files)
        # The folder of a root or of a file is watched for that name alone. Outer folders come first.
        parents = {os.path.dirname(path) for path in (*folders, *self._files)}
        self._anchors: dict[str, State] = dict.fromkeys(sorted({*parents, *folders}), (None, False))
        self._lock = threading.RLock()
        self._warned = set[int]()
        self._kernel: Kernel | None = None
        self._closed = False
        self._clear()
        with self._lock:
            self._open()
            self._settle()
            self._mailbox.put((), rescan=bool(self._polled))

    @property
    def watched(self) -> int:
        """How many watches the kernel keeps."""
        return len(self._folders)

    def look(self) -> None:
        """Find what has no event: other folders at our paths, changes in polled folders, files left open."""
        with self._lock:
            if self._closed:
                return
            if self._kernel is None and self._open():
                self.renew()
                return
            if self._settle():
                self._rescan = True
            self._poll()
            self._close_created()
            self._send()

    def renew(self) -> None:
        """Watch everything anew, because events may be missing."""
        with self._lock:
            if self._closed:
                return
            self._release()
            self._clear()
            self._open()
            self._settle()
            self._rescan = True
            self._send()

    def close(self) -> None:
        """Release all watches."""
        with self._lock:
            self._closed = True
            kernel = self._kernel
            self._release()
            self._clear()
        if kernel is not None and kernel is not threading.current_thread():
            kernel.join()

    def _clear(self) -> None:
        # Watch descriptor -> paths of its folder: several through links, and until a move has been read.
        self._folders: dict[int, tuple[str, ...]] = {}
        self._descriptors: dict[str, WatchDescriptor] = {}
        self._polled: dict[str, Mapping[str, tuple[bool, int]]] = {}
        self._shallow = set[str]()  # folders of which only some names matter
        self._created: dict[str, int] = {}  # new files that may still be written
        self._changed = set[str]()
        self._rescan = self._overflown = self._moved = False
        self._anchors = dict.fromkeys(self._anchors, (None, False))

    def _open(self) -> bool:
        try:
            self._kernel = Kernel(self._deliver)
        except OSError as error:
            self._warn(error.errno or 0)
            return False
        self._kernel.start()
        return True

    def _release(self) -> None:
        if self._kernel is not None:
            self._kernel.stop()
        self._kernel = None

    def _send(self) -> None:
        self._mailbox.put(self._changed, rescan=self._rescan)
        self._changed, self._rescan = set(), False

    # Events.

    def _deliver(self, kernel: Kernel, events: Sequence[InotifyEvent]) -> None:
        try:
            with self._lock:
                if kernel is not self._kernel:  # replaced meanwhile
                    return
                for event in events:
                    self._handle(event)
                if self._overflown:
                    self.renew()
                    return
                if self._moved and self._settle():
                    self._rescan = True
                self._send()
        except Exception as error:  # raised to whoever takes the batches
            self._mailbox.fail(error)

    def _handle(self, event: InotifyEvent) -> None:
        if event.is_queue_overflow:
            self._overflown = True
        for folder in self._folders.get(event.wd, ()):
            if event.name:
                self._apply(folder, f"{folder.rstrip('/')}/{os.fsdecode(event.name)}", event.mask)
            elif event.mask & LEFT:
                if event.is_ignored:
                    self._forget(folder)
                self._moved |= folder in self._anchors

    def _apply(self, folder: str, path: str, mask: int) -> None:
        """Note what an event says of a path in a watched or polled folder."""
        self._moved |= path in self._anchors
        if folder in self._shallow and path not in self._files:
            return
        if mask & Inotify.IN_ISDIR:
            if folder not in self._shallow:
                self._apply_folder(path, mask)
        elif mask & Inotify.IN_CREATE and _may_be_open(path):
            self._created[path] = 0
        else:
            self._created.pop(path, None)
            self._report(folder, path)

    def _apply_folder(self, path: str, mask: int) -> None:
        if not self._enters(path):
            return
        if mask & (VANISHED | Inotify.IN_MOVED_TO):
            # A deleted folder was empty; a moved one takes the watches below it along.
            self._forget(path, below=not mask & Inotify.IN_DELETE)
        if mask & VANISHED:
            self._changed.add(path)
        self._walk(path, report=True)  # also where another folder is at this path by now

    def _report(self, folder: str, path: str) -> None:
        if path in self._files:
            self._changed.update(self._files[path])
        if folder not in self._shallow:
            self._changed.add(path)

    # Folders.

    def _settle(self) -> bool:
        """Watch roots and the folders of files that are not the ones watched; whether there were such."""
        self._moved = False
        changed = False
        for folder, before in list(self._anchors.items()):
            there, _ = now = self._state(folder)
            if now == before:
                continue
            changed = True
            if folder in self._roots:
                self._forget(folder, below=True)
                self._walk(folder, report=False)
            elif folder in self._shallow or not self._has(folder):
                self._forget(folder)
                if self._add(folder):
                    self._shallow.add(folder)
            # What it was before it was watched: of another one that came meanwhile, an event tells.
            self._anchors[folder] = there, self._has(folder)
        return changed

    def _state(self, folder: str) -> State:
        return identity(folder), self._has(folder)

    def _has(self, folder: str) -> bool:
        return folder in self._descriptors or folder in self._polled

    def _walk(self, top: str, *, report: bool) -> None:
        """Watch a folder and all below it."""
        todo = [top]
        while todo:
            folder = todo.pop()
            if folder in self._shallow:
                self._shallow.discard(folder)
            elif self._has(folder) or not self._add(folder):
                continue
            # Listed only once it is watched: what comes later has an event.
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if self._enters(entry.path):
                            todo.append(entry.path)
                    elif report:
                        self._report(folder, entry.path)

    def _add(self, folder: str) -> bool:
        """Watch a folder, or else poll it; False if it cannot be read, or is none."""
        try:
            if not self._watch(folder):
                self._polled[folder] = stamps(folder)
                self._rescan = True
        except OSError:
            return False
        return True

    def _watch(self, folder: str) -> bool:
        """Watch a folder; False if the kernel has no watch left. Raises `OSError` if there is no folder."""
        if self._kernel is None:
            return False
        mask = MASK if folder in self._anchors else MASK | Inotify.IN_DONT_FOLLOW
        callback = cast("CallbackId", folder)
        try:
            descriptor = self._kernel.add_callback(os.fsencode(folder), cast("Mask", mask), UNUSED, callback)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self._warn(errno.ENOSPC)
            return False
        if descriptor == -1:  # how watchdog says EACCES
            self._kernel.remove_callbacks([(descriptor, callback)])
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
        self._folders[descriptor] = (*self._folders.get(descriptor, ()), folder)
        self._descriptors[folder] = descriptor
        return True

    def _forget(self, folder: str, *, below: bool = False) -> None:
        """Remove the watch of a folder, and those of all below it."""
        if below and (self._has(folder) or folder in self._anchors):
            start = os.path.join(folder, "")
            for other in [name for name in (*self._descriptors, *self._polled) if name.startswith(start)]:
                self._forget(other)
        self._shallow.discard(folder)
        self._polled.pop(folder, None)
        descriptor = self._descriptors.pop(folder, None)
        if descriptor is None or self._kernel is None:
            return
        self._folders[descriptor] = tuple(path for path in self._folders[descriptor] if path != folder)
        if not self._folders[descriptor]:
            del self._folders[descriptor]
        self._kernel.remove_callbacks([(descriptor, cast("CallbackId", folder))])

    # Without events.

    def _warn(self, error: int) -> None:
        if error in self._warned:
            return
        self._warned.add(error)
        slow = "what has no watch is compared every second"
        if error not in LIMITS:
            self._note(f"inotify does not work here ({os.strerror(error).lower()}); {slow}")
            return
        name, room = LIMITS[error]
        limit = 0
        with suppress(OSError, ValueError):
            limit = int(Path("/proc/sys/fs/inotify", name).read_text(encoding="ascii"))
        self._note(
            f"fs.inotify.{name} is used up (now {limit}); {slow}."
            f" To watch it: sudo sysctl fs.inotify.{name}={max(room, 2 * limit)}"
        )

    def _poll(self) -> None:
        """Compare the folders that have no watch, and watch those that may have one by now."""
        full = self._kernel is None
        for folder, before in list(self._polled.items()):
            if folder not in self._polled:  # below one that vanished
                continue
            after: Mapping[str, tuple[bool, int]] = {}
            with suppress(OSError):
                full = full or not self._watch(folder)
                after = stamps(folder)
            self._polled[folder] = after
            if folder in self._descriptors:
                del self._polled[folder]
            for name in before.keys() | after.keys():
                if before.get(name) != after.get(name):
                    self._apply_difference(folder, name, before.get(name), after.get(name))

    def _apply_difference(
        self, folder: str, name: str, before: tuple[bool, int] | None, after: tuple[bool, int] | None
    ) -> None:
        path = os.path.join(folder, name)
        if before is not None and (after is None or before[0] != after[0] or before[0]):
            self._apply(folder, path, Inotify.IN_MOVED_FROM | (Inotify.IN_ISDIR if before[0] else 0))
        if after is not None:
            self._apply(folder, path, Inotify.IN_MOVED_TO | (Inotify.IN_ISDIR if after[0] else 0))

    def _close_created(self) -> None:
        """Report new files that nobody writes: of some the kernel never says that they were closed."""
        for path, before in list(self._created.items()):
            try:
                now = stamp(os.lstat(path))
            except OSError:
                now = before
            if now == before:
                del self._created[path]
                self._report(os.path.dirname(path), path)
            else:
                self._created[path] = now


def _by_target(files: Iterable[str]) -> Mapping[str, set[str]]:
    """Path whose events count -> the files that it stands for: themselves, and links to it."""
    targets: dict[str, set[str]] = {}
    for file in files:
        for path in (file, os.path.realpath(file)):
            targets.setdefault(path, set()).add(file)
    return targets


def _may_be_open(path: str) -> bool:
    """Whether a new file will be closed by its writer. Links and further names of a file are complete."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1
