"""Whether a stack fits into the memory that is free, and which part of it does."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from devenv.stack.graph import closure
from devenv.stack.model import Stack, Unit


@dataclass(frozen=True, slots=True)
class Excess:
    """More memory is asked for than is free, in bytes. `biggest` asks for most of it.

    `unlimited`: how many units have no limit and may take any amount. `subset`: arguments of `up` that bring
    up a part that fits, if one does.
    """

    asked: int
    free: int
    biggest: Unit
    unlimited: int = 0
    subset: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is to be said of it."""
        rest = {0: "", 1: ", and one has no limit"}.get(
            self.unlimited, f", and {self.unlimited} have no limit"
        )
        return (
            f"the units to start may take {shown(self.asked)} of memory, and {shown(self.free)} are free; "
            f"{self.biggest.name} is the biggest with {shown(demand(self.biggest))}{rest}"
        )


def excess(
    stack: Stack, units: Sequence[Unit], free: int, profiles: Mapping[str, tuple[str, ...]]
) -> Excess | None:
    """What is too much when these units are started; None where they fit."""
    asked = sum(map(demand, units))
    if asked <= free:
        return None
    unlimited = sum(unit.memory is None and not unit.one_shot for unit in units)
    biggest = max(units, key=demand)
    return Excess(asked, free, biggest, unlimited, _subset(stack, units, free, profiles))


def demand(unit: Unit) -> int:
    """The most memory that a unit takes for good, in bytes: a one-shot gives it back."""
    return 0 if unit.one_shot else (unit.memory or 0) * unit.replicas


def _subset(
    stack: Stack, units: Sequence[Unit], free: int, profiles: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """The largest profile that fits, else as many services as do, in the manifest's order."""
    starting = {unit.name for unit in units}

    def total(names: Iterable[str]) -> int:
        return sum(demand(unit) for unit in closure(stack, names) if unit.name in starting)

    def within(names: Collection[str]) -> bool:
        return any(name in starting for name in names) and total(names) <= free

    fitting = [name for name, members in profiles.items() if within(members)]
    if fitting:
        return ("--profile", max(fitting, key=lambda name: total(profiles[name])))
    chosen: list[str] = []
    for unit in stack.units:
        if unit.role == "service" and unit.name in starting and within([*chosen, unit.name]):
            chosen.append(unit.name)
    return tuple(chosen)


def shown(amount: int) -> str:
    """An amount of memory: `512 MiB`, `1.5 GiB`."""
    return f"{amount / 2**30:.1f} GiB" if amount >= 2**30 else f"{amount / 2**20:.0f} MiB"
