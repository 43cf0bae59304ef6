"""prometheus: accepted, so that one configuration serves both gateways; requests are counted in any case."""

from __future__ import annotations

from dataclasses import dataclass

from devenv.gateway.answers import Answer
from devenv.gateway.exchange import Exchange
from devenv.gateway.plugin import Plugin
from devenv.gateway.schema import Field, boolean

FIELDS = {
    "per_consumer": Field(boolean, False),
    "status_code_metrics": Field(boolean, False),
    "latency_metrics": Field(boolean, False),
    "bandwidth_metrics": Field(boolean, False),
    "upstream_health_metrics": Field(boolean, False),
}


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Configuration of prometheus, as far as it is checked here."""

    per_consumer: bool
    status_code_metrics: bool
    latency_metrics: bool
    bandwidth_metrics: bool
    upstream_health_metrics: bool


async def access(config: Prometheus, exchange: Exchange) -> Answer | None:
    """Let the request pass; it is counted once it has its answer."""
    return None


PLUGIN = Plugin("prometheus", 13, FIELDS, Prometheus, access, per_consumer=False)
