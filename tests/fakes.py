"""A backend without a runtime: it remembers what it was told to do, and units fail when they are told to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import ClassVar

from devenv.backends.base import Interrupted, LogLine, Removed, Say, Site, Stream
from devenv.errors import Card, DevenvError, UnitFailed
from devenv.plan.model import Found, Observed
from devenv.render import compose
from devenv.render.bundle import Bundle
from devenv.stack.model import Stack, Unit


@dataclass
class Machine:
    """What a fake runtime has: units by name, images, ports of others, and units that will not come up.

    `interrupting` are units during whose wait somebody presses Ctrl-C; `idle` is what goes on without units.
    """

    units: dict[str, Found] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    interrupting: set[str] = field(default_factory=set)
    taken: dict[int, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    volumes: set[str] = field(default_factory=set)
    checkout: str = ""
    idle: str = ""
    declared: dict[str, tuple[str, ...]] = field(default_factory=dict)


class FakeBackend:
    """The Protocol over a `Machine`; every instance sees the same one, as every process sees one engine."""

    name = "fake"
    fragment = "compose"
    machine: ClassVar[Machine] = Machine()

    def __init__(self, site: Site | None = None) -> None:
        self._stack: Stack | None = None

    @property
    def home(self) -> str:
        return self.name

    def check(self) -> str:
        return "a fake machine"

    def start(self, name: str, say: Say) -> None:
        """It always answers."""

    @property
    def idle(self) -> str:
        return self.machine.idle

    def stop(self) -> None:
        self.machine.idle = ""

    def render(
        self, stack: Stack, *, fingerprints: Mapping[str, str], secrets: Mapping[str, str], folder: Path
    ) -> Bundle:
        return compose.render(stack, fingerprints=fingerprints, secrets=secrets)

    def observe(self, checkout: str) -> Observed:
        units = self.machine.units if checkout == self.machine.checkout else {}
        stack = next((one.stack for one in units.values()), "")
        return Observed(units=dict(units), prepared=bool(units), stack=stack, taken=dict(self.machine.taken))

    def images(self, stack: Stack, wanted: Collection[str]) -> frozenset[str]:
        return frozenset(set(wanted) & self.machine.images)

    def declared(self, images: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        return {image: self.machine.declared.get(image, ()) for image in images}

    def follow(self, stack: Stack, bundle: Path) -> None:
        assert bundle.is_dir()
        self._stack, self.machine.checkout = stack, stack.checkout

    def pull(self, image: str, say: Say) -> None:
        say(f"pulling {image}")
        self.machine.images.add(image)

    def build(self, unit: Unit, root: Path, secrets: Mapping[str, str], say: Say) -> None:
        say("step 1 of 1")
        self.machine.images.add(unit.image)

    def prepare(self, stack: Stack, units: Sequence[str], say: Say) -> None:
        for name in units:
            self._create(stack.unit(name), "", state="created")

    def apply(self, unit: Unit, fingerprint: str) -> None:
        self.machine.done.append(f"apply {unit.name}")
        self._create(unit, fingerprint, state="exited" if unit.one_shot else "running")
        self.machine.volumes |= {volume.name for volume in unit.volumes}

    def _create(self, unit: Unit, fingerprint: str, *, state: str) -> None:
        assert self._stack is not None
        self.machine.units[unit.name] = Found(
            unit.name,
            id=f"id-{unit.name}",
            state=state,
            stack=self._stack.id,
            role=unit.role,
            engine=unit.engine,
            version=unit.version,
            image=unit.image,
            fingerprint=fingerprint,
            healthy=None if unit.one_shot or unit.probe is None else True,
            ports={port.container: (port.wanted or 0, port.host or 0) for port in unit.ports},
            port_names={port.container: port.name for port in unit.ports},
            links=tuple((link.label, link.url) for link in unit.links),
            routes=unit.routes,
        )

    def wait(self, unit: Unit, stop: Event) -> None:
        if unit.one_shot and self.machine.units[unit.name].state == "running":
            stop.wait()
            raise Interrupted
        if unit.name in self.machine.interrupting:
            raise KeyboardInterrupt
        if unit.name in self.machine.failing:
            self.machine.units[unit.name] = replace(
                self.machine.units[unit.name], state="exited", exit_code=3
            )
            raise UnitFailed(
                Card(unit.name, "ended with exit 3", said=("boom",), hint=f"devenv logs {unit.name}")
            )

    def remove_unit(self, name: str) -> None:
        self.machine.done.append(f"remove {name}")
        self.machine.units.pop(name, None)

    def remove(self, checkout: str, *, volumes: bool, say: Say) -> Removed:
        units = tuple(sorted(self.machine.units))
        self.machine.units.clear()
        names = tuple(sorted(self.machine.volumes))
        if volumes:
            self.machine.volumes.clear()
        return Removed(units, names if volumes else (), () if volumes else names)

    def logs(
        self, found: Sequence[Found], *, follow: bool, tail: int | None, since: str | None, stop: Event
    ) -> Iterator[LogLine]:
        for one in found:
            yield LogLine(one.unit, f"{one.unit} says hello", "2026-01-01T00:00:00.000000000Z")
        if follow:
            raise KeyboardInterrupt  # nobody watches a test for longer

    def forward(self, stack: Stack) -> None:
        """Nothing listens."""

    def attach(self, found: Found, argv: Sequence[str]) -> Stream:
        raise DevenvError("nothing runs on a fake machine")

    def exec(self, found: Found, argv: Sequence[str], *, tty: bool, interactive: bool) -> int:
        self.machine.done.append(f"exec {found.unit}: {' '.join(argv)}")
        return 7 if argv[0] == "false" else 0

    def run(self, unit: Unit, argv: Sequence[str], *, tty: bool) -> int:
        self.machine.done.append(f"run {unit.name}: {' '.join(argv)}")
        return 0

    def restart(self, name: str) -> None:
        self.machine.done.append(f"restart {name}")

    def close(self) -> None:
        """Nothing is open."""


class ElsewhereBackend(FakeBackend):
    """The same on another machine, to switch to."""

    name = "elsewhere"
    machine: ClassVar[Machine] = Machine()
