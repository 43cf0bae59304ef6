"""Finds values in a manifest's routes, plugins and consumers that keep Kong from starting."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from devenv.manifest.kong import plugins, routes
from devenv.manifest.models import Consumer, Manifest
from devenv.manifest.source import Finding, Path
from devenv.manifest.workloads import Plugin, Route

_REFERENCE = re.compile(r"\$(?:\$\{|\{[^}]*\})")
_SECRET_ALGORITHMS = ("HS256", "HS384", "HS512")
_KEY_ALGORITHMS = tuple(f"{family}{bits}" for family in ("RS", "ES", "PS") for bits in (256, 384, 512))
_ALGORITHMS = (*_SECRET_ALGORITHMS, *_KEY_ALGORITHMS, "EdDSA")
_PEM = re.compile(
    r"\s*-----BEGIN ((?:RSA )?PUBLIC KEY)-----\s+[A-Za-z0-9+/=\s]{32,}-----END \1-----\s*", re.ASCII
)


def findings(manifest: Manifest) -> Iterator[Finding]:
    """What Kong refuses, with its reason."""
    enabled = _enabled(manifest)
    for name, service in manifest.services.items():
        for index, route in enumerate(service.route):
            at: Path = ("services", name, "route", index)
            yield from _route(route, at)
            yield from _plugins(route.plugins, (*at, "plugins"), enabled)
    yield from _plugins(manifest.gateway.plugins, ("gateway", "plugins"), enabled)
    yield from _consumers(manifest.gateway.consumers, enabled)


def _enabled(manifest: Manifest) -> frozenset[str] | None:
    """The plugins Kong has; None if KONG_PLUGINS adds some that devenv does not know."""
    for infra in manifest.infra.values():
        if "KONG_PLUGINS" in infra.env:
            return None
    return plugins.BUNDLED


def _filled(text: str) -> str:
    """The text with a digit for each reference: valid wherever some value would be."""
    return _REFERENCE.sub(lambda match: "${" if match[0] == "$${" else "1", text)


def _route(route: Route, at: Path) -> Iterator[Finding]:
    path = _filled(route.path)
    if path.startswith(("/", "~/")) and (reason := routes.path_reason(path)):
        better = routes.normalized(path) if reason.startswith("non-normalized") else ""
        yield at, f'Kong refuses the path "{route.path}": {reason}', f'write "{better}"' if better else ""
    checks: tuple[tuple[str, list[str], Callable[[str], str]], ...] = (
        ("host", route.host, routes.host_reason),
        ("methods", route.methods, lambda method: routes.method_reason(method.upper())),
    )
    for key, values, reason_of in checks:
        for index, value in enumerate(values):
            if reason := reason_of(_filled(value)):
                yield (*at, key, index), f'Kong refuses "{value}": {reason}', ""


def _plugins(items: list[Plugin], at: Path, enabled: frozenset[str] | None) -> Iterator[Finding]:
    names: set[str] = set()
    for index, plugin in enumerate(items):
        here: Path = (*at, index)
        if plugin.name in names:
            yield (
                here,
                f"Kong refuses the plugin {plugin.name}: it is listed here already",
                "keep one of them",
            )
        names.add(plugin.name)
        if enabled is not None and plugin.name not in enabled:
            reason = "not enabled; add it to the 'plugins' configuration property"
            hint = "infra: {kong: {env: {KONG_PLUGINS: bundled,its-name}}}, in an image that has it"
            yield here, f"Kong refuses the plugin '{plugin.name}': {reason}", hint
        for path, reason in plugins.refusals(plugin.name, plugin.config):
            place = f" in {_dotted(path)}" if path else ""
            yield (*here, plugin.name, *path), f"Kong refuses {plugin.name}{place}: {reason}", ""


def _dotted(path: tuple[str | int, ...]) -> str:
    text = "config"
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text


def _consumers(consumers: dict[str, Consumer], enabled: frozenset[str] | None) -> Iterator[Finding]:
    owners: dict[tuple[str, str], str] = {}

    def unique(kind: str, value: str, at: Path, owner: str) -> Iterator[Finding]:
        if not value:
            yield at, f"Kong refuses the {kind}: length must be at least 1", ""
        elif (kind, value) in owners:
            reason = f"uniqueness violation, {owners[kind, value]} has it already"
            yield at, f"Kong refuses the {kind}: {reason}", "use each value once"
        owners.setdefault((kind, value), owner)

    for name, consumer in consumers.items():
        at: Path = ("gateway", "consumers", name)
        yield from unique("consumer", name, at, name)
        if consumer.custom_id:
            yield from unique("custom_id", consumer.custom_id, (*at, "custom_id"), name)
        for index, key in enumerate(consumer.key):
            yield from unique("key", key, (*at, "key", index), name)
        for user, password in consumer.basic.items():
            yield from unique("user", user, (*at, "basic", user), name)
            if not password:
                yield (*at, "basic", user), "Kong refuses the password: length must be at least 1", ""
        for index, group in enumerate(consumer.groups):
            # Groups are a consumer's own: others may be in them too.
            yield from unique(f"group of {name}", group, (*at, "groups", index), name)
        for index, entry in enumerate(consumer.jwt):
            if "key" in entry:
                yield from unique("jwt key", entry["key"], (*at, "jwt", index, "key"), name)
            for field, reason in _jwt(entry):
                yield (*at, "jwt", index, field), f"Kong refuses jwt.{field}: {reason}", ""
        yield from _plugins(consumer.plugins, (*at, "plugins"), enabled)


def _jwt(entry: dict[str, str]) -> Iterator[tuple[str, str]]:
    for field in entry:
        if field not in ("key", "secret", "algorithm", "rsa_public_key"):
            yield field, "unknown field"
        elif not entry[field] and field != "key":
            yield field, "length must be at least 1"
    algorithm, key = entry.get("algorithm", "HS256"), entry.get("rsa_public_key")
    if plugins.is_open(algorithm):
        return
    if algorithm not in _ALGORITHMS:
        yield "algorithm", f"expected one of: {', '.join(_ALGORITHMS)}"
    elif algorithm not in _SECRET_ALGORITHMS and key is None:
        yield "rsa_public_key", f"required field missing with algorithm {algorithm}"
    elif algorithm.startswith("RS") and key and not plugins.is_open(key) and not _PEM.fullmatch(key):
        yield "rsa_public_key", "invalid key"
