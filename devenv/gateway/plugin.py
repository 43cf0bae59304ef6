"""What a plugin is: a name, a priority, a schema, and what it does in each phase."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from multidict import CIMultiDict

from devenv.gateway.answers import Answer
from devenv.gateway.exchange import Exchange
from devenv.gateway.schema import Field

C = TypeVar("C")
Problems = Iterator[tuple[str, str]]


def no_problem(values: Mapping[str, Any]) -> Problems:
    """Report no problem: the default for plugins without rules across fields."""
    return iter(())


@dataclass(frozen=True, slots=True)
class Plugin(Generic[C]):
    """A plugin; `config` turns checked values into the value its phases get."""

    name: str
    priority: int
    fields: Mapping[str, Field]
    config: Callable[..., C]
    access: Callable[[C, Exchange], Awaitable[Answer | None]]
    response: Callable[[C, Exchange, CIMultiDict[str]], None] | None = None
    across: Callable[[Mapping[str, Any]], Problems] = no_problem
    per_consumer: bool = True


@dataclass(frozen=True, slots=True)
class ConfiguredPlugin:
    """A plugin with its configuration, and the route, service and consumer it is bound to."""

    id: str
    plugin: Plugin[Any]
    config: Any
    values: Mapping[str, Any]
    route: str | None
    service: str | None
    consumer: str | None
    protocols: tuple[str, ...]
    tags: tuple[str, ...]
