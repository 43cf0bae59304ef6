"""Consumers and what they show: credentials by what a client sends."""

from __future__ import annotations

from collections.abc import Iterable

from devenv.gateway.model import BasicCredential, Consumer, JwtCredential, KeyCredential


class Credentials:
    """Consumers and their credentials, by what finds them."""

    def __init__(
        self,
        consumers: Iterable[Consumer] = (),
        keys: Iterable[KeyCredential] = (),
        basics: Iterable[BasicCredential] = (),
        jwts: Iterable[JwtCredential] = (),
    ) -> None:
        self._consumers = {
            handle: consumer
            for consumer in consumers
            for handle in (consumer.username, consumer.id)
            if handle
        }
        self._keys = {credential.key: credential for credential in keys}
        self._basics = {credential.username: credential for credential in basics}
        self._jwts = {credential.key: credential for credential in jwts}

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
