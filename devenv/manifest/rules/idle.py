"""Keys of an environment that would have no effect: said, rather than ignored."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.manifest.environments import DeployedInfra, Environment, ExternalInfra
from devenv.manifest.routing import OWN
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path

Idle = tuple[Path, str, str]
"""A key below an environment, why it has no effect, and what to write instead."""


def environments_are_heeded(scope: Scope) -> Iterator[Finding]:
    """Whatever an environment says has an effect."""
    for key, environment in scope.manifest.environments.items():
        for path, why, hint in (
            *_of_the_way_in(scope, environment),
            *_of_stores(scope, environment),
            *_of_images(scope, environment),
        ):
            yield ("environments", key, *path), f"has no effect: {why}", hint


def _of_the_way_in(scope: Scope, environment: Environment) -> Iterator[Idle]:
    way = environment.gateway if isinstance(environment.gateway, str) else "httproute"
    ingress = environment.ingress
    values = {"class": ingress.class_, "tls": ingress.tls, "annotations": ingress.annotations}
    said: list[Path] = [("ingress", name) for name, value in values.items() if value]
    if not _gateways(scope):
        named: list[Path] = [("host",)] if environment.host else []
        chosen: list[Path] = [("gateway",)] if way != "deploy" else []
        for path in (*named, *said, *chosen):
            yield path, "no service has a route", "write route: /   for a service, or remove it"
    elif way == "loadbalancer":
        hint = "remove it; annotations of the load balancer stand in ingress: {annotations: ...}"
        for path in said:
            if path[-1] != "annotations":
                yield path, "gateway: loadbalancer makes no Ingress", hint
    elif way == "httproute":
        hint = "remove it; certificates and addresses are the Gateway's"
        yield from ((path, "HTTPRoutes need no Ingress", hint) for path in said)
    elif way == "deploy" and not environment.host:
        hint = "write host: NAME beside it, or remove it"
        yield from ((path, "without host: there is no Ingress", hint) for path in said)


def _gateways(scope: Scope) -> list[str]:
    """The infra that serves routes, if the stack has one."""
    return [name for name, kind in scope.infra.items() if kind in scope.kinds and scope.kinds[kind].gateway]


def _of_stores(scope: Scope, environment: Environment) -> Iterator[Idle]:
    way = environment.gateway if isinstance(environment.gateway, str) else "httproute"
    gateways, logs = _gateways(scope), {scope.taker("logs")} - scope.manifest.infra.keys()
    for name, place in environment.infra.items():
        kind = scope.kinds.get(scope.infra.get(name, ""))
        path: Path = ("infra", name)
        if name in gateways and way in OWN:
            hint = f"remove it, or gateway: {'{httproute: ...}' if way == 'httproute' else way}"
            yield path, f"{OWN[way]} serves the routes, and {name} is not there", hint
        elif name in gateways and isinstance(place, ExternalInfra):
            yield path, "gateway: says what serves the routes", "remove it, and choose there"
        elif name in logs:
            yield path, "a cluster collects logs by itself", "remove it"
        elif isinstance(place, DeployedInfra) and kind and not kind.volumes:
            yield (*path, "deploy"), f"{name} has no volume", f"write {name}: deploy"


def _of_images(scope: Scope, environment: Environment) -> Iterator[Idle]:
    if environment.registry and not any(workload.build for workload in scope.workloads.values()):
        yield ("registry",), "nothing is built, so nothing is pushed", "remove it"
