"""Finds addresses for another namespace, which lead nowhere in the stack's own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devenv.stack.model import Stack, Unit
from devenv.stack.text import join, masked


def lost_addresses(stack: Stack) -> list[str]:
    """A line for every `orders.default` in a stack outside `default`. On Compose such an address works."""
    if stack.namespace == "default":
        return []
    names = "|".join(re.escape(unit.name) for unit in stack.units)
    pattern = re.compile(rf"(?<![\w.-])({names})\.default(?:\.svc(?:\.cluster\.local)?)?(?![\w-])")
    notes = [
        f"{unit.name}: {where} says {match[0]}, which does not resolve in the namespace "
        f"{stack.namespace}: write {match[1]}, or namespace: default"
        for unit in stack.units
        for where, text in _texts(unit)
        for match in pattern.finditer(text)
    ]
    return list(dict.fromkeys(notes))


def _texts(unit: Unit) -> Iterator[tuple[str, str]]:
    yield from ((key, masked(value)) for key, value in unit.env)
    yield "command", masked(join(" ", (*(unit.entrypoint or ()), *(unit.command or ()))))
