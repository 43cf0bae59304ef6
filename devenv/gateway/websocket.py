"""Connections that an upstream switched to another protocol: bytes pass both ways, untouched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict

BUFFER = 2**16  # bytes held for a side that is slow to read
GOING_AWAY = b"\x88\x02\x03\xe9"  # a WebSocket's closing frame with code 1001


def is_websocket(request: web.BaseRequest) -> bool:
    """Tell whether a client asks for a WebSocket."""
    return (
        request.method == "GET"
        and request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        and "upgrade" in request.headers.get(hdrs.CONNECTION, "").lower()
    )


def ask_to_switch(headers: CIMultiDict[str]) -> None:
    """Pass the client's handshake headers to the upstream; the gateway adds none."""
    headers[hdrs.CONNECTION] = "keep-alive, Upgrade"
    headers[hdrs.UPGRADE] = "websocket"


class Incoming:
    """Receives the bytes of a connection from aiohttp after the switch from HTTP."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.reader = asyncio.StreamReader(limit=BUFFER)
        self.reader.set_transport(transport)

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Pass received bytes on."""
        if data:
            self.reader.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        """Pass the end of the stream on."""
        self.reader.feed_eof()


async def relay(request: web.BaseRequest, upstream: aiohttp.ClientResponse, patience: float) -> None:
    """Pass bytes both ways until one side ends, or the upstream says nothing for `patience` seconds."""
    connection, client = upstream.connection, request.transport
    if connection is None or connection.protocol is None or client is None:
        return
    theirs, ours = connection.protocol, request.protocol
    assert isinstance(theirs.transport, asyncio.Transport)
    from_upstream, from_client = Incoming(theirs.transport), Incoming(client)
    theirs.set_parser(from_upstream, aiohttp.EMPTY_PAYLOAD)
    ours.set_parser(cast(Any, from_client))  # typed as aiohttp's own reader, of which it calls these two
    loop = asyncio.get_running_loop()
    to_client = asyncio.StreamWriter(client, ours, None, loop)
    to_upstream = asyncio.StreamWriter(theirs.transport, theirs, None, loop)
    ways = [
        asyncio.create_task(pump(from_client.reader.read, to_upstream)),
        asyncio.create_task(pump(timed(from_upstream.reader.read, patience), to_client)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        client.close()
        connection.close()


Read = Callable[[int], Awaitable[bytes]]


def timed(read: Read, patience: float) -> Read:
    """Read, with a timeout."""

    async def within(most: int) -> bytes:
        async with asyncio.timeout(patience):
            return await read(most)

    return within


async def pump(read: Read, writer: asyncio.StreamWriter) -> None:
    """Write what is read, no faster than it is taken, until its end."""
    while data := await read(BUFFER):
        writer.write(data)
        await writer.drain()
