"""A checked configuration, and the indexes over it that a request needs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from devenv.gateway.credentials import Credentials
from devenv.gateway.model import (
    BasicCredential,
    Consumer,
    JwtCredential,
    KeyCredential,
    Route,
    Service,
)
from devenv.gateway.plugin import ConfiguredPlugin, Plugin
from devenv.gateway.router import Router

Scope = tuple[str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole declarative configuration, checked."""

    services: tuple[Service, ...] = ()
    routes: tuple[Route, ...] = ()
    plugins: tuple[ConfiguredPlugin, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    keys: tuple[KeyCredential, ...] = ()
    basics: tuple[BasicCredential, ...] = ()
    jwts: tuple[JwtCredential, ...] = ()
    digest: str = "0" * 32


class PluginIndex:
    """Configured plugins in the order they run; of several scopes the most specific wins."""

    def __init__(self, configuration: Configuration) -> None:
        kinds: dict[str, Plugin[Any]] = {}
        self._scoped: dict[str, dict[Scope, ConfiguredPlugin]] = {}
        for attached in configuration.plugins:
            kinds[attached.plugin.name] = attached.plugin
            scope = (attached.route, attached.service, attached.consumer)
            self._scoped.setdefault(attached.plugin.name, {})[scope] = attached
        self.order = sorted(kinds, key=lambda name: -kinds[name].priority)

    def everywhere(self) -> list[ConfiguredPlugin]:
        """Return the plugins that are bound to nothing."""
        bound = (self._scoped[name].get((None, None, None)) for name in self.order)
        return [plugin for plugin in bound if plugin is not None]

    def find(
        self, name: str, route: str, service: str | None, consumer: str | None
    ) -> ConfiguredPlugin | None:
        """Return the configuration of a plugin that applies to a request."""
        scoped = self._scoped[name]
        return next((scoped[scope] for scope in scopes(route, service, consumer) if scope in scoped), None)


def scopes(route: str, service: str | None, consumer: str | None) -> Iterator[Scope]:
    """Return the scopes that hold a request, the most specific first, in Kong's order."""
    if consumer:
        yield (route, service, consumer)
        yield (route, None, consumer)
        yield (None, service, consumer)
    if service:
        yield (route, service, None)
    if consumer:
        yield (None, None, consumer)
    yield (route, None, None)
    yield (None, service, None)
    yield (None, None, None)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration with its indexes."""

    configuration: Configuration
    router: Router
    plugins: PluginIndex
    credentials: Credentials
    at: int
    """When it was loaded, in seconds."""

    @classmethod
    def of(cls, configuration: Configuration) -> Loaded:
        """Index a configuration."""
        return cls(
            configuration,
            Router(route for route in configuration.routes if is_served(route)),
            PluginIndex(configuration),
            Credentials(
                configuration.consumers, configuration.keys, configuration.basics, configuration.jwts
            ),
            int(time.time()),
        )


def is_served(route: Route) -> bool:
    """Tell whether a route is active: those of a disabled service are not."""
    return route.service is None or route.service.enabled
