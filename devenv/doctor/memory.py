"""The memory of this machine against what the units to start may take."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from devenv import proc
from devenv.doctor.engine import Engine, Silence
from devenv.doctor.verdict import Verdict, Wanted, passed, warned
from devenv.errors import ToolMissing
from devenv.plan.fit import excess, shown

ON_THIS_MACHINE = ("compose", "process")
"""Backends whose units share this machine's memory; a cluster has a scheduler that counts for itself."""


def look(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that programs can still get; where the system does not say, all there are."""
    everything = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _in_proc(meminfo) or _by_vm_stat() or everything


def _in_proc(meminfo: Path) -> int:
    try:
        kibibytes = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(encoding="utf-8"), re.M)
    except OSError:
        return 0
    return int(kibibytes[1]) * 1024 if kibibytes else 0


def _by_vm_stat() -> int:
    """The same on macOS: pages nobody has, and those that are taken back when somebody asks."""
    try:
        table = proc.run_captured(["vm_stat"]).stdout
    except ToolMissing:
        return 0
    size = re.search(r"page size of (\d+) bytes", table)
    pages = re.findall(r"^Pages (?:free|inactive|speculative):\s+(\d+)\.", table, re.M)
    return int(size[1]) * sum(map(int, pages)) if size else 0


def free(here: int, engine: Engine | Silence | None, address: str) -> int:
    """What units can get: no more than the engine's machine has, and only that where it is another one."""
    there = engine.memory if isinstance(engine, Engine) else 0
    if not address.startswith("unix://"):
        return there or here
    return min(here, there) if there else here


def judge(wanted: Wanted, bytes_free: int) -> Iterator[Verdict]:
    """Whether the units to start fit; never a failure, as few take all that they may."""
    if wanted.stack is None:
        yield passed("memory", f"{shown(bytes_free)} are free")
    elif wanted.backend in ON_THIS_MACHINE:
        over = excess(wanted.stack, wanted.starting, bytes_free, wanted.profiles)
        if over is None:
            yield passed("memory", f"{shown(bytes_free)} are free, enough for all units")
        else:
            part = f"devenv up {shlex.join(over.subset)}   # a part that fits"
            command = part if over.subset else "docker stats --no-stream   # what takes it"
            yield warned("memory", over.text, command)
