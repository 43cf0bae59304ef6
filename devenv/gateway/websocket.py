"""WebSocket connections through the gateway, message by message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    from devenv.gateway.model import Service
    from devenv.gateway.proxy import Finish, Gateway, Trace

# What each side of the gateway negotiates for itself.
NEGOTIATED = (
    hdrs.SEC_WEBSOCKET_KEY,
    hdrs.SEC_WEBSOCKET_VERSION,
    hdrs.SEC_WEBSOCKET_EXTENSIONS,
    hdrs.SEC_WEBSOCKET_PROTOCOL,
    hdrs.CONTENT_LENGTH,
)
Side = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


def is_websocket(request: web.BaseRequest) -> bool:
    """Tell whether a client asks for a WebSocket."""
    return (
        request.method == "GET"
        and request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        and "upgrade" in request.headers.get(hdrs.CONNECTION, "").lower()
    )


async def tunnel(
    gateway: Gateway, request: web.BaseRequest, finish: Finish, service: Service, trace: Trace
) -> web.StreamResponse:
    """Connect to the upstream, then to the client, and pass messages until either is done."""
    exchange = finish.exchange
    headers = exchange.upstream_headers.copy()
    offered = requested_protocols(request)
    for name in NEGOTIATED:
        headers.popall(name, None)
    query = f"?{exchange.upstream_query}" if exchange.upstream_query else ""
    address = f"{service.protocol}://{service.host}:{service.port}"
    upstream = await gateway.session.ws_connect(
        URL(f"{address}{exchange.upstream_path}{query}", encoded=True),
        headers=headers,
        protocols=offered,
        autoping=False,
        autoclose=False,
        max_msg_size=0,
        ssl=service.tls_verify,
        timeout=aiohttp.ClientWSTimeout(ws_receive=service.read_timeout / 1000),
    )
    async with upstream:
        client = web.WebSocketResponse(
            protocols=[upstream.protocol] if upstream.protocol else (),
            autoping=False,
            autoclose=False,
            max_msg_size=0,
        )
        told: CIMultiDict[str] = CIMultiDict({"X-Kong-Request-Id": trace.id})
        finish.apply(told)
        client.headers.update(told)
        await client.prepare(request)
        trace.status = 101
        gateway.websockets.add(client)
        try:
            await both_ways(client, upstream)
        finally:
            gateway.websockets.discard(client)
    return client


def requested_protocols(request: web.BaseRequest) -> list[str]:
    """Return the subprotocols a client offers."""
    values = request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, ())
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


async def both_ways(client: Side, upstream: Side) -> None:
    """Pass messages in both directions; when one direction ends, so does the other."""
    ways = [
        asyncio.create_task(one_way(client, upstream)),
        asyncio.create_task(one_way(upstream, client)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def one_way(source: Side, target: Side) -> None:
    """Pass one side's messages to the other until it closes or falls silent for too long."""
    code, reason = aiohttp.WSCloseCode.GOING_AWAY.value, b""
    try:
        while True:
            message = await source.receive()
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    await target.send_str(message.data)
                case aiohttp.WSMsgType.BINARY:
                    await target.send_bytes(message.data)
                case aiohttp.WSMsgType.PING:
                    await target.ping(message.data)
                case aiohttp.WSMsgType.PONG:
                    await target.pong(message.data)
                case aiohttp.WSMsgType.CLOSE:
                    code, reason = message.data or 1000, (message.extra or "").encode()
                    break
                case _:
                    break
    except (TimeoutError, ConnectionError, aiohttp.ClientError):
        pass
    await target.close(code=code, message=reason)
    await source.close(code=code, message=reason)
