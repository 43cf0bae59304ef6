"""Compose files as they were until 2016: services at the top, and some keys by other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = {"net": "network_mode", "log_driver": "logging", "log_opt": "logging"}


def is_first_form(value: Any) -> bool:
    """Whether the file's value has services at the top."""
    return (
        isinstance(value, Mapping)
        and not {"services", "include", "version"} & value.keys()
        and any(isinstance(keys, Mapping) and {"image", "build"} & keys.keys() for keys in value.values())
    )


def modern(value: Mapping[str, Any]) -> dict[str, Any]:
    """The same in the form of today."""
    return {"services": {name: _service(keys) for name, keys in value.items() if isinstance(keys, Mapping)}}


def _service(keys: Mapping[str, Any]) -> dict[str, Any]:
    service = {_NAMES.get(key, key): item for key, item in keys.items() if key != "dockerfile"}
    if "dockerfile" in keys and isinstance(keys.get("build"), str):
        service["build"] = {"context": keys["build"], "dockerfile": keys["dockerfile"]}
    return service
