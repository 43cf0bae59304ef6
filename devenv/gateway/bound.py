"""The plugins of a configuration and what each is bound to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devenv.gateway import schema
from devenv.gateway.draft import Draft, Entry, stable_id
from devenv.gateway.plugin import ConfiguredPlugin, Plugin
from devenv.gateway.plugins import available
from devenv.gateway.schema import listed

PLUGINS = available()


def read_plugin(draft: Draft, entry: Entry, where: str, owner: dict[str, str]) -> ConfiguredPlugin | None:
    """Read a plugin's configuration and what it is bound to."""
    plugin = PLUGINS.get(entry["name"])
    if plugin is None:
        if isinstance(entry["name"], str):
            draft.report(
                where,
                f'the embedded gateway has no plugin "{entry["name"]}" - it has {listed(PLUGINS)}',
            )
        return None
    before = len(draft.problems.lines)
    values = check_values(draft, plugin, entry["config"], where)
    scope = scope_of(draft, plugin, entry, where, owner)
    if len(draft.problems.lines) > before or entry["enabled"] is False:
        return None
    names = [scope[kind] or "" for kind in ("route", "service", "consumer")]
    return ConfiguredPlugin(
        id=entry["id"] or stable_id("plugin", plugin.name, *names),
        plugin=plugin,
        config=plugin.config(**values),
        values=values,
        protocols=entry["protocols"],
        tags=entry["tags"],
        **scope,
    )


def check_values(draft: Draft, plugin: Plugin[Any], raw: Any, where: str) -> dict[str, Any]:
    """Check a plugin's configuration, field by field and across fields."""

    def report(place: str, problem: str) -> None:
        draft.report(f"{where}: {place}", problem)

    before = len(draft.problems.lines)
    values: dict[str, Any] = schema.record(plugin.fields)(raw, "config", report)
    if len(draft.problems.lines) == before:
        for name, problem in plugin.across(values):
            report(schema.within("config", name) if name else "config", problem)
    return values


def scope_of(
    draft: Draft, plugin: Plugin[Any], entry: Entry, where: str, owner: dict[str, str]
) -> dict[str, str | None]:
    """Return the ids of what a plugin is bound to."""
    scope: dict[str, str | None] = {}
    for kind in ("route", "service", "consumer"):
        if owner and entry[kind] is not None:
            draft.report(f"{where}.{kind}", "a plugin bound to several entities is a top-level one")
        scope[kind] = owner.get(kind) or draft.refer(kind, entry[kind], where)
    if scope["consumer"] and not plugin.per_consumer:
        draft.report(where, f"{plugin.name} cannot be bound to a consumer")
    return scope


def check_plugins(draft: Draft, plugins: Mapping[str, ConfiguredPlugin]) -> None:
    """Report plugins bound twice to the same entities, and anonymous consumers that do not exist."""
    scopes: dict[tuple[str | None, ...], str] = {}
    for where, attached in plugins.items():
        first = scopes.setdefault(
            (attached.plugin.name, attached.route, attached.service, attached.consumer), where
        )
        if first != where:
            draft.report(where, f"bound to the same entities as {first}")
        anonymous = attached.values.get("anonymous")
        if anonymous and ("consumer", anonymous) not in draft.handles:
            draft.report(f"{where}: config.anonymous", f'there is no consumer "{anonymous}"')
