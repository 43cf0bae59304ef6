"""opentelemetry: accepted, so that one configuration serves both gateways; this one sends no spans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devenv.gateway.answers import Answer
from devenv.gateway.exchange import Exchange
from devenv.gateway.plugin import Plugin
from devenv.gateway.schema import Field, mapping_of, text

FIELDS = {
    "traces_endpoint": Field(text),
    "logs_endpoint": Field(text),
    "headers": Field(mapping_of(text), {}),
    "resource_attributes": Field(mapping_of(text), {}),
}


@dataclass(frozen=True, slots=True)
class Opentelemetry:
    """Configuration of opentelemetry, as far as it is checked here."""

    traces_endpoint: str | None
    logs_endpoint: str | None
    headers: dict[str, Any]
    resource_attributes: dict[str, Any]


async def access(config: Opentelemetry, exchange: Exchange) -> Answer | None:
    """Let the request pass with the trace that its client began."""
    return None


PLUGIN = Plugin("opentelemetry", 14, FIELDS, Opentelemetry, access)
