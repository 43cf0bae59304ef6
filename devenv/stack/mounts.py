"""Checks that a store's data is in its volumes: compares volumes in the image with mounts."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from devenv.errors import DevenvError
from devenv.manifest.fragments import listed, mount
from devenv.manifest.source import Reset
from devenv.stack.model import Unit


def unkept(unit: Unit, declared: tuple[str, ...], renderer: str) -> tuple[str, ...]:
    """The image's declared volumes whose content would be lost with the container.

    `renderer` says whose fragment counts.

    The runtime gives each of them an anonymous volume. A folder outside all mounts, such as one for logs,
    does not hold the store's data, unless none of the declared folders is mounted.
    """
    mounted = {posixpath.normpath(target) for target in _targets(unit, renderer)}
    missing = sorted({posixpath.normpath(folder) for folder in declared} - mounted)
    if not unit.volumes or not missing:
        return ()
    if len(missing) == len(declared):
        return tuple(missing)
    return tuple(folder for folder in missing if any(_nested(folder, target) for target in mounted))


def require_kept(unit: Unit, declared: tuple[str, ...], renderer: str) -> None:
    """Raise `DevenvError` if the data of a store would not be in its volume."""
    lost = unkept(unit, declared, renderer)
    if lost:
        mounted = " and ".join(volume.target for volume in unit.volumes)
        raise DevenvError(
            f"{unit.name} would lose its data: nothing is mounted on {' and '.join(lost)}",
            where=f"infra.{unit.name}.image",
            why=f"{unit.image} keeps its data there, and the volume is mounted on {mounted}",
            hint=f'say which version of {unit.engine} it holds: infra: {{{unit.name}: {{version: "..."}}}}',
        )


def _targets(unit: Unit, renderer: str) -> list[str]:
    own = [*(volume.target for volume in unit.volumes), *(file.target for file in unit.files)]
    tmpfs = [entry.partition(":")[0] for entry in unit.tmpfs]
    if renderer == "kubernetes":
        return [*own, *tmpfs, *_mount_paths(unit.kubernetes)]
    fragment = [mount(volume)[1] for volume in listed(unit.compose, "volumes")]
    return fragment if isinstance(unit.compose.get("volumes"), Reset) else [*own, *tmpfs, *fragment]


def _mount_paths(fragment: Any) -> Iterator[str]:
    """Every `mountPath` in a fragment for Kubernetes."""
    match fragment:
        case Mapping():
            for key, value in fragment.items():
                yield from [str(value)] if key == "mountPath" else _mount_paths(value)
        case list():
            for value in fragment:
                yield from _mount_paths(value)


def _nested(first: str, second: str) -> bool:
    return first.startswith(f"{second}/") or second.startswith(f"{first}/")
