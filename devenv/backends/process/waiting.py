"""Waiting until a process is ready, or saying why it is not."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from devenv import proc
from devenv.backends.base import BEGIN, SETTLE, Interrupted
from devenv.backends.causes import READ, Cause, failed, likely
from devenv.backends.probe import answers
from devenv.backends.process.launch import words
from devenv.backends.process.leftovers import left
from devenv.backends.process.logfile import lines
from devenv.backends.process.records import EXITED, Folder, Record
from devenv.backends.process.spec import Spec
from devenv.errors import UnitFailed
from devenv.stack.model import Probe, Unit

HERE = (
    Cause(
        r"sh: (\d+: |line \d+: )?\S+: (command )?not found",
        "it is not on the PATH of this machine: install it, or run the stack in containers, -b compose",
    ),
    Cause(
        r"[Aa]ddress already in use|EADDRINUSE",
        "another program has that port: make it listen on $PORT, in its code or with host: ... --port $PORT",
    ),
    Cause(
        r"can't open file '[^']+': \[Errno 2\]",
        "it runs in the folder of its build; where COPY brings the sources from a folder below, write"
        " host: cd app && python manage.py runserver $PORT",
    ),
    Cause(
        r"Unable to access jarfile",
        "its image's build makes that file: say how it runs here, host: mvn -q spring-boot:run",
    ),
    Cause(
        r"ModuleNotFoundError|Cannot find (module|package)|MODULE_NOT_FOUND",
        "a dependency is missing: what requirements.txt, uv.lock, pyproject.toml or package-lock.json in the"
        " folder of its build names is installed, on the next devenv up",
    ),
)
"""Causes that are others without an image."""
FIRST, MOST = 0.02, 0.5  # seconds between two looks


@dataclass(frozen=True)
class Waiting:
    """Waits for one unit."""

    folder: Folder
    unit: Unit
    spec: Spec
    environment: dict[str, str]
    settle: float = SETTLE

    def until_ready(self, stop: Event) -> None:
        """Raises `UnitFailed`, or `Interrupted` when told to stop."""
        unit, started, pause, lost = self.unit, time.monotonic(), FIRST, 0.0
        limit = unit.within if unit.one_shot else unit.probe.within if unit.probe else BEGIN
        while not stop.is_set():
            record, passed = self.folder.record(unit.name), time.monotonic() - started
            if record is None or record.state == EXITED:
                if record is not None and unit.one_shot and record.exit_code == 0:
                    return
                raise self._failed(
                    f"ended with exit {record.exit_code}" if record else "does not run any more"
                )
            ready, answer = self._ready(record, passed)
            if ready:
                return
            lost = 0.0 if left(record) else lost or passed
            if lost and passed - lost > self.settle:  # as on a full disk
                raise self._failed("ended, and its end could not be recorded")
            if passed > limit:
                verb = "did not end" if unit.one_shot else "was not ready"
                raise self._failed(f"{verb} within {limit:g} s", answer)
            stop.wait(min(pause, limit - passed + 0.01))
            pause = min(MOST, pause * 1.3)
        raise Interrupted

    def _ready(self, record: Record, passed: float) -> tuple[bool, str]:
        probe = self.unit.probe
        if self.unit.one_shot:
            return False, ""
        if probe is None:
            began = (time.time_ns() - record.began) / 1e9  # less than nothing once the clock was put back
            return left(record) and max(began, passed) >= self.settle, ""
        if probe.kind != "exec":
            port = self._asked(probe).port
            return answers(probe.kind, port, probe.path, timeout=probe.timeout, proxied=False)
        return checked(self.spec, self.environment)

    def _asked(self, probe: Probe) -> Probe:
        """The check with the port of this machine that it asks."""
        port = self.unit.port(probe.port)
        return replace(probe, port=port.host) if port and port.host else probe

    def _failed(self, what: str, answer: str = "") -> UnitFailed:
        facts = [("probe", self._asked(self.unit.probe).shown)] if self.unit.probe else []
        facts += [("answer", answer)] if answer else []
        unit = replace(self.unit, command=None) if self.spec.way.kind else self.unit  # that is its image's
        lines = log_tail(self.folder.log(unit.name), READ)
        error = failed(unit, what, lines, facts)
        hint = likely(lines, HERE)
        return UnitFailed(replace(error.card, hint=hint)) if hint else error


def checked(spec: Spec, environment: Mapping[str, str]) -> tuple[bool, str]:
    """Whether a unit's own command takes it for ready, and the last line that it printed."""
    argv = words(spec, spec.check)
    done = proc.run_merged(argv, environment=environment, folder=str(spec.folder), within=spec.patience)
    return done.code == 0, done.stdout.strip().rpartition("\n")[2]


def log_tail(log: Path, count: int) -> Sequence[str]:
    """The last lines of a log, without their times."""
    from collections import deque

    last = deque(lines(log), maxlen=count)
    return [line.decode(errors="replace").partition(" ")[2] for line in last]
