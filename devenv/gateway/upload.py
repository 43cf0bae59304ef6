"""A client's body: read whole by a plugin, or passed on chunk by chunk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import hdrs, web

from devenv.gateway.exchange import Exchange

# More than this of a body that a plugin wants whole is refused: it would sit in memory.
BODY_IN_MEMORY = 16 * 2**20


class BodyTooLarge(Exception):
    """A body without a declared length outgrew what a plugin allows."""


async def accept_body(request: web.BaseRequest) -> None:
    """Tell a client that waits for it to go on and send its body."""
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


class Upload:
    """A client's body, passed on chunk by chunk; it can be begun again only while untouched."""

    def __init__(
        self,
        request: web.BaseRequest,
        exchange: Exchange,
        stalled: asyncio.Timeout,
        write_timeout: float,
    ) -> None:
        self.request = request
        self.exchange = exchange
        self.stalled = stalled
        self.write_timeout = write_timeout
        self.sent = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self.sent:
            # The client side tries some methods again; what it sent already is gone.
            raise aiohttp.ClientConnectionError("the body cannot be sent twice")
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        await accept_body(self.request)
        async for chunk in self.request.content.iter_any():
            self.sent += len(chunk)
            limit = self.exchange.body_limit
            if limit is not None and self.sent > limit:
                self.exchange.overflowed = True
                raise BodyTooLarge
            self._expect(asyncio.get_running_loop().time() + self.write_timeout)
            yield chunk
            self._expect(None)

    def _expect(self, deadline: float | None) -> None:
        """Set by when the upstream must have taken the chunk."""
        # No timeout runs after the upstream has answered; rescheduling then is an error.
        with contextlib.suppress(RuntimeError):
            self.stalled.reschedule(deadline)
