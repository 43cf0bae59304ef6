"""What the ways into a cluster can express of a gateway's routes, without a gateway of the stack's own."""

from __future__ import annotations

from collections.abc import Collection, Iterator

INGRESS, HTTPROUTE, KONG = "an Ingress", "an HTTPRoute", "an Ingress of Kong's controller"
OWN = {"ingress": INGRESS, "httproute": HTTPROUTE, "kong": KONG}
"""How an environment names them -> what they are. `deploy` brings the stack's own gateway."""


def inexpressible(
    way: str, *, path: str, methods: Collection[str], strip: bool, plugins: Collection[str]
) -> Iterator[str]:
    """What of a route the objects of `way`, as an environment names it, cannot say."""
    if way == "kong":
        return
    yield from (f"the plugin {name}" for name in plugins)
    if path.startswith("~"):
        yield f"the regular expression {path}"
    if way == "ingress" and methods:
        yield f"methods ({', '.join(methods)})"
    if way == "ingress" and strip:
        yield f"strip (of {path})"
