"""Hybrid stacks: a service that runs on this machine, and a relay in its place that leads there.

The relay has the service's name, aliases and ports, so nobody else in the stack can tell the difference, and
no address changes. The service's ports of this machine are left to the program.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from devenv.errors import UsageError, did_you_mean
from devenv.stack.model import Stack, Unit
from devenv.stack.text import Text

IMAGE = "python:3.13-slim"
MEMORY = 64 * 2**20


def with_hosted(
    stack: Stack, names: Collection[str], start: Callable[[Unit], Text | None] | None = None
) -> Stack:
    """The stack with a relay in place of these services. Raises `UsageError` for what cannot run here.

    `start` says what starts one on this machine; by default only the manifest does.
    """
    if not names:
        return stack
    for name in names:
        _require_hostable(stack, name)
    units = [
        replace(_relay(unit), host=start(unit) if start else unit.host) if unit.name in names else unit
        for unit in stack.units
    ]
    return replace(stack, units=tuple(units))


def hostable(stack: Stack, name: str) -> bool:
    """Whether a unit of that name is there and can run on this machine."""
    return (
        name in stack
        and stack.unit(name).role == "service"
        and any(not port.udp for port in stack.unit(name).ports)
    )


def require_reachable(stack: Stack, names: Collection[str]) -> None:
    """Raises `UsageError` where a service that runs on this machine uses a unit that publishes no port."""
    for name in names:
        for used in unreached(stack, name) if name in stack else ():
            if used not in names:
                raise UsageError(
                    f"--host {name}: it uses {used}, which publishes no port",
                    why="a program on this machine reaches a container only through a published port",
                    hint=f"remove publish: false from {stack.unit(used).section}.{used}",
                )


def unreached(stack: Stack, name: str = "") -> list[str]:
    """Names of the units, or of those that one uses, that have ports and none on this machine."""
    units = [stack.unit(need.unit) for need in stack.unit(name).needs] if name else stack.units
    return [unit.name for unit in units if unit.ports and not any(port.host for port in unit.ports)]


def _relay(unit: Unit) -> Unit:
    return Unit(
        name=unit.name,
        role=unit.role,
        image=IMAGE,
        command=("sleep", "infinity"),
        ports=unit.ports,
        needs=unit.needs,
        memory=MEMORY,
        init=True,
        grace=1.0,
        aliases=unit.aliases,
        links=unit.links,
        routes=unit.routes,
        hosted=True,
    )


def _require_hostable(stack: Stack, name: str) -> None:
    services = [unit.name for unit in stack.units if hostable(stack, unit.name)]
    if name not in stack:
        hint = did_you_mean(name, services, f"there are: {', '.join(services)}")
        raise UsageError(f'--host: no service "{name}"', hint=hint)
    match stack.unit(name).role:
        case "service" if not hostable(stack, name):
            raise UsageError(
                f"--host {name}: it has no port" + (" but for UDP" if stack.unit(name).ports else ""),
                why="the others reach a service on this machine through its port, over TCP",
                hint=f'eval "$(devenv env {name} --export)"   runs it here, beside its container',
            )
        case "job":
            raise UsageError(
                f"--host {name}: it is a job", hint=f'eval "$(devenv env {name} --export)"   then run it'
            )
        case "infra" | "setup":
            raise UsageError(
                f"--host {name}: only services run on this machine, and it is a store",
                hint="devenv env   prints how programs on this machine reach it",
            )
