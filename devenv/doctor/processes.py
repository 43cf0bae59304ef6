"""Whether every unit can run as a plain process of this machine, and which programs play another's part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from devenv.backends.process.able import usable, why_not
from devenv.doctor.verdict import Verdict, Wanted, failed, passed


@dataclass(frozen=True)
class Ability:
    """Name of a unit that cannot run here -> why, and what helps; and those that another program plays."""

    refused: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    played: tuple[str, ...] = ()


def look(wanted: Wanted) -> Ability:
    """What this machine has for the units that `up` starts; nothing is looked for on other backends."""
    if wanted.stack is None or wanted.backend != "process":
        return Ability()
    units = [unit for unit in wanted.stack.units if not unit.manual]
    refused = {unit.name: why for unit in units if (why := why_not(unit))}
    played = [unit.name for unit in units if not unit.one_shot and (way := usable(unit)) and way.stand_in]
    return Ability(refused, tuple(played))


def judge(wanted: Wanted, ability: Ability) -> Iterator[Verdict]:
    """Each unit that `up` refuses, with what helps."""
    for name, (why, hint) in ability.refused.items():
        yield failed("processes", f"{name} cannot run here: {why}", hint or "devenv up -b compose")
    if wanted.stack is not None and wanted.backend == "process" and not ability.refused:
        played = f"; another program plays {', '.join(ability.played)}" if ability.played else ""
        yield passed("processes", f"every unit can run on this machine{played}")
