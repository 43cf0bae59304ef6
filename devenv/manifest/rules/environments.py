"""Rules about environments: where every store comes from, and what an override can change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devenv.manifest.environments import Chart, Environment, ExternalInfra
from devenv.manifest.routing import OWN, inexpressible, inexpressible_consumer
from devenv.manifest.rules.names import LABEL
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path
from devenv.manifest.workloads import Plugin


def stores_have_a_place(scope: Scope) -> Iterator[Finding]:
    """An environment says of every store whether it is deployed or something else runs it.

    What collects the logs is only there for development: a cluster has a collector of its own.
    """
    left_out = {scope.taker("logs")} - scope.manifest.infra.keys()
    stores = [
        name
        for name, kind in scope.infra.items()
        if kind in scope.kinds and not scope.kinds[kind].gateway and name not in left_out
    ]
    for key, environment in scope.manifest.environments.items():
        if silent := [name for name in stores if name not in environment.infra]:
            listed = ", ".join(f"{name}: deploy" for name in silent)
            yield (
                ("environments", key, "infra"),
                f"does not say where {_and(silent)} come{'' if len(silent) > 1 else 's'} from",
                f"write infra: {{{listed}}}   or external: {{secret: NAME}} instead of deploy",
            )
        yield from _externals(("environments", key, "infra"), environment)


def _externals(path: Path, environment: Environment) -> Iterator[Finding]:
    for name, place in environment.infra.items():
        if isinstance(place, ExternalInfra) and bool(place.external.secret) == bool(place.external.host):
            yield (
                (*path, name, "external"),
                "is either a Secret or a host",
                "write {secret: NAME} or {host: NAME}",
            )


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def overrides_have_an_effect(scope: Scope) -> Iterator[Finding]:
    """An environment overrides only what a service or job has."""
    for key, environment in scope.manifest.environments.items():
        for section, overrides in (("services", environment.services), ("jobs", environment.jobs)):
            for name, override in overrides.items():
                workload = scope.workloads.get((section, name))
                path: Path = ("environments", key, section, name)
                if workload is None:
                    continue  # another rule says so
                built = workload.build or getattr(
                    scope.manifest.services.get(getattr(workload, "like", None) or ""), "build", None
                )
                if override.build.model_fields_set and not built:
                    yield (*path, "build"), f"{name} is not built", "remove it"
                if override.image and built:
                    yield (
                        (*path, "image"),
                        f"{name} is built, so the image is the one that is pushed",
                        "remove it",
                    )
                scaling = getattr(override, "autoscale", None)
                if scaling and not (override.resources.cpu or workload.resources.cpu):
                    why = f"{name} asks for no CPU, of which the target is a share"
                    yield (*path, "autoscale"), why, "write resources: {cpu: 500m}"
                if scaling and scaling.min > scaling.max:
                    yield (*path, "autoscale"), f"min {scaling.min} is more than max {scaling.max}", ""


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


def environments_do_not_share_a_release(scope: Scope) -> Iterator[Finding]:
    """Two environments in one namespace of one context would be one release."""
    manifest = scope.manifest
    first: dict[tuple[str, str], str] = {}
    for key, environment in manifest.environments.items():
        namespace = environment.namespace or manifest.namespace or manifest.name
        other = first.setdefault((environment.context, namespace), key)
        if other != key:
            yield (
                ("environments", key, "namespace" if environment.namespace else "context"),
                f"leads to the namespace {namespace} of {environment.context}, which is {other}'s",
                "name another namespace:",
            )


EXACT = re.compile(r"v?\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?")
LONGEST = 53  # of a release's name, as Helm has it


def a_release_can_have_the_name(scope: Scope) -> Iterator[Finding]:
    """What goes to an environment is a release, called as the stack."""
    if scope.manifest.environments and len(scope.manifest.name) > LONGEST:
        why = (
            f"has {len(scope.manifest.name)} characters; with environments: at most {LONGEST}, as Helm has it"
        )
        yield ("name",), why, ""


def charts_are_locked(scope: Scope) -> Iterator[Finding]:
    """Charts of other people have an address, one version, and a release name that is not the stack's."""
    for key, environment in scope.manifest.environments.items():
        for name, chart in environment.charts.items():
            path: Path = ("environments", key, "charts", name)
            if name == scope.manifest.name:
                yield path, f"{name} is the release of the stack itself", "give this one another name"
            elif not LABEL.match(name) or len(name) > LONGEST:
                why = "a release's name is lower-case letters, digits, hyphens, at most 53 of them"
                yield path, why, ""
            yield from _locked(path, chart)


def _locked(path: Path, chart: Chart) -> Iterator[Finding]:
    if not EXACT.fullmatch(chart.version):
        why = f'"{chart.version}" is not one version: what is promoted must be the same each time'
        yield (*path, "version"), why, "write it in full: 3.0.0"
    if chart.repo is None and not chart.chart.startswith("oci://"):
        hint = "write oci://HOST/PATH, or repo: https://... beside it"
        yield (*path, "chart"), f'"{chart.chart}" is no address of a chart', hint
    if chart.repo is not None and not chart.repo.startswith(("https://", "http://")):
        yield (*path, "repo"), f'"{chart.repo}" is no address of a repository', "write https://..."
    if chart.repo is not None and "/" in chart.chart:
        yield (*path, "chart"), "with repo: it is a name there, without a slash", ""


def secrets_have_one_maker(scope: Scope) -> Iterator[Finding]:
    """One operator makes the stack's Secret, and looks for a secret in one way."""
    for key, environment in scope.manifest.environments.items():
        made, path = environment.secrets, ("environments", key, "secrets")
        if made is None:
            continue
        if (made.external is None) == (made.sealed is None):
            yield path, "is either external or sealed", "write {external: {store: NAME}} or {sealed: FILE}"
        elif made.external and made.external.entry and made.external.prefix:
            yield (*path, "external"), "names an entry and a prefix", "remove prefix: an entry has properties"
