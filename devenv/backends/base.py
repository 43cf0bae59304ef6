"""What every backend does, and the values it deals in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Protocol

from devenv.plan.model import Found, Observed

if TYPE_CHECKING:
    from devenv.render.bundle import Bundle
    from devenv.stack.model import Stack, Unit

Say = Callable[[str], None]
"""Takes one line about how far something is."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a unit printed. `time` is RFC 3339, in UTC."""

    unit: str
    text: str
    time: str = ""


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal took away, by name, and the volumes it left."""

    units: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class Interrupted(Exception):
    """A verb gave up because it was told to stop."""


class StreamEnded(Exception):
    """Nobody is at the other end of a stream any more."""


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


@dataclass(frozen=True, slots=True)
class Site:
    """Where a backend works from: the project's folder, and `.devenv` in it.

    `context` is the kube context that was named by hand, if one was.
    """

    root: Path = Path()
    state: Path | None = None
    context: str = ""


class Backend(Protocol):
    """The verbs of one runtime. `render` reads files at most; every other one may do I/O."""

    name: str

    fragment: str
    """Which of a unit's fragments it honours: `compose` or `kubernetes`."""

    @property
    def home(self) -> str:
        """Where its units live: two backends with the same home see the same units."""
        ...

    def check(self) -> str:
        """What it runs on, for people. Raises `ToolMissing` where that does not answer."""
        ...

    def start(self, name: str, say: Say) -> None:
        """Make it answer where that is the backend's to do; `name` is the stack's. `up` calls it first."""
        ...

    @property
    def idle(self) -> str:
        """What of the backend's own goes on when no unit runs, for people; empty where nothing does."""
        ...

    def stop(self) -> None:
        """End that; what is kept in it stays. Raises `DevenvError`."""
        ...

    def render(
        self, stack: Stack, *, fingerprints: Mapping[str, str], secrets: Mapping[str, str], folder: Path
    ) -> Bundle:
        """The files this runtime consumes, to be written to a folder; they may name files of the project."""
        ...

    def observe(self, checkout: str) -> Observed:
        """A read-only snapshot of what belongs to a checkout, found by label."""
        ...

    def images(self, stack: Stack, wanted: Collection[str]) -> frozenset[str]:
        """Those of the wanted images of a stack that this runtime has."""
        ...

    def declared(self, images: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """The folders that images declare as volumes, for those whose content this runtime can read."""
        ...

    def follow(self, stack: Stack, bundle: Path) -> None:
        """Begin to listen for what happens to the stack; the verbs below need it."""
        ...

    def pull(self, image: str, say: Say) -> None:
        """Fetch an image."""
        ...

    def build(self, unit: Unit, root: Path, secrets: Mapping[str, str], say: Say) -> None:
        """Build the unit's image and leave it where this runtime can see it."""
        ...

    def prepare(self, stack: Stack, units: Sequence[str], say: Say) -> None:
        """Make what must exist first: the network, volumes, and these units without starting them."""
        ...

    def apply(self, unit: Unit, fingerprint: str) -> None:
        """Create or replace exactly this unit, and start it."""
        ...

    def wait(self, unit: Unit, stop: Event) -> None:
        """Return when it is ready, or for a one-shot: when it ended well. Raises `UnitFailed`."""
        ...

    def remove_unit(self, name: str) -> None:
        """Remove a unit by its name, or a container by its id."""
        ...

    def remove(self, checkout: str, *, volumes: bool, say: Say) -> Removed:
        """Remove everything that carries this checkout's label; data only when asked."""
        ...

    def logs(
        self, found: Sequence[Found], *, follow: bool, tail: int | None, since: str | None, stop: Event
    ) -> Iterator[LogLine]:
        """Lines of all the units, in the order they were printed."""
        ...

    def forward(self, stack: Stack) -> None:
        """Have the units' ports answer on this machine; those that do already are left alone."""
        ...

    def attach(self, found: Found, argv: Sequence[str]) -> Stream:
        """Start a command in a unit and keep its stdin and stdout open.

        After the container was replaced it takes a new `attach`. Raises `DevenvError` when it cannot start.
        """
        ...

    def exec(self, found: Found, argv: Sequence[str], *, tty: bool, interactive: bool) -> int:
        """Run a command in a unit that runs; returns its exit code."""
        ...

    def run(self, unit: Unit, argv: Sequence[str], *, tty: bool) -> int:
        """Run a unit once in the foreground, with another command if one is given."""
        ...

    def restart(self, name: str) -> None:
        """Stop and start a unit, keeping what was written in it."""
        ...

    def close(self) -> None:
        """Let go of connections; a process that ends needs not."""
        ...
