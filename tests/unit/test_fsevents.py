"""FSEvents of macOS, as watchdog's own code for it reads them: the kernel's part stands in, and says what it would."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from devenv.watching import native
from tests.unit.watched import NEVER, Watch, Watched, starting

MUST_SCAN, USER_DROPPED, KERNEL_DROPPED, ROOT_CHANGED = 0x1, 0x2, 0x4, 0x20
CREATED, REMOVED, META, RENAMED, MODIFIED = 0x100, 0x200, 0x400, 0x800, 0x1000
FILE, FOLDER = 0x10000, 0x20000


class NativeEvent:
    """An event as watchdog's extension module has it."""

    def __init__(self, path: str, inode: int, flags: int, event_id: int) -> None:
        self.path, self.inode, self.flags, self.event_id = path, inode, flags, event_id
        self.is_created, self.is_removed = bool(flags & CREATED), bool(flags & REMOVED)
        self.is_renamed, self.is_modified = bool(flags & RENAMED), bool(flags & MODIFIED)
        self.is_inode_meta_mod, self.is_directory = bool(flags & META), bool(flags & FOLDER)
        self.is_root_changed = bool(flags & ROOT_CHANGED)
        self.is_xattr_mod = self.is_owner_change = False


class Stream:
    """A stream of events that the test delivers."""

    open: ClassVar[list[Stream]] = []

    def __init__(self, paths: list[str], latency: float) -> None:
        self.path, self._stopped = paths[0], threading.Event()

    def run(self, callback: Callable[..., None], started: Callable[[], None]) -> None:
        self.deliver = callback
        Stream.open.append(self)
        started()
        self._stopped.wait()

    def stop(self) -> None:
        self._stopped.set()
        if self in Stream.open:
            Stream.open.remove(self)


def name_of(opened: int) -> str:
    return str(Path(f"/proc/self/fd/{opened}").readlink())


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """The native observer as on macOS."""
    module: Any = ModuleType("_watchdog_fsevents")
    module.Stream, module.NativeEvent = Stream, NativeEvent
    monkeypatch.setitem(sys.modules, "_watchdog_fsevents", module)
    from devenv.watching import fsevents

    Stream.open.clear()
    tree = partial(native.Tree, observer=fsevents.Observer, name_of=name_of)
    with starting(tree=tree, pulse=NEVER) as start:
        yield start
    for name in ("devenv.watching.fsevents", "watchdog.observers.fsevents"):
        sys.modules.pop(name, None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("src/deep", "node_modules/left-pad"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("src/main.py", "src/other.py", "src/deep/util.py"):
        (tmp_path / name).write_text("1")
    return tmp_path


def deliver(*events: tuple[Path, int, int]) -> None:
    """Have the kernel report events at once: path, inode, flags."""
    stream = max((s for s in Stream.open if str(events[0][0]).startswith(s.path)), key=lambda s: len(s.path))
    paths, inodes, flags = zip(*events, strict=True)
    stream.deliver([str(path) for path in paths], list(inodes), list(flags), list(range(len(events))))


def inode(path: Path) -> int:
    return path.lstat().st_ino


def test_a_save_reports_its_file_and_not_its_neighbours(root: Path, watch: Watch) -> None:
    watched = watch(root)
    temporary, file = root / "src/main.py~", root / "src/main.py"
    temporary.write_text("2")
    made = inode(temporary)
    temporary.replace(file)
    deliver(
        (temporary, made, CREATED | MODIFIED | RENAMED | FILE),
        (file, made, RENAMED | FILE),
    )
    watched.until(file)
    assert watched.paths <= {str(file), str(temporary)}


def test_a_coalesced_event_reports_what_is_there_now(root: Path, watch: Watch) -> None:
    watched = watch(root)
    gone, made = root / "src/other.py", root / "src/new"
    old = inode(gone)
    gone.unlink()
    made.mkdir()
    (made / "file").write_text("1")
    deliver((gone, old, CREATED | MODIFIED | REMOVED | FILE), (made, inode(made), CREATED | FOLDER))
    watched.until(gone, made / "file")


def test_what_is_ignored_is_not_reported(root: Path, watch: Watch) -> None:
    watched = watch(root)
    library, file = root / "node_modules/left-pad/index.js", root / "src/main.py"
    library.write_text("1")
    deliver((library, inode(library), CREATED | FILE), (file, inode(file), MODIFIED | FILE))
    assert watched.until(file)[-1].paths == {str(file)}


def test_a_tree_that_moves_is_reported_at_both_places(root: Path, watch: Watch) -> None:
    watched = watch(root)
    moved = inode(root / "src")
    (root / "src").rename(root / "lib")
    deliver((root / "src", moved, RENAMED | FOLDER), (root / "lib", moved, RENAMED | FOLDER))
    watched.until(root / "src", root / "lib/main.py", root / "lib/deep/util.py")


@pytest.mark.parametrize("lost", [MUST_SCAN, MUST_SCAN | USER_DROPPED, MUST_SCAN | KERNEL_DROPPED])
def test_events_that_were_dropped_mean_a_rescan(root: Path, watch: Watch, lost: int) -> None:
    watched = watch(root, files=[root.parent / "devenv.yaml"])
    deliver((root / "src", inode(root / "src"), lost))
    assert watched.next().rescan


def test_a_root_that_moves_away_and_back_is_watched_again(root: Path, watch: Watch) -> None:
    watched = watch(root)
    deliver((root, inode(root), ROOT_CHANGED | FOLDER))
    until(lambda: not Stream.open)
    until(lambda: looked(watched))
    assert watched.rescan().rescan
    file = root / "src/main.py"
    deliver((file, inode(file), MODIFIED | FILE))
    watched.until(file)


def looked(watched: Watched) -> bool:
    """Look as the pulse does; whether the root is observed again."""
    watched.watcher._tree.look()
    return bool(Stream.open)


def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came")


def test_a_root_is_known_by_its_name_on_the_disk(root: Path, watch: Watch) -> None:
    # Only there is /Users/Me/Project found as /users/me/project; a link stands for that here.
    typed = root.parent / "TYPED"
    typed.symlink_to(root)
    watched = watch(typed, files=[typed / ".env"])
    file = root / "src/main.py"
    (root / ".env").write_text("1")
    deliver((file, inode(file), MODIFIED | FILE), (root / ".env", inode(root / ".env"), CREATED | FILE))
    watched.until(typed / "src/main.py", typed / ".env")


def test_a_pipe_that_nobody_writes_to_is_known_by_its_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    assert native.real(str(tmp_path / ".env"), name_of) == str(tmp_path / ".env")
