"""Streams into a pod, as far as no cluster is needed to see where they go."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
from base64 import b64encode
from contextlib import suppress
from hashlib import sha1
from pathlib import Path

import pytest

from devenv.backends.kube.channels import PROTOCOLS, forward_to
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import Place
from devenv.errors import ToolMissing
from tests.certificates import self_signed

WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455


def test_hanging_up_closes_a_connection_with_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(["127.0.0.1"])
    (tmp_path / "crt").write_text(certificate)
    (tmp_path / "key").write_text(key)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(tmp_path / "crt", tmp_path / "key")

    def open_a_stream(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        with served.wrap_socket(accepted, server_side=True) as connection, suppress(OSError):
            head = connection.recv(1 << 12).decode()
            asked = next(line for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key:"))
            answer = sha1(f"{asked.partition(': ')[2]}{WEBSOCKET}".encode()).digest()
            upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            accept = f"Sec-WebSocket-Accept: {b64encode(answer).decode()}\r\n"
            connection.sendall(f"{upgrade}{accept}Sec-WebSocket-Protocol: {PROTOCOLS[1]}\r\n\r\n".encode())
            connection.recv(1)  # until the other side hangs up

    with socket.create_server(("127.0.0.1", 0)) as listener:
        cluster = threading.Thread(target=open_a_stream, args=(listener,))
        cluster.start()
        server = f"https://127.0.0.1:{listener.getsockname()[1]}"
        authority = b64encode(certificate.encode()).decode()
        client = Client(Place("near", {"server": server, "certificate-authority-data": authority}, {}))
        channels = forward_to(client, "shop", "web-0", 80, within=5)
        channels.close()
        assert list(channels.frames()) == []
        channels.close()
        del channels
        gc.collect()  # complains of a socket that was not closed
        cluster.join(5)
    assert not cluster.is_alive()


def test_a_stream_goes_through_the_proxy_that_the_kubeconfig_names() -> None:
    """As each request does: a cluster behind a bastion is reached in no other way."""
    heads: list[bytes] = []

    def refuse(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            heads.append(connection.recv(1 << 12))
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = threading.Thread(target=refuse, args=(listener,))
        proxy.start()
        address = f"http://ann:se%40me@127.0.0.1:{listener.getsockname()[1]}"
        place = Place("far", {"server": "https://cluster.example:6443", "proxy-url": address}, {})
        with pytest.raises(ToolMissing):
            forward_to(Client(place), "shop", "web-0", 80, within=5)
        proxy.join(5)
    lines = heads[0].decode().split("\r\n")
    assert lines[0].startswith("CONNECT cluster.example:6443 ")
    assert "Proxy-Authorization: Basic YW5uOnNlQG1l" in lines
