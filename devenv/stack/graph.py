"""Order among units."""

from __future__ import annotations

from collections.abc import Iterable

from devenv.stack.model import Stack, Unit


def closure(stack: Stack, names: Iterable[str]) -> list[Unit]:
    """The named units and everything they need, in starting order."""
    wanted: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += [need.unit for need in stack.unit(name).needs]
    return [unit for unit in ordered(stack) if unit.name in wanted]


def ordered(stack: Stack) -> list[Unit]:
    """All units, each after what it needs; otherwise in the stack's own order.

    There are no cycles: the manifest's rules refuse them.
    """
    units = {unit.name: unit for unit in stack.units}
    done: dict[str, Unit] = {}
    for start in units:
        todo = [start]
        while todo:
            unit = units[todo[-1]]
            missing = [need.unit for need in unit.needs if need.unit not in done and need.unit not in todo]
            if missing:
                todo.append(missing[0])
            else:
                done.setdefault(todo.pop(), unit)
    return list(done.values())


def waiting_for(stack: Stack, name: str) -> list[str]:
    """Units that cannot start before this one, directly or through others, in starting order."""
    waiting: set[str] = {name}
    result = []
    for unit in ordered(stack):
        if unit.name not in waiting and any(need.unit in waiting for need in unit.needs):
            waiting.add(unit.name)
            result.append(unit.name)
    return result
