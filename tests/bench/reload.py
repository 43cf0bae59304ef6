"""Rows of hot reload against `docker compose watch`: identical trees, saved in turn, seen through /proc.

What is timed is from the end of a save to the moment the bytes are in the container, as root of this machine
sees them: no program in the container is asked. Needs a local engine, and to be root.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.measure import (
    DEVENV,
    MIB,
    Command,
    Race,
    Result,
    limit,
    lines,
    mebibytes_of,
    race,
    seconds_of,
)

PATIENCE = 30.0  # seconds until a save counts as lost
PAUSE = 0.3  # seconds between two saves: nobody types faster
BASES = ("busybox:1.37", "debian:trixie-slim")

MANIFEST = """\
name: bench-{name}
services:
  app: {{build: ., command: sleep 1000000, reload: {{restart: false}}}}
"""
COMPOSE = """\
name: bench-{name}-theirs
services:
  app:
    build: .
    command: sleep 1000000
    init: true
    develop: {watch: [{action: sync, path: ./src, target: /app/src}]}
"""
DOCKERFILE = "FROM {base}\nWORKDIR /app\nCOPY src /app/src\n"


@dataclass
class Side:
    """One of the two: its sources here, and the container they go to."""

    folder: Path
    container: str
    watcher: subprocess.Popen[bytes]
    processes: list[int] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """The sources as the container has them."""
        pid = lines("docker", "inspect", "-f", "{{.State.Pid}}", self.container)[0]
        return Path(f"/proc/{pid}/root/app/src")

    def save(self, files: Sequence[str], content: bytes, *, atomic: bool = False) -> None:
        for name in files:
            file = self.folder / "src" / name
            if atomic:
                temporary = file.with_name(f"{file.name}~")
                temporary.write_bytes(content)
                temporary.replace(file)
            else:
                file.write_bytes(content)

    def pids(self) -> list[int]:
        """The watching process and what it started."""
        found = (
            lines("ps", "-o", "pid=", "--ppid", str(self.watcher.pid)) if _children(self.watcher.pid) else []
        )
        return [self.watcher.pid, *map(int, found)]


def _children(pid: int) -> bool:
    return subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, check=False).returncode == 0


def arrived(root: Path, files: Sequence[str], tag: bytes, size: int) -> float | None:
    """When all files were there as they were saved, on the monotonic clock; None if one never came."""
    left, until = list(files), time.monotonic() + PATIENCE
    while left:
        try:
            with open(root / left[-1], "rb") as file:
                there = os.fstat(file.fileno()).st_size == size and file.read(len(tag)) == tag
        except OSError:
            there = False
        if there:
            left.pop()
        elif time.monotonic() > until:
            return None
        else:
            time.sleep(0.0002)
    return time.monotonic()


@dataclass(frozen=True)
class Save:
    """Saving files on one side, timed until they are in the container."""

    side: Side
    files: tuple[str, ...]
    size: int
    atomic: bool = False

    def run(self) -> float:
        tag = f"{time.time_ns() % 10**16:016d}".encode()
        root = self.side.root
        time.sleep(PAUSE)
        self.side.save(self.files, tag * (self.size // len(tag)), atomic=self.atomic)
        saved = time.monotonic()
        seen = arrived(root, self.files, tag, self.size // len(tag) * len(tag))
        if seen is None:
            raise SystemExit(f"a save of {len(self.files)} files never arrived in {self.side.container}")
        return seen - saved


@contextmanager
def sides(work: Path, base: str, *, files: int = 100) -> Iterator[tuple[Side, Side]]:
    """devenv and Compose on two copies of one project, both watching."""
    name = re.sub(r"\W", "-", base)
    ours, theirs = work / f"{name}-ours", work / f"{name}-theirs"
    for folder in (ours, theirs):
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "src").mkdir(parents=True)
        for number in range(files):
            (folder / "src" / f"f{number}.py").write_bytes(b"0" * 64)
        (folder / "Dockerfile").write_text(DOCKERFILE.format(base=base))
    (ours / "devenv.yaml").write_text(MANIFEST.format(name=name))
    (theirs / "compose.yaml").write_text(COMPOSE.replace("{name}", name))
    watchers: list[subprocess.Popen[bytes]] = []
    try:
        Command((DEVENV, "up", "-d"), ours).run()
        Command(("docker", "compose", "up", "-d", "--build"), theirs).run()
        watchers.append(watching((DEVENV, "watch", "--json"), ours))
        watchers.append(watching(("docker", "compose", "watch", "--no-up"), theirs))
        pair = (
            Side(ours, _container("devenv.dev/unit=app", ours), watchers[0]),
            Side(theirs, _container(f"com.docker.compose.project=bench-{name}-theirs", theirs), watchers[1]),
        )
        for side in pair:
            settled(side)
        yield pair
    finally:
        for watcher in watchers:
            watcher.send_signal(signal.SIGINT)
            watcher.wait(20)
        subprocess.run([DEVENV, "down"], cwd=ours, capture_output=True, check=False)
        down = ["docker", "compose", "down", "-t", "0", "--rmi", "local"]
        subprocess.run(down, cwd=theirs, capture_output=True, check=False)


def watching(argv: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    output = (folder / "watch.log").open("wb")
    return subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def _container(label: str, folder: Path) -> str:
    for id in lines("docker", "ps", "-q", "--filter", f"label={label}"):
        details = lines("docker", "inspect", "-f", "{{json .Config.Labels}}", id)[0]
        if str(folder) in details or folder.name.rsplit("-", 1)[0] in details:
            return id
    raise SystemExit(f"no container of {folder}")


def settled(side: Side) -> None:
    """Return once a save of one file arrives; the first ones may be before the watch stands."""
    for _ in range(50):
        tag = f"{time.time_ns() % 10**16:016d}".encode()
        side.save(["f0.py"], tag)
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            with open(side.root / "f0.py", "rb") as file:
                if file.read() == tag:
                    return
            time.sleep(0.01)
    raise SystemExit(f"nothing arrives from {side.folder}; see its watch.log")


# -- the table

SAVES = (
    ("save of 1 KB to bytes in the container", ("f1.py",), 1024, False, 0.05, 0.02, 1000),
    ("the same, saved by an editor's rename", ("f2.py",), 1024, True, 0.05, 0.02, 1000),
    ("100 files of 4 KB", tuple(f"f{number}.py" for number in range(100)), 4096, False, 0.08, 0.04, 1000),
    ("one file of 50 MB", ("big.bin",), 50 * MIB, False, 0.5, 0.3, 7),
)
"""What is saved, files, bytes, by a rename or in place, bound, aim, most runs."""


def saves(runs: int, work: Path) -> Iterator[Result]:
    """The rows whose bound is a ratio to `docker compose watch`."""
    for base in BASES:
        with sides(work, base) as pair:
            for what, files, size, atomic, bound, aim, most in SAVES:
                mine, theirs = (Save(side, files, size, atomic) for side in pair)
                what = f"{base}: {what} / docker compose watch"
                yield race(Race(what, mine, theirs, bound, aim, most=most), runs)


def unchanged(runs: int, work: Path) -> Iterator[Result]:
    """Saves of the content that is there already: bytes of what was written anew in the container."""
    with sides(work, BASES[0]) as pair:
        ours, theirs = (_written_anew(side, runs) for side in pair)
        yield count_of(f"bytes sent for {runs} saves of 1 KB that change nothing", ours, theirs, 0)


def _written_anew(side: Side, runs: int) -> int:
    content, written = b"1" * 1024, 0
    side.save(["f3.py"], content)
    arrived(side.root, ["f3.py"], content, 1024)
    for _ in range(runs):
        before = (side.root / "f3.py").stat()
        side.save(["f3.py"], content)
        Save(side, ("f4.py",), 1024).run()  # arrives after it
        if (side.root / "f3.py").stat().st_ctime_ns != before.st_ctime_ns:
            written += before.st_size
    return written


def switch(runs: int, work: Path) -> Iterator[Result]:
    """A branch switch of 10,000 files: from the first save to the last byte, none missing."""
    with sides(work, BASES[1], files=1) as pair:
        taken: tuple[list[float], list[float]] = ([], [])
        for _ in range(min(runs, 5)):
            for side, times in zip(pair, taken, strict=True):
                times.append(_switched(side))
        ours, theirs = map(statistics.median, taken)
        yield ratio("10,000 files, first save to last byte / docker compose watch", ours, theirs, 0.8, 0.5)


def _switched(side: Side, count: int = 10_000) -> float:
    tag = f"{time.time_ns() % 10**16:016d}".encode()
    root, began = side.root, time.monotonic()
    names = [f"d{number % 500}/f{number}.py" for number in range(count)]
    for number in range(500):
        (side.folder / "src" / f"d{number}").mkdir(exist_ok=True)
    for name in names:
        (side.folder / "src" / name).write_bytes(tag * 4)
    seen = arrived(root, names, tag, 64)
    if seen is None:
        raise SystemExit(f"files of a branch switch never arrived in {side.container}")
    return seen - began


def frozen(runs: int, work: Path) -> Iterator[Result]:
    """10,000 saves while the watcher is stopped by SIGSTOP: what is missing a while after SIGCONT."""
    with sides(work, BASES[0], files=1) as pair:
        missing, seconds = [], []
        for side in pair:
            names = [f"d{number % 100}/f{number}.py" for number in range(10_000)]
            for number in range(100):
                (side.folder / "src" / f"d{number}").mkdir(exist_ok=True)
            for pid in side.pids():
                os.kill(pid, signal.SIGSTOP)
            for name in names:
                temporary = side.folder / "src" / f"{name}~"
                temporary.write_bytes(b"1" * 64)
                temporary.replace(side.folder / "src" / name)
            for pid in reversed(side.pids()):
                os.kill(pid, signal.SIGCONT)
            began = time.monotonic()
            arrived(side.root, names, b"1", 64)
            seconds.append(time.monotonic() - began)
            root = side.root
            missing.append(sum(not (root / name).is_file() for name in names))
        what = f"files missing after 10,000 saves with the watcher stopped (there after {seconds[0]:.1f} s)"
        yield count_of(what, missing[0], missing[1], 0)


def torn(runs: int, work: Path) -> Iterator[Result]:
    """A reader that never stops, while 100 updates of a file stream in."""
    with sides(work, BASES[0]) as pair:
        bad = [_torn(side) for side in pair]
        yield count_of("missing, empty or torn reads during 100 updates of 64 KB", bad[0], bad[1], 0)


def _torn(side: Side) -> int:
    size, bad, reads = 65536, 0, 0
    file = side.root / "torn.bin"
    side.save(["torn.bin"], b"0" * size)
    arrived(side.root, ["torn.bin"], b"0", size)
    for number in range(100):
        letter = bytes([ord("a") + number % 26])
        side.save(["torn.bin"], letter * size, atomic=True)
        until = time.monotonic() + 0.05
        while time.monotonic() < until:
            reads += 1
            try:
                content = file.read_bytes()
            except OSError:
                content = b""
            bad += len(content) != size or len(set(content)) != 1
    return bad


def resting(runs: int, work: Path) -> Iterator[Result]:
    """What watching costs while nothing changes."""
    with sides(work, BASES[0], files=1) as pair:
        for side in pair:
            for number in range(100_000):
                folder = side.folder / "src" / f"m{number % 1000}"
                if number < 1000:
                    folder.mkdir()
                (folder / f"f{number}.py").write_bytes(b"x")
        for side in pair:
            arrived(side.root, ["m999/f99999.py"], b"x", 1)
        memory = [sum(map(_memory, side.pids())) for side in pair]
        yield ratio(
            "memory on a tree of 100,000 files / docker compose watch", *memory, 0.9, 0.5, mebibytes_of
        )
        watches = sum(map(_watches, pair[0].pids()))
        folders = 1 + sum(len(names) for _, names, _ in os.walk(pair[0].folder / "src"))
        yield ratio(
            "kernel watches / folders that are not ignored",
            watches,
            folders,
            1.05,
            None,
            lambda value: f"{value:.0f}",
        )
        _at_rest(pair[0].pids())
        before, began = _busy(pair[0].pids()), time.monotonic()
        time.sleep(10)
        busy = (_busy(pair[0].pids()) - before) / (time.monotonic() - began)
        yield limit("processor time at rest, ms per s", busy * 1000, 0.5, lambda value: f"{value:.2f}", "")


def _memory(pid: int) -> int:
    match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) * 1024 if match else 0


def _watches(pid: int) -> int:
    return sum(file.read_text().count("inotify wd") for file in Path(f"/proc/{pid}/fdinfo").iterdir())


def _busy(pids: Sequence[int]) -> float:
    """Seconds of the processor that these processes have used, from the scheduler's nanoseconds."""
    files = [file for pid in pids for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def _at_rest(pids: Sequence[int]) -> None:
    """Return once a second passes in which these processes do next to nothing."""
    for _ in range(int(PATIENCE)):
        before = _busy(pids)
        time.sleep(1)
        if _busy(pids) - before < 0.01:
            return
    raise SystemExit("the watcher does not come to rest")


def up_after_edit(runs: int, work: Path) -> Iterator[Result]:
    """`up -d` after an edit of one file, with nobody watching, against a build."""
    with sides(work, BASES[1]) as (ours, theirs):
        for side in (ours, theirs):
            side.watcher.send_signal(signal.SIGINT)
            side.watcher.wait(20)

        def edit() -> None:
            for side in (ours, theirs):
                side.save(["f1.py"], f"{time.time_ns()}".encode())

        mine = Command((DEVENV, "up", "-d"), ours.folder)
        other = Command(("docker", "compose", "up", "-d", "--build", "--wait"), theirs.folder)
        what = "up -d after editing one file / docker compose up -d --build --wait"
        yield race(Race(what, mine, other, 0.25, 0.1, edit), runs)


def ratio(
    what: str,
    ours: float,
    theirs: float,
    bound: float,
    aim: float | None,
    show: Callable[[float], str] = seconds_of,
) -> Result:
    """Two figures that were not taken as times of commands."""
    value = ours / theirs
    verdict = "MISS" if value > bound else "aim reached" if aim is not None and value <= aim else "pass"
    wanted = f"<= {bound:g}" + (f" (aim {aim:g})" if aim is not None else "")
    return Result(what, show(ours), show(theirs), f"{value:.3f}", wanted, verdict)


def count_of(what: str, ours: int, theirs: int, most: int) -> Result:
    """How often something went wrong."""
    return Result(what, str(ours), str(theirs), "", f"<= {most}", "pass" if ours <= most else "MISS")


ROWS = {
    "reload-saves": saves,
    "reload-unchanged": unchanged,
    "reload-switch": switch,
    "reload-frozen": frozen,
    "reload-torn": torn,
    "reload-resting": resting,
    "reload-up": up_after_edit,
}
