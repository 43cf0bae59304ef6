"""What the access log records of a request, and who sent it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from aiohttp import web

# nginx's log status for a client that disconnected before its answer.
CLIENT_LEFT = 499


@dataclass(slots=True)
class Trace:
    """What the access log records of a request."""

    id: str
    client: str
    started: float
    status: int = 0
    sent: int = 0
    route: str = "-"
    service: str = ""
    upstream_started: float | None = None


def client_of(request: web.BaseRequest) -> str:
    """Return the client's address."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return str(peer[0]) if peer else ""


def port_of(request: web.BaseRequest) -> int:
    """Return the port the client's connection came in on."""
    own = request.transport.get_extra_info("sockname") if request.transport else None
    return int(own[1]) if own else 0


def has_port(host: str) -> bool:
    """Tell whether a Host header names a port."""
    return host.rpartition(":")[2].isdigit() and ":" in host


def latencies(trace: Trace) -> tuple[int, int]:
    """Return the milliseconds spent waiting for the upstream and here."""
    now = time.perf_counter()
    began = trace.upstream_started or now
    return int((now - began) * 1000), int((began - trace.started) * 1000)


def spent(trace: Trace) -> float:
    """Return the milliseconds since a request came in."""
    return (time.perf_counter() - trace.started) * 1000


def access_line(request: web.BaseRequest, trace: Trace) -> str:
    """Return a request's line for the access log; a query may hold a key, so it is left out."""
    path, question, _ = request.raw_path.partition("?")
    shown = path.encode("ascii", "backslashreplace").decode()
    return (
        f'{trace.client or "-"} "{request.method} {shown}{"?..." if question else ""}" '
        f"{trace.status} {trace.sent} {trace.route} {spent(trace):.1f}ms {trace.id}"
    )
