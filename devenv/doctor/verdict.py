"""What a check says, and what the machine is to run, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from devenv.errors import DevenvError
from devenv.stack.model import Stack, Unit
from devenv.stack.ports import Conflict


class Level(StrEnum):
    """What a verdict means for `devenv up`: works, may trouble, fails."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Fix:
    """The shell command that cures what a check found; `safe`: `doctor --fix` may run it."""

    command: str
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found. `check` is a short name that scripts may rely on."""

    check: str
    level: Level
    text: str
    fix: Fix | None = None

    @property
    def fixable(self) -> bool:
        """Whether `doctor --fix` may cure it."""
        return self.fix is not None and self.fix.safe


@dataclass(frozen=True, slots=True)
class Wanted:
    """What this machine is to run on a backend; without a stack, nothing in particular.

    `invalid`: why the manifest gives no stack. `starting`: units that do not run yet. `secretless`: the error
    for secrets without a value. `conflicts`: None where nobody knows who holds the ports. `example`: a
    file to begin a missing `.env` with. `promotes`: the manifest has environments.
    """

    backend: str = "compose"
    stack: Stack | None = None
    invalid: DevenvError | None = None
    starting: tuple[Unit, ...] = ()
    conflicts: tuple[Conflict, ...] | None = ()
    profiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    secretless: DevenvError | None = None
    example: str = ""
    promotes: bool = False


def passed(check: str, text: str) -> Verdict:
    """Nothing to do."""
    return Verdict(check, Level.PASS, text)


def warned(check: str, text: str, command: str, *, safe: bool = False) -> Verdict:
    """It works, but may trouble."""
    return Verdict(check, Level.WARN, text, Fix(command, safe))


def failed(check: str, text: str, command: str, *, safe: bool = False) -> Verdict:
    """`devenv up` would fail."""
    return Verdict(check, Level.FAIL, text, Fix(command, safe))
