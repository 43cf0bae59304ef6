"""What every backend does, and the values it deals in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, Protocol

from devenv.plan.model import Observed, ObservedUnit

if TYPE_CHECKING:
    from devenv.stack.imaged import Declared
    from devenv.stack.model import Stack, Unit

AGAIN = 5
"""How often a program may end that is started again by itself, before an `up` gives it up."""

SETTLE = 0.5
"""Seconds that a program without a check has to run before it counts: most bad starts end sooner."""

BEGIN = 10.0
"""Seconds in which a program without a check has to begin to run."""

Say = Callable[[str], None]
"""Takes one line about how far something is."""


class LogLine(NamedTuple):
    """One line that a unit printed. `time` is RFC 3339 with nine digits, in UTC."""

    unit: str
    text: str
    time: str = ""


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal took away, by name, and the volumes it left."""

    units: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def __add__(self, other: Removed) -> Removed:
        return Removed(self.units + other.units, self.volumes + other.volumes, self.kept + other.kept)


class Interrupted(Exception):
    """A verb gave up because it was told to stop."""


class StreamEnded(Exception):
    """Nobody is at the other end of a stream any more."""


class Clock(Protocol):
    """Seconds that pass, and waiting for some: the module `time`, or a test's own."""

    def monotonic(self) -> float: ...
    def sleep(self, seconds: float, /) -> None: ...


class Stream(Protocol):
    """Bytes to and from a command that runs in a unit. One thread may send while another receives."""

    complaints: bytes
    """The last of what the command wrote to stderr."""
    exit_code: int | None
    """None until the end, and where the container went away before the command did."""

    def send(self, data: bytes) -> None:
        """Write to the command's stdin, all of it. Raises `StreamEnded`."""
        ...

    def end(self) -> None:
        """Close the command's stdin; it goes on to say what it has to say. Raises `StreamEnded`."""
        ...

    def receive(self) -> bytes:
        """What the command wrote next, as soon as there is some; nothing once it or its container ended."""
        ...

    def close(self) -> None:
        """Hang up. Whoever receives gets nothing more."""
        ...


Attach = Callable[[Sequence[str]], Stream]
"""Starts a command and keeps its stdin and stdout open. Raises `DevenvError` when it cannot start."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a backend works from: the project's folder, and `.devenv` in it.

    `context` is the kube context that was named by hand, if one was.
    """

    root: Path = Path()
    state: Path | None = None
    context: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """A stack to bring up, and all that it takes. `folder` holds what was rendered for the backend."""

    stack: Stack
    folder: Path
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


class ChangeKind(StrEnum):
    """What happened to a unit."""

    APPEARED = "appeared"
    REPLACED = "replaced"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Change:
    """A unit that appeared, runs in another container or pod than before, or ended. `id` is that one's."""

    kind: ChangeKind
    unit: str
    id: str


class Privileged(Protocol):
    """What a runtime does in a container whatever the container's own user may do there."""

    def put(self, folder: str, tar: Iterable[bytes]) -> None:
        """Unpack a tar archive in a folder, without any program in it. Raises `DevenvError`."""
        ...

    def attach(self, argv: Sequence[str]) -> Stream:
        """Start a command as root and keep its stdin and stdout open. Raises `DevenvError`."""
        ...


class Running:
    """Which containers or pods of each unit run, and what a start or an end of one means for its unit."""

    def __init__(self) -> None:
        self._running: dict[str, set[str]] = {}
        self._last: dict[str, str] = {}

    def start(self, unit: str, id: str) -> Change | None:
        """One that runs now: another replica appears, a successor replaces what ended."""
        running, before = self._running.setdefault(unit, set()), self._last.get(unit, id)
        if id in running:
            return None
        kind = ChangeKind.REPLACED if not running and before != id else ChangeKind.APPEARED
        running.add(id)
        self._last[unit] = id
        return Change(kind, unit, id)

    def end(self, unit: str, id: str) -> Change | None:
        """One that ended."""
        if id not in self._running.get(unit, ()):
            return None
        self._running[unit].remove(id)
        return Change(ChangeKind.ENDED, unit, id)


class Backend(Protocol):
    """One runtime, looked at. What changes a stack is done through `open`."""

    name: str

    renderer: str
    """Which renderer's files it runs: a key of `devenv.render.RENDERERS`."""

    @property
    def home(self) -> str:
        """Where its units live: two backends with the same home see the same units."""
        ...

    def check(self) -> str:
        """What it runs on, for people. Raises `ToolMissing` where that does not answer."""
        ...

    def observe(self, checkout: str) -> Observed:
        """A read-only snapshot of what belongs to a checkout, found by label. Raises `ToolMissing`."""
        ...

    def images(self, stack: Stack, wanted: Collection[str]) -> frozenset[str]:
        """Those of the wanted images of a stack that this runtime has."""
        ...

    def declared(self, images: Collection[str]) -> Mapping[str, Declared]:
        """What images say of themselves, for those that can be read here. Raises `ToolMissing`."""
        ...

    def registry(self, stack: Stack) -> str:
        """What stands before the names of built images where this runtime fetches them; "" for nothing."""
        ...

    def changes(self, stack: str, stop: Event) -> Iterator[Change]:
        """What happens to a stack's units from now on, by the stack's id, until `stop` is set."""
        ...

    def logs(
        self, units: Sequence[ObservedUnit], *, follow: bool, tail: int | None, since: int | None, stop: Event
    ) -> Iterator[Sequence[LogLine]]:
        """Lines of all the units, in the order they were printed; batches of those that are there at once.

        `since` is in seconds since the epoch.
        """
        ...

    def instances(self, unit: ObservedUnit) -> Sequence[str]:
        """The ids of the unit's containers that run, as in `Change.id`: one for each replica."""
        ...

    def attach(self, unit: ObservedUnit, argv: Sequence[str], *, instance: str = "") -> Stream:
        """Start a command in a unit, or in one of its instances, and keep its stdin and stdout open.

        After the container was replaced it takes a new `attach`. Raises `DevenvError` when it cannot start.
        """
        ...

    def resting(self, unit: ObservedUnit) -> AbstractContextManager[Attach]:
        """Stop a unit, and start it again in the end; commands start beside its volumes meanwhile.

        They run in its image, as whom its program begins. Raises `DevenvError`.
        """
        ...

    def privileged(self, unit: ObservedUnit, instance: str) -> Privileged | None:
        """What is possible in an instance past its user and programs; None where nothing is."""
        ...

    def mark_edited(self, unit: ObservedUnit, instance: str) -> None:
        """Note on an instance that files are sent to it, so that `observe` says so. Raises `DevenvError`."""
        ...

    def exec(self, unit: ObservedUnit, argv: Sequence[str], *, tty: bool, interactive: bool) -> int:
        """Run a command in a unit that runs; returns its exit code."""
        ...

    # -- the runtime itself, and everything of a checkout

    def require_allowed(self) -> None:
        """Raises `UsageError` where no stack may be brought up without being named by hand."""
        ...

    def start(self, name: str, say: Say) -> None:
        """Start what `Observed.down` names; `name` is the stack's. Raises `DevenvError`."""
        ...

    @property
    def idle(self) -> str:
        """Name of what the backend keeps running without units ("the Minikube profile shop"), or ""."""
        ...

    def stop(self) -> None:
        """End that; its data stays. Raises `DevenvError`."""
        ...

    def remove(self, checkout: str, *, volumes: bool, say: Say) -> Removed:
        """Remove everything that carries this checkout's label; data only when asked."""
        ...

    def open(self, work: Work) -> Session:
        """Begin to work on one stack. Changes nothing. Raises `UsageError` where this must not be."""
        ...

    def close(self) -> None:
        """Let go of connections; a process that ends needs not."""
        ...


class Session(Protocol):
    """What is done to one stack. Each verb works by itself: none needs another one to have been called."""

    def pull(self, image: str, say: Say) -> None:
        """Fetch an image."""
        ...

    def build(self, unit: Unit, say: Say) -> None:
        """Build the unit's image and leave it where this runtime can see it."""
        ...

    def prepare(self, units: Sequence[str], say: Say) -> None:
        """Make what must exist first: the network, volumes, and these units without starting them."""
        ...

    def apply(self, unit: Unit, *, recreate: bool) -> None:
        """Create the unit where it is missing, or anew when `recreate`, and start it."""
        ...

    def wait(self, unit: Unit, stop: Event) -> bool:
        """Return when it is ready, or for a one-shot: when it ended well. Raises `UnitFailed`.

        Returns whether a check of the manifest or of the image passed; without one a unit that runs is ready.
        """
        ...

    def forward(self) -> None:
        """Have the units' ports answer on this machine; those that do already are left alone."""
        ...

    def restart(self, unit: str, id: str) -> None:
        """Stop and start a unit that was observed under this id, keeping what was written in it."""
        ...

    def remove(self, unit: str, id: str) -> None:
        """Remove a unit with all that is its own but its data; with an `id`, only what has that id."""
        ...

    def clear(self, unit: Unit, id: str) -> None:
        """Remove a store with its half-made data. Raises `DevenvError` where that is complete after all."""
        ...

    def run(self, unit: Unit, argv: Sequence[str], *, tty: bool) -> int:
        """Run a unit once in the foreground, with another command if one is given."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...
