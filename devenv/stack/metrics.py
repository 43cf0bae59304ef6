"""Who has metrics, as Prometheus lists what it asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from devenv.manifest.models import Manifest
from devenv.manifest.workloads import Service
from devenv.stack.infra import Instance
from devenv.stack.view import View

Target = Mapping[str, Any]
"""An entry of `static_configs`: its target, and labels; `__metrics_path__` is the path to ask for."""


def targets(manifest: Manifest, instances: Mapping[str, Instance], view: View) -> Iterator[Target]:
    """The services and infra that say where their metrics are, as seen from whatever asks."""
    for name, service in manifest.services.items():
        if service.metrics is not None:
            yield _target(name, _port(service), service.metrics.path, view)
    for name, instance in instances.items():
        if instance.kind.block.metrics and not instance.elsewhere:
            port, slash, path = instance.kind.block.metrics.partition("/")
            yield _target(name, int(port), slash + path, view)


def _port(service: Service) -> int:
    """The port that has a service's metrics, by its name or number."""
    assert service.metrics is not None
    asked = service.metrics.port
    if asked is None:
        return service.tcp_port or 0
    return service.named_ports.get(asked) or int(asked)


def _target(unit: str, port: int, path: str, view: View) -> Target:
    host, number = view.address(unit, port)
    return {"targets": [f"{host}:{number}"], "labels": {"unit": unit, "__metrics_path__": path}}
