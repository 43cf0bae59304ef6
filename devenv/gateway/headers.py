"""The headers that an upstream and a client get of each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict

from devenv.gateway.exchange import Exchange
from devenv.gateway.plugin import ConfiguredPlugin
from devenv.gateway.router import Match
from devenv.gateway.trace import Trace, client_of, has_port, latencies, port_of

PRODUCT = "devenv-gateway"
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True, slots=True)
class Finish:
    """Runs the plugins' response phase once a response's headers are known."""

    exchange: Exchange
    ran: list[ConfiguredPlugin]

    def apply(self, headers: CIMultiDict[str]) -> None:
        """Change a response's headers as the plugins want them."""
        headers.update(self.exchange.response_headers)
        for attached in self.ran:
            if attached.plugin.response is not None:
                attached.plugin.response(attached.config, self.exchange, headers)


def response_headers(finish: Finish, upstream: aiohttp.ClientResponse, trace: Trace) -> CIMultiDict[str]:
    """Return the headers of an upstream's response as the client gets them."""
    headers = end_to_end(upstream.headers)
    mark_as_proxied(headers, trace)
    headers["X-Kong-Request-Id"] = trace.id
    headers.setdefault("Server", PRODUCT)
    finish.apply(headers)
    return headers


def mark_as_proxied(headers: CIMultiDict[str], trace: Trace) -> None:
    """Add what tells a client that an upstream was asked."""
    upstream_time, own_time = latencies(trace)
    headers.add("Via", f"1.1 {PRODUCT}")
    headers["X-Kong-Upstream-Latency"] = str(upstream_time)
    headers["X-Kong-Proxy-Latency"] = str(own_time)


def upstream_headers(
    request: web.BaseRequest, identity: str, raw_path: str, match: Match
) -> CIMultiDict[str]:
    """Return the headers an upstream gets: the client's, and who the client was."""
    headers = end_to_end(request.headers)
    headers.popall(hdrs.EXPECT, None)
    headers.popall("Proxy", None)
    host = request.headers.get(hdrs.HOST, "")
    client = client_of(request)
    forwarded = [*request.headers.getall("X-Forwarded-For", ()), client]
    service = match.service
    if service is not None and not match.route.preserve_host:
        usual = {"http": 80, "https": 443}[service.protocol]
        port = "" if service.port == usual else f":{service.port}"
        headers[hdrs.HOST] = f"{service.host}{port}"
    added = {
        "X-Real-IP": client,
        "X-Forwarded-For": ", ".join(forwarded),
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": host.rpartition(":")[0] if has_port(host) else host,
        "X-Forwarded-Port": str(port_of(request)),
        "X-Forwarded-Path": raw_path,
        "X-Kong-Request-Id": identity,
    }
    for name, value in added.items():
        headers[name] = value
    headers.popall("X-Forwarded-Prefix", None)
    if match.route.strip_path and match.prefix not in ("", "/"):
        headers["X-Forwarded-Prefix"] = match.prefix
    headers.add("Via", f"1.1 {PRODUCT}")
    return headers


def end_to_end(headers: Any) -> CIMultiDict[str]:
    """Return the headers that are not for the next hop alone."""
    named = {
        name.strip().lower() for value in headers.getall(hdrs.CONNECTION, ()) for name in value.split(",")
    }
    dropped = HOP_BY_HOP | named
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)


def one_spelling(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    """Return headers with one spelling for each name: the client side replaces one by another."""
    names: dict[str, str] = {}
    return CIMultiDict((names.setdefault(name.lower(), name), value) for name, value in headers.items())
