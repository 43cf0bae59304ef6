"""Rules about what serves an environment's routes: each way can express some of them only."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.manifest.routing import OWN, inexpressible, inexpressible_consumer
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path
from devenv.manifest.workloads import Plugin


def routes_can_be_served(scope: Scope) -> Iterator[Finding]:
    """An environment whose routes the cluster's own gateway serves has none that need Kong."""
    for key, environment in scope.manifest.environments.items():
        way = environment.gateway if isinstance(environment.gateway, str) else "httproute"
        for path, what in _lost(scope, way):
            able = [NAMES[other] for other in NAMES if not any(_lost(scope, other))]
            why = f"{OWN[way]}, which environments.{key}.gateway chooses, cannot express {what}"
            yield path, why, f"choose gateway: {' or '.join(able)} there, or remove it"


NAMES = {"deploy": "deploy", "kong": "kong", "ingress": "ingress", "httproute": "{httproute: NAME}"}
"""The ways to serve routes -> how an environment writes them."""


def _lost(scope: Scope, way: str) -> Iterator[tuple[Path, str]]:
    """What of the gateway a way cannot express: where it stands, and what it is."""
    if way not in OWN:
        return
    section = scope.manifest.gateway
    yield from _lost_plugins(section.plugins, ("gateway", "plugins"), way)
    for name, consumer in section.consumers.items():
        at: Path = ("gateway", "consumers", name)
        sealed_id = "${secret." in (consumer.custom_id or "")
        for what in inexpressible_consumer(way, name, jwt=consumer.jwt, sealed_id=sealed_id):
            yield at, what
        if way == "kong":
            yield from _lost_plugins(consumer.plugins, (*at, "plugins"), way)
    if section.extra:
        yield ("gateway", "extra"), "extra"
    for name, service in scope.manifest.services.items():
        for index, route in enumerate(service.route):
            path: Path = ("services", name, "route", index)
            yield from _lost_plugins(route.plugins, (*path, "plugins"), way)
            for what in inexpressible(
                way, path=route.path, hosts=route.host, methods=route.methods, strip=route.strip
            ):
                yield path, what
    for (place, name), workload in scope.workloads.items():
        for index, use in enumerate(workload.uses):
            if (kind := scope.infra.get(use, "")) in scope.kinds and scope.kinds[kind].gateway:
                yield (place, name, "uses", index), f"that {name} uses {use}"


def _lost_plugins(plugins: list[Plugin], path: Path, way: str) -> Iterator[tuple[Path, str]]:
    for index, plugin in enumerate(plugins):
        if way != "kong":
            yield (*path, index), f"the plugin {plugin.name}"
        elif "${secret." in repr(plugin.config):
            yield (*path, index), f"the secret in the plugin {plugin.name}"
