"""request-size-limiting: refuses request bodies above a size."""

from __future__ import annotations

from dataclasses import dataclass

from devenv.gateway.answers import Answer, error
from devenv.gateway.exchange import Exchange
from devenv.gateway.plugin import Plugin
from devenv.gateway.schema import Field, boolean, integer, one_of

UNITS = {"bytes": 1, "kilobytes": 2**10, "megabytes": 2**20}
FIELDS = {
    "allowed_payload_size": Field(integer(0, 2**40), 128),
    "size_unit": Field(one_of(*UNITS), "megabytes"),
    "require_content_length": Field(boolean, False),
}


@dataclass(frozen=True, slots=True)
class RequestSizeLimiting:
    """Configuration of request-size-limiting."""

    allowed_payload_size: int
    size_unit: str
    require_content_length: bool


async def access(config: RequestSizeLimiting, exchange: Exchange) -> Answer | None:
    """Refuse a body by its declared length, or else stop it once it has grown too large."""
    allowed = config.allowed_payload_size * UNITS[config.size_unit]
    declared = exchange.headers.get("Content-Length", "")
    if not declared.isdigit():
        if config.require_content_length:
            return error(411, "A valid Content-Length header is required")
        exchange.body_limit = allowed
        return None
    if int(declared) <= allowed:
        return None
    waits = exchange.headers.get("Expect", "").strip().lower() == "100-continue"
    return error(417 if waits else 413, "Request size limit exceeded")


PLUGIN = Plugin("request-size-limiting", 951, FIELDS, RequestSizeLimiting, access)
