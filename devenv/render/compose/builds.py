"""How Compose builds the images of a stack: from the project's folders, by Dockerfiles in the bundle."""

from __future__ import annotations

import posixpath
from typing import Any

from devenv.render.bundle import Source
from devenv.stack import text
from devenv.stack.model import NAMED, Stack, Unit


def recipes(stack: Stack, source: Source) -> dict[str, str]:
    """The Dockerfiles of a bundle, each with its ignore file: path -> text."""
    files = {}
    for unit in stack.units:
        if unit.build is not None and (recipe := source.recipes.get(unit.build.key)) is not None:
            files[_dockerfile(unit)] = recipe.dockerfile
            files[_dockerfile(unit) + ".dockerignore"] = recipe.ignore
    return files


def build(unit: Unit, source: Source) -> dict[str, Any]:
    """How Compose builds a unit's image: with the bundle's Dockerfile, or with that of a repository."""
    assert unit.build is not None
    own = unit.build
    if own.remote:
        spec: dict[str, Any] = {"context": own.context, "dockerfile": own.dockerfile}
    else:
        upwards = posixpath.relpath("/", posixpath.join("/", own.context))
        spec = {
            "context": from_bundle(source.root, own.context),
            "dockerfile": posixpath.normpath(posixpath.join(upwards, source.folder, _dockerfile(unit))),
        }
    if own.target:
        spec["target"] = own.target
    if own.args:
        spec["args"] = dict(own.args)
    if own.secrets:
        spec["secrets"] = [{"source": _build_secret(unit, key), "target": key} for key, _ in own.secrets]
    if own.ssh:
        spec["ssh"] = [own.ssh]
    if own.contexts:
        spec["additional_contexts"] = {
            name: from_bundle(source.root, folder) if (folder, NAMED) in own.more_keys else folder
            for name, folder in own.contexts
        }
    if own.cache_from:
        spec["cache_from"] = list(own.cache_from)
    if own.network:
        spec["network"] = own.network
    if own.platform:
        spec["platforms"] = [own.platform]
    return spec


def _build_secret(unit: Unit, key: str) -> str:
    return f"{unit.name}.{key}"


def build_secrets(stack: Stack, root: str) -> dict[str, Any]:
    """Build secrets in Compose's form: each is a file, or a variable of `.env`."""
    return {
        _build_secret(unit, key): {"file": from_bundle(root, source)}
        if isinstance(source, str)
        else {"environment": next(iter(text.secrets([source]))).variable}
        for unit in stack.units
        if unit.build is not None
        for key, source in unit.build.secrets
    }


def _dockerfile(unit: Unit) -> str:
    """The path of the unit's Dockerfile in the bundle; the ignore file beside it overrides the context's."""
    assert unit.build is not None
    return f"build/{unit.name}/{posixpath.basename(unit.build.dockerfile)}"


def from_bundle(root: str, path: str) -> str:
    """A path in the project as the bundle reaches it."""
    return posixpath.normpath(posixpath.join(root, path))
