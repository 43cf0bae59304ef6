"""What Kong refuses in a declarative configuration of the user's own, entity by entity.

The document is merged into the rendered configuration, so an entity may be partial: missing fields are no
fault here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from devenv.manifest.kong import plugins, routes
from devenv.manifest.source import Path

Fault = tuple[Path, str]
_LISTS: Mapping[str, Callable[[str], str]] = {
    "paths": routes.path_reason,
    "hosts": routes.host_reason,
    "methods": routes.method_reason,
}


def faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Places at which Kong refuses the document, each with its reason."""
    places: dict[tuple[str, Any], Path] = {}
    for at, kind, entity in _entities(document, ()):
        yield from _repeated(at, kind, entity, places)
        if kind == "routes":
            yield from _route(at, entity)
        elif kind == "plugins":
            yield from _plugin(at, entity)


def _entities(parent: Mapping[str, Any], at: Path) -> Iterator[tuple[Path, str, Mapping[str, Any]]]:
    """Every service, route, consumer and plugin, also inside one another."""
    for kind in ("services", "routes", "consumers", "plugins"):
        children = parent.get(kind)
        for index, child in enumerate(children if isinstance(children, list) else ()):
            if isinstance(child, Mapping):
                here: Path = (*at, kind, index)
                yield here, kind, child
                yield from _entities(child, here)


def _repeated(
    at: Path, kind: str, entity: Mapping[str, Any], places: dict[tuple[str, Any], Path]
) -> Iterator[Fault]:
    name = entity.get("username" if kind == "consumers" else "name")
    if not isinstance(name, str):
        return
    # A plugin's name says what it is; one of a kind stands in each place.
    bound = repr([entity.get(key) for key in ("service", "route", "consumer")])
    place = (f"plugins of {at[:-1]} {bound}", name) if kind == "plugins" else (kind, name)
    if place in places:
        yield at, f"Kong refuses it: uniqueness violation, there is another {name!r} of {kind}"
    places.setdefault(place, at)


def _route(at: Path, route: Mapping[str, Any]) -> Iterator[Fault]:
    for key, reason_of in _LISTS.items():
        values = route.get(key)
        for index, value in enumerate(values if isinstance(values, list) else ()):
            if isinstance(value, str) and (reason := reason_of(value)):
                yield (*at, key, index), f'Kong refuses "{value}": {reason}'


def _plugin(at: Path, plugin: Mapping[str, Any]) -> Iterator[Fault]:
    name, config = plugin.get("name"), plugin.get("config", {})
    if not isinstance(name, str):
        yield at, "Kong refuses it: a plugin has a name"
    elif isinstance(config, Mapping):
        for path, reason in plugins.refusals(name, config):
            yield (*at, "config", *path), f"Kong refuses {name}: {reason}"
    else:
        yield (*at, "config"), f"Kong refuses {name}: config is a record"
