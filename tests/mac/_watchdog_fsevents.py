"""FSEvents for programs under `sitecustomize`: it compares a tree and says what changed as the kernel would.

Where DEVENV_TEST_FSEVENTS is "none", there is no such module: as on a Mac for which watchdog was installed without it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping

if os.environ.get("DEVENV_TEST_FSEVENTS") == "none":
    raise ImportError("dlopen(_watchdog_fsevents.cpython-311-darwin.so): no suitable image")

CREATED, REMOVED, META, RENAMED, MODIFIED = 0x100, 0x200, 0x400, 0x800, 0x1000
FILE, FOLDER = 0x10000, 0x20000
PAUSE = 0.02

State = tuple[int, bool, int, int]
"""Inode, whether it is a folder, nanoseconds of its change, mode."""


class NativeEvent:
    """An event as watchdog's extension module has it."""

    def __init__(self, path: str, inode: int, flags: int, event_id: int) -> None:
        self.path, self.inode, self.flags, self.event_id = path, inode, flags, event_id
        self.is_created, self.is_removed = bool(flags & CREATED), bool(flags & REMOVED)
        self.is_renamed, self.is_modified = bool(flags & RENAMED), bool(flags & MODIFIED)
        self.is_inode_meta_mod, self.is_directory = bool(flags & META), bool(flags & FOLDER)
        self.is_root_changed = self.is_xattr_mod = self.is_owner_change = False


class Stream:
    """The changes below one folder, until it is stopped."""

    def __init__(self, paths: list[str], latency: float) -> None:
        self._root, self._stopped = os.path.realpath(paths[0]), threading.Event()

    def run(self, callback: Callable[..., None], started: Callable[[], None]) -> None:
        before = dict(_below(self._root))
        started()
        while not self._stopped.wait(PAUSE):
            after = dict(_below(self._root))
            if events := list(_differences(before, after)):
                names, inodes, flags = zip(*events, strict=True)
                callback(list(names), list(inodes), list(flags), list(range(len(events))))
            before = after

    def stop(self) -> None:
        self._stopped.set()


def _below(folder: str) -> Iterator[tuple[str, State]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        yield entry.path, (status.st_ino, is_folder, status.st_mtime_ns, status.st_mode)
        if is_folder:
            yield from _below(entry.path)


def _differences(before: Mapping[str, State], after: Mapping[str, State]) -> Iterator[tuple[str, int, int]]:
    """Path, inode and flags of each change; the same inode at another path was renamed."""
    lost = {state[0] for path, state in before.items() if after.get(path, (0,))[0] != state[0]}
    won = {state[0] for path, state in after.items() if before.get(path, (0,))[0] != state[0]}
    for path, (inode, is_folder, _, _) in before.items():
        if after.get(path, (0,))[0] != inode:
            yield path, inode, (RENAMED if inode in won else REMOVED) | (FOLDER if is_folder else FILE)
    for path, (inode, is_folder, changed, mode) in after.items():
        kind, old = FOLDER if is_folder else FILE, before.get(path)
        if old is None or old[0] != inode:
            yield path, inode, (RENAMED if inode in lost else CREATED | MODIFIED) | kind
        elif old[2] != changed and not is_folder:
            yield path, inode, MODIFIED | kind
        elif old[3] != mode:
            yield path, inode, META | kind
