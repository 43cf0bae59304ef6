"""What a plugin is: a name, a priority, a schema, and what it does in each phase."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from multidict import CIMultiDict

from devenv.gateway.answers import Answer
from devenv.gateway.schema import Field

if TYPE_CHECKING:
    from devenv.gateway.exchange import Exchange

C = TypeVar("C")
Problems = Iterator[tuple[str, str]]


def no_problem(values: Mapping[str, Any]) -> Problems:
    """Find nothing wrong between fields."""
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
