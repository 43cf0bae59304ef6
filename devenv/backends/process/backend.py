"""Plain processes, looked at: what the records of a stack's supervisor say, checked against this machine."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from devenv import proc
from devenv.backends.absent import no_program
from devenv.backends.base import (
    Attach,
    Change,
    LogLine,
    Privileged,
    Removed,
    Running,
    Say,
    Session,
    Site,
    Stream,
    Work,
)
from devenv.backends.health import healthy
from devenv.backends.process.control import Control
from devenv.backends.process.identity import identity
from devenv.backends.process.records import RUNNING, STAND_IN, Folder, Record
from devenv.errors import DevenvError, ToolMissing, UsageError
from devenv.plan.model import ORPHANED, Observed, ObservedUnit
from devenv.stack import labels

if TYPE_CHECKING:
    from devenv.backends.process.spec import Spec
    from devenv.stack.imaged import Declared
    from devenv.stack.model import Stack, Unit

SYSTEMS = {"Darwin": "macOS"}
LOOK = 0.2  # seconds between two looks for a supervisor


class ProcessBackend:
    """The programs of this machine, without any container."""

    name = "process"
    renderer = "process"
    idle = ""

    def __init__(self, site: Site | None = None) -> None:
        site = site or Site()
        self._root = site.root
        self._folder = Folder((site.state or site.root / ".devenv") / "process")
        self._control = Control(self._folder)

    @property
    def home(self) -> str:
        return str(self._folder.path)

    def check(self) -> str:
        system = platform.system()
        return f"plain processes of this machine, {SYSTEMS.get(system, system)} {platform.machine()}"

    # -- looking

    def observe(self, checkout: str) -> Observed:
        supervised = self._folder.supervised()
        records = {
            unit: record
            for unit, record in self._folder.records().items()
            if labels.read(record.labels).checkout == checkout
        }
        with ThreadPoolExecutor(max_workers=len(records) or 1) as looks:
            look = partial(self._observed, supervised=supervised)
            units = dict(zip(records, looks.map(look, records.values()), strict=True))
        stack = next((unit.stack for unit in units.values()), "")
        return Observed(units=units, prepared=supervised, stack=stack)

    def _observed(self, record: Record, *, supervised: bool) -> ObservedUnit:
        state = record.state
        if state == RUNNING and not (supervised and identity(record.pid) == record.identity):
            state = ORPHANED
        unit = ObservedUnit.from_labels(labels.read(record.labels), id=record.id, state=state)
        return replace(
            unit,
            exit_code=record.exit_code,
            healthy=self._healthy(unit),
            stand_in=record.labels.get(STAND_IN) == "true",
        )

    def _healthy(self, unit: ObservedUnit) -> bool | None:
        """What its port or its own command answers now: no engine asks either of them."""
        if not unit.running or not unit.probe.startswith("exec"):
            return healthy(unit, proxied=False)
        from devenv.backends.process.waiting import checked

        with suppress(DevenvError, KeyError):  # a unit, file or program that is gone says nothing of it
            spec = self._spec(unit.unit)
            return checked(spec, spec.environment())[0]
        return None

    def images(self, stack: Stack, wanted: Collection[str]) -> frozenset[str]:
        """Those of units that can run at once. Raises `UsageError` for those that cannot run here at all."""
        from devenv.backends.process.able import why_not

        units = [unit for unit in stack.units if unit.image in wanted]
        refused = {unit.name: why for unit in units if (why := why_not(unit))}
        if refused:
            raise _refusal(refused)
        unready = {unit.image for unit in units if not self._is_ready(unit)}
        return frozenset(unit.image for unit in units) - unready

    def _is_ready(self, unit: Unit) -> bool:
        from devenv.backends.process.able import usable
        from devenv.backends.process.environments import Environment

        if unit.build is not None:
            return Environment.of(self._root / unit.build.folder, self._folder.environments).ready
        way = usable(unit)
        packages = way.packages if way else ()
        return Environment.of_packages(unit.name, packages, self._folder.environments).ready

    def declared(self, images: Collection[str]) -> Mapping[str, Declared]:
        return {}

    def registry(self, stack: Stack) -> str:
        return ""

    def changes(self, stack: str, stop: Event) -> Iterator[Change]:
        running = Running()
        for record in self._folder.records().values():
            if record.state == RUNNING:
                running.start(record.unit, record.id)
        while not stop.is_set():
            if self._folder.supervised():
                yield from self._changes(running, stop)
            stop.wait(LOOK)

    def _changes(self, running: Running, stop: Event) -> Iterator[Change]:
        for event in self._control.changes():
            if stop.is_set():
                return
            if event and "unit" in event:
                note = running.start if event["state"] == RUNNING else running.end
                if change := note(event["unit"], event["id"]):
                    yield change

    def logs(
        self, units: Sequence[ObservedUnit], *, follow: bool, tail: int | None, since: int | None, stop: Event
    ) -> Iterator[Sequence[LogLine]]:
        from devenv.backends.process.logs import lines

        files = {unit.unit: self._folder.log(unit.unit) for unit in units}
        return lines(files, follow=follow, tail=tail, since=since, stop=stop)

    def instances(self, unit: ObservedUnit) -> Sequence[str]:
        return [unit.id] if unit.running else []

    def attach(self, unit: ObservedUnit, argv: Sequence[str], *, instance: str = "") -> Stream:
        from devenv.backends.process.stream import ProcessStream

        spec = self._spec(unit.unit)
        return ProcessStream(argv, spec.environment(), str(spec.folder), self._folder, unit.unit)

    @contextmanager
    def resting(self, unit: ObservedUnit) -> Iterator[Attach]:
        from devenv.backends.process.stream import ProcessStream

        spec = self._spec(unit.unit)
        variables = spec.environment() | {"DEVENV_DATA": str(spec.data)}

        def attach(argv: Sequence[str]) -> Stream:
            return ProcessStream(argv, variables, str(spec.folder), self._folder, unit.unit)

        self._control.ask("stop", unit=unit.unit)
        try:
            yield attach
        finally:
            self._control.ask("restart", unit=unit.unit)

    def privileged(self, unit: ObservedUnit, instance: str) -> Privileged | None:
        return None

    def mark_edited(self, unit: ObservedUnit, instance: str) -> None:
        """Nothing: a process works on the project's own files."""

    def exec(self, unit: ObservedUnit, argv: Sequence[str], *, tty: bool, interactive: bool) -> int:
        spec = self._spec(unit.unit)
        try:
            return proc.run_attached(
                argv, environment=spec.environment(), folder=str(spec.folder), interactive=interactive
            )
        except ToolMissing as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise no_program(unit.unit, argv[0], contained=False) from error
            raise

    def _spec(self, unit: str) -> Spec:
        from devenv.backends.process.spec import read

        return read(self._folder.path, self._root, self._control.short)[unit]

    # -- everything of a checkout

    def require_allowed(self) -> None:
        """No-op: processes of this machine are always allowed."""

    def start(self, name: str, say: Say) -> None:
        """No-op: the supervisor is started with the first stack."""

    def stop(self) -> None:
        """No-op: the supervisor ends with the stack."""

    def remove(self, checkout: str, *, volumes: bool, say: Say) -> Removed:
        from devenv.backends.process.remove import remove

        return remove(self._folder, self._control, checkout, volumes=volumes, say=say)

    def open(self, work: Work) -> Session:
        from devenv.backends.process.session import ProcessSession

        return ProcessSession(self._folder, self._control, self._root, work)

    def close(self) -> None:
        """Nothing is open."""


def _refusal(refused: Mapping[str, tuple[str, str]]) -> UsageError:
    """All units that cannot run here, with what to do about each."""
    lines = [f"{name}: {why}" + (f" - {hint}" if hint else "") for name, (why, hint) in refused.items()]
    return UsageError(
        f"{', '.join(refused)} cannot run as plain processes on this machine",
        why="\n".join(lines),
        hint="devenv up -b compose   where a container engine is",
    )
