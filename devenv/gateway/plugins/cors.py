"""cors: answers a browser's preflight and tells it which origins may read a response."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from multidict import CIMultiDict

from devenv.gateway.answers import Answer
from devenv.gateway.exchange import Exchange
from devenv.gateway.plugin import Plugin
from devenv.gateway.schema import Field, Report, boolean, integer, list_of, one_of, text

METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT")
ALLOW_ORIGIN = "Access-Control-Allow-Origin"
# An origin of these characters is a name; any other is a regular expression.
PLAIN = re.compile(r"[A-Za-z0-9.:/-]+")


def origin(value: object, where: str, report: Report) -> object:
    """Check an origin: `*`, a name, or a regular expression."""
    text(value, where, report)
    if isinstance(value, str) and value != "*":
        try:
            re.compile(value)
        except re.error as problem:
            report(where, f"not a regular expression: {problem}")
    return value


FIELDS = {
    "origins": Field(list_of(origin), ()),
    "headers": Field(list_of(text), ()),
    "exposed_headers": Field(list_of(text), ()),
    "methods": Field(list_of(one_of(*METHODS)), METHODS),
    "max_age": Field(integer(0, 2**31)),
    "credentials": Field(boolean, False),
    "private_network": Field(boolean, False),
    "preflight_continue": Field(boolean, False),
}


@dataclass(frozen=True, slots=True)
class Cors:
    """Configuration of cors."""

    origins: tuple[str, ...]
    headers: tuple[str, ...]
    exposed_headers: tuple[str, ...]
    methods: tuple[str, ...]
    max_age: int | None
    credentials: bool
    private_network: bool
    preflight_continue: bool


async def access(config: Cors, exchange: Exchange) -> Answer | None:
    """Answer a preflight; anything else goes on."""
    if not exchange.is_preflight or config.preflight_continue:
        return None
    headers: CIMultiDict[str] = CIMultiDict()
    allow(config, exchange.headers.get("Origin"), headers)
    requested = exchange.headers.get("Access-Control-Request-Headers")
    if config.headers or requested:
        headers["Access-Control-Allow-Headers"] = ",".join(config.headers) or requested or ""
    headers["Access-Control-Allow-Methods"] = ",".join(config.methods)
    if config.max_age is not None:
        headers["Access-Control-Max-Age"] = str(config.max_age)
    private = exchange.headers.get("Access-Control-Request-Private-Network") == "true"
    if config.private_network and private:
        headers["Access-Control-Allow-Private-Network"] = "true"
    return Answer(200, headers=headers)


def response(config: Cors, exchange: Exchange, headers: CIMultiDict[str]) -> None:
    """Tell the browser which origins may read this response."""
    asking = exchange.headers.get("Origin")
    # A preflight's headers are its answer's, or the upstream's that was asked instead.
    if exchange.is_preflight and exchange.match.route.id:
        return
    allow(config, asking, headers)
    if config.exposed_headers:
        headers["Access-Control-Expose-Headers"] = ",".join(config.exposed_headers)


def allow(config: Cors, asking: str | None, headers: CIMultiDict[str]) -> None:
    """Set the headers that allow, or do not allow, an origin."""
    if not config.origins or "*" in config.origins:
        headers[ALLOW_ORIGIN] = "*"
        if config.credentials and asking:
            # Browsers take no credentials from `*`.
            headers.add("Vary", "Origin")
            headers[ALLOW_ORIGIN] = asking
            headers["Access-Control-Allow-Credentials"] = "true"
        return
    headers.add("Vary", "Origin")
    allowed = allowed_origin(config, asking)
    if allowed is None:
        headers.popall(ALLOW_ORIGIN, None)
    else:
        headers[ALLOW_ORIGIN] = allowed
    if config.credentials:
        headers["Access-Control-Allow-Credentials"] = "true"


def allowed_origin(config: Cors, asking: str | None) -> str | None:
    """Return the origin to allow; a single plain one is sent to every client, as Kong does."""
    if len(config.origins) == 1 and PLAIN.fullmatch(config.origins[0]):
        return config.origins[0]
    if asking is None:
        return None
    name, host = normalized(asking)
    for entry in config.origins:
        if PLAIN.fullmatch(entry):
            matches = normalized(entry)[0] == name
        else:
            # Kong anchors a regex; one without a colon is about the host alone.
            pattern = entry.removeprefix("^").removesuffix("$")
            matches = bool(re.fullmatch(pattern, name if ":" in entry else host))
        if matches:
            return name
    return None


def normalized(value: str) -> tuple[str, str]:
    """Return an origin without its usual port, and its host."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return value, value
    if not parts.hostname:
        return value, value
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    suffix = f":{port}" if port and port != usual else ""
    return f"{parts.scheme}://{parts.hostname}{suffix}", parts.hostname


PLUGIN = Plugin("cors", 2000, FIELDS, Cors, access, response, per_consumer=False)
