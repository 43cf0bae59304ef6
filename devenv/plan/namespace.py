"""Picks the namespace of a stack: a pure function, called before resolving, as for host ports."""

from __future__ import annotations

from devenv.plan.model import Observed
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
