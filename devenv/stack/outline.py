"""What a manifest asks of the world: which files to read, and which ports of this machine to ask for."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import Literal

from devenv.manifest.contexts import is_folder
from devenv.manifest.models import Manifest
from devenv.manifest.source import Path
from devenv.manifest.workloads import Job, Service
from devenv.stack.infra import Instance
from devenv.stack.instances import Instances
from devenv.stack.kinds.catalogue import Catalogue
from devenv.stack.ports import Claim
from devenv.stack.workloads import service_claims
from devenv.stack.world import Outline, Want, World


def outline(manifest: Manifest, catalogue: Catalogue) -> Outline:
    """The parts of a manifest that decide what to read from the world."""
    of = Instances(manifest, catalogue, World(""))
    instances = of.instances
    return Outline(
        wants=tuple(_wants(manifest, instances.values())),
        claims=tuple(_claims(manifest, instances.values())),
        profiles={name: tuple(members) for name, members in manifest.profiles.items()},
        backend=manifest.backend or "",
        name=manifest.name,
        namespace=manifest.namespace or "",
        promotes=bool(manifest.environments),
        units=tuple(of.all_units()),
        names=(*manifest.services, *manifest.jobs, *instances),
        externals={name: store.kind.name for name, store in instances.items() if store.address},
    )


def _wants(manifest: Manifest, instances: Iterable[Instance]) -> Iterator[Want]:
    for section in ("services", "jobs"):
        for name, workload in getattr(manifest, section).items():
            path: Path = (section, name)
            if workload.build is not None:
                kind: Literal["build", "repository"] = (
                    "build" if is_folder(workload.build.context) else "repository"
                )
                yield Want(kind, workload.build.context, (*path, "build"), workload.build.dockerfile)
                for key, source in workload.build.additional_contexts.items():
                    if is_folder(source):
                        yield Want("context", source, (*path, "build", "additional_contexts", key))
                for key, source in workload.build.secrets.items():
                    if not source.startswith("$"):
                        yield Want("file", source, (*path, "build", "secrets", key))
            for source in _only_synced(workload):
                yield Want("tree", source, (*path, "reload", "sync", source))
            for index, source in enumerate(workload.env_file):
                yield Want("env", source, (*path, "env_file", index))
            for target, source in workload.files.items():
                if isinstance(source, str):
                    yield Want("mount", source, (*path, "files", target))
    for instance in instances:
        for option in sorted(instance.kind.facts.files):
            for index, pattern in enumerate(instance.patterns(option)):
                yield Want("pattern", pattern, ("infra", instance.name, option, index))
    for name, infra in manifest.infra.items():
        for target, source in infra.files.items():
            if isinstance(source, str):
                yield Want("mount", source, ("infra", name, "files", target))
    if manifest.gateway.extra:
        yield Want("text", manifest.gateway.extra, ("gateway", "extra"))
    for key, environment in manifest.environments.items():
        for name, chart in environment.charts.items():
            if chart.values is not None:
                yield Want("file", chart.values, ("environments", key, "charts", name, "values"))


def _only_synced(workload: Service | Job) -> Iterator[str]:
    """The folders of the project that a service is sent and that its build does not see."""
    reload = getattr(workload, "reload", None)
    for source in reload.sync if reload else ():
        context = posixpath.normpath(workload.build.context) if workload.build else None
        path = posixpath.normpath(source)
        if context is None or not (context == "." or path == context or path.startswith(f"{context}/")):
            yield source


def _claims(manifest: Manifest, instances: Iterable[Instance]) -> list[Claim]:
    """Wanted host ports, by priority: the gateway, then infra, then services."""
    infra = sorted(instances, key=lambda instance: instance.kind.block.gateway is None)
    claims = [claim for instance in infra for claim in instance.claims()]
    for name, service in manifest.services.items():
        claims += service_claims(name, service).values()
    return claims
