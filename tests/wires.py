"""A wire that can be cut: a TCP proxy that loses connections on the way, or refuses what is sent through it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

from tests.serving import Background

FAR = 200_000  # bytes that a connection carries before it is cut: past the greeting, amid a layer


class Wire(Background, ThreadingTCPServer):
    """Leads from a port of its own to another; `cuts`: how many connections are lost on the way.

    `refusal`: what is answered instead to every POST, as a whole HTTP answer.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.target, self.cuts, self.refusal = port, 0, b""
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def cut(self) -> bool:
        """Whether a connection that has come far is lost."""
        with self.lock:
            self.cuts -= 1
            return self.cuts >= 0


class Passing(BaseRequestHandler):
    """One connection."""

    server: Wire

    def handle(self) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.server.target)) as target:
            back = threading.Thread(target=self._back, args=(target,))
            back.start()
            try:
                self._forth(target)
            finally:
                with suppress(OSError):
                    target.shutdown(socket.SHUT_RDWR)
                back.join()

    def _forth(self, target: socket.socket) -> None:
        carried = 0
        while data := self.request.recv(1 << 16):
            carried += len(data)
            if self.server.refusal and data.startswith(b"POST "):
                self.request.sendall(self.server.refusal)
                return
            if carried - len(data) < FAR <= carried and self.server.cut():
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.request.close()  # a reset, not an end
                return
            target.sendall(data)

    def _back(self, target: socket.socket) -> None:
        with suppress(OSError):
            while data := target.recv(1 << 16):
                self.request.sendall(data)


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """A wire to a port of this machine, for as long as the block runs."""
    with Wire(port) as made:
        made.serve()
        try:
            yield made
        finally:
            made.halt()
