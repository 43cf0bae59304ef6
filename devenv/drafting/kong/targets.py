"""Where a gateway's services lead, and which service of the manifest that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from devenv.drafting.kong.forms import Entity
from devenv.manifest.rules.names import as_label

HERE = frozenset(("localhost", "127.0.0.1", "0.0.0.0", "host.docker.internal", "172.17.0.1"))
"""What a gateway in a container or on a machine calls the machine."""

_OF_AN_UPSTREAM = frozenset(
    ("id", "name", "tags", "created_at", "updated_at", "targets", "algorithm", "slots")
)


@dataclass(frozen=True, slots=True)
class Target:
    """A service of the manifest as a gateway reaches it.

    `port`: where its routes lead, 0 where nothing says it; `published`: port on this machine -> port in the
    container; `routed`: whether it has routes already.
    """

    name: str
    port: int = 0
    published: Mapping[int, int] = field(default_factory=dict)
    routed: bool = False


def address(document: Mapping[str, Any], service: Entity) -> tuple[str, str, int, str]:
    """Protocol, host, port and path of a service; an upstream with one target is that target."""
    port: Any
    if isinstance(url := service.get("url"), str):
        try:
            parts = urlsplit(url)
            protocol, host, port, path = parts.scheme, parts.hostname or "", parts.port, parts.path
        except ValueError:
            return "", "", 0, ""
    else:
        protocol, host = str(service.get("protocol", "http")), str(service.get("host", ""))
        port, path = service.get("port"), str(service.get("path") or "")
    upstream = next((item for item in document.get("upstreams", ()) if item.get("name") == host), None)
    if upstream is not None:
        addresses = {str(target.get("target")) for target in upstream.get("targets", ())}
        if len(addresses) != 1 or set(upstream) - _OF_AN_UPSTREAM:
            return protocol, host, 0, path
        host, _, text = addresses.pop().partition(":")
        return protocol, host, int(text) if text.isdecimal() else 8000, path
    usual = 443 if protocol == "https" and "url" in service else 80
    return protocol, host, port if isinstance(port, int) else usual, path


def target_of(targets: Sequence[Target], host: str, port: int) -> tuple[Target | None, int]:
    """The service at an address, by its name or its port on this machine, and the port in its container."""
    for target in targets:
        if target.name in _names(host):
            return target, port
        if host in HERE and port in target.published:
            return target, target.published[port]
    return None, port


def _names(host: str) -> tuple[str, ...]:
    """What a service may be called that is reached as `orders`, `my_orders` or `orders.shop.svc`."""
    first, *rest = host.split(".")
    own = host if not rest or rest[1:2] not in ([], ["svc"]) else first
    return own, as_label(own) or own
