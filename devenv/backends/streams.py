"""A command's bytes in a container, over the engine's own multiplexed exec stream."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from devenv.backends import unix_http
from devenv.backends.base import StreamEnded
from devenv.backends.frames import HEADER, STDERR
from devenv.errors import DevenvError

if TYPE_CHECKING:
    from devenv.backends.docker import Engine


def attach(engine: Engine, container: str, argv: Sequence[str]) -> ExecStream:
    """Start a command in a container, its stdin and stdout open. Raises `DevenvError` when it cannot."""
    id = engine.new_exec(container, argv)
    if engine.address.startswith("unix://"):
        # The SDK drops bytes that arrive in the same packet as the engine's answer.
        body = json.dumps({"Detach": False, "Tty": False}).encode()
        try:
            connection = unix_http.upgrade(engine.address.removeprefix("unix://"), f"/exec/{id}/start", body)
        except OSError as error:
            raise DevenvError("the command could not be started", why=str(error)) from error
        return ExecStream(engine, id, connection)
    return ExecStream(engine, id, engine.start_exec(id))


class ExecStream:
    """`backends.base.Stream` over a connection to the engine."""

    def __init__(self, engine: Engine, id: str, connection: Any) -> None:
        self._engine, self._id, self._connection = engine, id, connection
        self._lock = threading.Lock()
        self.complaints = b""
        self.exit_code: int | None = None

    def send(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise StreamEnded(str(error)) from error

    def end(self) -> None:
        try:
            self._connection.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise StreamEnded(str(error)) from error

    def receive(self) -> bytes:
        with self._lock:
            while header := self._exactly(HEADER.size):
                stream, size = HEADER.unpack(header)
                data = self._exactly(size)
                if stream != STDERR:
                    return data
                self.complaints = (self.complaints + data)[-4096:]
            if self.exit_code is None:
                self.exit_code = self._engine.exec_exit_code(self._id)
            self.close()  # the engine would still accept bytes that nobody reads
            return b""

    def _exactly(self, size: int) -> bytes:
        """So many bytes, or none when the other side is gone before they are complete."""
        parts: list[bytes] = []
        while size:
            try:
                part = self._connection.recv(min(size, 1 << 16))
            except OSError:
                return b""
            if not part:
                return b""
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        with suppress(OSError):  # wakes a thread that sends or receives
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
