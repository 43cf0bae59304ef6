"""Which stores' data comes along when a stack moves to another backend, and what is said of the rest."""

from __future__ import annotations

from devenv.errors import UsageError
from devenv.manifest.versions import is_older
from devenv.plan.choice import PLAIN
from devenv.plan.model import Elsewhere
from devenv.stack.model import Stack, Unit


def stores(stack: Stack) -> list[Unit]:
    """The units that keep data, whether it can be carried or not."""
    return [unit for unit in stack.units if unit.volumes or (unit.dump and unit.load)]


def carried(stack: Stack, elsewhere: Elsewhere) -> list[Unit]:
    """The stores whose data `--with-data` copies."""
    return [unit for unit in stores(stack) if _exports(unit, elsewhere) and _is_reached(unit, elsewhere)]


def _is_reached(unit: Unit, elsewhere: Elsewhere) -> bool:
    """Whether it runs there; one that is stopped to be copied need not, as after an `up` that broke off."""
    there = elsewhere.observed.units.get(unit.name)
    return there is not None and (there.running or unit.copied)


def _exports(unit: Unit, elsewhere: Elsewhere) -> bool:
    """Whether a store's data can be taken from where it is: another program may play its part there."""
    plays = elsewhere.backend != PLAIN or not unit.process or any(way.carries for way in unit.process)
    return bool(plays and unit.dump and unit.load)


OLDER = "an older one cannot read the files of a newer one"


def require_readable(unit: Unit, elsewhere: Elsewhere) -> None:
    """Raises `UsageError` before anything moves where files would come to a store that is older than they."""
    wrote = elsewhere.observed.units[unit.name].version
    if unit.copied and is_older(unit.version, wrote):
        raise UsageError(
            f"the data of {unit.name} cannot come along: {wrote} wrote it, and {unit.version} is to run",
            where=f"infra.{unit.name}",
            why=OLDER,
            hint="devenv up   without --with-data leaves it where it is",
        )


def left_behind(stack: Stack, elsewhere: Elsewhere | None) -> list[str]:
    """A line for each store whose data `--with-data` does not copy, with the reason."""
    if elsewhere is None:
        return []
    notes = []
    brought = carried(stack, elsewhere)
    for unit in stores(stack):
        if unit in brought:
            continue
        if _exports(unit, elsewhere):
            notes.append(f"{unit.name} does not run on {elsewhere.backend}: there is no data to carry")
        else:
            notes.append(f"{unit.name} cannot export its data: it stays on {elsewhere.backend}")
    return notes
