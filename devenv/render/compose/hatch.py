"""Merges the user's `compose:` fragment into a service, as Compose merges files.

Lists append, mappings merge, `!reset` replaces. Relative paths count from the manifest's folder.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from devenv.manifest.fragments import mount, pairs
from devenv.manifest.source import Reset

_PAIRS = frozenset(("environment", "labels", "annotations", "sysctls"))
_WHOLE = frozenset(("command", "entrypoint", "test"))  # lists of words, which make no sense merged


def laid_over(service: Mapping[str, Any], fragment: Mapping[str, Any], root: str) -> dict[str, Any]:
    """The service merged with the fragment; `root` is the path from the bundle to the manifest's folder.

    A fragment cannot change our labels: `down` finds the containers to remove by them.
    """
    base = dict(service)
    if "network_mode" in fragment:
        base.pop("networks", None)  # Compose refuses both together
    merged = _merge(base, {key: _rooted(key, value, root) for key, value in fragment.items()})
    return merged | {"labels": {**pairs(merged.get("labels", {})), **service["labels"]}}


def _merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        if isinstance(value, Reset):
            merged[key] = _plain(value.value)
            if value.value is None or value.value == []:
                del merged[key]
        else:
            merged[key] = _joined(key, merged.get(key), value)
    return merged


def _joined(key: str, base: Any, change: Any) -> Any:
    if change is None and isinstance(base, Mapping | list):
        return base  # `labels:` with nothing after it
    if key in _PAIRS:
        return _merge(base or {}, pairs(change or {}))
    if key == "networks" and isinstance(change, list):
        change = dict.fromkeys(change)
    if isinstance(change, Mapping):
        return _merge(base if isinstance(base, Mapping) else {}, change)
    if key in _WHOLE or not isinstance(base, list):
        return _plain(change)
    added = [_plain(entry) for entry in (change if isinstance(change, list) else [change])]
    if key == "volumes":  # a mount replaces ours on the same target
        targets = {mount(entry)[1] for entry in added}
        base = [entry for entry in base if mount(entry)[1] not in targets]
    return [*base, *(entry for entry in added if entry not in base)]


def _plain(value: Any) -> Any:
    """A value without nested `!reset` tags, which have no effect on a new value."""
    match value:
        case Reset():
            return _plain(value.value)
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
    return value


def _rooted(key: str, value: Any, root: str) -> Any:
    """The value of a key with its relative paths resolved against the manifest's folder."""
    match key, value:
        case _, Reset():
            return Reset(_rooted(key, value.value, root))
        case "volumes" | "env_file" | "label_file", list():
            return [_rooted(key, entry, root) for entry in value]
        case "volumes", dict() if value.get("type") == "bind" and isinstance(value.get("source"), str):
            return {**value, "source": _path(value["source"], root)}
        case "volumes", str() if value.startswith("."):
            source, colon, rest = value.partition(":")
            return _path(source, root) + colon + rest
        case "env_file" | "label_file", str():
            return _path(value, root)
        case "env_file", dict() if isinstance(value.get("path"), str):
            return {**value, "path": _path(value["path"], root)}
        case "credential_spec", dict() if isinstance(value.get("file"), str):
            return {**value, "file": _path(value["file"], root)}
    return value


def _path(path: str, root: str) -> str:
    if path.startswith(("/", "~", "$")):
        return path
    rooted = posixpath.normpath(posixpath.join(root, path))
    return rooted if rooted.startswith(("/", ".")) else f"./{rooted}"
