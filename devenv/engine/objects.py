"""Reads objects of Kubernetes: from files, from a chart, from a kustomization, or as they come in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from devenv import home, proc
from devenv.drafting import parts, reading
from devenv.drafting.draft import Draft
from devenv.drafting.filling import definitions
from devenv.drafting.kubernetes.convert import convert
from devenv.drafting.kubernetes.imported import Build
from devenv.drafting.kubernetes.objects import TOOLS, rows, word
from devenv.drafting.kubernetes.project import imported
from devenv.drafting.kubernetes.shapes import shape_of
from devenv.drafting.shape import faults
from devenv.drafting.stores import Stores, repository
from devenv.engine import drafting
from devenv.envfiles import read_written
from devenv.errors import DevenvError, ManifestInvalid, ToolMissing, UsageError
from devenv.manifest import source
from devenv.workspace import read_text

STDIN = "-"
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
SKIPPED = frozenset(("node_modules", "vendor", "venv", "dist", "build", "target"))
FILES = 2000
HINT = "devenv init --from-kubernetes k8s   names a file, a folder, a kustomization or a chart"

_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_TEMPLATE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_KINDS = re.compile(r"^(?:apiVersion|kind):", re.MULTILINE)


def objects(folder: Path, named: Sequence[str], piped: str = "") -> list[Mapping[str, Any]]:
    """The objects in files and folders, all of this one unless some are named; `piped` stands for `-`.

    Raises `UsageError` where there are none, `ManifestInvalid` for one that is none.
    """
    texts = [pair for name in named or (".",) for pair in _texts(folder, name, piped)]
    items = [item for shown, text in texts for item in _objects(shown, text)]
    if not items:
        where = ", ".join(named) or str(folder)
        raise UsageError("no objects of Kubernetes there", where=where, hint=HINT)
    return items


def _texts(folder: Path, name: str, piped: str) -> Iterator[tuple[str, str]]:
    """The files that a name stands for, as they are shown, with their texts."""
    path = folder / name
    if name == STDIN:
        yield "stdin", piped
    elif path.is_file():
        yield name, read_text(path, name)
    elif not path.is_dir():
        raise UsageError(f"no file {name}", hint=HINT)
    elif (path / "Chart.yaml").is_file():
        yield f"helm template {name}", _printed(["helm", "template", _release(path), str(path)], name)
    elif any((path / own).is_file() for own in KUSTOMIZATIONS):
        yield f"kubectl kustomize {name}", _printed(["kubectl", "kustomize", str(path)], name)
    else:
        yield from _below(folder, path)


def _release(chart: Path) -> str:
    """The name of a release that most charts call their objects by, without another name before it."""
    return re.sub(r"[^a-z0-9-]+", "-", chart.resolve().name.lower()).strip("-")[:50] or "app"


def _printed(argv: Sequence[str], shown: str) -> str:
    """What a program makes of a folder. Raises `UsageError` where it is missing or refuses."""
    pipe = f"{' '.join(argv[:2])} ... | devenv init --from-kubernetes -"
    try:
        ended = proc.run_captured(argv)
    except ToolMissing as error:
        error.why, error.hint = f"{shown} needs it", f"install it, or elsewhere: {pipe}"
        raise
    if ended.code:
        why = ended.stderr.strip().removeprefix("Error: ").removeprefix("error: ")
        raise UsageError(f"{argv[0]} refuses {shown}", why=why, hint=pipe)
    return ended.stdout


def _below(folder: Path, path: Path) -> Iterator[tuple[str, str]]:
    """The files of a folder that hold objects. Raises `UsageError` for one of charts or kustomizations."""
    made: list[str] = []
    for file in _files(path):
        shown = os.path.relpath(file, folder)
        if file.name in KUSTOMIZATIONS or file.name == "Chart.yaml":
            made.append(os.path.relpath(file.parent, folder))
        elif file.suffix in (".yaml", ".yml", ".json"):
            text = read_text(file, shown)
            if file.suffix == ".json" or len(_KINDS.findall(text)) > 1:
                yield shown, text
    if made:
        listed = ", ".join(made[:5]) + (" ..." if len(made) > 5 else "")
        raise UsageError(
            f"{os.path.relpath(path, folder)} has charts or kustomizations",
            why=f"{listed}: each is another set of objects",
            hint=f"devenv init --from-kubernetes {made[-1]}",
        )


def _files(path: Path) -> Iterator[Path]:
    count = 0
    for top, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("."))
        for name in sorted(names):
            count += 1
            if count > FILES:
                raise UsageError(f"{path} has more than {FILES} files", hint=HINT)
            yield Path(top, name)


def _objects(shown: str, text: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a text. Raises `ManifestInvalid` for what is none, with its place."""
    starts = [0, *(match.start() for match in _SEPARATOR.finditer(text)), len(text)]
    for start, end in pairwise(starts):
        above = "\n" * text.count("\n", 0, start)
        document = _read(above + _SEPARATOR.sub("   ", text[start:end]), shown)
        value = source.as_yaml(document.value)
        if (
            not isinstance(value, Mapping)
            or "apiVersion" not in value
            or TOOLS.match(str(value["apiVersion"]))
        ):
            continue  # nothing, or another file of YAML, such as values of a chart
        if problems := [document.problem(*fault) for fault in _faults(value)]:
            raise ManifestInvalid(problems)
        yield value


def _faults(value: Mapping[str, Any], path: source.Path = ()) -> Iterator[tuple[source.Path, str]]:
    """Where an object, or one in a List, has another form than its kind."""
    kind = value.get("kind")
    if not isinstance(kind, str):
        yield path, "an object without a kind"
        return
    yield from faults(value, shape_of(kind), path)
    for index, item in enumerate(rows(value, "items") if kind.endswith("List") else ()):
        if isinstance(item, Mapping):
            yield from _faults(item, (*path, "items", index))
        else:
            yield (*path, "items", index), "expected an object"


def _read(text: str, shown: str) -> source.Source:
    """One document. Raises `UsageError` for a template, which Helm has to fill in first."""
    try:
        return source.read(text, file=shown)
    except ManifestInvalid:
        if not _TEMPLATE.search(text):
            raise
        chart = shown.partition("/templates/")[0] if "/templates/" in shown else "CHART"
        raise UsageError(
            f"{shown} is a template of Helm's",
            why="its values are not filled in",
            hint=f"devenv init --from-kubernetes {chart}   has Helm fill them in",
        ) from None


def builds(folder: Path) -> dict[str, Build]:
    """Image, without registry and tag -> how it is built: as Skaffold's file says, else by folders' names."""
    files = drafting.package_files(folder)
    result: dict[str, Build] = {}
    for part in parts.parts(files, folder.resolve().name):
        if part.dockerfile:
            context = "." if part.whole else part.folder
            below = os.path.relpath(os.path.join(part.folder, part.dockerfile), context)
            result.setdefault(part.name, Build(context, below))
    for name in ("skaffold.yaml", "skaffold.yml"):
        if (folder / name).is_file():
            result |= _artifacts(read_text(folder / name, name), name)
    return result


def _artifacts(text: str, shown: str) -> dict[str, Build]:
    """The images that Skaffold builds."""
    result: dict[str, Build] = {}
    for part in _SEPARATOR.split(text):
        value = source.as_yaml(source.read(part, file=shown).value)
        for artifact in rows(value, "build", "artifacts"):
            context = os.path.normpath(word(artifact, "context") or ".")
            dockerfile = word(artifact, "docker", "dockerfile") or "Dockerfile"
            result[repository(word(artifact, "image"))] = Build(context, dockerfile)
    return result


def drafted(
    items: Iterable[Mapping[str, Any]], folder: Path, environment: Mapping[str, str], shown: Sequence[str]
) -> Draft:
    """The draft of these objects, with every field in a form that `devenv plan` takes."""
    catalogue = drafting.kinds()
    stores = Stores(catalogue)
    made = imported(items, builds(folder), stores)
    if not made.services:
        raise DevenvError(
            "nothing of this runs",
            why="there is no Deployment, StatefulSet, Pod, Job or CronJob",
            hint=HINT,
        )
    project = made.project(tuple(shown), reading.Place(str(folder.resolve()), ".", str(home.folder())))
    defined = definitions(read_written(folder / ".env"), environment, project.services)
    around = replace(drafting.observed(folder, project, defined.values), variables={})
    draft = convert(project, made, around, stores)
    drafting.settled(draft, folder, catalogue, defined.values)
    return draft
