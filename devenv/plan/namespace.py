"""Which namespace a stack gets: a pure function, decided before resolving, as host ports are."""

from __future__ import annotations

from devenv.plan.model import Observed
from devenv.stack.world import Outline


def pick_namespace(outline: Outline, observed: Observed, checkout: str) -> str:
    """The manifest's namespace, else where the stack is already, else its name.

    Where another checkout made a namespace of that name, it is the name and the checkout's hash.
    """
    own = f"{outline.name}-{checkout[:6]}"
    if outline.namespace:
        return outline.namespace
    if observed.namespace in (outline.name, own):
        return observed.namespace
    return outline.name if observed.namespaces.get(outline.name, "") in ("", checkout) else own
