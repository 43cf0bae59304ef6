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


class Backend(Protocol):
    """The verbs of one runtime. `render` is pure; every other one may do I/O."""

    name: str

    def check(self) -> str:
        """What it runs on, for people. Raises `ToolMissing` where that does not answer."""
        ...

    def render(
        self, stack: Stack, *, fingerprints: Mapping[str, str], secrets: Mapping[str, str], root: str
    ) -> Bundle:
        """The files this runtime consumes; `root` leads from their folder to the project."""
        ...

    def observe(self, checkout: str) -> Observed:
        """A read-only snapshot of what belongs to a checkout, found by label."""
        ...

    def images(self, wanted: Collection[str]) -> frozenset[str]:
        """Those of the wanted images that this runtime has."""
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

    def prepare(self, stack: Stack, units: Sequence[str]) -> None:
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
