"""Plugins of the embedded gateway: one module each, discovered in this package."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from devenv.gateway.plugin import Plugin


def available() -> Mapping[str, Plugin[Any]]:
    """Return every plugin by its name."""
    modules = [import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)]
    return {module.PLUGIN.name: module.PLUGIN for module in modules}
