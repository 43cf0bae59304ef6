"""One TLS connection and two threads, with a signal that comes at any moment."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from devenv.backends import tls
from tests.certificates import self_signed

SENT = 2000  # messages; without care the connection breaks within the first few
MESSAGE = b"x" * 100


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Any]:
    """A connection to a server that sends everything back."""
    certificate, key = self_signed(["127.0.0.1"])
    (tmp_path / "crt").write_text(certificate)
    (tmp_path / "key").write_text(key)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(tmp_path / "crt", tmp_path / "key")

    def send_back() -> None:
        accepted, _ = listener.accept()
        # Who hangs up below TLS says no goodbye.
        with served.wrap_socket(accepted, server_side=True) as other, suppress(OSError):
            while data := other.recv(1 << 16):
                other.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=send_back)
        serving.start()
        trusted = ssl.create_default_context(cadata=certificate)
        plain = socket.create_connection(listener.getsockname())
        opened = tls.shared(trusted.wrap_socket(plain, server_hostname="127.0.0.1"))
        yield opened
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)
        opened.close()
        serving.join()


@pytest.fixture
def interrupted() -> Iterator[None]:
    """A signal that this process has a handler for."""
    before = signal.signal(signal.SIGWINCH, lambda *_: None)
    yield
    signal.signal(signal.SIGWINCH, before)


@pytest.mark.usefixtures("interrupted")
def test_it_carries_everything_both_ways_at_once(connection: Any) -> None:
    def send() -> None:
        for _ in range(SENT):
            os.kill(os.getpid(), signal.SIGWINCH)
            connection.sendall(MESSAGE)

    sending = threading.Thread(target=send)
    sending.start()
    left = SENT * len(MESSAGE)
    while left:
        data = connection.recv(1 << 16)
        assert data
        left -= len(data)
    sending.join()


def test_hanging_up_wakes_a_thread_that_receives(connection: Any) -> None:
    connection.sendall(MESSAGE)
    assert connection.recv(1 << 16)
    received = list[bytes]()
    receiving = threading.Thread(target=lambda: received.append(connection.recv(1)))
    receiving.start()
    connection.shutdown(socket.SHUT_RDWR)
    receiving.join(5)
    assert received == [b""]


@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_one_that_is_closed_says_so_as_a_socket_does(connection: Any, how: int) -> None:
    connection.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        connection.shutdown(how)


def test_a_connection_without_tls_is_left_as_it_is() -> None:
    with socket.socket() as plain:
        assert tls.shared(plain) is plain
