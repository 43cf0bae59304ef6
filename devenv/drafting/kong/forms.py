"""The forms in which people write a gateway's configuration, brought to one: Kong's, nested, 3.0."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from devenv.drafting.draft import Fate, Row
from devenv.drafting.kong import kongfig
from devenv.drafting.kong.shapes import GATEWAY
from devenv.drafting.shape import faults
from devenv.errors import UsageError
from devenv.manifest.source import dotted

Form = Literal["Kong's declarative form", "a decK state file", "a kongfig file"]
Entity = dict[str, Any]

VERSIONS = ("1.1", "2.1", "3.0")
CREDENTIALS = ("keyauth_credentials", "basicauth_credentials", "jwt_secrets", "acls", "hmacauth_credentials",
               "oauth2_credentials")  # fmt: skip
_NESTED: Mapping[str, tuple[str, str]] = {
    "routes": ("service", "services"),
    "targets": ("upstream", "upstreams"),
    **dict.fromkeys(CREDENTIALS, ("consumer", "consumers")),
}
"""List at the top -> the field that names its owner, and where owners are."""
_OWNERS = {"service": "services", "route": "routes", "consumer": "consumers"}
_NESTS: Mapping[str, Collection[str]] = {
    "services": ("routes", "plugins"),
    "routes": ("plugins",),
    "consumers": ("plugins", *CREDENTIALS),
    "upstreams": ("targets",),
    "certificates": ("snis",),
}
"""Entities -> those that Kong takes nested in one."""
_ELSEWHERE: Mapping[str, str] = {
    "consumer_groups": "groups of consumers are Kong Enterprise's",
    "rbac_roles": "roles are Kong Enterprise's",
    "licenses": "a licence is Kong Enterprise's",
    "service_packages": "it is Konnect's",
    "partials": "it is Kong Enterprise's",
    "custom_entities": "a gateway without a database has none",
}
_HEADS: Mapping[str, str] = {
    "_info": "devenv render --deck writes one",
    "_comment": "it is for readers",
    "_ignore": "it is for readers",
    "_konnect": "it says where decK sends it",
    "_workspace": "the gateway has no workspaces",
    "_transform": "passwords are hashed by the gateway",
    "headers": "they are for kongfig's own requests",
    "host": "it says where kongfig sends it",
}
_OLD_PATH = re.compile(r"[a-zA-Z0-9._~/%-]*")  # what Kong before 3.0 takes for a prefix and no pattern


@dataclass(slots=True)
class Gateway:
    """A gateway's configuration: Kong's entities, each below its owner; `rows` say what is not in it."""

    form: Form
    document: dict[str, Any]
    rows: list[Row] = field(default_factory=list)

    def say(self, fate: Fate, what: str, note: str) -> None:
        """Add a row to the table."""
        self.rows.append(Row(fate, what, note))


_OF_DECK = frozenset(("_info", "_plugin_configs", "_konnect", "_workspace"))


def is_marked(value: Any) -> bool:
    """Whether a file's value says of itself that it is a gateway's configuration."""
    return isinstance(value, Mapping) and (
        kongfig.is_kongfig(value) or not {"_format_version", *_OF_DECK}.isdisjoint(value)
    )


def gateway(value: Any, *, file: str) -> Gateway:
    """The configuration that a file's value is. Raises `UsageError` for what is none, with the reason."""
    if not isinstance(value, Mapping) or not value:
        raise _refused(file, "at the top it is no mapping" if value else "it is empty")
    if kongfig.is_kongfig(value):
        document, removed = kongfig.declarative(value)
        result = Gateway("a kongfig file", document)
        for what in removed:
            result.say("dropped", what, "the file says that it is removed")
        for path, reason in faults(document, GATEWAY):
            raise _refused(file, f"{dotted(path)}: {reason}")
        version = "1.1"
    else:
        document = {key: item for key, item in value.items() if item is not None}
        deck = _OF_DECK & set(document)
        result = Gateway("a decK state file" if deck else "Kong's declarative form", document)
        version = str(document.get("_format_version", ""))
        if version not in VERSIONS and (version or not deck):
            versions = ", ".join(VERSIONS)
            raise _refused(file, f"_format_version is {version or 'missing'}; Kong has {versions}")
    lists = {
        key: _entities(item, key, file)
        for key, item in document.items()
        if isinstance(item, list) and not key.startswith("_")
    }
    heads = {key: item for key, item in document.items() if key not in lists}
    if not any(lists.values()):
        raise _refused(file, "it has no services, routes, plugins or consumers")
    _defaults(lists, heads.pop("_info", None) or {}, result)
    _shared_settings(lists, heads.pop("_plugin_configs", None) or {})
    for key in heads:
        if key in ("_transform",) and heads[key] is False:
            result.say(
                "by hand", key, "passwords are hashed already: write them anew under gateway.consumers"
            )
        elif key != "_format_version":
            result.say("dropped", key, _HEADS.get(key, "it means nothing here"))
    for key in [key for key in lists if key in _ELSEWHERE]:
        result.say("by hand", key, _ELSEWHERE[key])
        del lists[key]
    _nest(lists, result)
    _require(lists, file)
    if version in ("1.1", "2.1", ""):
        _mark_patterns(lists)
    result.document = {key: entities for key, entities in lists.items() if entities}
    return result


def _refused(file: str, why: str) -> UsageError:
    return UsageError(
        f"{file} is no configuration of a gateway",
        why=why,
        hint="a declarative kong.yml, a decK state file (deck gateway dump) or a kongfig file",
    )


def _entities(value: Sequence[Any], key: str, file: str) -> list[Entity]:
    for index, entity in enumerate(value):
        if not isinstance(entity, Mapping):
            raise _refused(file, f"{key}[{index}] is no mapping")
    return [_copied(entity) for entity in value]


def _copied(entity: Mapping[str, Any]) -> Entity:
    """An entity without what is unset, so that what is nested in it can be added to."""
    return {
        key: [_copied(item) if isinstance(item, Mapping) else item for item in value]
        if isinstance(value, list)
        else value
        for key, value in entity.items()
        if value is not None
    }


def everywhere(lists: Mapping[str, Any], kind: str) -> Iterator[Entity]:
    """Every entity of a kind, at the top and nested."""
    for key, entities in lists.items():
        if isinstance(entities, list):
            for entity in entities:
                if isinstance(entity, dict):
                    if key == kind:
                        yield entity
                    nested = {inner: entity[inner] for inner in _NESTS.get(key, ()) if inner in entity}
                    yield from everywhere(nested, kind)


def _defaults(lists: dict[str, list[Entity]], info: Mapping[str, Any], result: Gateway) -> None:
    """Write decK's `_info.defaults` into each entity that lacks them."""
    for kind, values in (info.get("defaults") or {}).items():
        for entity in everywhere(lists, f"{kind}s"):
            for key, value in (values or {}).items():
                if not (key in ("protocol", "host", "port", "path") and "url" in entity):
                    entity.setdefault(key, value)
    if tags := info.get("select_tags"):
        result.say(
            "derived", f"select_tags {', '.join(map(str, tags))}", "render --deck selects by the stack's name"
        )


def _shared_settings(lists: dict[str, list[Entity]], shared: Mapping[str, Any]) -> None:
    """Write decK's `_plugin_configs` into the plugins that name them; a plugin's own settings win."""
    for plugin in everywhere(lists, "plugins"):
        if name := plugin.pop("_config", None):
            plugin["config"] = {**(shared.get(name) or {}), **(plugin.get("config") or {})}


def _name_of(entity: Mapping[str, Any]) -> str:
    return str(
        entity.get("name") or entity.get("username") or entity.get("custom_id") or entity.get("id") or ""
    )


def _find(entities: Sequence[Entity], reference: Any) -> Entity | None:
    """The entity that a reference means: by name, by id, or `{id: ...}`."""
    words = reference.values() if isinstance(reference, Mapping) else [reference]
    keys = ("name", "username", "custom_id", "id")
    return next((e for e in entities for word in words if word in [e.get(key) for key in keys]), None)


def _nest(lists: dict[str, list[Entity]], result: Gateway) -> None:
    """Put each entity that names one owner below it, so that every form reads as the nested one."""
    for kind, (field_name, owners) in _NESTED.items():
        _adopt(lists, kind, field_name, list(everywhere(lists, owners)), result)
    owned: dict[str, list[Entity]] = {name: list(everywhere(lists, kind)) for name, kind in _OWNERS.items()}
    left: list[Entity] = []
    for plugin in [*lists.get("plugins", []), *_bound_twice(owned)]:
        bound = [name for name in owned if name in plugin]
        owner = _find(owned[bound[0]], plugin[bound[0]]) if len(bound) == 1 else None
        if owner is not None:
            del plugin[bound[0]]
            owner.setdefault("plugins", []).append(plugin)
            continue
        for name in bound:
            target = _find(owned[name], plugin[name])
            plugin[name] = _name_of(target) if target else plugin[name]
        left.append(plugin)
    lists["plugins"] = left


def _bound_twice(owned: Mapping[str, Sequence[Entity]]) -> Iterator[Entity]:
    """Plugins nested in one entity that name another as well: taken out, with both by name."""
    for name, owners in owned.items():
        for owner in owners:
            plugins = owner.get("plugins") or []
            for plugin in [plugin for plugin in plugins if (set(owned) - {name}) & set(plugin)]:
                plugins.remove(plugin)
                yield {**plugin, name: _name_of(owner)}


def _adopt(
    lists: dict[str, list[Entity]], kind: str, field_name: str, owners: list[Entity], result: Gateway
) -> None:
    left = []
    for entity in lists.get(kind, []):
        owner = _find(owners, entity[field_name]) if field_name in entity else None
        if owner is None:
            left.append(entity)
            if field_name in entity:
                result.say(
                    "by hand", f"{kind} {_name_of(entity)}", f"there is no {field_name} {entity[field_name]}"
                )
        else:
            del entity[field_name]
            owner.setdefault(kind, []).append(entity)
    if kind in lists:
        lists[kind] = left


_REQUIRED = {"acls": ("group",), "basicauth_credentials": ("username", "password")}


def _require(lists: Mapping[str, list[Entity]], file: str) -> None:
    """Raises `UsageError` for what Kong refuses and a manifest would change into something else."""
    for plugin in everywhere(lists, "plugins"):
        if not plugin.get("name"):
            raise _refused(file, "a plugin has no name")
    names: set[str] = set()
    for consumer in lists.get("consumers", ()):
        name = _name_of(consumer)
        if name in names:
            raise _refused(file, f"there are two consumers {name}")
        names.add(name)
        for kind, keys in _REQUIRED.items():
            for key in (key for item in consumer.get(kind) or () for key in keys if not item.get(key)):
                raise _refused(file, f"{kind} of {name}: {key} is missing")


def _mark_patterns(lists: dict[str, list[Entity]]) -> None:
    """Write `~` before paths that Kong before 3.0 takes for regular expressions, as Kong's converter does."""
    for route in everywhere(lists, "routes"):
        if isinstance(paths := route.get("paths"), list):
            route["paths"] = [
                path if path.startswith("~") or _OLD_PATH.fullmatch(path) else f"~{path}"
                for path in map(str, paths)
            ]
