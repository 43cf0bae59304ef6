"""A gateway's configuration as parts of a manifest; what no field says stays in Kong's words."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from devenv.drafting.draft import Objection, Row
from devenv.drafting.kong import consumers
from devenv.drafting.kong.forms import Entity, Gateway
from devenv.drafting.kong.order import may_overlap
from devenv.drafting.kong.targets import HERE, Target, address, target_of
from devenv.drafting.kong.values import Secrets, ours, plugin_value, unsayable_plugin

EXTRA = "kong-extra.yml"
"""The file beside the manifest that `gateway.extra` names."""

_UNSAID = frozenset(("id", "name", "tags", "created_at", "updated_at", "ws_id"))
_TIMES = {"connect_timeout": 60000, "write_timeout": 60000, "read_timeout": 60000, "retries": 5}
_OF_A_SERVICE = _UNSAID | {*_TIMES, "url", "protocol", "host", "port", "path", "enabled", "routes", "plugins"}
_DEFAULTS: Mapping[str, Any] = {
    "regex_priority": 0, "path_handling": "v0", "https_redirect_status_code": 426,
    "request_buffering": True, "response_buffering": True,
}  # fmt: skip
_OF_A_ROUTE = _UNSAID | {
    *_DEFAULTS,
    "paths",
    "hosts",
    "methods",
    "strip_path",
    "preserve_host",
    "protocols",
    "plugins",
}
_COUNTING = frozenset(("rate-limiting", "response-ratelimiting", "rate-limiting-advanced", "proxy-cache"))
"""Plugins that keep something for all that they are bound to, so that two of them are not the same as one."""


@dataclass(slots=True)
class Converted:
    """The parts of a manifest.

    `origins`: place in the manifest, as `services.api.route[0]` -> what it was made of. `ports`: service ->
    the port that only the gateway's configuration knows. `extra`: what stays in Kong's words.
    """

    routes: dict[str, list[Any]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    plugins: list[Any] = field(default_factory=list)
    consumers: dict[str, dict[str, Any]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)


def converted(
    gateway: Gateway, targets: Sequence[Target], apart: Mapping[str, str] | None = None
) -> Converted:
    """Convert a configuration; `apart`: what stays in Kong's words -> why, beside what no field can say."""
    result = Converted(rows=[*gateway.rows])
    work = _Conversion(copy.deepcopy(gateway.document), targets, dict(apart or {}), result, Secrets())
    work.services()
    work.consumers()
    work.plugins()
    work.rest()
    result.secrets = work.secrets.values
    return result


Check = Callable[[Converted], Iterable[Objection]]


def settled(gateway: Gateway, targets: Sequence[Target], check: Check) -> tuple[Converted, list[Objection]]:
    """The conversion in which nothing is refused any more, and what is refused of Kong's words themselves."""
    apart: dict[str, str] = {}
    while True:
        result = converted(gateway, targets, apart)
        objections = [*check(result)]
        more = {
            origin: reason
            for place, reason in objections
            for at, origin in result.origins.items()
            if (place == at or place.startswith((f"{at}.", f"{at}["))) and origin not in apart
        }
        if not more:
            return result, objections
        apart |= more


@dataclass(frozen=True, slots=True)
class _Conversion:
    document: dict[str, Any]
    targets: Sequence[Target]
    apart: dict[str, str]
    result: Converted
    secrets: Secrets

    # -- services and routes

    def services(self) -> None:
        """Write the routes of each service that a service of the manifest is; keep the others."""
        self._keep_apart()
        kept: list[Entity] = []
        plans = [(service, *self._place(service)) for service in self.document.get("services", ())]
        for service, target, reason in plans:
            if target is None:
                kept.append(self._whole(service, reason))
                continue
            left = [route for route in service.get("routes", ()) if not self._route(service, target, route)]
            if left:
                kept.append(self._whole({**service, "routes": left}, ""))
            times = {key: service[key] for key, usual in _TIMES.items() if service.get(key, usual) != usual}
            if times and self.result.routes.get(target.name):
                kept.append({"name": target.name, **times})
                self._extra(f"services {service.get('name')}", ", ".join(times))
        if kept:
            self.result.extra["services"] = kept
        names = {
            self._rendered(name, index)
            for name, routes in self.result.routes.items()
            for index in range(len(routes))
        }
        for kind in ("services", "routes"):
            self._rename(kind, names)
        if any(self.result.routes.values()) and self._hosts_change():
            note = "a service sees the host that the client asked for; Kong sends its own by default"
            self._say("derived", "preserve_host", note)

    def _rendered(self, name: str, index: int) -> str:
        return f"{name}.{index + 1}" if index else name

    def _hosts_change(self) -> bool:
        routes = [
            route for service in self.document.get("services", ()) for route in service.get("routes", ())
        ]
        return any(route.get("preserve_host") is not True for route in routes)

    def _keep_apart(self) -> None:
        """Note what plugins name that are bound to two entities: it keeps its name."""
        for plugin in self.document.get("plugins", ()):
            bound = [key for key in ("service", "route", "consumer") if key in plugin]
            for key in set(bound) - {"consumer"} if len(bound) > 1 else ():
                self.apart.setdefault(f"{key}s {plugin[key]}", f"the plugin {plugin['name']} names it")
        routes = [(s, r) for s in self.document.get("services", ()) for r in s.get("routes", ())]
        for service, route in routes:
            for other in (other for _, other in routes if other is not route):
                if may_overlap(route, other):
                    self.apart.setdefault(
                        _origin(service, route), "Kong orders routes that match the same by their names"
                    )

    def _place(self, service: Entity) -> tuple[Target | None, str]:
        """The service of the manifest that it is, or why it stays in Kong's words."""
        origin = f"services {service.get('name', '')}"
        protocol, host, port, path = address(self.document, service)
        target, port = target_of(self.targets, host, port)
        counting = [
            plugin["name"] for plugin in service.get("plugins", ()) if plugin.get("name") in _COUNTING
        ]
        paths = [path for route in service.get("routes", ()) for path in route.get("paths") or [""]]
        same = [
            other
            for other in self.document["services"]
            if target_of(self.targets, *address(self.document, other)[1:3])[0] is target
        ]
        more = sorted(set(service) - _OF_A_SERVICE)
        times = any(service.get(key, usual) != usual for key, usual in _TIMES.items())
        reasons = [
            (origin in self.apart, self.apart.get(origin, "")),
            (target is None, f"no service is called {host}"),
            (not service.get("routes"), "it has no routes"),
            (service.get("enabled") is False, "it is switched off"),
            (protocol != "http", f"it is reached over {protocol}"),
            (path not in ("", "/"), f"requests go below {path}"),
            (bool(more), f"it says {', '.join(more)}"),
            (bool(counting) and len(paths) > 1, f"{', '.join(counting)} counts for all of its routes"),
            (
                times and (len(same) > 1 or bool(target and target.routed)),
                "its timeouts are not those of other routes",
            ),
        ]
        if target is not None:
            reasons.append(
                (
                    port not in (target.port, 0) and target.port != 0,
                    f"routes lead to the port {target.port}, and this to {port}",
                )
            )
            if not target.port and port:
                self.result.ports[target.name] = port
        reason = next((reason for holds, reason in reasons if holds), "")
        return (None, reason) if reason else (target, "")

    def _whole(self, service: Entity, reason: str) -> Entity:
        """A service in Kong's words, at the name that its host has here."""
        if reason:
            self._extra(f"services {service.get('name', '')}", reason)
        _, host, port, _ = address(self.document, service)
        target, _ = target_of(self.targets, host, port)
        if target is not None and host not in (target.name, *HERE) and "." not in host:
            self._say("derived", f"services {service.get('name', '')}", f"{host} is called {target.name}")
            for key in ("url", "host"):
                if key in service:
                    service[key] = str(service[key]).replace(host, target.name, 1)
        return service

    def _route(self, service: Entity, target: Target, route: Entity) -> bool:
        """Write a route, if the manifest can say it."""
        origin = _origin(service, route)
        plugins, reason = _effective(service, route)
        reason = self.apart.get(origin, "") or reason or self._unsayable(route, plugins)
        if reason:
            self._extra(origin, reason)
            return False
        values: dict[str, Any] = {}
        hosts = [ours(host) for host in route.get("hosts") or ()]
        methods = [str(method) for method in route.get("methods") or ()]
        if hosts:
            values["host"] = hosts[0] if len(hosts) == 1 else hosts
        if methods:
            values["methods"] = methods
        written = [plugin_value(plugin, self.secrets, target.name) for plugin in plugins]
        if written:
            values["plugins"] = written
        routes = self.result.routes.setdefault(target.name, [])
        for path in route.get("paths") or ["/"]:
            strip = {"strip": True} if route.get("strip_path", True) and path != "/" else {}
            value = {"path": ours(path), **values, **strip}
            self.result.origins[f"services.{target.name}.route[{len(routes)}]"] = origin
            routes.append(value if len(value) > 1 else value["path"])
        self._say("kept", origin, f"services.{target.name}.route")
        return True

    def _unsayable(self, route: Entity, plugins: Sequence[Entity]) -> str:
        """Why a route stays in Kong's words, or ""."""
        protocols = set(map(str, route.get("protocols") or ("http", "https")))
        more = sorted(set(route) - _OF_A_ROUTE)
        unusual = [key for key, usual in _DEFAULTS.items() if route.get(key, usual) != usual]
        paths, hosts = route.get("paths") or [], route.get("hosts") or []
        counting = [plugin["name"] for plugin in plugins if plugin["name"] in _COUNTING]
        reasons = [
            (bool(more), f"it says {', '.join(more)}"),
            (bool(unusual), f"it says {', '.join(unusual)}"),
            (
                protocols not in ({"http"}, {"http", "https"}),
                f"it answers {', '.join(sorted(protocols))} alone",
            ),
            (any(host != host.lower() for host in map(str, hosts)), "no client asks for a host in capitals"),
            (not paths and not self._by_hosts(route), "it has no path, and others have other things"),
            (len(paths) > 1 and bool(counting), f"{', '.join(counting)} counts for all of its paths"),
        ]
        return next((reason for holds, reason in reasons if holds), "")

    def _by_hosts(self, route: Entity) -> bool:
        """Whether `/` can stand for the path that a route lacks: no other is tried before it for that."""
        routes = [
            other for service in self.document.get("services", ()) for other in service.get("routes", ())
        ]
        plain = all(not (other.get("methods") or other.get("headers")) for other in routes)
        return (
            bool(route.get("hosts"))
            and plain
            and not any("*" in str(h) for o in routes for h in o.get("hosts") or ())
        )

    def _rename(self, kind: str, taken: Collection[str]) -> None:
        """Give entities in Kong's words another name where the manifest's own would have the same."""
        for service in self.result.extra.get("services", ()):
            if len(service) > 1 and not service.get("routes") and set(service) <= {"name", *_TIMES}:
                continue  # it is merged into the rendered one
            for entity in [service] if kind == "services" else service.get("routes", ()):
                if (name := entity.get("name")) in taken:
                    entity["name"] = f"{name}-kong"
                    for plugin in self.document.get("plugins", ()):
                        if plugin.get(kind[:-1]) == name:
                            plugin[kind[:-1]] = entity["name"]

    # -- consumers, plugins, the rest

    def consumers(self) -> None:
        """Write the consumers, their credentials as secrets."""
        for consumer in self.document.get("consumers", ()):
            name = str(consumer.get("username", ""))
            origin = f"consumers {name or consumer.get('custom_id', '')}"
            if not name or origin in self.apart:
                self.result.extra.setdefault("consumers", []).append(consumer)
                self._extra(origin, self.apart.get(origin, "it has no username"))
                continue
            value, rest, why = consumers.converted(consumer, self.secrets)
            self.result.consumers[name] = value
            self.result.origins[f"gateway.consumers.{name}"] = origin
            self._say("kept", origin, f"gateway.consumers.{name}")
            if rest:
                self.result.extra.setdefault("consumers", []).append({"username": name, **rest})
                self._extra(origin, why)

    def plugins(self) -> None:
        """Write the plugins for everything; those bound to two entities stay in Kong's words."""
        for plugin in self.document.get("plugins", ()):
            origin = f"plugins {plugin.get('name', '')}"
            if plugin.get("enabled") is False:
                self._say("dropped", origin, "it is switched off")
                continue
            if reason := self.apart.get(origin, "") or unsayable_plugin(plugin):
                self.result.extra.setdefault("plugins", []).append(plugin)
                self._extra(origin, reason)
                continue
            self.result.origins[f"gateway.plugins[{len(self.result.plugins)}]"] = origin
            self.result.plugins.append(plugin_value(plugin, self.secrets, ""))
            self._say("kept", origin, "gateway.plugins")

    def rest(self) -> None:
        """Keep what has no field, but for upstreams that a service took the place of."""
        named = {address({}, service)[1] for service in self.result.extra.get("services", ())}
        for kind, entities in self.document.items():
            if kind in ("services", "consumers", "plugins"):
                continue
            left = [entity for entity in entities if kind != "upstreams" or entity.get("name") in named]
            for entity in entities:
                name = f"{kind} {entity.get('name') or entity.get('username') or ''}".strip()
                if entity in left:
                    keys = ", its private keys in plain text" if kind == "certificates" else ""
                    self._extra(name, f"no field says it{keys}")
                else:
                    self._say("derived", name, "its one target is the service")
            if left:
                self.result.extra[kind] = left

    def _extra(self, what: str, why: str) -> None:
        self._say("kept", what, f"in {EXTRA}: {why}")

    def _say(self, fate: Any, what: str, note: str) -> None:
        row = Row(fate, what.strip(), note)
        if row not in self.result.rows:
            self.result.rows.append(row)


def _origin(service: Entity, route: Entity) -> str:
    label = route.get("name") or " ".join(
        map(str, route.get("paths") or route.get("hosts") or [service.get("name")])
    )
    return f"routes {label}"


def _effective(service: Entity, route: Entity) -> tuple[list[Entity], str]:
    """The plugins of a route, with those of its service that it lacks; or why they cannot be said."""
    own = route.get("plugins") or []
    names = {plugin.get("name") for plugin in own if plugin.get("enabled") is not False}
    inherited = [plugin for plugin in service.get("plugins") or [] if plugin.get("name") not in names]
    plugins = [plugin for plugin in (*own, *inherited) if plugin.get("enabled") is not False]
    return plugins, next(filter(None, map(unsayable_plugin, plugins)), "")
