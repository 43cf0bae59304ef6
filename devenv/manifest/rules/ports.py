"""Rules about ports, and about who publishes them on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devenv.errors import did_you_mean
from devenv.manifest.fields import UdpPort
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path


def ports_are_clear(scope: Scope) -> Iterator[Finding]:
    """Ports have valid numbers and names, each once."""
    for name, service in scope.manifest.services.items():
        path: Path = ("services", name)
        if service.port is not None and service.ports:
            yield (*path, "ports"), "cannot be combined with port", "keep one of them"
        for key in service.ports:
            if not re.fullmatch(r"[a-z][a-z0-9-]{0,14}", key):
                yield (
                    (*path, "ports", key),
                    "a port name is at most 15 lower-case letters, digits, hyphens",
                    "",
                )
        numbers: dict[tuple[int, bool], str] = {}
        for key, number in service.ports.items():
            opened = number, isinstance(number, UdpPort)
            if opened in numbers:
                hint = "keep one of the names"
                yield (*path, "ports", key), f"{numbers[opened]} has the number {number} already", hint
            numbers.setdefault(opened, key)
        names = set(service.named_ports)
        if isinstance(service.publish, dict):
            for key in service.publish:
                if key not in names:
                    yield (*path, "publish", key), f'no port "{key}"', did_you_mean(key, names)
        if service.publish not in (None, False) and not names:
            yield (*path, "publish"), "there is no port to publish", "add port:"
        if service.route and not names:
            yield (*path, "route"), "a service with a route needs a port", "add port:"
        elif service.route and service.tcp_port is None:
            yield (*path, "route"), "the gateway speaks TCP, and the service has UDP only", "remove it"


def host_ports_are_claimed_once(scope: Scope) -> Iterator[Finding]:
    """No two units publish the same port of this machine; TCP and UDP have ports of their own."""
    claimed: dict[tuple[int, bool], str] = {}
    for section in ("services", "infra"):
        for name, declared in getattr(scope.manifest, section).items():
            ports = declared.publish if isinstance(declared.publish, dict) else {None: declared.publish}
            named = getattr(declared, "named_ports", {})
            for key, port in ports.items():
                opened = named.get(key) if key else next(iter(named.values()), None)
                claim = port, isinstance(opened, UdpPort)
                path: Path = (section, name, "publish") if key is None else (section, name, "publish", key)
                if port is None or port is False:
                    continue
                if not 1 <= port <= 65535:
                    yield path, f"{port} is not a port", "1 to 65535"
                elif claim in claimed:
                    yield path, f"{claimed[claim]} is published on {port} already", "change one of them"
                claimed.setdefault(claim, f"{section}.{name}")


def metrics_are_at_a_port(scope: Scope) -> Iterator[Finding]:
    """What Prometheus asks a service for is at one of its ports, over TCP."""
    for name, service in scope.manifest.services.items():
        if service.metrics is None:
            continue
        path: Path = ("services", name, "metrics")
        ports = {key: port for key, port in service.named_ports.items() if not isinstance(port, UdpPort)}
        asked = service.metrics.port
        if not service.metrics.path.startswith("/"):
            yield (*path, "path"), "is not a path", f"write /{service.metrics.path}"
        if not ports:
            yield path, f"{name} has no port to ask", "add port:"
        elif asked and asked not in ports and asked not in map(str, ports.values()):
            yield (
                (*path, "port"),
                f'no port "{asked}"',
                did_you_mean(asked, ports, f"it has: {', '.join(ports)}"),
            )
