"""Settings of the gateway's plugins, as values of a chart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from devenv.render.chart.page import NAMESPACE, Page
from devenv.render.kong import configured, named_routes
from devenv.stack import text
from devenv.stack.routing import Gateway, Plugin


def values(gateway: Gateway) -> dict[str, Any]:
    """Key of each plugin whose settings are values -> these settings.

    Where a file of the user's is merged in, which may have the same plugins, none are.
    """
    if gateway.extra:
        return {}
    plugins = {plugin.name: plugin for plugin in gateway.plugins}
    for name, route in named_routes(gateway).items():
        plugins |= {f"{name}.{plugin.name}": plugin for plugin in route.plugins}
    return {key: configured(each).get("config", {}) for key, each in plugins.items() if _is_value(each)}


def on_page(page: Page, key: str, plugin: Plugin, *, nested: bool = False) -> dict[str, Any]:
    """What stands beside a plugin's name: settings that the values give, on one line or below."""
    if not _is_value(plugin):
        return configured(plugin)
    config = page.nested("toYaml .") if nested else page.inline("toJson .")
    return {page.when(f"with index $.Values.gateway.plugins {json.dumps(key)}", {"config": config}): None}


def _is_value(plugin: Plugin) -> bool:
    """Whether settings are a value: templates complete those with a secret or the namespace in them."""
    return not sealed(plugin.config) and NAMESPACE not in repr(plugin.config)


def sealed(value: Any) -> bool:
    """Whether a plugin's settings hold a secret, which a value or an object would show."""
    match value:
        case text.Sealed():
            return True
        case Mapping():
            return any(map(sealed, value.values()))
        case list() | tuple():
            return any(map(sealed, value))
    return False
