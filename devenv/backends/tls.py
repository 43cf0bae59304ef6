"""A TLS connection that one thread sends on while another receives."""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Answer = TypeVar("Answer")
SOON = 0.01  # seconds in which whoever receives takes what has come


def shared(connection: Any) -> Any:
    """The connection as two threads may use it: a `Shared` one where it is TLS, else itself."""
    return Shared(connection) if isinstance(connection, ssl.SSLSocket) else connection


class Shared:
    """What two threads need of a socket, over a TLS socket.

    OpenSSL takes one call at a time for a connection. Two at once spoil its records ("bad record mac"); and
    where a signal interrupts a read, Python takes what a write has set meanwhile for the read's own error. So
    no call waits inside OpenSSL: it says what it waits for, and the waiting is done without the lock.

    A signal handler must not send: it may have interrupted the thread that holds the lock.
    """

    def __init__(self, connection: ssl.SSLSocket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._lock = threading.Lock()

    def recv(self, size: int) -> bytes:
        """At least one byte as soon as there is one; none when the other side has hung up."""
        return self._wait_for(lambda: self._connection.recv(size))

    def send(self, data: bytes | memoryview) -> int:
        """Send what fits; returns how many bytes."""
        return self._wait_for(lambda: self._connection.send(data))

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        view = memoryview(data)
        while view:
            view = view[self.send(view) :]

    def shutdown(self, how: int) -> None:
        """Hang up; wakes a thread that sends or receives. `SHUT_WR` only says that we send no more."""
        if how == socket.SHUT_WR:
            self._say_end()
        else:
            socket.socket.shutdown(self._connection, how)  # below TLS

    def _say_end(self) -> None:
        """What has come is to be received before: OpenSSL takes no data while it looks for an answer."""
        while True:
            with self._lock:
                if not self._connection.pending() and not _ready(self._connection, select.POLLIN, 0):
                    with suppress(ssl.SSLWantReadError):
                        self._connection.unwrap()
                    return
            time.sleep(SOON)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def gettimeout(self) -> None:
        """None: a call waits for as long as it takes."""

    def _wait_for(self, call: Callable[[], Answer]) -> Answer:
        while True:
            with self._lock:
                try:
                    return call()
                except ssl.SSLWantReadError:
                    event = select.POLLIN
                except ssl.SSLWantWriteError:
                    event = select.POLLOUT
            _ready(self._connection, event)


def _ready(connection: ssl.SSLSocket, event: int, within: float | None = None) -> bool:
    """Wait until a connection can be read from or written to; `within` milliseconds, or for ever.

    Raises `OSError` for one that is closed, as its other calls do.
    """
    if connection.fileno() < 0:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    waiting = select.poll()
    waiting.register(connection, event)
    return bool(waiting.poll(within))
