"""Views: an address depends on where the asker runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from devenv.stack.ports import Key


@dataclass(frozen=True, slots=True)
class View:
    """Where the asker for an address runs: in a container of the stack (`inside`), or on this machine.

    `ports`: unit and port -> port of this machine. `hosted`: units that run as plain processes on this
    machine. `machine`: the name of this machine for the asker. `unit`: the asker, if it is one.
    """

    ports: Mapping[Key, int] = field(default_factory=dict)
    hosted: Collection[str] = ()
    machine: str = "localhost"
    inside: bool = True
    unit: str = ""

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
