"""What happens while a plan runs, as values. The console turns them into lines or a live table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devenv.errors import DevenvError
from devenv.plan.model import Plan, Step
from devenv.stack.model import Stack


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


Event = Planned | Started | Progress | Done | Failed | Skipped | Note
Report = Callable[[Event], None]
