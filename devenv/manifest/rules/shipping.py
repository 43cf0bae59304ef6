"""Rules about what every service has to give: where its traces go, and what it writes."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path

SECTIONS = {"traces": "tracing", "logs": "logs"}
"""What is shipped -> the section of the manifest that says so."""


def takers_take_it(scope: Scope) -> Iterator[Finding]:
    """What traces or logs go to is a kind that takes them, or a name under `infra` of one."""
    for what, shipping in scope.shipped.items():
        path: Path = (SECTIONS[what], "to")
        if shipping.to is None:
            continue
        kind = scope.kinds.get(scope.word(shipping.to))
        takers = [*scope.kinds.takers(what)]
        if kind is None:
            yield path, f'no infra kind "{shipping.to}"', scope.kind_meant(shipping.to, scope.manifest.infra)
        elif what not in kind.takes:
            yield path, f"{shipping.to} takes no {what}", f"one of: {', '.join(takers)}"
