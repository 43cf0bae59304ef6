"""Rules about health checks."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.manifest.fields import UdpPort
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path
from devenv.manifest.workloads import Service


def _only_udp(service: Service, probe: str) -> int | None:
    """The port that a probe would ask, if nothing but UDP is there."""
    port = service.tcp_port if probe == "http" else getattr(service.health, probe)
    if probe == "exec" or service.tcp_port == port is not None:
        return None
    opened = [each for each in service.named_ports.values() if probe == "http" or each == port]
    return opened[0] if opened and all(isinstance(each, UdpPort) for each in opened) else None


def health_is_one_probe(scope: Scope) -> Iterator[Finding]:
    """A health check has one probe, and an HTTP probe has a port to ask."""
    for name, service in scope.manifest.services.items():
        health = service.health
        if health is None or health == "none":
            continue
        path: Path = ("services", name, "health")
        probes = [key for key in ("http", "tcp", "grpc", "exec") if getattr(health, key) is not None]
        if len(probes) != 1:
            yield path, f"needs one of http, tcp, grpc, exec, and has {' and '.join(probes) or 'none'}", ""
        elif probes[0] == "http" and not (service.port or service.ports):
            yield path, "an HTTP probe asks the service's port, and there is none", "add port:"
        elif (port := _only_udp(service, probes[0])) is not None:
            yield path, f"port {port} is UDP, which no probe can ask", "write {exec: ...}, or none"
        if health.http is not None and not health.http.startswith("/"):
            yield path, f'"{health.http}" is not a path', f'write "/{health.http}"'
