"""Docker Compose, read: the containers of a checkout, their state and their logs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING

from devenv import proc
from devenv.backends import containers, loglines
from devenv.backends.absent import no_program
from devenv.backends.base import (
    Attach,
    Change,
    LogLine,
    Privileged,
    Removed,
    Say,
    Session,
    Site,
    Stream,
    Work,
)
from devenv.backends.compose import place
from devenv.backends.compose.connection import Connection
from devenv.backends.compose.halfmade import discard_half_made
from devenv.backends.compose.tools import require_docker
from devenv.backends.health import healthy
from devenv.errors import ToolMissing
from devenv.plan.model import Observed, ObservedUnit
from devenv.stack import labels
from devenv.stack.labels import HALF_MADE

if TYPE_CHECKING:
    from devenv.stack.imaged import Declared
    from devenv.stack.model import Stack


NOT_STARTED = (126, 127)
"""What `docker exec` ends with when the command could not be started."""


class ComposeBackend:
    """The engine that the docker command would talk to."""

    name = "compose"
    renderer = "compose"
    idle = ""

    def __init__(self, site: Site | None = None) -> None:
        self._site, self._connection = site or Site(), Connection()

    @property
    def home(self) -> str:
        return self._connection.address

    def check(self) -> str:
        address = self._connection.address
        version = containers.version(address) or self._connection.engine.version()
        return containers.described(version, address)

    # -- looking

    def observe(self, checkout: str) -> Observed:
        units: dict[str, ObservedUnit] = {}
        strays: list[ObservedUnit] = []
        taken: dict[int, str] = {}
        marks: dict[str, str] = {}
        stack = ""
        for container in self._containers(checkout):
            tags = labels.read(container["Labels"])
            if tags.checkout != checkout:
                taken.update(dict.fromkeys(containers.published(container), containers.owner(container)))
            elif tags.unit and not containers.one_off(container):
                stack = tags.stack or stack
                marks[container["Id"]] = tags.unfinished
                unit = containers.observed_unit(container)
                if unit.unit in units:  # the engine lists the newest first
                    strays.append(unit)
                else:
                    units[unit.unit] = unit
        if not units:
            self._require_in_reach(checkout)
        return Observed(
            units=self._judged(_probed(units), marks),
            prepared=bool(units),
            stack=stack,
            strays=tuple(strays),
            taken=taken,
        )

    def _containers(self, checkout: str) -> Sequence[containers.Container]:
        """Every container of the engine, also the stopped ones."""
        with self._answering(checkout):
            rows = containers.all_containers(self._connection.address)
            return self._connection.engine.containers() if rows is None else rows

    @contextmanager
    def _answering(self, checkout: str) -> Iterator[None]:
        """Where no engine answers, say where the stack is if that is another."""
        try:
            yield
        except ToolMissing:
            self._require_in_reach(checkout)
            raise

    def _require_in_reach(self, checkout: str) -> None:
        """Asked only where nothing of a checkout is here: the last `up` may have been on another engine."""
        if self._site.state is not None:
            place.require_in_reach(self._site.state / self.name, self._connection.address, checkout)

    def _judged(self, units: Mapping[str, ObservedUnit], marks: Mapping[str, str]) -> dict[str, ObservedUnit]:
        """Mark the stores that are not up and whose data was left half made; no other unit is looked at."""
        return {
            name: replace(unit, half_made=True, detail=HALF_MADE)
            if (mark := marks[unit.id]) and unit.healthy is not True and self._is_half_made(unit, mark)
            else unit
            for name, unit in units.items()
        }

    def _is_half_made(self, unit: ObservedUnit, mark: str) -> bool:
        """While a container runs, its first start may still be going on: only its check can tell."""
        if unit.running:
            return HALF_MADE in self._connection.engine.last_check(unit.id)
        return self._connection.engine.has_file(unit.id, mark)

    def images(self, stack: Stack, wanted: Collection[str]) -> frozenset[str]:
        return self._connection.images.have(wanted)

    def declared(self, images: Collection[str]) -> Mapping[str, Declared]:
        return self._connection.images.declared(images)

    def registry(self, stack: Stack) -> str:
        return ""

    def changes(self, stack: str, stop: Event) -> Iterator[Change]:
        return self._connection.engine.events.changes(stack, stop)

    def logs(
        self, units: Sequence[ObservedUnit], *, follow: bool, tail: int | None, since: int | None, stop: Event
    ) -> Iterator[Sequence[LogLine]]:
        sources = [loglines.Source(unit.unit, unit.id, unit.stack, not unit.one_shot) for unit in units]
        engine = loglines.EngineLogs(self._connection.address, lambda: self._connection.engine)
        return loglines.lines(engine, sources, follow=follow, tail=tail, since=since, stop=stop)

    def instances(self, unit: ObservedUnit) -> Sequence[str]:
        return [unit.id] if unit.running else []

    def attach(self, unit: ObservedUnit, argv: Sequence[str], *, instance: str = "") -> Stream:
        from devenv.backends import streams

        address = self._connection.address
        return streams.attach(address, lambda: self._connection.engine, instance or unit.id, argv)

    def resting(self, unit: ObservedUnit) -> AbstractContextManager[Attach]:
        from devenv.backends.compose.resting import resting

        return resting(self._connection, unit)

    def privileged(self, unit: ObservedUnit, instance: str) -> Privileged | None:
        from devenv.backends import streams

        return streams.Privileged(self._connection.address, lambda: self._connection.engine, instance)

    def mark_edited(self, unit: ObservedUnit, instance: str) -> None:
        """Nothing: a container takes no notes once it is made, so `observe` says of each that it may be."""

    def exec(self, unit: ObservedUnit, argv: Sequence[str], *, tty: bool, interactive: bool) -> int:
        require_docker()
        flags = [*(["-i"] if interactive else []), *(["-t"] if tty else [])]
        code = proc.run_attached(["docker", "exec", *flags, unit.id, *argv])
        # Asked only after it failed: a shell that is there opens at once.
        if code in NOT_STARTED and not self._connection.engine.has_program(unit.id, argv[0]):
            raise no_program(unit.unit, argv[0])
        return code

    # -- the engine itself, and everything of a checkout

    def require_allowed(self) -> None:
        """No-op: an engine of this machine is always allowed."""

    def start(self, name: str, say: Say) -> None:
        """No-op: devenv never starts the Docker engine."""

    def stop(self) -> None:
        """No-op: devenv never stops the Docker engine."""

    def remove(self, checkout: str, *, volumes: bool, say: Say) -> Removed:
        from concurrent.futures import ThreadPoolExecutor

        with self._answering(checkout):
            ours = self._connection.engine.labelled(checkout=checkout)
        if not ours:
            self._require_in_reach(checkout)
        stores = [container for container in ours if labels.read(container["Labels"]).role == "infra"]
        others = [container for container in ours if container not in stores]
        for group in (others, stores):  # what uses a store ends before it
            if group:
                say(f"stopping {', '.join(sorted(map(_unit_of, group)))}")
            with ThreadPoolExecutor(max_workers=16) as pool:
                list(pool.map(lambda container: self._end(container, say), group))
        self._connection.engine.remove_networks(checkout=checkout)
        names = tuple(self._connection.engine.volumes(checkout=checkout))
        for name in names if volumes else ():
            self._connection.engine.remove_volume(name)
        units = tuple(sorted(map(_unit_of, ours)))
        return Removed(units, names if volumes else (), () if volumes else names)

    def _end(self, container: containers.Container, say: Say) -> None:
        """Stop and remove a container, and with it data that its first start left half made."""
        tags = labels.read(container["Labels"])
        if tags.unfinished and discard_half_made(self._connection.engine, container["Id"]):
            say(f"{tags.unit}: {HALF_MADE}; what it left is removed, too")
        else:
            self._connection.engine.remove(container["Id"])

    def open(self, work: Work) -> Session:
        from devenv.backends.compose.session import ComposeSession

        place.remember(work.folder, self._connection.address)
        return ComposeSession(self._connection, self._site.root, work)

    def close(self) -> None:
        self._connection.close()


def _unit_of(container: containers.Container) -> str:
    return labels.read(container["Labels"]).unit or str(container["Id"][:12])


def _probed(units: Mapping[str, ObservedUnit]) -> dict[str, ObservedUnit]:
    """Probe units where the engine's check is late, or impossible as in an image without a shell."""
    return {name: replace(unit, healthy=healthy(unit)) for name, unit in units.items()}
