"""Rules that lead into a cluster, as routes of the gateway, with Kong's plugins."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from devenv.drafting.kong.values import plugin_value, unsayable_plugin
from devenv.drafting.kubernetes.imported import Imported
from devenv.drafting.kubernetes.ingresses import Rule, names, rules
from devenv.drafting.kubernetes.objects import Item, at, name_of, word

PLUGINS = ("KongPlugin", "KongClusterPlugin")


def routes(imported: Imported) -> None:
    """Give each unit the routes that lead to it, and the gateway the plugins that are for all."""
    every = [*rules(imported.objects)]
    hosts = {rule.host for rule in every}
    plugins = _plugins(imported)
    shared = {name_of(item): names(item, "plugins") for item in imported.objects.of("Service")}
    own: defaultdict[str, list[Any]] = defaultdict(list)
    for rule in every:
        unit = imported.addresses.units.get(rule.service)
        if unit is None or rule.unclear:
            imported.say("by hand", rule.what, rule.unclear or f"there is no workload behind {rule.service}")
            continue
        named = dict.fromkeys((*rule.plugins, *shared.get(rule.service, ())))
        route = _written(rule, [plugins[name] for name in named if name in plugins], alone=len(hosts) == 1)
        if route not in own[unit]:
            own[unit].append(route)
    for unit, several in own.items():
        imported.fields[unit]["route"] = several if len(several) > 1 else several[0]
    for host in hosts - {""} if len(hosts) == 1 else ():
        imported.say("derived", host, "the only host: its routes are for any, localhost too")


def _written(rule: Rule, plugins: list[Any], *, alone: bool) -> Any:
    more = {
        "host": "" if alone else rule.host,
        "methods": [*rule.methods],
        "strip": rule.strip,
        "plugins": plugins,
    }
    more = {key: value for key, value in more.items() if value}
    return {"path": rule.path, **more} if more else rule.path


def _plugins(imported: Imported) -> dict[str, Any]:
    """KongPlugin -> the plugin as a route has it; those for everything go to the gateway."""
    result: dict[str, Any] = {}
    for item in imported.objects.of(*PLUGINS):
        name, what = name_of(item), f"{item['kind']} {name_of(item)}"
        plugin = {"name": word(item, "plugin"), "config": at(item, "config")}
        if reason := _unclear(item, plugin):
            imported.say("by hand", what, reason)
            continue
        written = plugin_value(plugin, imported.of_plugins, name)
        if word(item, "metadata", "labels", "global") == "true":
            imported.plugins.append(written)
        else:
            result[name] = written
        imported.say("kept", what, "a plugin of the gateway's")
    return result


def _unclear(item: Item, plugin: Item) -> str:
    if item.get("configFrom"):
        return "a Secret has its settings: write them as plugins: of the route, with ${secret.NAME}"
    return unsayable_plugin(plugin) if plugin["name"] else "it names no plugin"
