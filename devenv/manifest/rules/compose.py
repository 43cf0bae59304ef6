"""Rules about the keys of `compose:`."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.manifest import fragments
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding


def fragments_have_an_effect(scope: Scope) -> Iterator[Finding]:
    """Every key under `compose:` has an effect."""
    manifest = scope.manifest
    for section in ("services", "jobs", "infra"):
        for name, workload in getattr(manifest, section).items():
            for path, message, suggestion in fragments.findings(workload.compose, infra=section == "infra"):
                yield (section, name, "compose", *path), message, suggestion
