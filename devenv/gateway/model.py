"""Entities of a declarative configuration, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """An upstream: where its requests go and how long they may take, in milliseconds."""

    id: str
    name: str | None
    protocol: str
    host: str
    port: int
    path: str | None
    connect_timeout: int
    write_timeout: int
    read_timeout: int
    retries: int
    tls_verify: bool | None
    enabled: bool
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Which requests go to a service, and how they change on the way."""

    id: str
    name: str | None
    service: Service | None
    protocols: tuple[str, ...]
    methods: tuple[str, ...]
    hosts: tuple[str, ...]
    paths: tuple[str, ...]
    headers: Mapping[str, tuple[str, ...]]
    strip_path: bool
    preserve_host: bool
    regex_priority: int
    https_redirect_status_code: int
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Consumer:
    """A client with a name: a user or an application."""

    id: str
    username: str | None
    custom_id: str | None
    groups: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class KeyCredential:
    """A consumer's API key."""

    id: str
    key: str
    consumer: Consumer


@dataclass(frozen=True, slots=True, repr=False)
class BasicCredential:
    """A consumer's user name and password; `hashed` when the file already holds Kong's digest."""

    id: str
    username: str
    password: str
    hashed: bool
    consumer: Consumer


@dataclass(frozen=True, slots=True, repr=False)
class JwtCredential:
    """A consumer's token issuer: the algorithm and the secret or public key that verifies it."""

    id: str
    key: str
    algorithm: str
    secret: str | None
    rsa_public_key: str | None
    consumer: Consumer
