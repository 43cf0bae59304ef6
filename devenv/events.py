"""What happens while a plan runs, as values. The console turns them into lines or a live table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devenv.errors import DevenvError
from devenv.plan.model import Plan, Step
from devenv.stack.model import Stack


@dataclass(frozen=True, slots=True)
class Planned:
    """What is about to happen, and where; `reason` says why there, if not by default."""

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
    """A step says how far it is, in one line."""

    step: Step
    line: str


@dataclass(frozen=True, slots=True)
class Done:
    """A step has ended well."""

    step: Step
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """A step has ended badly."""

    step: Step
    error: DevenvError


@dataclass(frozen=True, slots=True)
class Skipped:
    """A step was left out, as one before it failed."""

    step: Step


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know that stops nothing."""

    text: str


Event = Planned | Started | Progress | Done | Failed | Skipped | Note
Report = Callable[[Event], None]
