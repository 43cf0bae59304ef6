"""Rules about environments: where every store and secret comes from, and what an override can change."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.manifest.environments import Environment, ExternalInfra
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path


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
