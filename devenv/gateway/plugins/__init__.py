"""Plugins of the embedded gateway: one module each, found by being here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from devenv.gateway.plugin import Plugin


def available() -> Mapping[str, Plugin[Any]]:
    """Return every plugin by its name."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    return {module.PLUGIN.name: module.PLUGIN for module in modules}
