"""The values of `compose:`, which are merged into the rendered service: their forms, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from devenv.manifest.source import Finding, Reset, as_text

GATEWAY = "host-gateway"
"""Compose's word for the address at which a container reaches this machine."""

INSTEAD = {
    "build": "write it under build:, with additional_contexts: for what services share",
    "image": "write image:",
    "depends_on": "write uses:",
    "profiles": "write manual: true, and profiles: at the top",
    "develop": "write reload:",
    "scale": "write replicas:",
    "secrets": "write files: {/run/secrets/NAME: {secret: NAME}}",
    "configs": "write files: {/in/the/container: ./in/the/project}",
}
_UNSEEN = {"extends": "write its keys here; a YAML anchor shares them"}
_OF_SERVICES = {"healthcheck": "write health:"}  # the engine runs a store's check, so it may be tuned
_MAPPINGS = frozenset(("environment", "labels", "annotations", "sysctls", "networks"))
_LISTS = frozenset(("volumes", "ports"))


def findings(fragment: Mapping[str, Any], *, infra: bool) -> Iterator[Finding]:
    """Keys of a fragment that would have no effect, or whose form Compose does not take."""
    for key, entry in fragment.items():
        value = entry.value if isinstance(entry, Reset) else entry
        if key in _UNSEEN:
            yield (key,), "would bring keys that devenv sets itself, such as build", _UNSEEN[key]
            continue
        instead = INSTEAD.get(key) or ("" if infra else _OF_SERVICES.get(key, ""))
        if instead:
            yield (key,), "has no effect here: devenv sets it itself", instead
        elif value is not None and key in _MAPPINGS and not isinstance(value, dict) and not _are(value, str):
            yield (key,), "expected a mapping or a list of texts", ""
        elif value is not None and key in _LISTS and not _are(value, str, int, dict):
            yield (key,), "expected a list", ""


def _are(value: Any, *types: type) -> bool:
    return isinstance(value, list) and all(isinstance(entry, types) for entry in value)


def listed(fragment: Mapping[str, Any], key: str) -> list[Any]:
    """The entries of a list in a fragment, whether it is tagged `!reset` or not."""
    entry = fragment.get(key)
    return list((entry.value if isinstance(entry, Reset) else entry) or ())


def named_volumes(fragment: Mapping[str, Any]) -> Iterator[str]:
    """Names of volumes that a fragment mounts."""
    for volume in listed(fragment, "volumes"):
        source = mount(volume)[0]
        bind = isinstance(volume, Mapping) and volume.get("type", "volume") != "volume"
        if source and not bind and not source.startswith((".", "/", "~", "$")):
            yield source


def mount(volume: Any) -> tuple[str, str]:
    """What a volume of Compose's short or long form mounts ("" for a volume without a name), and where."""
    if isinstance(volume, Mapping):
        return str(volume.get("source", "")), str(volume.get("target", ""))
    source, colon, rest = str(volume).partition(":")
    return (source, rest.partition(":")[0]) if colon else ("", source)


def pairs(value: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Compose's list of `NAME=value` or mapping, as a mapping of texts; a name alone has None."""
    if isinstance(value, Mapping):
        return {key: as_text(item) for key, item in value.items()}
    split = [str(entry).partition("=") for entry in value]
    return {name: item if sign else None for name, sign, item in split}
