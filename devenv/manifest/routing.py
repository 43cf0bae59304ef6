"""What the ways into a cluster can express of a gateway's routes, without a gateway of the stack's own."""

from __future__ import annotations

from collections.abc import Collection, Iterator

INGRESS, HTTPROUTE, KONG = "an Ingress", "an HTTPRoute", "an Ingress of Kong's controller"
OWN = {"ingress": INGRESS, "httproute": HTTPROUTE, "kong": KONG}
"""How an environment names them -> what they are. `deploy` brings the stack's own gateway."""

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
"""Those that an HTTPRoute can match."""


def inexpressible(
    way: str, *, path: str, hosts: Collection[str], methods: Collection[str], strip: bool
) -> Iterator[str]:
    """What of a route, but for its plugins, the objects of `way`, as an environment names it, cannot say."""
    yield from (f"the host {host}" for host in hosts if ":" in host or "*" in host.removeprefix("*."))
    if way == "kong":
        return
    if path.startswith("~"):
        yield f"the regular expression {path}"
    if way == "httproute":
        yield from (f"the method {method}" for method in methods if method.upper() not in METHODS)
    if way == "ingress" and methods:
        yield f"methods ({', '.join(methods)})"
    if way == "ingress" and strip:
        yield f"strip (of {path})"
