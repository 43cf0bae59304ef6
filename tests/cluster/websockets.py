"""The server's end of a websocket, as far as Kubernetes needs it: binary frames that begin with their channel."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
BINARY, CLOSE = 0x2, 0x8


class Websocket:
    """A request that became one. One thread may receive while others send."""

    def __init__(self, request: BaseHTTPRequestHandler, protocol: str) -> None:
        self._request, self._lock = request, threading.Lock()
        key = request.headers["Sec-WebSocket-Key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode()
        request.send_response(101)
        for name, value in {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": accept,
            "Sec-WebSocket-Protocol": protocol,
        }.items():
            request.send_header(name, value)
        request.end_headers()
        request.close_connection = True

    def send(self, channel: int, data: bytes | str) -> None:
        self._frame(BINARY, bytes([channel]) + (data.encode() if isinstance(data, str) else data))

    def _frame(self, opcode: int, data: bytes) -> None:
        size = len(data)
        length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
        with self._lock, suppress(OSError):
            self._request.connection.sendall(bytes([0x80 | opcode]) + length + data)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """What comes in, as (channel, bytes), until the other side is gone."""
        read = self._request.rfile.read
        while len(head := read(2)) == 2 and head[0] & 0x0F != CLOSE:
            size = head[1] & 0x7F
            if size >= 126:
                size = int.from_bytes(read(2 if size == 126 else 8), "big")
            mask, data = read(4), read(size)
            key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
            plain = (int.from_bytes(data, "big") ^ key).to_bytes(size, "big")
            yield plain[0], plain[1:]

    def close(self) -> None:
        self._frame(CLOSE, b"\x03\xe8")
