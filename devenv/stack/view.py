"""Where an address is asked from, which decides what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from devenv.stack.ports import Key


@dataclass(frozen=True, slots=True)
class View:
    """Who asks for an address: a unit of the stack, or a program on this machine.

    `ports`: unit and port -> the port of this machine that leads there. `hosted`: the units that run as
    plain processes of this machine. `machine`: what the asker calls this machine.
    """

    ports: Mapping[Key, int] = field(default_factory=dict)
    hosted: frozenset[str] = frozenset()
    machine: str = "localhost"
    inside: bool = True

    def address(self, unit: str, port: int) -> tuple[str, int]:
        """Host and port by which the asker reaches a port of a unit.

        Inside, a container and a Service go by the unit's name, on the port of the container.
        """
        if self.inside and unit not in self.hosted:
            return unit, port
        return self.machine, self.ports.get((unit, port), port)

    @property
    def outside(self) -> View:
        """The view of a program or a browser on this machine."""
        return replace(self, inside=False, machine="localhost")
