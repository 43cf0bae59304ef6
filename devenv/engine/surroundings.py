"""What runs of a project, on its backend and on the one that it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.errors import DevenvError, ToolMissing
from devenv.plan.model import Elsewhere, Observed

if TYPE_CHECKING:
    from devenv.backends.base import Backend

Tolerated = tuple[type[DevenvError], ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was observed; `trouble` has a line for a backend that did not answer and counts as empty."""

    observed: Observed
    elsewhere: Elsewhere | None = None
    trouble: tuple[str, ...] = ()

    @classmethod
    def of(cls, backend: Backend, other: Backend | None, checkout: str, tolerate: Tolerated) -> Surroundings:
        """Observe a backend, and the `other` that the stack leaves; errors in `tolerate` are not raised."""
        trouble: tuple[str, ...] = ()
        try:
            observed = backend.observe(checkout)
        except tolerate as error:
            observed, trouble = Observed(), (f"{error.what}: the plan assumes that nothing runs",)
        return cls(observed, elsewhere(other, checkout, tolerate), trouble)

    @property
    def hosted(self) -> frozenset[str]:
        """The units that run on this machine."""
        return frozenset(name for name, unit in self.observed.units.items() if unit.hosted)


def elsewhere(other: Backend | None, checkout: str, tolerate: Tolerated) -> Elsewhere | None:
    """What runs on the previous backend; unreachable if it does not answer."""
    if other is None:
        return None
    bearable: Tolerated = (ToolMissing, *tolerate)
    try:
        return Elsewhere(other.name, other.observe(checkout))
    except bearable as error:
        return Elsewhere(other.name, unreachable=error.what)
