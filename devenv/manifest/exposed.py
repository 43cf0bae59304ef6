"""Services that leave their port to the EXPOSE of their Dockerfile."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from devenv.errors import ManifestInvalid
from devenv.manifest import source
from devenv.manifest.source import Finding

Exposed = Mapping[str, Sequence[str]]
"""Service -> the ports that its Dockerfile exposes, as the manifest has them: `8000`, `53/udp`."""

_PORT = re.compile(r"(\d{1,5})(/udp)?")
_ASKING = ("route", "publish")  # keys that make no sense without a port


class Portless(NamedTuple):
    """A service without a port, and the Dockerfile that may say one."""

    service: str
    context: str
    dockerfile: str
    target: str | None


def portless(text: str) -> tuple[Portless, ...]:
    """The services of a manifest's text whose port their Dockerfile may say; none where it has mistakes.

    A service with a command of its own may be a worker, which shares its image with what listens.
    """
    try:
        value = source.read(text, file="").value
    except ManifestInvalid:
        return ()
    services = value.get("services") if isinstance(value, dict) else None
    return tuple(_portless(services)) if isinstance(services, dict) else ()


def _portless(services: Mapping[str, Any]) -> Iterator[Portless]:
    for name, service in services.items():
        if not isinstance(service, dict) or "port" in service or "ports" in service:
            continue
        own = "command" in service or "entrypoint" in service
        if own and not any(key in service for key in _ASKING) and not _asks(service.get("health")):
            continue
        build = service.get("build")
        build = {"context": build} if isinstance(build, str) else build
        if isinstance(build, dict):
            context, file = build.get("context", "."), build.get("dockerfile", "Dockerfile")
            target = build.get("target")
            if all(isinstance(part, str) and "${" not in part for part in (context, file, target or "")):
                yield Portless(name, context, file, target)


def _asks(health: Any) -> bool:
    """Whether a health check is one over HTTP, which needs a port."""
    return "http" in health if isinstance(health, dict) else isinstance(health, str) and health != "none"


def with_exposed(services: Any, exposed: Exposed) -> Any:
    """The services with the only port that each Dockerfile exposes."""
    if not isinstance(services, dict):
        return services
    return {
        name: {**service, "port": _number(exposed[name][0])} if _single(exposed.get(name, ())) else service
        for name, service in services.items()
    }


def _single(ports: Sequence[str]) -> bool:
    return len(ports) == 1 and _PORT.fullmatch(ports[0]) is not None


def _number(port: str) -> int | str:
    return int(port) if port.isdecimal() else port


def derived(exposed: Exposed) -> Iterator[tuple[str, str]]:
    """Each service that gets its port so, and the port."""
    return ((name, ports[0]) for name, ports in exposed.items() if _single(ports))


def hinted(finding: Finding, exposed: Exposed) -> Finding:
    """A finding about a port that is missing, with those that the Dockerfile exposes."""
    path, message, hint = finding
    several = exposed.get(str(path[1]), ()) if path[:1] == ("services",) and len(path) > 1 else ()
    if len(several) < 2 or hint != "add port:":
        return finding
    ports = ", ".join(several)
    return path, message, f"add port: with one of those that the Dockerfile exposes ({ports})"
