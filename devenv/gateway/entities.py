"""Entities as Kong's Admin API tells them: every field there, in the order of their ids.

What is not set is null. Credentials are left out: the Admin API here needs no login.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devenv.gateway.model import Consumer, Route, Service
from devenv.gateway.plugin import ConfiguredPlugin
from devenv.gateway.registry import Configuration

Entity = dict[str, Any]
# What Kong Manager asks for too, and what is never there without a database.
ALWAYS_EMPTY = ("upstreams", "certificates", "ca_certificates", "snis", "vaults", "keys", "key-sets")


def service(entity: Service, at: int) -> Entity:
    """Return a service as JSON; `at` is when it was loaded, in seconds."""
    plain = ("name", "protocol", "host", "port", "path", "retries", "enabled", "tls_verify")
    timeouts = ("connect_timeout", "write_timeout", "read_timeout")
    return {
        **common(entity, at),
        **{name: getattr(entity, name) for name in (*plain, *timeouts)},
        **dict.fromkeys(("client_certificate", "ca_certificates", "tls_verify_depth")),
    }


def route(entity: Route, at: int) -> Entity:
    """Return a route as JSON."""
    plain = ("name", "strip_path", "preserve_host", "regex_priority", "https_redirect_status_code")
    return {
        **common(entity, at),
        **{name: getattr(entity, name) for name in plain},
        **{name: list(getattr(entity, name)) or None for name in ("methods", "hosts", "paths")},
        "protocols": list(entity.protocols),
        "headers": {name: list(values) for name, values in entity.headers.items()} or None,
        "service": bound_to(entity.service.id if entity.service else None),
        "path_handling": "v0",
        "request_buffering": True,
        "response_buffering": True,
        **dict.fromkeys(("snis", "sources", "destinations")),
    }


def consumer(entity: Consumer, at: int) -> Entity:
    """Return a consumer as JSON."""
    return {**common(entity, at), "username": entity.username, "custom_id": entity.custom_id}


def plugin(entity: ConfiguredPlugin, at: int) -> Entity:
    """Return a configured plugin as JSON."""
    return {
        **common(entity, at),
        "name": entity.plugin.name,
        "instance_name": None,
        "enabled": True,
        "protocols": list(entity.protocols),
        "config": plain(entity.values),
        **{kind: bound_to(getattr(entity, kind)) for kind in ("service", "route", "consumer")},
    }


def common(entity: Any, at: int) -> Entity:
    """Return the fields that all entities have."""
    return {"id": entity.id, "tags": list(entity.tags) or None, "created_at": at, "updated_at": at}


def bound_to(identity: str | None) -> Entity | None:
    """Return a reference to another entity."""
    return {"id": identity} if identity else None


KINDS: Mapping[str, Callable[[Any, int], Entity]] = {
    "services": service,
    "routes": route,
    "plugins": plugin,
    "consumers": consumer,
}


def listed(configuration: Configuration, kind: str, at: int) -> list[Entity]:
    """Return all entities of a kind as JSON."""
    if kind in ALWAYS_EMPTY:
        return []
    entities = [KINDS[kind](entity, at) for entity in getattr(configuration, kind)]
    return sorted(entities, key=lambda entity: str(entity["id"]))


def find(entities: Sequence[Entity], handle: str) -> Entity | None:
    """Return the entity with an id or a name."""
    names = ("id", "name", "username")
    return next((entity for entity in entities if handle in map(entity.get, names)), None)


def exported(configuration: Configuration, at: int) -> dict[str, Any]:
    """Return the whole configuration: a mapping by id for each kind in use."""
    by_id = {
        kind: {str(entity["id"]): entity for entity in listed(configuration, kind, at)} for kind in KINDS
    }
    return {kind: entities for kind, entities in by_id.items() if entities}


def plain(value: Any) -> Any:
    """Return a value with JSON types only."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else None
