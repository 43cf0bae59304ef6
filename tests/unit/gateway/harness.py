"""A real gateway and a real upstream on loopback, and a client that is neither of them."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import WSMsgType, web

from devenv.gateway.config import load
from devenv.gateway.listen import Address, Settings
from devenv.gateway.proxy import Gateway
from devenv.gateway.registry import Loaded
from devenv.gateway.server import listening

T = TypeVar("T")
LISTENERS = {name: (Address("127.0.0.1", 0),) for name in ("proxy", "admin", "admin_gui", "status")}


class Loop:
    """An event loop in a thread of its own: the gateway runs there, the test does not."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something to its end."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(15)

    def close(self) -> None:
        """Stop the loop."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(60)
        self.loop.close()


@dataclass(frozen=True)
class Reply:
    """A response, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    @property
    def message(self) -> Any:
        """Return the message of an error body."""
        return self.json["message"]

    @property
    def seen(self) -> dict[str, str]:
        """Return the headers the upstream saw, by lower-case name."""
        return {name.lower(): value for name, value in self.json["headers"]}


def ask(
    port: int,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: Any = None,
) -> Reply:
    """Send one request and read its response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


def until(client: socket.socket, wanted: bytes) -> bytes:
    """Read until something has come."""
    received = b""
    while wanted not in received:
        received += client.recv(65536)
    return received


@dataclass
class Running:
    """A running gateway."""

    gateway: Gateway
    ports: Mapping[str, int]
    log: list[str]
    errors: list[str]
    now: list[float]

    def ask(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        listener: str = "proxy",
    ) -> Reply:
        """Send one request to a listener."""
        return ask(self.ports[listener], path, method=method, headers=headers, body=body)


@contextmanager
def running(loop: Loop, text: str | None) -> Iterator[Running]:
    """Run a gateway with a configuration, or with none."""
    log: list[str] = []
    errors: list[str] = []
    # A clock that stands still, at the start of a minute: windows never end under a test.
    now = [1_800_000_000.0]
    gateway = Gateway(Loaded.of(load(text)) if text else None, log.append, errors.append)
    gateway.counters.now = lambda: now[0]
    context = listening(gateway, Settings(None, None, LISTENERS))
    ports = loop.run(context.__aenter__())
    try:
        yield Running(gateway, ports, log, errors, now)
    finally:
        loop.run(context.__aexit__(None, None, None))


@dataclass
class Upstream:
    """A small server that tells what it got."""

    port: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    uploaded: list[int] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer by path; anything unknown is echoed."""
        self.arrived.set()
        name = request.path.rstrip("/").rpartition("/")[2]
        special = {
            "events": self.events,
            "large": self.large,
            "upload": self.upload,
            "slow": self.slow,
            "hang-up": self.hang_up,
            "half": self.half,
            "socket": self.socket,
            "cors": self.cors,
            "moved": self.moved,
        }.get(name, self.echo)
        return await special(request)

    async def echo(self, request: web.BaseRequest) -> web.StreamResponse:
        """Tell the request."""
        return web.json_response(
            {
                "method": request.method,
                "target": request.raw_path,
                "headers": list(request.headers.items()),
                "body": (await request.read()).decode(),
            },
            headers={"X-Upstream": "yes"},
        )

    async def events(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send one event, and the next only once the test has read the first."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        try:
            while not self.release.is_set():
                await asyncio.sleep(0.005)
            await response.write(b"data: 2\n\n")
            await response.write_eof()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return response

    async def large(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send 32 MiB without a length."""
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for _ in range(512):
            await response.write(b"x" * 65536)
        await response.write_eof()
        return response

    async def upload(self, request: web.BaseRequest) -> web.StreamResponse:
        """Count a body as it comes."""
        self.uploaded.clear()
        async for chunk in request.content.iter_any():
            self.uploaded.append(len(chunk))
        return web.json_response({"bytes": sum(self.uploaded)})

    async def slow(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer too late, or notice that nobody waits any more."""
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return web.Response()

    async def hang_up(self, request: web.BaseRequest) -> web.StreamResponse:
        """Close the connection instead of answering."""
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def half(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send half of what was promised."""
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 500)
        assert request.transport is not None
        request.transport.close()
        return response

    async def cors(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer with CORS headers of its own."""
        return web.Response(headers={"Access-Control-Allow-Origin": "http://upstream"})

    async def moved(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send the client elsewhere, with two cookies and a compressed body."""
        response = web.Response(
            status=302,
            body=b"\x1f\x8bnot really gzip",
            headers={"Location": "/there", "Content-Encoding": "gzip", "Connection": "X-Hop"},
        )
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        response.headers["X-Hop"] = "for the next hop alone"
        return response

    async def socket(self, request: web.BaseRequest) -> web.StreamResponse:
        """Echo messages; say who asked; close when told to."""
        socket = web.WebSocketResponse(protocols=["chat"])
        await socket.prepare(request)
        await socket.send_str(f"{request.raw_path} {request.headers.get('X-Consumer-Username')}")
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data == "close":
                await socket.close(code=4001, message=b"as told")
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket


@contextmanager
def upstream_on(loop: Loop) -> Iterator[Upstream]:
    """Run an upstream."""
    upstream = Upstream()

    async def start() -> web.ServerRunner:
        server = web.Server(upstream.handle, access_log=None, handler_cancellation=True)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        upstream.port = runner.addresses[0][1]
        return runner

    runner = loop.run(start())
    try:
        yield upstream
    finally:
        loop.run(runner.cleanup())
