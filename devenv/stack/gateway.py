"""Turns the manifest's routes, plugins and consumers into the stack's gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devenv.manifest import models, workloads
from devenv.stack.routing import Consumer, Gateway, Plugin, Route
from devenv.stack.text import Text, public
from devenv.stack.view import View

Fill = Callable[[str], Text]
"""Replaces each `${...}` by its value."""


def gateway(
    manifest: models.Manifest,
    *,
    unit: str,
    fill: Fill,
    view: View,
    extra: Mapping[str, Any],
    plugins: Mapping[str, Any],
) -> Gateway:
    """The gateway that `unit`, which has this view, serves.

    `plugins`: those that its kind brings for every route, unless the manifest has them: name -> settings.
    """
    section = manifest.gateway
    written = {plugin.name for plugin in section.plugins}
    written |= {str(plugin.get("name")) for plugin in extra.get("plugins", ()) if isinstance(plugin, Mapping)}
    brought = [Plugin(name, config) for name, config in plugins.items() if name not in written]
    return Gateway(
        unit=unit,
        routes=tuple(
            _route(name, service, route, fill, view)
            for name, service in manifest.services.items()
            for route in service.route
        ),
        plugins=(*_plugins(section.plugins, fill), *brought),
        consumers=tuple(_consumer(name, consumer, fill) for name, consumer in section.consumers.items()),
        extra=extra,
    )


def _route(name: str, service: workloads.Service, route: workloads.Route, fill: Fill, view: View) -> Route:
    where = f"services.{name}.route"
    host, port = view.address(name, service.tcp_port or 0)
    return Route(
        path=public(fill(route.path), where),
        service=name,
        port=port,
        host="" if host == name else host,
        # Kong compares case-sensitively, and browsers send lower case.
        hosts=tuple(public(fill(host), where).lower() for host in route.host),
        methods=tuple(method.upper() for method in route.methods),
        strip=route.strip,
        plugins=_plugins(route.plugins, fill),
    )


def _consumer(name: str, consumer: models.Consumer, fill: Fill) -> Consumer:
    return Consumer(
        name=name,
        keys=tuple(fill(key) for key in consumer.key),
        basic=tuple((user, fill(password)) for user, password in consumer.basic.items()),
        jwt=tuple({key: fill(value) for key, value in entry.items()} for entry in consumer.jwt),
        groups=tuple(map(fill, consumer.groups)),
        custom_id=fill(consumer.custom_id) if consumer.custom_id else None,
        plugins=_plugins(consumer.plugins, fill),
    )


def _plugins(plugins: list[workloads.Plugin], fill: Fill) -> tuple[Plugin, ...]:
    return tuple(Plugin(plugin.name, _filled(plugin.config, fill)) for plugin in plugins)


def _filled(value: Any, fill: Fill) -> Any:
    match value:
        case str():
            return fill(value)
        case dict():
            return {key: _filled(item, fill) for key, item in value.items()}
        case list():
            return [_filled(item, fill) for item in value]
    return value
