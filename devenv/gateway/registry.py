"""Indexes over a configuration: credentials by what a client sends, plugins by scope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devenv.gateway.model import (
    BasicCredential,
    Configuration,
    ConfiguredPlugin,
    Consumer,
    JwtCredential,
    KeyCredential,
)
from devenv.gateway.plugin import Plugin

Scope = tuple[str | None, str | None, str | None]


class Credentials:
    """Consumers and their credentials, by what finds them."""

    def __init__(self, configuration: Configuration) -> None:
        self._consumers = {
            handle: consumer
            for consumer in configuration.consumers
            for handle in (consumer.username, consumer.id)
            if handle
        }
        self._keys = {one.key: one for one in configuration.keys}
        self._basics = {one.username: one for one in configuration.basics}
        self._jwts = {one.key: one for one in configuration.jwts}

    def consumer(self, handle: str) -> Consumer | None:
        """Return a consumer by id or user name."""
        return self._consumers.get(handle)

    def key(self, key: str) -> KeyCredential | None:
        """Return the credential of an API key."""
        return self._keys.get(key)

    def basic(self, username: str) -> BasicCredential | None:
        """Return the credential of a user name."""
        return self._basics.get(username)

    def jwt(self, issuer: str) -> JwtCredential | None:
        """Return the credential of a token's issuer."""
        return self._jwts.get(issuer)


class PluginIndex:
    """Configured plugins in the order they run; of several scopes the most specific wins."""

    def __init__(self, configuration: Configuration) -> None:
        kinds: dict[str, Plugin[Any]] = {}
        self._scoped: dict[str, dict[Scope, ConfiguredPlugin]] = {}
        for one in configuration.plugins:
            kinds[one.plugin.name] = one.plugin
            scope = (one.route, one.service, one.consumer)
            self._scoped.setdefault(one.plugin.name, {})[scope] = one
        self.order = sorted(kinds, key=lambda name: -kinds[name].priority)

    def find(
        self, name: str, route: str, service: str | None, consumer: str | None
    ) -> ConfiguredPlugin | None:
        """Return the configuration of a plugin that applies to a request."""
        scoped = self._scoped[name]
        return next((scoped[one] for one in scopes(route, service, consumer) if one in scoped), None)


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
