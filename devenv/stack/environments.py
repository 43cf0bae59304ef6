"""A manifest as one of its environments has it, before anything is resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from devenv.errors import UsageError, did_you_mean
from devenv.manifest.environments import Environment, External, ExternalInfra, Override
from devenv.manifest.models import Manifest
from devenv.manifest.workloads import Build, Job, Service

Workload = TypeVar("Workload", Service, Job)


def environment(manifest: Manifest, name: str) -> Environment:
    """The environment of that name. Raises `UsageError` for one that is not there."""
    if name not in manifest.environments:
        listed = ", ".join(manifest.environments)
        example = f"environments: {{{name}: {{context: NAME, registry: HOST/PATH}}}}"
        otherwise = f"there are: {listed}" if listed else f"{example}   in the manifest; docs/promote.md"
        hint = did_you_mean(name, manifest.environments, otherwise)
        raise UsageError(f'no environment "{name}"', hint=hint)
    return manifest.environments[name]


def with_environment(manifest: Manifest, name: str) -> Manifest:
    """The manifest with everything that the environment says of it merged in.

    What only concerns the cluster (host, ingress, where stores come from) stays in the environment.
    """
    place = environment(manifest, name)
    return manifest.model_copy(
        update={
            "namespace": place.namespace or manifest.namespace,
            "registry": place.registry or manifest.registry,
            "services": _overridden(manifest.services, place.services),
            "jobs": _overridden(manifest.jobs, place.jobs),
        }
    )


def for_elsewhere(manifest: Manifest) -> Manifest:
    """The manifest without what is this machine's: addresses of stores, and a collector of logs."""
    infra = {name: store.model_copy(update={"external": None}) for name, store in manifest.infra.items()}
    return manifest.model_copy(update={"infra": infra, "logs": None})


def external(place: Environment) -> Mapping[str, External]:
    """The stores that something else runs in an environment."""
    return {name: store.external for name, store in place.infra.items() if isinstance(store, ExternalInfra)}


def _overridden(workloads: Mapping[str, Workload], overrides: Mapping[str, Override]) -> dict[str, Workload]:
    return {
        name: workload.model_copy(update=dict(_changes(workload, overrides[name])))
        if name in overrides
        else workload
        for name, workload in workloads.items()
    }


def _changes(workload: Service | Job, override: Override) -> dict[str, Any]:
    """The fields of a service or job that the override gives another value."""
    changes: dict[str, Any] = {"env": {**workload.env, **override.env}}
    if override.resources.model_fields_set:
        changes["resources"] = workload.resources.model_copy(update=_set(override.resources))
    if override.build.model_fields_set and workload.build is not None:
        changes["build"] = _built(workload.build, override)
    if override.image:
        changes["image"] = override.image
    if (replicas := getattr(override, "replicas", None)) is not None:
        changes["replicas"] = replicas
    return changes


def _built(build: Build, override: Override) -> Build:
    args = {**build.args, **override.build.args}
    return build.model_copy(update={"target": override.build.target or build.target, "args": args})


def _set(model: Any) -> dict[str, Any]:
    return {name: getattr(model, name) for name in model.model_fields_set}
