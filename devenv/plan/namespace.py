"""The namespace of a stack, picked before resolving, as host ports are, and units left in another one."""

from __future__ import annotations

from devenv.plan.model import Observed, ObservedUnit
from devenv.stack.model import Stack
from devenv.stack.world import Outline


def pick_namespace(outline: Outline, observed: Observed, checkout: str) -> str:
    """The manifest's namespace, else the one the stack is in already, else the stack's name.

    If another checkout created a namespace of that name, the checkout's hash is appended.
    """
    own = f"{outline.name}-{checkout[:6]}"
    if outline.namespace:
        return outline.namespace
    if observed.namespace in (outline.name, own):
        return observed.namespace
    return outline.name if observed.namespaces.get(outline.name, "") in ("", checkout) else own


def former_place(stack: Stack, observed: Observed, unit: ObservedUnit) -> str:
    """Where a unit runs that was made when the stack had another name or namespace; "" for its own units."""
    if unit.stack not in ("", stack.id):
        return unit.stack
    if observed.namespace not in ("", stack.namespace):
        return f"the namespace {observed.namespace}"
    return ""
