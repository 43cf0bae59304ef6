"""A backend without a runtime: it remembers what it was told to do, and units fail when they are told to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from threading import Event
from typing import ClassVar

from devenv.backends.absent import no_program
from devenv.backends.base import Attach, Change, Interrupted, LogLine, Removed, Say, Site, Stream, Work
from devenv.errors import Card, DevenvError, ToolMissing, UnitFailed, UsageError
from devenv.plan.model import Observed, ObservedUnit
from devenv.stack import labels
from devenv.stack.imaged import Declared
from devenv.stack.model import Stack, Unit


@dataclass
class Machine:
    """What a fake runtime has: units by name, images, ports of others, and units that will not come up.

    `interrupting` are units during whose wait or removal somebody presses Ctrl-C; `idle` is what goes on
    without units; `down` is what has to be started first, `away` why nothing answers at all, `stuck` why
    nothing can be removed, `forbidden` why nothing may be brought up. `half_made` are stores with data that only
    their checks know to be half made; `unseen`: looking at them does not show it afterwards either.
    `interactive`: whether each command had something to read. `exits`: how what is run once ends.
    """

    units: dict[str, ObservedUnit] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    interrupting: set[str] = field(default_factory=set)
    taken: dict[int, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    volumes: set[str] = field(default_factory=set)
    checkout: str = ""
    idle: str = ""
    down: str = ""
    away: str = ""
    stuck: str = ""
    forbidden: str = ""
    recreated: list[str] = field(default_factory=list)
    interactive: list[bool] = field(default_factory=list)
    declared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    half_made: set[str] = field(default_factory=set)
    unseen: bool = False
    exits: int = 0


class FakeBackend:
    """The Protocol over a `Machine`; every instance sees the same one, as every process sees one engine."""

    name = "fake"
    renderer = "compose"
    machine: ClassVar[Machine] = Machine()

    def __init__(self, site: Site | None = None) -> None:
        """A fake has no folder."""

    @property
    def home(self) -> str:
        return self.name

    def check(self) -> str:
        return "a fake machine"

    def observe(self, checkout: str) -> Observed:
        if self.machine.away:
            raise ToolMissing(self.machine.away)
        if self.machine.down:
            return Observed(down=self.machine.down, taken=dict(self.machine.taken))
        units = self.machine.units if checkout == self.machine.checkout else {}
        stack = next((unit.stack for unit in units.values()), "")
        return Observed(units=dict(units), prepared=bool(units), stack=stack, taken=dict(self.machine.taken))

    def images(self, stack: Stack, wanted: Collection[str]) -> frozenset[str]:
        return frozenset(set(wanted) & self.machine.images)

    def declared(self, images: Collection[str]) -> Mapping[str, Declared]:
        return {
            image: Declared(volumes=volumes)
            for image, volumes in self.machine.declared.items()
            if image in images
        }

    def registry(self, stack: Stack) -> str:
        return ""

    def changes(self, stack: str, stop: Event) -> Iterator[Change]:
        yield from ()

    def logs(
        self, units: Sequence[ObservedUnit], *, follow: bool, tail: int | None, since: int | None, stop: Event
    ) -> Iterator[Sequence[LogLine]]:
        for unit in units:
            yield [LogLine(unit.unit, f"{unit.unit} says hello", "2026-01-01T00:00:00.000000000Z")]
        if follow:
            raise KeyboardInterrupt  # nobody watches a test for longer

    def instances(self, unit: ObservedUnit) -> Sequence[str]:
        return [unit.id] if unit.running else []

    def attach(self, unit: ObservedUnit, argv: Sequence[str], *, instance: str = "") -> Stream:
        raise DevenvError("nothing runs on a fake machine")

    def resting(self, unit: ObservedUnit) -> AbstractContextManager[Attach]:
        raise DevenvError("nothing runs on a fake machine")

    def exec(self, unit: ObservedUnit, argv: Sequence[str], *, tty: bool, interactive: bool) -> int:
        self.machine.done.append(f"exec {unit.unit}: {' '.join(argv)}")
        self.machine.interactive.append(interactive)
        if "nosuch" in argv[0]:
            raise no_program(unit.unit, argv[0])
        return 7 if argv[0] == "false" else 0

    def require_allowed(self) -> None:
        if self.machine.forbidden:
            raise UsageError(self.machine.forbidden)

    def start(self, name: str, say: Say) -> None:
        self.machine.done.append(f"start {name}")
        self.machine.down = ""

    @property
    def idle(self) -> str:
        return self.machine.idle

    def stop(self) -> None:
        self.machine.idle = ""

    def remove(self, checkout: str, *, volumes: bool, say: Say) -> Removed:
        if self.machine.stuck:
            raise DevenvError(self.machine.stuck)
        if self.machine.interrupting & self.machine.units.keys():
            raise KeyboardInterrupt
        units = tuple(sorted(self.machine.units))
        self.machine.units.clear()
        names = tuple(sorted(self.machine.volumes))
        if volumes:
            self.machine.volumes.clear()
        return Removed(units, names if volumes else (), () if volumes else names)

    def open(self, work: Work) -> FakeSession:
        assert work.folder.is_dir()
        self.machine.checkout = work.stack.checkout
        return FakeSession(self.machine, work)

    def close(self) -> None:
        """Nothing is open."""


class FakeSession:
    """A stack on a `Machine`."""

    def __init__(self, machine: Machine, work: Work) -> None:
        self.machine, self.work = machine, work

    def pull(self, image: str, say: Say) -> None:
        say(f"pulling {image}")
        self.machine.images.add(image)

    def build(self, unit: Unit, say: Say) -> None:
        say("step 1 of 1")
        self.machine.images.add(unit.image)

    def prepare(self, units: Sequence[str], say: Say) -> None:
        for name in units:
            self._create(self.work.stack.unit(name), state="created")

    def apply(self, unit: Unit, *, recreate: bool) -> None:
        self.machine.done.append(f"apply {unit.name}")
        if recreate:
            self.machine.recreated.append(unit.name)
        self._create(unit, state="exited" if unit.one_shot else "running")
        self.machine.volumes |= {volume.name for volume in unit.volumes}

    def _create(self, unit: Unit, *, state: str) -> None:
        stack = self.work.stack
        fingerprint = self.work.fingerprints.get(unit.name, "")
        tags = labels.read(labels.identity(stack, unit) | labels.description(stack, unit, fingerprint))
        self.machine.units[unit.name] = replace(
            ObservedUnit.from_labels(tags, id=f"id-{unit.name}", state=state),
            image=unit.image,
            healthy=None if unit.one_shot or unit.probe is None else True,
        )

    def wait(self, unit: Unit, stop: Event) -> bool:
        if unit.one_shot and self.machine.units[unit.name].state == "running":
            stop.wait()
            raise Interrupted
        if unit.name in self.machine.interrupting:
            raise KeyboardInterrupt
        if unit.name in self.machine.half_made:
            store = self.machine.units[unit.name]
            self.machine.units[unit.name] = replace(store, healthy=False, half_made=not self.machine.unseen)
            raise UnitFailed(Card(unit.name, "cannot be entered", facts=(("answer", labels.HALF_MADE),)))
        if unit.name in self.machine.failing:
            self.machine.units[unit.name] = replace(
                self.machine.units[unit.name], state="exited", exit_code=3
            )
            raise UnitFailed(
                Card(unit.name, "ended with exit 3", output=("boom",), hint=f"devenv logs {unit.name}")
            )
        return unit.probe is not None

    def forward(self) -> None:
        """Nothing listens."""

    def restart(self, unit: str, id: str) -> None:
        self.machine.done.append(f"restart {unit}")

    def remove(self, unit: str, id: str) -> None:
        self.machine.done.append(f"remove {unit}")
        self.machine.units.pop(unit, None)

    def clear(self, unit: Unit, id: str) -> None:
        self.machine.done.append(f"clear {unit.name}")
        self.machine.half_made.discard(unit.name)
        self.machine.units.pop(unit.name, None)

    def run(self, unit: Unit, argv: Sequence[str], *, tty: bool) -> int:
        self.machine.done.append(f"run {unit.name}: {' '.join(argv)}")
        return self.machine.exits

    def close(self) -> None:
        """Nothing is open."""


class ElsewhereBackend(FakeBackend):
    """The same on another machine, to switch to."""

    name = "elsewhere"
    machine: ClassVar[Machine] = Machine()
