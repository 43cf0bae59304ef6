"""correlation-id: an id that follows a request through every service."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from uuid import uuid4

from multidict import CIMultiDict

from devenv.gateway.answers import Answer
from devenv.gateway.exchange import Exchange
from devenv.gateway.plugin import Plugin
from devenv.gateway.schema import Field, boolean, one_of, text

PROCESS = uuid4()
NUMBERS = count(1)
GENERATORS: Mapping[str, Callable[[Exchange], str]] = {
    "uuid": lambda exchange: str(uuid4()),
    "uuid#counter": lambda exchange: f"{PROCESS}#{next(NUMBERS)}",
    "tracker": lambda exchange: f"{exchange.host}-{os.getpid()}-{next(NUMBERS)}-{time.time():.3f}",
}
FIELDS = {
    "header_name": Field(text, "Kong-Request-ID"),
    "generator": Field(one_of(*GENERATORS), "uuid#counter"),
    "echo_downstream": Field(boolean, False),
}


@dataclass(frozen=True, slots=True)
class CorrelationId:
    """Configuration of correlation-id."""

    header_name: str
    generator: str
    echo_downstream: bool


async def access(config: CorrelationId, exchange: Exchange) -> Answer | None:
    """Give the request an id, unless the client gave it one."""
    if not exchange.headers.get(config.header_name):
        exchange.upstream_headers[config.header_name] = GENERATORS[config.generator](exchange)
    return None


def response(config: CorrelationId, exchange: Exchange, headers: CIMultiDict[str]) -> None:
    """Tell the client the id."""
    name = config.header_name
    identity = exchange.upstream_headers.get(name) or exchange.headers.get(name)
    if config.echo_downstream and identity:
        headers[name] = identity


PLUGIN = Plugin("correlation-id", 100001, FIELDS, CorrelationId, access, response)
