"""Reverse proxies that only route: what they say, as routes of the gateway."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from devenv.drafting import reading
from devenv.drafting.interpolation import plain
from devenv.drafting.scene import Scene, Unit
from devenv.drafting.stores import repository
from devenv.manifest.rewriting import flow
from devenv.manifest.source import as_text

_RULE = re.compile(r"^traefik\.http\.routers\.[^.]+\.rule$")
_PORT = re.compile(r"^traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port$")
_PATHS = re.compile(r"Path(?:Prefix)?\(([^)]*)\)")
_HOSTS = re.compile(r"Host\(([^)]*)\)")
_QUOTED = re.compile(r"[`'\"]([^`'\"]*)[`'\"]")
_SERVER = re.compile(r"location\s+(?P<path>/\S*)\s*\{(?P<body>[^{}]*)\}")
_PASS = re.compile(r"proxy_pass\s+https?://(?P<host>[\w.-]+)(?::(?P<port>\d+))?(?P<rest>/\S*)?\s*;")
_UPSTREAM = re.compile(
    r"upstream\s+(?P<name>[\w.-]+)\s*\{[^}]*?server\s+(?P<host>[\w.-]+)(?::(?P<port>\d+))?[^}]*\}"
)


def labels(keys: Mapping[str, Any]) -> dict[str, str]:
    """Its labels, also those for a swarm."""
    deploy = keys.get("deploy") or {}
    both = reading.mapping(keys.get("labels")) | reading.mapping(deploy.get("labels"))
    return {key: str(as_text(value)) for key, value in both.items() if value is not None}


def is_router(keys: Mapping[str, Any]) -> bool:
    """Whether a service is a Traefik that routes by the labels of containers and nothing else."""
    image = repository(plain(str(keys.get("image") or "")))
    if image not in ("traefik", "traefik/traefik"):
        return False
    mounted = [mount.target for mount in reading.mounts(keys)]
    words = " ".join(map(str, reading.listed(keys.get("command"))))
    return "file" not in words.replace("providers.docker", "") and not any(
        target.endswith((".yml", ".yaml", ".toml")) or target.startswith("/etc/traefik") for target in mounted
    )


def label_port(keys: Mapping[str, Any]) -> int:
    """The port that Traefik is told to ask, or 0."""
    ports = (plain(value) for key, value in labels(keys).items() if _PORT.match(key))
    return next((int(port) for port in ports if port.isdecimal()), 0)


def hosts_and_paths(rule: str) -> tuple[list[str], list[str]]:
    """What a rule of Traefik's is for: hosts, none where it is for any, and beginnings of paths."""
    hosts = [host for part in _HOSTS.findall(rule) for host in _QUOTED.findall(part)]
    paths = [path for part in _PATHS.findall(rule) for path in _QUOTED.findall(part)]
    return hosts, paths or ["/"]


def convert(scene: Scene, unit: Unit) -> None:
    """Write the routes that Traefik would serve, or offer them as comments where Traefik is no part of it."""
    if unit.role != "service":
        return
    routes: list[Any] = []
    for key, rule in labels(unit.keys).items():
        if not _RULE.match(key):
            continue
        hosts, paths = hosts_and_paths(plain(rule))
        routes += [
            {"path": path, "host": hosts[0] if len(hosts) == 1 else hosts} if hosts else path
            for path in paths
            if path.startswith("/")
        ]
    unique = [route for index, route in enumerate(routes) if route not in routes[:index]]
    if not unique:
        return
    fields = scene.draft.value.get("services", {}).get(unit.name, {})
    if "port" in fields or "ports" in fields:
        scene.draft.set(
            (*unit.path, "route"), unique if len(unique) > 1 else unique[0], origin=unit.at("labels")
        )
        scene.draft.say("derived", unit.at("labels"), "the gateway serves what the labels of Traefik say")
        return
    for route in unique:
        scene.draft.offer(unit.path, f"route: {flow(route)}   # once it has its port")
    note = (
        "the gateway would serve what the labels of Traefik say: write port:, then the route in the comment"
    )
    scene.draft.say("by hand", unit.at("labels"), note)


def offers(scene: Scene) -> None:
    """Offer the routes of an nginx whose files do nothing but pass on."""
    for unit in scene.units.values():
        if unit.role != "service" or "nginx" not in repository(plain(str(unit.keys.get("image") or ""))):
            continue
        for mount in reading.mounts(unit.keys, scene.project.folder):
            text = scene.world.texts.get(mount.source, "")
            if "proxy_pass" in text and not re.search(
                r"^\s*(?:root|try_files|fastcgi_pass|alias)\s", text, re.MULTILINE
            ):
                _offer(scene, unit, mount.source, text)


def _offer(scene: Scene, unit: Unit, file: str, text: str) -> None:
    upstreams = {match["name"]: match["host"] for match in _UPSTREAM.finditer(text)}
    for location in _SERVER.finditer(text):
        target = _PASS.search(location["body"])
        if target is None:
            continue
        name = scene.hosts.get(upstreams.get(target["host"], target["host"]), "")
        section = scene.draft.value.get("services", {})
        if name in section:
            strip = bool(target["rest"]) and location["path"] != "/"
            route = (
                f"{{path: {location['path'].rstrip('/') or '/'}, strip: true}}"
                if strip
                else location["path"].rstrip("/") or "/"
            )
            scene.draft.offer(
                ("services", name), f"route: {route}   # as {file} has it; then {unit.name} can go"
            )
            scene.draft.say(
                "derived", f"{unit.original} ({file})", f"offered as a route of {name}, in a comment"
            )
