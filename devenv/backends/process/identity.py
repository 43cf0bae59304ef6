"""Which process a pid means: pids come again, so each is remembered with the moment its process began."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from devenv import proc

PROCESSES = Path("/proc")
ASKED = ("env", "LC_ALL=C", "TZ=UTC", "ps", "-o", "stat=,lstart=", "-p")
"""Asks for the state of a process and when it began, in the same words in every terminal."""

LISTED = ("ps", "-A", "-E", "-ww", "-o", "pid=,command=")
"""Lists processes with their variables behind their words, on macOS."""
MARK = "DEVENV_UNIT"
"""A variable of every process of a unit, which those that it starts inherit."""


def identity(pid: int, processes: Path = PROCESSES) -> str:
    """What no other process has, before or after a reboot of the machine; "" where there is none."""
    if not (processes / "self").exists():
        state, _, began = proc.run_captured([*ASKED, str(pid)]).stdout.strip().partition(" ")
        return "" if state.startswith("Z") else began.strip()
    try:
        stat = (processes / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else f"{_boot()}:{fields[18]}"


@cache
def _boot() -> str:
    with contextlib.suppress(OSError):
        return (PROCESSES / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return ""


def marked(mark: str, processes: Path = PROCESSES) -> Iterator[int]:
    """The processes that carry a mark, as far as this user may see them.

    A program may overwrite its environment, as servers do that show their state in the list of processes.
    """
    if not (processes / "self").exists():
        for line in proc.run_captured(LISTED).stdout.splitlines():
            pid, *words = line.split()
            if f"{MARK}={mark}" in words:
                yield int(pid)
        return
    wanted = f"{MARK}={mark}".encode()
    for folder in processes.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


def group_is_left(leader: int) -> bool:
    """Whether a process of a group runs; one that ended and that nobody has asked after yet does not."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    if not (PROCESSES / "self").exists():
        return True
    for file in PROCESSES.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            stat = file.read_text(encoding="utf-8", errors="replace")
            state, _, group, *_ = stat.rpartition(")")[2].split()
            if int(group) == leader and state not in "ZX":
                return True
    return False


def signal_group(leader: int, number: int) -> None:
    """Send a signal to all processes of a group; none may be left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def signal_marked(mark: str, number: int = signal.SIGKILL) -> bool:
    """Send a signal to what left the group of its unit; whether there is anything."""
    pids = list(marked(mark))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
    return bool(pids)
