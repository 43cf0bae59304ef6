"""What a gateway serves: routes to services, plugins and consumers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from devenv.stack.text import Text

Setting: TypeAlias = Text | float | None | list["Setting"] | dict[str, "Setting"]
"""A value in a plugin's settings."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A gateway plugin with its settings."""

    name: str
    config: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """A route from the gateway to a service. `host`: the service's address if it is not its name."""

    path: str
    service: str
    port: int
    host: str = ""
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    strip: bool = False
    plugins: tuple[Plugin, ...] = ()


@dataclass(frozen=True, slots=True)
class Consumer:
    """A client of the gateway, with its credentials."""

    name: str
    keys: tuple[Text, ...] = ()
    basic: tuple[tuple[str, Text], ...] = ()
    jwt: tuple[Mapping[str, Text], ...] = ()
    groups: tuple[Text, ...] = ()
    custom_id: Text | None = None
    plugins: tuple[Plugin, ...] = ()


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the gateway serves; `extra` is the user's own declarative configuration, merged in."""

    unit: str
    routes: tuple[Route, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A digest of everything it serves."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]
