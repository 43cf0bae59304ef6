"""Rules about routes and the gateway that serves them."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.manifest.kong import rules as kong
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path


def routes_are_claimed_once(scope: Scope) -> Iterator[Finding]:
    """No two services have the same route."""
    claimed: dict[tuple[str, str, str], str] = {}
    for name, service in scope.manifest.services.items():
        for index, route in enumerate(service.route):
            path: Path = ("services", name, "route", index)
            if not route.path.startswith(("/", "~/")):
                yield path, f'"{route.path}" is not a path', f'write "/{route.path}"'
            for host in route.host or [""]:
                for method in route.methods or [""]:
                    claim = (route.path, host, method.upper())
                    if claim in claimed:
                        yield (
                            path,
                            f"{claimed[claim]} has the route {route.path} already",
                            "keep one of them",
                        )
                    claimed.setdefault(claim, f"services.{name}")


def kong_starts(scope: Scope) -> Iterator[Finding]:
    """The gateway's configuration has nothing that keeps Kong from starting."""
    return kong.findings(scope.manifest)
