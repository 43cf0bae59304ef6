"""What happens while a plan runs, as values. The console turns them into lines or a live table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from devenv.errors import DevenvError
from devenv.plan.model import Plan, Step
from devenv.stack.model import Stack
from devenv.stack.reloading.decisions import Action


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan is about to run; `reason` says why on this backend, unless it is the default."""

    stack: Stack
    plan: Plan
    backend: str
    where: str
    reason: str
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """A step has begun."""

    step: Step


@dataclass(frozen=True, slots=True)
class Progress:
    """A line about a step's progress."""

    step: Step
    line: str


@dataclass(frozen=True, slots=True)
class Done:
    """A step has succeeded; `checked` if that was a wait, and a check passed."""

    step: Step
    seconds: float
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A step has failed."""

    step: Step
    error: DevenvError


@dataclass(frozen=True, slots=True)
class Skipped:
    """A step was skipped because one before it failed."""

    step: Step


@dataclass(frozen=True, slots=True)
class Note:
    """A line that is worth knowing, but no failure."""

    text: str


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What changed files of a unit caused, or why that failed.

    `synced` and `ready` are in seconds; the latter only after a restart. `unsent`: path in the container ->
    why a file did not get there. `cheaper`: why less was not enough.
    """

    unit: str
    files: tuple[str, ...]
    action: Action
    reason: str = ""
    cheaper: str = ""
    synced: float = 0.0
    ready: float | None = None
    unsent: Mapping[str, str] = field(default_factory=dict)
    error: DevenvError | None = None


Event = Planned | Started | Progress | Done | Failed | Skipped | Note | Reloaded
Report = Callable[[Event], None]
