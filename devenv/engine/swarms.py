"""The project as files for `docker stack deploy`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.errors import ManifestInvalid
from devenv.manifest.environments import Environment
from devenv.manifest.models import Manifest
from devenv.render.bundle import Source
from devenv.render.chart.notes import targets
from devenv.render.swarm import Swarm, render
from devenv.sources.ignored import recipes
from devenv.stack.builds import with_sources
from devenv.stack.environments import environment as environment_of
from devenv.stack.environments import external, for_elsewhere, with_environment
from devenv.stack.model import Stack
from devenv.stack.outline import outline
from devenv.stack.resolve import resolve
from devenv.stack.world import Finding, World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.engine.project import Project


@dataclass(frozen=True, slots=True)
class SwarmFiles:
    """The files, the stack that they are of, and what people should know of them, a line each."""

    stack: Stack
    files: Mapping[str, str]
    notes: tuple[str, ...]


def swarm(project: Project, folder: Path, name: str = "") -> SwarmFiles:
    """The stack of a manifest, or of one of its environments; paths in the files are relative to the folder.

    Raises `ManifestInvalid` with all that a swarm cannot do, `UsageError` for an unknown environment.
    """
    written, source, _ = project.manifest.parsed
    place = environment_of(written, name) if name else None
    stack = _stack(project, for_elsewhere(with_environment(written, name)) if name else written, place)
    root = project.workspace.root
    rendered = render(
        stack,
        Source(
            root=os.path.relpath(root, folder),
            folder=os.path.relpath(folder, root),
            recipes=recipes(root, (unit.build for unit in stack.units)),
            registry=(place.registry if place else None) or "",
        ),
    )
    refused = [*_lacks(stack, rendered, refused=True), *_refused(name, place)]
    if refused:
        raise ManifestInvalid([source.problem(*finding) for finding in refused])
    lost = [*_lacks(stack, rendered, refused=False), *_lost(name, place)]
    notes = [str(source.problem(*finding)) for finding in lost]
    notes += [line for unit in stack.units for line in targets(unit)]
    return SwarmFiles(stack, rendered.files, tuple(notes))


def _stack(project: Project, manifest: Manifest, place: Environment | None) -> Stack:
    """The stack of no checkout, without the stores that something else runs."""
    catalogue = project.manifest.parsed[2]
    read = project.read(outline(manifest, catalogue))
    outside = frozenset(external(place) if place else ())
    world = World("", external=outside, **read.answers)
    return with_sources(resolve(manifest, catalogue, world), read.builds)


def _lacks(stack: Stack, swarm: Swarm, *, refused: bool) -> Iterator[Finding]:
    for name, lacks in swarm.lacks.items():
        section = stack.unit(name).section
        for lack in lacks:
            if lack.refused == refused:
                yield (section, name, "compose", *lack.path), lack.why, lack.hint


def _refused(name: str, place: Environment | None) -> Iterator[Finding]:
    for store, elsewhere in external(place).items() if place else ():
        if elsewhere.host:
            yield (
                ("environments", name, "infra", store, "external"),
                "a swarm has no name for a host elsewhere",
                "write {secret: NAME}: whoever deploys gives the variables",
            )


def _lost(name: str, place: Environment | None) -> Iterator[Finding]:
    for service, override in place.services.items() if place else ():
        if override.autoscale is not None:
            path = ("environments", name, "services", service, "autoscale")
            yield path, "does nothing in a swarm: it runs as many as replicas says", ""
