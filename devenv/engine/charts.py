"""The project as a Helm chart, and the values of its environments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from devenv import assets
from devenv.errors import ManifestInvalid
from devenv.manifest.rules.scope import Scope
from devenv.render import chart as charts
from devenv.render.bundle import Source, to_yaml
from devenv.render.kubernetes import override_names, project_files
from devenv.render.kubernetes.overlay import overlay
from devenv.stack.builds import with_sources
from devenv.stack.catalogue import Facts
from devenv.stack.environments import environment, with_environment
from devenv.stack.model import Stack
from devenv.stack.resolve import outline, resolve
from devenv.stack.world import World

if TYPE_CHECKING:
    from devenv.engine.project import Project

NOTHING: Mapping[str, str] = {}


@lru_cache(maxsize=8)
def promoted(project: Project, name: str = "") -> charts.Promoted:
    """The stack as a chart has it, of no checkout and in no namespace: the manifest's, or an environment's.

    Its files are read once: images that are pushed and the chart that names them are of one moment.
    Raises `ManifestInvalid` for a file that is not there, `UsageError` for an unknown environment.
    """
    manifest, _, catalogue = project.parsed
    if name:
        manifest = with_environment(manifest, name)
    manifest = manifest.model_copy(update={"namespace": charts.NAMESPACE})
    read = project.read(outline(manifest, catalogue))

    def resolved(*external: str) -> Stack:
        world = World("", {}, read.files, read.extra, external=frozenset(external))
        return with_sources(resolve(manifest, catalogue, world), read.builds)

    stack = resolved()
    scope = Scope(manifest, Facts(catalogue))
    stores = [store for store, kind in scope.infra.items() if not scope.kinds[kind].gateway]
    kinds = override_names(stack)
    root = project.workspace.root
    source = Source(
        files={file: (root / file).read_bytes() for file in project_files(stack)},
        overrides={
            kind: overlay(overlay({}, local), promoting)
            for kind in kinds
            for local, promoting in [
                ((assets.overrides([kind]) | dict(project.overrides)).get(kind, {}), assets.promoted(kind))
            ]
        },
    )
    return charts.Promoted(stack, {store: resolved(store) for store in stores}, source)


def chart(project: Project) -> dict[str, str]:
    """The chart's files: relative path -> text."""
    return charts.chart(promoted(project), assets.chart())


def values_file(project: Project, name: str, images: Mapping[str, str] = NOTHING) -> str:
    """The text of an environment's values file; `images` are references by unit.

    Raises `ManifestInvalid` for values that the chart does not have.
    """
    manifest, source, _ = project.parsed
    place, own = environment(manifest, name), promoted(project)
    if findings := [*charts.unknown(own, place.values)]:
        at = ("environments", name, "values")
        raise ManifestInvalid([source.problem((*at, *path), why, hint) for path, why, hint in findings])
    values = charts.values(own, promoted(project, name), place, images)
    head = f"# The environment {name}: what differs from values.yaml. Rendered by devenv from devenv.yaml.\n"
    return head + to_yaml(values)


def defaults(project: Project) -> dict[str, Any]:
    """The chart's own values."""
    return charts.defaults(promoted(project))
