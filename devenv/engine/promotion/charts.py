"""The project as a Helm chart, and the values of its environments."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from devenv import assets, documents
from devenv.errors import ManifestInvalid, UsageError
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding
from devenv.render import chart as charts
from devenv.render import kong
from devenv.render.bundle import Source, to_yaml
from devenv.render.chart import notes as chartnotes
from devenv.render.chart import sealed
from devenv.render.chart.sealed import NOT_SEALED, Sealed
from devenv.render.chart.version import chart_version
from devenv.render.kubernetes import override_names, project_files
from devenv.render.kubernetes.overlay import overlay
from devenv.sources.ignored import recipes
from devenv.stack.builds import with_sources
from devenv.stack.environments import environment, external, for_elsewhere, with_environment
from devenv.stack.kinds.catalogue import Facts
from devenv.stack.model import Stack
from devenv.stack.outline import outline
from devenv.stack.resolve import resolve
from devenv.stack.world import World

if TYPE_CHECKING:
    from devenv.engine.project import Project
    from devenv.manifest.environments import Environment

NOTHING: Mapping[str, str] = {}
MOMENT = 315532800  # 1980: Helm 4 keeps the files' times, so the same chart is the same package


@dataclass(frozen=True, slots=True)
class Packaged:
    """A packaged chart; its digest where it was pushed."""

    file: Path
    version: str
    digest: str = ""


@lru_cache(maxsize=8)
def promoted(project: Project, name: str = "") -> charts.Promoted:
    """The stack as a chart has it, of no checkout and in no namespace: the manifest's, or an environment's.

    Its files are read once: images that are pushed and the chart that names them are of one moment.
    Raises `ManifestInvalid` for a file that is not there, `UsageError` for an unknown environment.
    """
    manifest, _, catalogue = project.manifest.parsed
    if name:
        manifest = with_environment(manifest, name)
    manifest = for_elsewhere(manifest).model_copy(update={"namespace": charts.NAMESPACE})
    read = project.read(outline(manifest, catalogue))

    def resolved(*external: str) -> Stack:
        world = World("", external=frozenset(external), **read.answers)
        return with_sources(resolve(manifest, catalogue, world), read.builds)

    stack = resolved()
    scope = Scope(manifest, Facts(catalogue))
    stores = [store for store, kind in scope.infra.items() if not scope.kinds[kind].gateway]
    kinds = override_names(stack)
    root, own = project.workspace.root, dict(project.manifest.overrides)
    source = Source(
        files={file: (root / file).read_bytes() for file in project_files(stack)},
        overrides={
            kind: overlay(overlay({}, local), promoting)
            for kind in kinds
            for local, promoting in [((assets.overrides([kind]) | own).get(kind, {}), assets.promoted(kind))]
        },
    )
    return charts.Promoted(stack, {store: resolved(store) for store in stores}, source)


def notes(project: Project, stack: Stack) -> list[str]:
    """What people should know before this stack of the project's goes to a cluster, a line each."""
    found = recipes(project.workspace.root, (unit.build for unit in stack.units))
    return chartnotes.notes(stack, {key: recipe.dockerfile for key, recipe in found.items()})


def deck(project: Project, name: str = "") -> str:
    """The gateway of the manifest, or of an environment, as a state file of decK.

    Its upstreams have the names that services have in a cluster.
    """
    stack, manifest = promoted(project, name).stack, project.manifest.parsed[0]
    if stack.gateway is None:
        raise UsageError("nothing has a route, so there is no gateway", hint="services: {NAME: {route: /}}")
    space = environment(manifest, name).namespace if name else manifest.namespace
    return kong.deck(stack).replace(charts.NAMESPACE, space or manifest.name)


def chart(project: Project) -> dict[str, str]:
    """The chart's files: relative path -> text."""
    return charts.chart(promoted(project), assets.chart())


def values_file(project: Project, name: str, images: Mapping[str, str] = NOTHING) -> str:
    """The text of an environment's values file; `images` are references by unit.

    Raises `ManifestInvalid` for values that the chart does not have.
    """
    manifest, source, _ = project.manifest.parsed
    place, own = environment(manifest, name), promoted(project)
    if findings := [*charts.unknown(own, place.values)]:
        at = ("environments", name, "values")
        raise ManifestInvalid([source.problem((*at, *path), why, hint) for path, why, hint in findings])
    target = promoted(project, name)
    if problems := [
        source.problem(("environments", name, *path), why, hint)
        for path, why, hint in (*_written_in(target, place), *_unread(target, place))
    ]:
        raise ManifestInvalid(problems)
    values = charts.values(own, target, place, images, _sealed(project, name, target))
    head = f"# The environment {name}: what differs from values.yaml. Rendered by devenv from devenv.yaml.\n"
    return head + to_yaml(values)


def _unread(target: charts.Promoted, place: Environment) -> Iterator[Finding]:
    """What an environment says of a Secret that nothing there reads."""
    if not [*charts.keys(target, external(place))]:
        for key in ("secret", "secrets"):
            if getattr(place, key):
                yield (key,), "has no effect: nothing that runs there reads a secret", "remove it"


def _written_in(target: charts.Promoted, place: Environment) -> Iterator[Finding]:
    """Stores whose address a Secret cannot bring where it stands."""
    for store, elsewhere in external(place).items():
        if not elsewhere.secret or store not in target.without:
            continue
        for unit, what in target.written_into(store):
            yield (
                ("infra", store, "external", "secret"),
                f"{what} of {unit} has the address of {store} in it, where no Secret is read",
                "write {host: NAME}, or deploy"
                + (
                    ""
                    if what.startswith("the file")
                    else f", or a variable into env: of {unit} and $NAME there"
                ),
            )


def defaults(project: Project) -> dict[str, Any]:
    """The chart's own values."""
    return charts.defaults(promoted(project))


def package(project: Project, folder: Path, *, push: str = "") -> Packaged:
    """Pack the chart into a folder, and push it below the address `push`, if there is one.

    Raises `UsageError` for files that differ from the commit and are to be pushed, `DevenvError` for a
    registry that refuses.
    """
    from devenv.backends import git, helm, helmcharts

    helm.major()
    root = project.workspace.root
    commit = git.commit(root)
    changed = commit.changed if commit else ()
    if push and changed:
        raise UsageError(
            "files differ from the commit",
            where=", ".join(changed[:5]),
            why="a chart that is pushed has to be found again by its commit",
            hint="commit them, or leave out --push",
        )
    version = chart_version(
        charts.VERSION,
        tags=git.tags(root),
        commit=commit.id if commit else "",
        manifest=project.manifest.digest,
        changed=bool(changed),
    )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="devenv-") as temporary:
        for name, text in chart(project).items():
            file = Path(temporary, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            os.utime(file, (MOMENT, MOMENT))
        app = commit.name if commit else ""
        package = helmcharts.package(Path(temporary), folder, version=version, app_version=app)
    digest = helmcharts.push(package, push) if push else ""
    return Packaged(package, version, digest)


def _sealed(project: Project, name: str, target: charts.Promoted) -> Sealed:
    """What an environment's file of sealed secrets says. Raises `ManifestInvalid` if it would not do."""
    manifest, source, _ = project.manifest.parsed
    place = environment(manifest, name)
    file = place.secrets.sealed if place.secrets else None
    if file is None:
        return NOT_SEALED
    faults: Iterable[sealed.Fault]
    try:
        item = documents.load((project.workspace.root / file).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no YAML"
        faults = [(f"{file} cannot be read: {why}", "kubeseal -o yaml writes it")]
    else:
        faults = sealed.faults(
            item,
            file=file,
            secret=place.secret or charts.defaults(target)["secret"],
            namespace=place.namespace or manifest.namespace or manifest.name,
            names=charts.keys(target, external(place)),
        )
    if problems := [source.problem(("environments", name, "secrets", "sealed"), *fault) for fault in faults]:
        raise ManifestInvalid(problems)
    return sealed.read(item)
