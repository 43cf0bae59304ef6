"""Timing one thing against another: medians of runs taken in turn, and what they come to."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

DEVENV = str(Path(sys.executable).with_name("devenv"))
WARM_UPS = 2
MIB = 2**20


class Timed(Protocol):
    """Something that takes time."""

    def run(self) -> float:
        """Do it; how many seconds it took."""
        ...


@dataclass(frozen=True)
class Command:
    """A command as a person types it, and where."""

    argv: tuple[str, ...]
    folder: Path
    stdin: bytes = b""

    def run(self) -> float:
        """Seconds from start to end. Whatever does not end well ends the benchmark."""
        began = time.perf_counter()
        done = subprocess.run(self.argv, cwd=self.folder, capture_output=True, input=self.stdin, check=False)
        seconds = time.perf_counter() - began
        if done.returncode != 0:
            output = (done.stdout + done.stderr).decode(errors="replace")
            raise SystemExit(f"{' '.join(self.argv)} ended with {done.returncode}:\n{output}")
        return seconds

    def peak(self) -> int:
        """The most memory it had, in bytes."""
        argv = (sys.executable, "-I", "-c", PEAK, *self.argv)
        measured = subprocess.run(argv, cwd=self.folder, stdout=subprocess.PIPE, text=True, check=False)
        if measured.returncode != 0:
            raise SystemExit(f"{' '.join(self.argv)} ended with {measured.returncode}")
        return int(measured.stdout) * (1 if sys.platform == "darwin" else 1024)


# Run by a small process of its own: what a program was started from counts as its own most.
PEAK = """
import resource, subprocess, sys
nowhere = subprocess.DEVNULL
code = subprocess.run(sys.argv[1:], stdout=nowhere, stderr=nowhere).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def lines(*argv: str) -> list[str]:
    """The words a command prints."""
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return done.stdout.split()


def nothing() -> None:
    """Needs no preparation."""


@dataclass(frozen=True)
class Race:
    """Two things that do the same. Ours may take `bound` times as long as theirs, and `more` seconds.

    `before` and `after` are outside the timing. `most`: no more runs than this, for what takes long.
    """

    what: str
    ours: Timed
    theirs: Timed
    bound: float = 1.0
    aim: float | None = None
    before: Callable[[], None] = nothing
    after: Callable[[], None] = nothing
    more: float = 0.0
    most: int = 1000


@dataclass(frozen=True)
class Result:
    """A line of the table."""

    what: str
    ours: str
    theirs: str
    value: str
    bound: str
    verdict: str

    @property
    def missed(self) -> bool:
        return self.verdict == "MISS"


def race(race: Race, runs: int) -> Result:
    """Both in turn; the medians, and their ratio or difference."""
    taken: tuple[list[float], list[float]] = ([], [])
    runs = min(runs, race.most)
    warm_ups = min(WARM_UPS, runs // 2)
    for number in range(warm_ups + runs):
        for timed, times in zip((race.ours, race.theirs), taken, strict=True):
            race.before()
            seconds = timed.run()
            race.after()
            if number >= warm_ups:
                times.append(seconds)
    ours, theirs = map(statistics.median, taken)
    met = ours <= theirs * race.bound + race.more
    aimed = race.aim is not None and ours <= theirs * race.aim
    if race.more:
        times = f"{race.bound:g} x " if race.bound != 1 else ""
        value, bound = f"{(ours - theirs) * 1000:+.0f} ms", f"<= {times}+{race.more * 1000:.0f} ms"
    else:
        value, bound = (
            f"{ours / theirs:.{2 if ours > theirs / 10 else 3}f}",
            f"<= {race.bound:g}{f' (aim {race.aim:g})' if race.aim else ''}",
        )
    verdict = "MISS" if not met else "aim reached" if aimed else "pass"
    return Result(race.what, seconds_of(ours), seconds_of(theirs), value, bound, verdict)


def limit(what: str, value: float, bound: float, show: Callable[[float], str], beside: str = "") -> Result:
    """A figure that has to stay below another one."""
    verdict = "pass" if value < bound else "MISS"
    return Result(what, show(value), beside, "", f"< {show(bound)}", verdict)


def seconds_of(value: float) -> str:
    """Seconds for people."""
    return f"{value:.2f} s" if value >= 2 else f"{value * 1000:.{0 if value >= 0.01 else 1}f} ms"


def mebibytes_of(value: float) -> str:
    """Bytes for people."""
    return f"{value / MIB:.0f} MiB"
