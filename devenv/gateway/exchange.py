"""One request on its way through the gateway: what plugins read and what they change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, unquote_plus

from multidict import CIMultiDict, CIMultiDictProxy

from devenv.gateway.counters import Counters
from devenv.gateway.credentials import Credentials
from devenv.gateway.model import Consumer
from devenv.gateway.router import Match

Query = list[tuple[str, str | None]]
# What the gateway writes only when it asks the upstream: until then plugins see the client's.
WRITTEN_LAST = frozenset(
    {
        "host",
        "via",
        "x-real-ip",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-path",
        "x-forwarded-prefix",
        "x-kong-request-id",
    }
)


@dataclass(slots=True)
class Exchange:
    """The client's request, the request the upstream will get, and who the client is."""

    id: str
    method: str
    scheme: str
    host: str
    path: str
    query_string: str
    headers: CIMultiDictProxy[str]
    client: str
    match: Match
    credentials: Credentials
    counters: Counters
    read_body: Callable[[], Awaitable[bytes]]
    upstream_method: str
    upstream_path: str
    upstream_query: str
    upstream_headers: CIMultiDict[str]
    body: bytes | None = None
    body_limit: int | None = None
    overflowed: bool = False
    consumer: Consumer | None = None
    credential: str | None = None
    # The id of the configured plugin that is running: what keeps its counts apart.
    plugin: str = ""
    response_headers: CIMultiDict[str] = field(default_factory=CIMultiDict)

    def header(self, name: str) -> str | None:
        """Return a header of the request as the earlier plugins left it."""
        source = self.headers if name.lower() in WRITTEN_LAST else self.upstream_headers
        return source.get(name)

    @property
    def query(self) -> Query:
        """Return the upstream's query parameters, in order."""
        return parsed(self.upstream_query)

    @query.setter
    def query(self, pairs: Query) -> None:
        self.upstream_query = encoded(pairs)

    @property
    def is_preflight(self) -> bool:
        """Tell whether a browser asks what it may send."""
        return (
            self.method == "OPTIONS"
            and "Origin" in self.headers
            and "Access-Control-Request-Method" in self.headers
        )

    async def whole_body(self) -> bytes:
        """Return the whole body; from then on the upstream gets it from memory."""
        if self.body is None:
            self.body = await self.read_body()
        return self.body

    def authenticate(self, consumer: Consumer, credential: str | None, identifier: str | None = None) -> None:
        """Record who the client is and tell the upstream; no credential means anonymous."""
        self.consumer = consumer
        self.credential = credential
        identity = {
            "X-Consumer-ID": consumer.id,
            "X-Consumer-Custom-ID": consumer.custom_id,
            "X-Consumer-Username": consumer.username,
            "X-Credential-Identifier": identifier,
            "X-Anonymous-Consumer": None if credential else "true",
        }
        for name, value in identity.items():
            # A client must not choose its own identity: headers that it sent are removed in any case.
            self.upstream_headers.popall(name, None)
            if value is not None:
                self.upstream_headers[name] = value


def parsed(query: str) -> Query:
    """Split a query string or form body into pairs; a name without `=` has no value."""
    pairs: Query = []
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        pairs.append((decoded(name), decoded(value) if equals else None))
    return pairs


def decoded(text: str) -> str:
    """Decode a part of a query; a byte that is not UTF-8 is kept."""
    return unquote_plus(text, errors="surrogateescape")


def encoded(pairs: Query) -> str:
    """Join pairs into a query string or form body."""
    return "&".join(
        as_escaped(name) + ("" if value is None else "=" + as_escaped(value)) for name, value in pairs
    )


def as_escaped(text: str) -> str:
    """Escape a part of a query, with every byte it had."""
    return quote(text, safe="", errors="surrogateescape")


def as_form(pairs: Query) -> str:
    """Join pairs as forms are: a plus for a space, and `name=` for a name alone."""
    return "&".join(f"{form_escaped(name)}={form_escaped(value or '')}" for name, value in pairs)


def form_escaped(text: str) -> str:
    """Escape a name or value of a form."""
    return quote_plus(text, safe="*", errors="surrogateescape").replace("~", "%7E")
