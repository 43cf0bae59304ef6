"""The proxy: a request in, its route's plugins, the upstream's response out, streamed."""

from __future__ import annotations

import asyncio
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from devenv.gateway import answers
from devenv.gateway.answers import Answer
from devenv.gateway.counters import Counters
from devenv.gateway.exchange import Exchange
from devenv.gateway.headers import (
    PRODUCT,
    Finish,
    mark_as_proxied,
    one_spelling,
    response_headers,
    upstream_headers,
)
from devenv.gateway.meter import Meter
from devenv.gateway.model import Service
from devenv.gateway.plugin import ConfiguredPlugin
from devenv.gateway.registry import Loaded, PluginIndex
from devenv.gateway.router import Match, normalized, nowhere
from devenv.gateway.trace import CLIENT_LEFT, Trace, access_line, client_of, has_port, latencies, spent
from devenv.gateway.upload import BODY_IN_MEMORY, BodyTooLarge, Upload, accept_body
from devenv.gateway.websocket import ask_to_switch, is_websocket, relay

UNSET_BY_AIOHTTP = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


@dataclass(slots=True)
class Gateway:
    """A running gateway: its configuration, which a reload replaces, and what outlives it."""

    loaded: Loaded | None
    log: Callable[[str], None]
    complain: Callable[[str], None]
    counters: Counters = field(default_factory=Counters)
    meter: Meter = field(default_factory=Meter)
    requests: int = 0
    active: int = 0
    switched: set[asyncio.Transport] = field(default_factory=set)
    keeps_upstreams: bool = True
    leaving: bool = False
    """Whether each answer is the last on its connection, so that clients go elsewhere."""
    _session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """Return the client side; it is made where a loop runs."""
        if self._session is None:
            # Idle connections go before common upstreams (5 s) close them under a request.
            kept: Any = {"keepalive_timeout": 4} if self.keeps_upstreams else {"force_close": True}
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=5, **kept),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=65536,
                max_field_size=65536,
            )
        return self._session

    async def close(self) -> None:
        """Close the client side."""
        if self._session is not None:
            await self._session.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request of a client, and log it."""
        trace = Trace(os.urandom(16).hex(), client_of(request), time.perf_counter())
        self.requests += 1
        self.active += 1
        try:
            return await self._handle(request, trace)
        except asyncio.CancelledError:
            trace.status = trace.status or CLIENT_LEFT
            raise
        except Exception as problem:
            # Only the error's type: its message may quote what the client sent.
            last = traceback.extract_tb(problem.__traceback__)[-1]
            place = f"{PurePath(last.filename).name}:{last.lineno}"
            self.complain(f"{trace.id}: {type(problem).__name__} at {place}")
            if trace.status and request.transport is not None:
                request.transport.abort()
                raise
            return await self._reply(request, None, trace, answers.error(500))
        finally:
            self.active -= 1
            if trace.route != "-":
                answered = "service" if trace.upstream_started else "exit"
                self.meter.add(trace.service, trace.route, trace.status, answered, spent(trace))
            self.log(access_line(request, trace))

    async def _handle(self, request: web.BaseRequest, trace: Trace) -> web.StreamResponse:
        loaded = self.loaded
        target = request.raw_path
        if not target.startswith("/"):
            # An absolute-form target, as a client talks to a forward proxy.
            target = "/" + target.partition("://")[2].partition("/")[2]
        raw_path, _, query = target.partition("?")
        path = normalized(raw_path.partition("#")[0])
        host = request.headers.get(hdrs.HOST, "")
        missing = answers.error(404, "no Route matched with those values")
        if loaded is None:
            return await self._reply(request, None, trace, missing)
        match = loaded.router.match(request.method, host, path, request.headers)
        if match is None:
            unrouted = begin(request, trace.id, raw_path, query, nowhere(path), loaded, self.counters)
            return await self._reply(request, Finish(unrouted, loaded.plugins.everywhere()), trace, missing)
        trace.route = match.route.name or match.route.id
        trace.service = (match.service.name or match.service.id) if match.service else ""
        if "http" not in match.route.protocols:
            return await self._reply(request, None, trace, to_https(match, host, target))
        exchange = begin(request, trace.id, raw_path, query, match, loaded, self.counters)
        return await self._exchange(request, exchange, loaded.plugins, trace)

    async def _exchange(
        self, request: web.BaseRequest, exchange: Exchange, plugins: PluginIndex, trace: Trace
    ) -> web.StreamResponse:
        """Run the plugins' access phase, then the upstream, then their response phase."""
        ran: list[ConfiguredPlugin] = []
        answer: Answer | None = None
        service = exchange.match.service
        for name in plugins.order:
            attached = plugins.find(
                name,
                exchange.match.route.id,
                service.id if service else None,
                exchange.consumer.id if exchange.consumer else None,
            )
            if attached is None:
                continue
            # Even after an answer: an error needs CORS headers, or browsers hide it.
            ran.append(attached)
            if answer is None:
                exchange.plugin = attached.id
                try:
                    answer = await attached.plugin.access(attached.config, exchange)
                except BodyTooLarge:
                    answer = too_large()
        finish = Finish(exchange, ran)
        if answer is None and service is None:
            answer = answers.error(503, "no Service found with those values")
        if answer is not None or service is None:
            return await self._reply(request, finish, trace, answer or answers.error(500))
        return await self._forward(request, finish, service, trace)

    async def _forward(
        self, request: web.BaseRequest, finish: Finish, service: Service, trace: Trace
    ) -> web.StreamResponse:
        """Send the request to its upstream and stream the response back."""
        trace.upstream_started = time.perf_counter()
        exchange = finish.exchange
        try:
            if is_websocket(request):
                ask_to_switch(exchange.upstream_headers)
            upstream = await self._send(request, exchange, service)
        except BodyTooLarge:
            return await self._reply(request, finish, trace, too_large())
        except (aiohttp.ClientError, TimeoutError) as problem:
            if exchange.overflowed:
                return await self._reply(request, finish, trace, too_large())
            self.complain(f"{trace.id}: {service.name or service.id}: {explained(problem)}")
            return await self._reply(request, finish, trace, upstream_error(problem))
        async with upstream:
            if upstream.status == 101:
                return await self._switch(request, finish, upstream, service, trace)
            return await self._stream(request, finish, upstream, trace)

    async def _send(
        self, request: web.BaseRequest, exchange: Exchange, service: Service
    ) -> aiohttp.ClientResponse:
        """Send the request; a connection that cannot be made is tried again."""
        query = f"?{exchange.upstream_query}" if exchange.upstream_query else ""
        address = f"{service.protocol}://{service.host}:{service.port}"
        url = URL(f"{address}{exchange.upstream_path}{query}", encoded=True)
        timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=service.connect_timeout / 1000,
            sock_read=service.read_timeout / 1000,
        )
        for left in range(service.retries, -1, -1):
            try:
                return await self._attempt(request, exchange, service, url, timeout)
            except aiohttp.ClientConnectorDNSError:
                raise
            except aiohttp.ClientConnectorError:
                # Nothing was sent yet, so trying again is safe whatever the method.
                if not left:
                    raise
        raise AssertionError

    async def _attempt(
        self,
        request: web.BaseRequest,
        exchange: Exchange,
        service: Service,
        url: URL,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        async with asyncio.timeout(None) as stalled:
            body: bytes | Upload | None = exchange.body
            if body is None and request.body_exists:
                body = Upload(request, exchange, stalled, service.write_timeout / 1000)
            headers = one_spelling(exchange.upstream_headers)
            if exchange.body is not None:
                # A plugin has read it and may have changed it.
                headers[hdrs.CONTENT_LENGTH] = str(len(exchange.body))
            return await self.session.request(
                exchange.upstream_method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                skip_auto_headers=UNSET_BY_AIOHTTP,
                timeout=timeout,
                ssl=bool(service.tls_verify),
            )

    async def _stream(
        self,
        request: web.BaseRequest,
        finish: Finish,
        upstream: aiohttp.ClientResponse,
        trace: Trace,
    ) -> web.StreamResponse:
        """Pass an upstream's response on, chunk by chunk."""
        headers = response_headers(finish, upstream, trace)
        response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=headers)
        # aiohttp reads no further request once one asked for an upgrade.
        if is_websocket(request) or self.leaving:
            response.force_close()
        if hdrs.CONTENT_LENGTH not in headers and request.version >= aiohttp.HttpVersion11:
            response.enable_chunked_encoding()
        trace.status = upstream.status
        try:
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
                trace.sent += len(chunk)
            await response.write_eof()
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as problem:
            # The client disconnected; nothing is left to send.
            if request.transport is not None and not request.transport.is_closing():
                self.complain(f"{trace.id}: response cut short: {explained(problem)}")
                # A truncated response must not look complete.
                request.transport.abort()
        return response

    async def _switch(
        self,
        request: web.BaseRequest,
        finish: Finish,
        upstream: aiohttp.ClientResponse,
        service: Service,
        trace: Trace,
    ) -> web.StreamResponse:
        """Pass on that the upstream changes to another protocol, then pass the bytes both ways."""
        headers = response_headers(finish, upstream, trace)
        headers[hdrs.CONNECTION] = "upgrade"
        headers[hdrs.UPGRADE] = upstream.headers.get(hdrs.UPGRADE, "websocket")
        response = web.StreamResponse(status=101, reason=upstream.reason, headers=headers)
        await response.prepare(request)
        trace.status = 101
        transport = request.transport
        if transport is not None:
            self.switched.add(transport)
            try:
                await relay(request, upstream, service.read_timeout / 1000)
            finally:
                self.switched.discard(transport)
        return response

    async def _reply(
        self, request: web.BaseRequest, finish: Finish | None, trace: Trace, answer: Answer
    ) -> web.StreamResponse:
        """Send an answer that the gateway itself wrote."""
        kind, text = answers.render(answer, answers.accepted(answer, request.headers), trace.id)
        headers: CIMultiDict[str] = CIMultiDict(answer.headers)
        if kind is not None:
            headers["Content-Type"] = kind
        headers["Server"] = PRODUCT
        if answer.upstream:
            mark_as_proxied(headers, trace)
        else:
            headers["X-Kong-Response-Latency"] = str(sum(latencies(trace)))
        headers["X-Kong-Request-Id"] = trace.id
        if finish is not None:
            finish.apply(headers)
        body = text.encode()
        trace.status, trace.sent = answer.status, len(body)
        response = web.Response(status=answer.status, body=body or None, headers=headers)
        if self.leaving:
            response.force_close()
        await response.prepare(request)
        await response.write_eof()
        return response


def begin(
    request: web.BaseRequest,
    identity: str,
    raw_path: str,
    query: str,
    match: Match,
    loaded: Loaded,
    counters: Counters,
) -> Exchange:
    """Return the exchange of a request, its upstream request as Kong would make it.

    `raw_path` is the path as the client wrote it.
    """

    async def read_body() -> bytes:
        await accept_body(request)
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > BODY_IN_MEMORY:
                raise BodyTooLarge
        return bytes(body)

    return Exchange(
        id=identity,
        method=request.method,
        scheme="http",
        host=request.headers.get(hdrs.HOST, ""),
        path=match.path,
        query_string=query,
        headers=request.headers,
        client=client_of(request),
        match=match,
        credentials=loaded.credentials,
        counters=counters,
        read_body=read_body,
        upstream_method=request.method,
        upstream_path=match.upstream_path,
        upstream_query=query,
        upstream_headers=upstream_headers(request, identity, raw_path, match),
    )


def to_https(match: Match, host: str, target: str) -> Answer:
    """Answer a plain request to an https-only route as Kong does: 426 or a redirect."""
    status = match.route.https_redirect_status_code
    if status == 426:
        upgrade = {"Connection": "Upgrade", "Upgrade": "TLS/1.2, HTTP/1.1"}
        return answers.error(426, "Please use HTTPS protocol", upgrade)
    name = host.rpartition(":")[0] if has_port(host) else host
    return Answer(status, headers={"Location": f"https://{name}{target}"})


def upstream_error(problem: Exception) -> Answer:
    """Return Kong's answer for an upstream that failed before it answered."""
    if isinstance(problem, aiohttp.ClientConnectorDNSError):
        return answers.error(503, "name resolution failed")
    return replace(answers.error(504 if isinstance(problem, TimeoutError) else 502), upstream=True)


def too_large() -> Answer:
    """Return Kong's answer to a body that is too large."""
    return answers.error(413, "Request size limit exceeded")


def explained(problem: Exception) -> str:
    """Say how an upstream failed, without anything of the request."""
    if isinstance(problem, aiohttp.ClientConnectorCertificateError):
        return f"cannot trust {problem.host}:{problem.port}: {problem.certificate_error}"
    if isinstance(problem, aiohttp.ClientConnectorError):
        reason = problem.strerror or problem.os_error
        return f"cannot connect to {problem.host}:{problem.port}: {reason}"
    return type(problem).__name__
