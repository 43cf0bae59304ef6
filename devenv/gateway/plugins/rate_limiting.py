"""rate-limiting: a number of requests per calendar second, minute, hour, day, month or year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from devenv.gateway.answers import Answer, error
from devenv.gateway.counters import PERIODS, window_left
from devenv.gateway.exchange import Exchange
from devenv.gateway.plugin import Plugin, Problems
from devenv.gateway.schema import (
    Field,
    boolean,
    integer,
    matching,
    number,
    one_of,
    text,
)

FIELDS = {
    **{period: Field(number(1, 1e15)) for period in PERIODS},
    "limit_by": Field(one_of("consumer", "credential", "ip", "service", "header", "path"), "consumer"),
    "header_name": Field(text),
    "path": Field(matching(r"/.*", "a path")),
    "policy": Field(one_of("local"), "local"),
    "fault_tolerant": Field(boolean, True),
    "hide_client_headers": Field(boolean, False),
    "error_code": Field(integer(100, 599), 429),
    "error_message": Field(text, "API rate limit exceeded"),
    "sync_rate": Field(number(-1, -1), -1),
}


@dataclass(frozen=True, slots=True)
class RateLimiting:
    """Configuration of rate-limiting."""

    limits: Mapping[str, float]
    limit_by: str
    header_name: str | None
    path: str | None
    hide_client_headers: bool
    error_code: int
    error_message: str


@dataclass(frozen=True, slots=True)
class Usage:
    """A period's limit, and what is left of it."""

    limit: float
    remaining: float


def config(**values: Any) -> RateLimiting:
    """Return the configuration with its limits as one mapping."""
    kept = ("limit_by", "header_name", "path", "hide_client_headers", "error_code", "error_message")
    return RateLimiting(
        limits={period: values[period] for period in PERIODS if values[period] is not None},
        **{name: values[name] for name in kept},
    )


def across(values: Mapping[str, Any]) -> Problems:
    """Report limits that contradict each other, and missing fields that others require."""
    limits = [(period, values[period]) for period in PERIODS if values[period] is not None]
    if not limits:
        yield "", f"required: at least one of {', '.join(PERIODS)}"
    for (shorter, less), (longer, more) in pairwise(limits):
        if isinstance(less, int | float) and isinstance(more, int | float) and more < less:
            yield longer, f"the limit for a {longer} is lower than the one for a {shorter}"
    for by, needed in (("header", "header_name"), ("path", "path")):
        if values["limit_by"] == by and not values[needed]:
            yield needed, f'required with limit_by "{by}"'


async def access(config: RateLimiting, exchange: Exchange) -> Answer | None:
    """Count the request, or refuse it once a limit is used up."""
    counters = exchange.counters
    now = counters.now()
    key = f"{exchange.plugin}:{identifier(config, exchange)}"
    usage = {
        period: Usage(limit, limit - counters.used(key, period, now))
        for period, limit in config.limits.items()
    }
    # The longest exhausted period: a client told to wait for the shortest would be refused again.
    stop = next((period for period in reversed(usage) if usage[period].remaining <= 0), None)
    headers = headers_of(usage, stop, now)
    if not config.hide_client_headers:
        exchange.response_headers.update(headers)
    if stop is None:
        for period in usage:
            counters.add(key, period, now)
        return None
    retry = {} if config.hide_client_headers else {"Retry-After": headers["RateLimit-Reset"]}
    return error(config.error_code, config.error_message, retry)


def identifier(config: RateLimiting, exchange: Exchange) -> str:
    """Return whose requests are counted together; the client's address when nothing else is."""
    name: str | None = None
    match config.limit_by:
        case "consumer":
            name = exchange.consumer.id if exchange.consumer else exchange.credential
        case "credential":
            name = exchange.credential
        case "service":
            name = exchange.match.service.id if exchange.match.service else None
        case "header":
            name = exchange.headers.get(config.header_name or "")
        case "path":
            name = config.path if exchange.path == config.path else None
    return name or exchange.client


def headers_of(usage: Mapping[str, Usage], stop: str | None, now: float) -> dict[str, str]:
    """Return the headers that tell a client its limits, the tightest in RateLimit-*."""
    headers: dict[str, str] = {}
    left: dict[str, float] = {}
    for period, used in usage.items():
        counted = 1 if stop is None or stop == period else 0
        left[period] = max(0, used.remaining - counted)
        headers[f"X-RateLimit-Limit-{period.title()}"] = shown(used.limit)
        headers[f"X-RateLimit-Remaining-{period.title()}"] = shown(left[period])
    tightest = min(left, key=lambda period: (left[period], -PERIODS[period]))
    return {
        **headers,
        "RateLimit-Limit": shown(usage[tightest].limit),
        "RateLimit-Remaining": shown(left[tightest]),
        "RateLimit-Reset": str(window_left(tightest, now)),
    }


def shown(value: float) -> str:
    """Write a number as Kong does: whole ones without a point."""
    return str(int(value)) if float(value).is_integer() else str(value)


PLUGIN = Plugin("rate-limiting", 910, FIELDS, config, access, across=across)
