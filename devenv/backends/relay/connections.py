"""Carries TCP connections over one pair of byte streams: `python3 connections.py PORT...` is the far end.

Both ends run this code. The end in the container gets it as text, so it imports nothing of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import queue
import socket
import struct
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence

Dial = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
"""Connects to what a port of the far end stands for. Raises `OSError`."""

READY, OPEN, DATA, END, RESET, CREDIT, PING = range(7)
HEADER = struct.Struct(">BII")  # kind, connection, bytes that follow
NUMBER = struct.Struct(">I")
CHUNK = 1 << 15
WINDOW = 1 << 18  # bytes of one connection that are under way: a slow reader holds up no other
PAUSE = 10.0  # seconds between two pings
SILENCE = 35.0  # seconds after which the other end is gone
TAKEOVER = 5.0  # seconds for which a relay that held the ports before may take to let go of them


class Carrier:
    """One end of the streams. `listen` accepts here; `dial` connects here what was accepted there."""

    def __init__(
        self, receive: Callable[[], bytes], send: Callable[[bytes], object], dial: Dial | None = None
    ) -> None:
        self._receive, self._send, self._dial = receive, send, dial
        self._loop = asyncio.get_running_loop()
        self._outbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._buffer = bytearray()
        self._servers: list[asyncio.Server] = []
        self._connections: dict[int, Connection] = {}
        self._numbers = itertools.count(1)
        self._heard = self._loop.time()
        self._over, self.ready = asyncio.Event(), asyncio.Event()

    def say(self, kind: int, number: int = 0, data: bytes = b"") -> None:
        """Send a frame, after those before it."""
        self._outbox.put(HEADER.pack(kind, number, len(data)) + data)

    async def run(self) -> None:
        """Carry until the streams end, or the other end is silent for too long."""
        for work in (self._read, self._write):
            threading.Thread(target=work, daemon=True).start()
        try:
            while not self._over.is_set() and self._loop.time() - self._heard < SILENCE:
                self.say(PING)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), PAUSE)
        finally:
            self._outbox.put(b"")
            for connection in list(self._connections.values()):
                connection.reset()

    async def listen(self, port: int) -> None:
        """Accept connections on every address. Raises `OSError` for a port that cannot be had."""

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            number = next(self._numbers)
            self.say(OPEN, number, NUMBER.pack(port))
            self._joined(number, lambda: _already(reader, writer))

        self._servers.append(await asyncio.start_server(accept, "0.0.0.0", port, backlog=512))
        with contextlib.suppress(OSError):  # no IPv6 there
            self._servers.append(await asyncio.start_server(accept, "::", port, backlog=512))

    def refuse(self) -> None:
        """Accept no more."""
        for server in self._servers:
            server.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._receive():
                if not self._in_loop(self._take, data):
                    return
        self._in_loop(self._over.set)

    def _write(self) -> None:
        try:
            while data := self._outbox.get():
                self._send(data)
        except Exception:  # however a stream says that it ended
            self._in_loop(self._over.set)

    def _in_loop(self, call: Callable[..., object], *arguments: object) -> bool:
        """Have the loop call this. False where the loop has ended: the threads end after it."""
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            return False
        return True

    def _take(self, data: bytes) -> None:
        self._heard = self._loop.time()
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            kind, number, size = HEADER.unpack_from(self._buffer)
            if len(self._buffer) < HEADER.size + size:
                return
            body = bytes(self._buffer[HEADER.size : HEADER.size + size])
            del self._buffer[: HEADER.size + size]
            self._frame(kind, number, body)

    def _frame(self, kind: int, number: int, body: bytes) -> None:
        if kind == READY:
            self.ready.set()
        elif kind == OPEN and self._dial is not None:
            dial, (port,) = self._dial, NUMBER.unpack(body)
            self._joined(number, lambda: dial(port))
        elif connection := self._connections.get(number):
            connection.take(kind, body)

    def _joined(
        self, number: int, connect: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
    ) -> None:
        connection = self._connections[number] = Connection(self, number)
        connection.task = self._loop.create_task(connection.run(connect))
        connection.task.add_done_callback(lambda _: self._connections.pop(number, None))


async def _already(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return reader, writer


class Connection:
    """One connection at this end."""

    task: asyncio.Task[None]

    def __init__(self, carrier: Carrier, number: int) -> None:
        self._carrier, self._number = carrier, number
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self._credit, self._more = WINDOW, asyncio.Event()

    def take(self, kind: int, body: bytes) -> None:
        """A frame of this connection."""
        if kind == DATA:
            self._arrived.put_nowait(body)
        elif kind == END:
            self._arrived.put_nowait(b"")
        elif kind == CREDIT:
            self._credit += NUMBER.unpack(body)[0]
            self._more.set()
        elif kind == RESET:
            self.reset()

    def reset(self) -> None:
        """Hang up as a port does where nothing listens."""
        self.task.cancel()

    async def run(
        self, connect: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
    ) -> None:
        """Connect, then carry both ways until both have ended."""
        writer = None
        directions: list[asyncio.Task[None]] = []
        try:
            reader, writer = await connect()
            directions = [
                asyncio.create_task(self._outwards(reader)),
                asyncio.create_task(self._inwards(writer)),
            ]
            await asyncio.gather(*directions)
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.CancelledError):
            for direction in directions:
                direction.cancel()
            self._carrier.say(RESET, self._number)
            if writer is not None:
                _abort(writer)

    async def _outwards(self, reader: asyncio.StreamReader) -> None:
        while True:
            while not self._credit:
                self._more.clear()
                await self._more.wait()
            data = await reader.read(min(self._credit, CHUNK))
            if not data:
                self._carrier.say(END, self._number)
                return
            self._credit -= len(data)
            self._carrier.say(DATA, self._number, data)

    async def _inwards(self, writer: asyncio.StreamWriter) -> None:
        while data := await self._arrived.get():
            writer.write(data)
            await writer.drain()
            self._carrier.say(CREDIT, self._number, NUMBER.pack(len(data)))
        writer.write_eof()


def _abort(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, AttributeError):
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def relay(ports: Sequence[int]) -> None:
    """The far end: accept on these ports, and carry over stdin and stdout."""
    carrier = Carrier(lambda: os.read(0, 1 << 16), _send_all)
    await _take_over(f"/tmp/devenv-relay.{'.'.join(map(str, ports))}", carrier)
    for port in ports:
        await carrier.listen(port)
    carrier.say(READY)
    await carrier.run()


async def _take_over(path: str, carrier: Carrier) -> None:
    """Have the relay end that held the ports before, and end when another one asks for it.

    Its stream may be cut off without its knowledge, as when this machine slept.
    """
    with contextlib.suppress(OSError, TimeoutError):
        reader, writer = await asyncio.open_unix_connection(path)
        await asyncio.wait_for(reader.read(), TAKEOVER)
        writer.close()
    with contextlib.suppress(OSError):
        os.unlink(path)

    def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carrier.refuse()
        os._exit(0)

    with contextlib.suppress(OSError):  # a container in which nothing can be written
        await asyncio.start_unix_server(end, path)


def _send_all(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def main(arguments: Sequence[str]) -> None:
    """Relay the ports that are named."""
    try:
        asyncio.run(relay([int(port) for port in arguments]))
    except OSError as error:
        sys.exit(str(error))
    os._exit(0)  # a thread still reads


if __name__ == "__main__":
    main(sys.argv[1:])
