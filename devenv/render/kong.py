"""Routes, plugins and consumers as Kong's declarative configuration, format 3.0.

Only fields that both Kong's and decK's schemas accept are written. `strip_path` and `preserve_host` are
always explicit: native Kong and its ingress controller have opposite defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from devenv.render.bundle import Quoted, SingleQuoted, to_yaml
from devenv.stack import text
from devenv.stack.model import Stack
from devenv.stack.routing import Consumer, Gateway, Plugin, Route
from devenv.stack.text import Secret

Settings = Callable[[str, Plugin], dict[str, Any]]
"""Key of a plugin, and the plugin -> what stands beside its name."""

_KEYS = ("name", "username", "id")  # fields that identify Kong's entities


def kong_yml(stack: Stack, secrets: Mapping[str, str]) -> str:
    """The gateway's configuration as text, with the values of its secrets."""
    return _written(stack, lambda document: _revealed(document, secrets))


def kong_template(
    stack: Stack,
    put: Callable[[Secret], str],
    plain: Callable[[str], str] = str,
    settings: Settings = lambda _, plugin: configured(plugin),
) -> str:
    """The gateway's configuration as text that something else completes.

    `put` is what stands there for a secret, in double quotes; `plain` converts each other text; `settings`
    gives what stands beside a plugin's name.
    """
    return _written(stack, lambda document: _marked(document, put, plain), settings)


def _written(
    stack: Stack,
    completed: Callable[[Any], Any],
    settings: Settings = lambda _, plugin: configured(plugin),
) -> str:
    assert stack.gateway is not None
    head = f"# Rendered by devenv from {stack.name}'s devenv.yaml; change the routes there.\n"
    return head + to_yaml(completed(declarative(stack.gateway, stack.domain, settings)))


_NOT_FOR_DECK = frozenset(("_transform", "_comment", "_ignore"))


def deck(stack: Stack) -> str:
    """The gateway's configuration as a state file of decK, whose secrets it takes from its environment.

    decK deletes what a file lacks, so it is told to look only at what carries the stack's name as a tag.
    """
    assert stack.gateway is not None
    document = _marked(declarative(stack.gateway, stack.domain), _of_decks_environment, str, SingleQuoted)
    entities = {key: value for key, value in document.items() if key not in _NOT_FOR_DECK and value}
    head = f"# Rendered by devenv from {stack.name}'s devenv.yaml, for decK; change the routes there.\n"
    info = {"_format_version": "3.0", "_info": {"select_tags": [stack.name]}}
    return head + to_yaml({**info, **entities})


def _of_decks_environment(secret: Secret) -> str:
    return f'${{{{ env "DECK_{secret.name}" }}}}'


def declarative(
    gateway: Gateway, domain: str, settings: Settings = lambda _, plugin: configured(plugin)
) -> dict[str, Any]:
    """The gateway's configuration, with texts still sealed."""
    services = dict.fromkeys(route.service for route in gateway.routes)
    document: dict[str, Any] = {
        "_format_version": "3.0",
        "_transform": True,
        "services": [_service(name, gateway.routes, domain, settings) for name in services],
    }
    if gateway.consumers:
        document["consumers"] = [_consumer(consumer) for consumer in gateway.consumers]
    if gateway.plugins:
        document["plugins"] = plugin_entities(gateway.plugins, settings)
    return _merged(document, gateway.extra)


def _service(name: str, routes: Sequence[Route], domain: str, settings: Settings) -> dict[str, Any]:
    own = [route for route in routes if route.service == name]
    return {
        "name": name,
        "url": f"http://{own[0].host or f'{name}.{domain}'}:{own[0].port}",
        "routes": [_route(route, index, settings) for index, route in enumerate(own)],
    }


def route_name(service: str, index: int) -> str:
    """The name of a service's route. A service's name has no dot, so no two routes have the same."""
    return f"{service}.{index + 1}" if index else service


def named_routes(gateway: Gateway) -> dict[str, Route]:
    """The routes by name."""
    services = dict.fromkeys(route.service for route in gateway.routes)
    return {
        route_name(service, index): route
        for service in services
        for index, route in enumerate(route for route in gateway.routes if route.service == service)
    }


def _route(route: Route, index: int, settings: Settings) -> dict[str, Any]:
    entity: dict[str, Any] = {
        "name": route_name(route.service, index),
        "protocols": ["http", "https"],
        "paths": [route.path],
        "strip_path": route.strip,
        "preserve_host": True,
    }
    if route.hosts:
        entity["hosts"] = list(route.hosts)
    if route.methods:
        entity["methods"] = list(route.methods)
    if route.plugins:
        entity["plugins"] = plugin_entities(route.plugins, settings, f"{entity['name']}.")
    return entity


def configured(plugin: Plugin) -> dict[str, Any]:
    """What stands beside a plugin's name: its settings where there are some, with texts still sealed."""
    defaults = {"rate-limiting": {"policy": "local"}}  # the only policy that needs no store
    config = defaults.get(plugin.name, {}) | {**plugin.config}
    return {"config": config} if config else {}


def plugin_entities(plugins: Sequence[Plugin], settings: Settings, of: str = "") -> list[dict[str, Any]]:
    """Plugins as Kong has them. Their keys are `cors`, `orders.cors`, by what they are `of`."""
    return [{"name": plugin.name} | settings(f"{of}{plugin.name}", plugin) for plugin in plugins]


def _consumer(consumer: Consumer) -> dict[str, Any]:
    entity: dict[str, Any] = {"username": consumer.name}
    if consumer.custom_id:
        entity["custom_id"] = consumer.custom_id
    if consumer.keys:
        entity["keyauth_credentials"] = [{"key": key} for key in consumer.keys]
    if consumer.basic:
        entity["basicauth_credentials"] = [
            {"username": user, "password": password} for user, password in consumer.basic
        ]
    if consumer.jwt:
        entity["jwt_secrets"] = [{"algorithm": "HS256", **entry} for entry in consumer.jwt]
    if consumer.groups:
        entity["acls"] = [{"group": group} for group in consumer.groups]
    if consumer.plugins:
        entity["plugins"] = [{"name": plugin.name} | configured(plugin) for plugin in consumer.plugins]
    return entity


def _merged(document: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Our configuration with the user's merged in: entities of the same name are merged, others are added."""
    merged = dict(document)
    for key, value in extra.items():
        if not isinstance(value, list):
            merged.setdefault(key, value)
            continue
        entities = list(merged.get(key, []))
        for entity in value:
            at = next((index for index, other in enumerate(entities) if _same(other, entity)), None)
            if at is None:
                entities.append(entity)
            else:
                entities[at] = _merged(entities[at], entity) | {
                    k: v for k, v in entity.items() if not isinstance(v, list)
                }
        merged[key] = entities
    return merged


def _same(first: Any, second: Any) -> bool:
    """Whether two entities are the same. Plugins may repeat: their name is a type, not an identity."""
    if (
        not (isinstance(first, Mapping) and isinstance(second, Mapping))
        or "config" in first
        or "config" in second
    ):
        return False
    return any(key in first and first.get(key) == second.get(key) for key in _KEYS)


def _revealed(value: Any, secrets: Mapping[str, str]) -> Any:
    match value:
        case text.Sealed():
            return text.reveal(value, secrets)
        case dict():
            return {key: _revealed(item, secrets) for key, item in value.items()}
        case list():
            return [_revealed(item, secrets) for item in value]
    return value


def _marked(
    value: Any,
    put: Callable[[Secret], str],
    plain: Callable[[str], str],
    quoted: type[Quoted] = Quoted,
) -> Any:
    match value:
        case text.Sealed():
            return quoted(text.rewrite(value, lambda secret: put(replace(secret, place="json")), plain))
        case str():
            return plain(value)
        case dict():
            return {name: _marked(item, put, plain, quoted) for name, item in value.items()}
        case list():
            return [_marked(item, put, plain, quoted) for item in value]
    return value
