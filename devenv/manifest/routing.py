"""What the ways into a cluster can express of a gateway's routes, without a gateway of the stack's own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

INGRESS, HTTPROUTE, KONG = "an Ingress", "an HTTPRoute", "an Ingress of Kong's controller"
OWN = {"ingress": INGRESS, "httproute": HTTPROUTE, "kong": KONG}
"""How an environment names them -> what they are. `deploy` brings the stack's own gateway."""

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
"""Those that an HTTPRoute can match."""


def inexpressible(
    way: str, *, path: str, hosts: Collection[str], methods: Collection[str], strip: bool
) -> Iterator[str]:
    """What of a route, but for its plugins, the objects of `way`, as an environment names it, cannot say."""
    yield from inexpressible_hosts(hosts)
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


def inexpressible_hosts(hosts: Iterable[str]) -> Iterator[str]:
    """The same of host names alone."""
    yield from (f"the host {host}" for host in hosts if ":" in host or "*" in host.removeprefix("*."))


SYMMETRIC = ("HS256", "HS384", "HS512")
"""Algorithms of a JWT whose key both sides have."""


def inexpressible_consumer(
    way: str, name: str, *, jwt: Iterable[Mapping[str, object]], sealed_id: bool
) -> Iterator[str]:
    """The same of a consumer: only Kong has some, and its controller makes up nothing that a JWT lacks."""
    if way != "kong":
        yield f"the consumer {name}"
        return
    for entry in jwt:
        symmetric = entry.get("algorithm", SYMMETRIC[0]) in SYMMETRIC
        needed = ("key", "secret") if symmetric else ("key",)
        yield from (f"a JWT of {name} without {field}" for field in needed if field not in entry)
    if sealed_id:
        yield f"the secret in custom_id of {name}"
