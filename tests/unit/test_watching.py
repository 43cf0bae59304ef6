"""What changes in a tree of real files arrives as batches, whatever editors, tools and the kernel do to it."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from devenv.watching import GAP, Batch, Watcher, inotify, mailbox, native
from tests.conftest import ROOT
from tests.unit.watched import (
    LIMIT,
    NEVER,
    OFTEN,
    Watch,
    Watched,
    atomic,
    change_everything,
    enters,
    project,
    starting,
)

LIBC = ctypes.CDLL(None)
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path)


@pytest.fixture
def fast() -> Iterator[Path]:
    """A project in memory, for tests with thousands of files: the disk is what they would wait for."""
    with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield project(Path(folder).resolve())


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Starts watchers that are told of a change by its event alone."""
    with starting(pulse=NEVER) as start:
        yield start


@pytest.fixture
def seek() -> Iterator[Watch]:
    """Starts watchers that often look for what has no event."""
    with starting(pulse=OFTEN) as start:
        yield start


def instances() -> int:
    """How many inotify instances this process has."""
    links = [os.path.join("/proc/self/fd", fd) for fd in os.listdir("/proc/self/fd")]
    count = 0
    for link in links:
        with suppress(OSError):
            count += os.readlink(link) == "anon_inode:inotify"
    return count


def write(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("1")


# What a save is.


def vim(path: Path) -> None:
    path.rename(f"{path}~")
    path.write_text("vim")
    Path(f"{path}~").unlink()


def code(path: Path) -> None:
    with path.open("r+") as handle:
        handle.truncate(0)
        handle.write("code")


def jetbrains(path: Path) -> None:
    path.with_name(f"{path.name}___jb_tmp___").write_text("jetbrains")
    path.rename(f"{path}___jb_old___")
    path.with_name(f"{path.name}___jb_tmp___").rename(path)
    Path(f"{path}___jb_old___").unlink()


def linked(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("linked")
    path.unlink()
    os.link(other, path)


def symlinked(path: Path) -> None:
    path.unlink()
    path.symlink_to("deep/util.py")


@pytest.mark.parametrize("save", [vim, code, jetbrains, atomic, linked, symlinked, Path.unlink, Path.touch])
def test_each_way_to_save_is_reported(root: Path, watch: Watch, save: Callable[[Path], None]) -> None:
    watched = watch(root)
    save(root / "src/main.py")
    watched.until(root / "src/main.py")


def test_a_change_of_mode_alone_is_reported(root: Path, watch: Watch) -> None:
    watched = watch(root)
    (root / "src/main.py").chmod(0o755)
    watched.until(root / "src/main.py")


def test_reading_and_listing_are_not_reported(root: Path, watch: Watch) -> None:
    watched = watch(root)
    (root / "src/main.py").read_text()
    list((root / "src").iterdir())
    (root / "src").chmod(0o755)
    assert watched.settled(root) == set()


def test_a_file_that_is_being_written_is_reported_once_it_is_closed(root: Path, watch: Watch) -> None:
    watched = watch(root)
    with (root / "src/big").open("wb") as handle:
        handle.write(b"half")
        handle.flush()
        assert watched.settled(root) == set()
        handle.write(b"whole")
    watched.until(root / "src/big")


def test_a_new_file_that_the_kernel_never_reports_as_closed_is_reported(root: Path, seek: Watch) -> None:
    watched = seek(root)
    os.close(os.open(root / "src/lock", os.O_CREAT | os.O_RDONLY))
    os.mknod(root / "src/node")
    watched.until(root / "src/lock", root / "src/node")


@pytest.mark.parametrize(
    "name",
    [b"a b", b"a\nb", b"-rf", b"'\"", b"\xff\xfe", "größe".encode(), b".hidden", b"x" * 255],
)
def test_every_name_survives(root: Path, watch: Watch, name: bytes) -> None:
    watched = watch(root)
    path = os.path.join(os.fsencode(root / "src"), name)
    os.mkdir(path)
    with open(os.path.join(path, name), "wb"):
        pass
    watched.until(Path(os.fsdecode(os.path.join(path, name))))


# Folders.


def test_ignored_folders_are_never_entered(root: Path, watch: Watch) -> None:
    asked: list[str] = []

    def allowed(folder: str) -> bool:
        asked.append(folder)
        return enters(folder)

    watched = watch(root, enters=allowed)
    assert watched.watcher.watched == 3 + 1  # root, src, deep; and the folder that root is in
    (root / "ignored/below/file").write_text("1")
    (root / "src/node_modules/x").mkdir(parents=True)
    (root / "src/node_modules/x/file").write_text("1")
    (root / "ignored").rename(root / "src/ignored")
    assert watched.settled(root) == set()
    assert watched.watcher.watched == 4
    assert not [folder for folder in asked if "ignored/" in folder or "node_modules/" in folder]


def test_nothing_in_new_folders_is_missed(root: Path, watch: Watch) -> None:
    watched = watch(root)
    files = [root / f"src/new{number}/b/c/file" for number in range(100)]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("1")
    watched.until(*files)
    for file in files:
        file.write_text("2")
    watched.until(*files)
    assert watched.watcher.watched == 4 + 3 * len(files)


def test_a_tree_that_is_moved_in_is_reported_file_by_file(root: Path, watch: Watch) -> None:
    outside = root.parent / "outside"
    (outside / "a/b").mkdir(parents=True)
    (outside / "a/b/file").write_text("1")
    (outside / "ignored").mkdir()
    (outside / "ignored/file").write_text("1")
    watched = watch(root)
    outside.rename(root / "src/inside")
    watched.until(root / "src/inside/a/b/file")
    assert str(root / "src/inside/ignored/file") not in watched.settled(root)


def test_a_moved_folder_goes_and_comes_with_its_files_and_is_watched_at_its_new_place(
    root: Path, watch: Watch
) -> None:
    watched = watch(root)
    (root / "src").rename(root / "lib")
    watched.until(root / "src", root / "lib/main.py", root / "lib/deep/util.py")
    assert watched.watcher.watched == 4
    watched.paths.clear()
    (root / "lib/deep/util.py").write_text("2")
    assert watched.settled(root) == {str(root / "lib/deep/util.py")}


def test_a_folder_that_is_moved_into_a_new_one_is_watched_there(root: Path, watch: Watch) -> None:
    watched = watch(root)
    for number in range(20):  # with luck the new folder is listed before the move has been read
        new = root / f"new{number}"
        new.mkdir()
        (root / "src").rename(new / "src")
        watched.until(new / "src/deep/util.py")
        watched.settled(root)
        (new / "src/deep/util.py").write_text(str(number))
        watched.until(new / "src/deep/util.py")
        (new / "src").rename(root / "src")
        watched.until(root / "src/deep/util.py")
        watched.settled(root)
    assert watched.watcher.watched == 4 + 20


def test_a_folder_that_is_moved_away_is_watched_no_more(root: Path, watch: Watch) -> None:
    watched = watch(root)
    away = root.parent / "away"
    (root / "src").rename(away)
    watched.until(root / "src")
    watched.paths.clear()
    (away / "deep/util.py").write_text("2")
    assert watched.settled(root) == set()
    assert watched.watcher.watched == 2


def test_a_removed_tree_is_reported_and_its_watches_are_released(root: Path, watch: Watch) -> None:
    watched = watch(root)
    for name in ("src/deep/util.py", "src/main.py"):
        (root / name).unlink()
    for name in ("src/deep", "src"):
        (root / name).rmdir()
    watched.until(root / "src/main.py", root / "src/deep", root / "src")
    watched.settled(root)
    assert watched.watcher.watched == 2


def test_a_folder_that_replaces_an_empty_one_is_watched(root: Path, watch: Watch) -> None:
    watched = watch(root)
    (root / "empty").mkdir()
    watched.settled(root)
    (root / "src").rename(root / "empty")
    watched.until(root / "empty/main.py")
    watched.settled(root)
    (root / "empty/deep/util.py").write_text("2")
    watched.until(root / "empty/deep/util.py")


def test_two_folders_that_change_places_are_both_watched(root: Path, watch: Watch) -> None:
    if not hasattr(LIBC, "renameat2"):
        pytest.skip("needs renameat2")
    watched = watch(root)
    (root / "lib").mkdir()
    watched.settled(root)
    names = os.fsencode(root / "src"), os.fsencode(root / "lib")
    assert LIBC.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0
    watched.until(root / "lib/main.py")
    watched.settled(root)
    (root / "lib/deep/util.py").write_text("2")
    (root / "src/new").write_text("2")
    watched.until(root / "lib/deep/util.py", root / "src/new")


def test_a_folder_becomes_a_file_and_a_folder_again(root: Path, watch: Watch) -> None:
    watched = watch(root)
    path = root / "thing"
    for number in range(20):
        path.write_text("1")
        watched.until(path)
        path.unlink()
        path.mkdir()
        (path / f"{number}").write_text("1")
        watched.until(path / f"{number}")
        (path / f"{number}").unlink()
        path.rmdir()
        watched.until(path)


def test_a_folder_whose_inode_lives_on_is_watched_anew(root: Path, watch: Watch) -> None:
    watched = watch(root)
    descriptor = os.open(root / "src/deep", os.O_RDONLY)  # as a shell that stands in it
    try:
        (root / "src/deep/util.py").unlink()
        (root / "src/deep").rmdir()
        (root / "src/deep").mkdir()
        watched.settled(root)
        (root / "src/deep/new").write_text("1")
        watched.until(root / "src/deep/new")
    finally:
        os.close(descriptor)


def test_a_name_that_changes_its_case_alone(root: Path, watch: Watch) -> None:
    watched = watch(root)
    (root / "src/main.py").rename(root / "src/Main.py")
    watched.until(root / "src/main.py", root / "src/Main.py")


def test_links_to_folders_are_files_and_never_followed(root: Path, watch: Watch) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "src/loop").symlink_to("..")
    watched = watch(root)
    (root / "src/out").symlink_to(outside)
    (root / "src/self").symlink_to("self")
    watched.until(root / "src/out", root / "src/self")
    (outside / "file").write_text("1")
    assert not [
        path for path in watched.settled(root) if path.startswith((f"{outside}/", f"{root}/src/out/"))
    ]
    assert watched.watcher.watched == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_folder_that_becomes_readable_is_watched(root: Path, watch: Watch) -> None:
    for folder in (root, *root.parents):
        if folder != Path("/") and folder.stat().st_uid == 0 and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    (root / "src/deep").chmod(0)
    os.seteuid(65534)
    try:
        watched = watch(root)
    finally:
        os.seteuid(0)
    assert watched.watcher.watched == 3
    os.close(os.open(root / "src/deep/early", os.O_CREAT | os.O_WRONLY))
    (root / "src/deep").chmod(0o755)
    watched.until(root / "src/deep/early")
    assert watched.watcher.watched == 4


def test_roots_within_roots_need_no_second_watch(root: Path, watch: Watch) -> None:
    watched = watch(root, root / "src", root / "ignored/below")
    assert watched.watcher.watched == 3 + 1 + 2  # and ignored/below with the folder that it is in
    (root / "ignored/below/file").write_text("1")
    (root / "ignored/file").write_text("1")
    watched.until(root / "ignored/below/file")
    assert str(root / "ignored/file") not in watched.settled(root)


# Single files.


def test_single_files_are_watched_without_their_neighbours(root: Path, watch: Watch) -> None:
    watched = watch(files=[root / "devenv.yaml", root / "src/.env"])
    (root / "other").write_text("1")
    (root / "src/deep/util.py").write_text("2")
    atomic(root / "devenv.yaml")
    (root / "src/.env").write_text("A=1")
    watched.until(root / "devenv.yaml", root / "src/.env")
    assert watched.paths == {str(root / "devenv.yaml"), str(root / "src/.env")}
    assert watched.watcher.watched == 2


def test_a_file_that_is_a_link_is_reported_when_its_target_changes(root: Path, watch: Watch) -> None:
    shared = root.parent / "shared"
    shared.mkdir()
    (shared / "env").write_text("A=1")
    (root / ".env").symlink_to("../shared/env")
    watched = watch(root / "src", files=[root / ".env"])
    atomic(shared / "env")
    watched.until(root / ".env")
    assert watched.paths == {str(root / ".env")}


def test_a_root_and_files_reached_through_a_link(root: Path, watch: Watch) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    watched = watch(link, files=[link / "devenv.yaml"])
    for text in "12":
        (link / "devenv.yaml").write_text(text)
        watched.until(link / "devenv.yaml")
        (link / "src/main.py").write_text(text)
        (link / "other").write_text(text)
        watched.until(link / "src/main.py", link / "other")


def test_the_folder_of_a_file_that_appears_within_a_root_is_entered(root: Path, seek: Watch) -> None:
    watched = seek(root, files=[root / "later/.env"])
    (root / "later").mkdir()
    watched.rescan()
    watched.save(root / "later/other", root / "later/.env")


def test_the_folder_of_a_file_that_is_ignored_no_more_is_entered(root: Path, watch: Watch) -> None:
    ignored = {"ignored"}
    watched = watch(
        root, files=[root / "ignored/.env"], enters=lambda folder: os.path.basename(folder) not in ignored
    )
    (root / "ignored/other").write_text("1")
    assert watched.settled(root) == set()
    ignored.clear()
    (root / "ignored").chmod(0o755)
    watched.until(root / "ignored/other")
    watched.save(root / "ignored/.env", root / "ignored/below/file")


# Roots that go and come.


def test_a_root_that_vanishes_and_comes_back_means_a_rescan(root: Path, watch: Watch) -> None:
    watched = watch(root)
    away = root.parent / "away"
    root.rename(away)
    watched.rescan()
    (away / "src/main.py").write_text("2")
    away.rename(root)
    watched.rescan()
    watched.save(root / "src/deep/util.py")
    assert watched.watcher.watched == 4


def test_a_root_that_is_replaced_means_a_rescan(root: Path, watch: Watch) -> None:
    watched = watch(root / "src")
    (root / "src").rename(root / "old")
    (root / "src/fresh").mkdir(parents=True)
    watched.rescan()
    watched.save(root / "src/fresh/file")
    watched.paths.clear()
    (root / "old/main.py").write_text("2")
    assert not [path for path in watched.settled(root / "src") if path.endswith("main.py")]


class Late(inotify.Tree):
    """A root that is not there comes in the very moment after it was looked for."""

    def _walk(self, top: str, *, report: bool) -> None:
        super()._walk(top, report=report)
        if top.endswith("src") and not os.path.exists(top):
            os.makedirs(f"{top}/fresh")


def test_a_root_that_comes_while_it_is_looked_for_is_watched(root: Path, watch: Watch) -> None:
    watched = watch(root / "src", tree=Late)
    (root / "src").rename(root / "old")
    watched.rescan()
    watched.save(root / "src/fresh/file")


def test_a_root_whose_parents_are_moved_means_a_rescan(root: Path, seek: Watch) -> None:
    watched = seek(root / "src/deep")
    root.rename(root.parent / "away")
    watched.rescan()
    (root / "src/deep").mkdir(parents=True)
    watched.rescan()
    watched.settled(root / "src/deep")


@pytest.mark.programs
def test_a_disk_that_is_mounted_or_unmounted_means_a_rescan(root: Path, seek: Watch) -> None:
    watched = seek(root / "src")
    if subprocess.run(
        ["mount", "-t", "tmpfs", "tmpfs", root / "src"], capture_output=True, check=False
    ).returncode:
        pytest.skip("may not mount")
    try:
        watched.rescan()
        assert watched.settled(root / "src") == set()
    finally:
        subprocess.run(["umount", root / "src"], check=True)
    watched.rescan()
    watched.save(root / "src/main.py")


def test_a_root_that_is_removed_and_made_again_is_watched(root: Path, watch: Watch) -> None:
    gate = threading.Event()

    def waits(folder: str) -> bool:
        return not folder.endswith("gate") or gate.wait(LIMIT)

    empty = root / "empty"
    empty.mkdir()
    watched = watch(root / "src", empty, enters=waits)
    (root / "src/gate").mkdir()  # reading waits here
    empty.rmdir()
    empty.mkdir()  # with the inode of the one before, where the file system gives it out again
    gate.set()
    watched.rescan()
    watched.save(empty / "file")


def test_a_root_that_does_not_exist_yet(root: Path, seek: Watch) -> None:
    watched = seek(root / "later/src", files=[root / "later/.env"])
    (root / "later/src").mkdir(parents=True)
    watched.rescan()
    watched.save(root / "later/src/file", root / "later/.env")


# Missing events.


def test_a_gap_in_time_means_a_rescan(root: Path, seek: Watch) -> None:
    now = [0.0]
    watched = seek(root, clock=lambda: now[0])
    now[0] += GAP - 1
    assert watched.settled(root) == set()
    now[0] += GAP + 1
    watched.rescan()
    watched.save(root / "src/main.py")
    assert watched.watcher.watched == 4


@pytest.mark.programs
def test_an_overflow_of_the_queue_means_a_rescan(fast: Path) -> None:
    """The process is frozen during 10,000 atomic saves, then goes on."""
    watched = Child(fast)
    try:
        os.kill(watched.process.pid, signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(watched.process.pid, os.WUNTRACED)[1])
        names = [str(fast / f"src/{number}") for number in range(10_000)]
        for name in names:
            os.close(os.open(f"{name}~", os.O_CREAT | os.O_WRONLY))
            os.rename(f"{name}~", name)
        (fast / "src/unseen").mkdir()
        os.kill(watched.process.pid, signal.SIGCONT)
        while not watched.next()["rescan"]:
            pass
        (fast / "src/unseen/file").write_text("1")
        while str(fast / "src/unseen/file") not in watched.next()["paths"]:
            pass
    finally:
        watched.close()


CHILD = """
import json, sys, threading
from devenv.watching import Watcher
watcher = Watcher([sys.argv[1]], [], lambda folder: True, pulse=0.02, note=lambda line: print(json.dumps({"note": line}), flush=True))
print(json.dumps({"watched": watcher.watched}), flush=True)
for batch in watcher.batches(threading.Event()):
    line = {"paths": sorted(batch.paths), "rescan": batch.rescan, "watched": watcher.watched}
    print(json.dumps(line), flush=True)
"""


class Child:
    """A process that watches a folder and prints its batches."""

    def __init__(self, folder: Path, *, before: str = "") -> None:
        script = f'{before} exec "$0" -c "$1" "$2"'
        command = ["sh", "-c", script, sys.executable, CHILD, str(folder)]
        if before:
            command = ["unshare", "--user", "--map-root-user", *command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.notes: list[str] = []
        self.limit = threading.Timer(LIMIT, self.process.kill)
        self.limit.start()
        self.watched = self.next()["watched"]

    def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = json.loads(self.process.stdout.readline())
        if "note" in line:
            self.notes.append(line["note"])
            return self.next()
        return dict(line)

    def until(self, path: Path) -> None:
        while str(path) not in self.next()["paths"]:
            pass

    def close(self) -> None:
        self.limit.cancel()
        self.process.kill()
        self.process.communicate()


def unshared() -> bool:
    """Whether limits can be set for a child alone."""
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        "echo 9 >/proc/sys/user/max_inotify_watches",
    ]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.programs
@pytest.mark.parametrize(
    ("limit", "setting", "watched"),
    [
        ("max_inotify_watches", "fs.inotify.max_user_watches", 9),
        ("max_inotify_instances", "fs.inotify.max_user_instances", 0),
    ],
)
@pytest.mark.skipif(not unshared(), reason="needs user namespaces")
def test_what_the_kernel_has_no_watch_for_is_polled(
    root: Path, limit: str, setting: str, watched: int
) -> None:
    for number in range(30):
        (root / f"src/{number}/deep").mkdir(parents=True)
    child = Child(root, before=f"echo {watched} >/proc/sys/user/{limit};")
    try:
        assert child.watched == watched
        assert child.next()["rescan"]
        assert len(child.notes) == 1
        assert f"sudo sysctl {setting}=" in child.notes[0]
        files = [root / f"src/{number}/deep/file" for number in range(30)]
        for file in files:
            file.write_text("1")
        missing = {str(file) for file in files}
        while missing:
            missing -= set(child.next()["paths"])
        (root / "src/29").rename(root / "src/moved")
        child.until(root / "src/moved/deep/file")
        (root / "src/moved/deep/file").write_text("2")
        child.until(root / "src/moved/deep/file")
        assert len(child.notes) == 1
    finally:
        child.close()


def test_polled_folders_are_watched_once_the_kernel_has_watches_again(
    root: Path, seek: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = inotify.Kernel.add_callback
    left = [2]

    def scarce(self: inotify.Kernel, path: bytes, *rest: Any) -> Any:
        if left[0] <= 0:
            raise OSError(28, "inotify watch limit reached")
        left[0] -= 1
        return real(self, path, *rest)

    monkeypatch.setattr(inotify.Kernel, "add_callback", scarce)
    watched = seek(root)
    watched.rescan()
    assert watched.watcher.watched == 2
    (root / "src/main.py").write_text("22")
    watched.until(root / "src/main.py")
    (root / "src/deep/util.py").unlink()
    watched.until(root / "src/deep/util.py")
    left[0] = 1000
    (root / "src/deep/util.py").write_text("333")
    watched.until(root / "src/deep/util.py")
    while watched.watcher.watched < 4:
        watched.settled(root)
    assert len(watched.notes) == 1


# Batches.


def test_a_branch_switch_of_10000_files_is_few_batches_and_complete(fast: Path) -> None:
    """The first batch comes while the switch goes on, the rest once its consumer is done with that."""
    files = [fast / f"src/{folder}/{number}.py" for folder in range(100) for number in range(100)]
    taken = threading.Event()

    def switch() -> None:
        for file in files:
            write(file)
        while not taken.is_set():  # however late the first batch is taken, files change until then
            write(files[-1])

    with closing(Watcher([str(fast)], [], enters, note=pytest.fail)) as watcher:
        writer = threading.Thread(target=switch, daemon=True)
        writer.start()
        batches = watcher.batches(threading.Event())
        rest = {str(file) for file in files} - next(batches).paths
        taken.set()
        writer.join()
        count = 0
        while rest:
            batch = next(batches)
            assert not batch.rescan
            rest -= batch.paths
            count += not batch.more
        assert count <= 5


def test_a_batch_waits_for_quiet_but_not_for_ever() -> None:
    box = mailbox.Mailbox(quiet=60, longest=0.01)
    box.put({"a"})
    box.put({"b", "a"})
    assert box.take(threading.Event()) == Batch(frozenset({"a", "b"}))
    box = mailbox.Mailbox(quiet=0.01, longest=60)
    box.put((), rescan=True)
    box.put({"b"})
    assert box.take(threading.Event()) == Batch(frozenset({"b"}), rescan=True)


MANY = frozenset(str(number) for number in range(mailbox.BULK * mailbox.CALM))


def test_a_long_series_has_more_until_it_is_over() -> None:
    stop, start = threading.Event(), time.monotonic()
    box = mailbox.Mailbox(quiet=0.02, longest=60, series=60)
    for paths in (MANY, frozenset({"late"})):
        box.put(paths)
        assert box.take(stop) == Batch(paths, more=True)
    assert box.take(stop) == Batch(frozenset())
    assert time.monotonic() - start >= 0.02 * mailbox.CALM


def test_a_series_without_an_end_is_acted_on_now_and_then() -> None:
    stop = threading.Event()
    box = mailbox.Mailbox(quiet=60, longest=0.01, series=60)
    for _ in range(2):
        box.put(MANY)
        assert box.take(stop) == Batch(MANY, more=True)
        assert box.take(stop) == Batch(frozenset())


def test_after_a_long_series_a_save_is_acted_on_at_once() -> None:
    stop = threading.Event()
    box = mailbox.Mailbox(quiet=0.02, longest=60, series=0)
    box.put(MANY)
    assert box.take(stop) == Batch(MANY, more=True)
    assert box.take(stop) == Batch(frozenset())
    box.put({"one"})
    assert box.take(stop) == Batch(frozenset({"one"}))


def test_a_consumer_that_is_busy_gets_all_at_once(fast: Path) -> None:
    temporary = fast / "src/.main.py.tmp"
    names = {
        str(fast / "src/main.py"),
        str(temporary),
        *(str(fast / f"src/{number}") for number in range(500)),
    }
    with closing(Watcher([str(fast)], [], enters, note=pytest.fail)) as watcher:
        for number in range(500):
            atomic(fast / "src/main.py")
            write(fast / f"src/{number}")
        for batch in watcher.batches(threading.Event()):
            assert not batch.rescan
            assert batch.paths <= names
            names -= batch.paths - {str(fast / "src/main.py"), str(temporary)}
            if len(names) == 2:
                break


# The end.


def test_stopping_and_closing_release_everything(root: Path) -> None:
    before = instances()
    watched = Watched([root], [], pulse=NEVER)
    watched.settled(root)
    assert instances() == before + 1
    threads = {thread for thread in threading.enumerate() if isinstance(thread, inotify.Kernel)}
    watched.close()
    assert instances() == before
    assert watched.watcher.watched == 0
    assert not [thread for thread in threads if thread.is_alive()]
    assert list(watched.watcher.batches(threading.Event())) == []


def test_an_instance_that_is_closed_before_it_is_read_is_released() -> None:
    before = instances()
    kernel = inotify.Kernel(lambda kernel, events: None)
    assert instances() == before + 1
    kernel.stop()
    assert instances() == before


def test_a_closed_tree_stays_closed(root: Path) -> None:
    before = instances()
    tree = inotify.Tree([str(root)], [], enters, mailbox.Mailbox(0, 0), pytest.fail)
    assert instances() == before + 1
    tree.close()
    tree.look()
    tree.renew()
    assert instances() == before


def test_closing_ends_a_consumer_that_waits(root: Path) -> None:
    watched = Watched([root], [], pulse=NEVER)
    watched.watcher.close()
    assert watched.batches.get(timeout=LIMIT) is None
    watched.close()


def test_an_error_in_the_watching_thread_reaches_the_consumer(root: Path) -> None:
    def broken(folder: str) -> bool:
        if folder.endswith("new"):
            raise ValueError(folder)
        return True

    with closing(Watcher([str(root)], [], broken, note=pytest.fail)) as watcher:
        (root / "new").mkdir()
        with pytest.raises(ValueError, match="new"):
            list(watcher.batches(threading.Event()))


# Where there is no inotify: the same observer that macOS gets, on what this machine has.


# watchdog's thread meets a folder in a new folder twice, by its event and by its own walk, and warns of it.
@pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")
def test_the_native_observer_reports_the_same(root: Path, watch: Watch) -> None:
    watched = watch(root, files=[root.parent / "devenv.yaml"], tree=native.Tree)
    change_everything(root, watched, gone=("src",))


def test_the_native_observer_finds_a_root_again(root: Path, seek: Watch) -> None:
    watched = seek(root / "src", tree=native.Tree)
    (root / "src").rename(root / "old")
    watched.rescan()
    (root / "src").mkdir()
    watched.rescan()
    watched.save(root / "src/file")
