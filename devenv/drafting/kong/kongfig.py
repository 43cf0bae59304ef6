"""kongfig's form: entities with `ensure` and `attributes`; its `apis` are those of Kong before 0.13."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_CREDENTIALS = {
    "key-auth": "keyauth_credentials",
    "basic-auth": "basicauth_credentials",
    "jwt": "jwt_secrets",
    "hmac-auth": "hmacauth_credentials",
    "oauth2": "oauth2_credentials",
}
_OF_THE_SERVICE = {
    "upstream_url": "url",
    "retries": "retries",
    "upstream_connect_timeout": "connect_timeout",
    "upstream_send_timeout": "write_timeout",
    "upstream_read_timeout": "read_timeout",
}
_OF_THE_ROUTE = {
    "uris": "paths",
    "request_path": "paths",
    "hosts": "hosts",
    "request_host": "hosts",
    "methods": "methods",
    "preserve_host": "preserve_host",
}
"""Field of an API -> the field of the service, or of the route, that it is today."""


def is_kongfig(value: Mapping[str, Any]) -> bool:
    """Whether a document is kongfig's: it has `apis`, or entities with `attributes` or `ensure`."""
    if "apis" in value:
        return True
    entities = [item for items in value.values() if isinstance(items, list) for item in items]
    marks = {"attributes", "ensure", "credentials"}
    return any(marks & set(entity) for entity in entities if isinstance(entity, Mapping))


def declarative(value: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The same in Kong's form, and what the file says is removed."""
    removed: list[str] = []
    document: dict[str, Any] = {}
    for key, items in value.items():
        if items is None:
            continue
        if not isinstance(items, list):
            document[key] = items
        elif key == "apis":
            services = [_service(api, removed) for api in _present(items, "apis", removed)]
            document.setdefault("services", []).extend(services)
        else:
            document.setdefault(key, []).extend(
                _entity(key, item, removed) for item in _present(items, key, removed)
            )
    return document, removed


def _present(items: list[Any], kind: str, removed: list[str]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, Mapping) and item.get("ensure") == "removed":
            removed.append(
                f"{kind} {item.get('name') or item.get('username') or item.get('group') or ''}".strip()
            )
        else:
            yield item


def _entity(kind: str, item: Any, removed: list[str]) -> Any:
    """One entity: its attributes beside its name, and what is nested in it likewise."""
    if not isinstance(item, Mapping):
        return item
    entity = {key: inner for key, inner in item.items() if key not in ("ensure", "attributes")}
    entity |= _attributes(item)
    for key, inner in [*entity.items()]:
        if kind == "consumers" and key == "credentials" and isinstance(inner, list):
            del entity[key]
            for credential in _present(inner, "credentials", removed):
                name = credential.get("name", "")
                place = _CREDENTIALS.get(name, f"{name}_credentials")
                entity.setdefault(place, []).append(_attributes(credential))
        elif isinstance(inner, list) and any(isinstance(child, Mapping) for child in inner):
            entity[key] = [_entity(key, child, removed) for child in _present(inner, key, removed)]
    if kind == "plugins" and "username" in entity:
        entity["consumer"] = entity.pop("username")
    return entity


def _attributes(item: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes; `config.minute: 5`, as it was written once, is `config: {minute: 5}`."""
    attributes: dict[str, Any] = {}
    for key, value in (item.get("attributes") or {}).items():
        if value is None:
            continue
        if key.startswith("config."):
            attributes.setdefault("config", {})[key.removeprefix("config.")] = value
        else:
            attributes[key] = value
    return attributes


def _service(api: Mapping[str, Any], removed: list[str]) -> dict[str, Any]:
    """An API as the service and the route that it is today."""
    fields, name = _attributes(api), api.get("name")
    service = {today: fields.pop(old) for old, today in _OF_THE_SERVICE.items() if old in fields}
    route = {today: _listed(today, fields.pop(old)) for old, today in _OF_THE_ROUTE.items() if old in fields}
    if "strip_request_path" in fields:
        route["strip_path"] = fields.pop("strip_request_path")
    else:
        route["strip_path"] = fields.pop("strip_uri", "request_path" not in _attributes(api))
    if fields.pop("https_only", False):
        route["protocols"] = ["https"]
    fields.pop("http_if_terminated", None)
    plugins = [
        _entity("plugins", plugin, removed)
        for plugin in _present(api.get("plugins") or [], "plugins", removed)
    ]
    return {"name": name, **service, **fields, "routes": [{"name": name, **route}], "plugins": plugins}


def _listed(key: str, value: Any) -> Any:
    """Lists were once texts with commas."""
    if key not in ("paths", "hosts", "methods") or isinstance(value, list):
        return value
    return [word.strip() for word in str(value).split(",") if word.strip()]
