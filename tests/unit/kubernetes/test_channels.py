"""Streams into a pod, as far as no cluster is needed to see where they go."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha1
from pathlib import Path

import pytest

from devenv.backends.kube.channels import PROTOCOLS, forward_to
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import Place
from devenv.errors import DevenvError, ToolMissing
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


@contextmanager
def refusing() -> Iterator[tuple[int, list[bytes]]]:
    """The port of a server that refuses one request, and what was asked."""
    heads: list[bytes] = []

    def refuse() -> None:
        connection, _ = listener.accept()
        with connection:
            heads.append(connection.recv(1 << 12))
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=refuse, daemon=True)
        server.start()
        yield listener.getsockname()[1], heads
        server.join(5)


def test_a_stream_goes_through_the_proxy_of_its_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """As each request does: a cluster behind a bastion is reached in no other way."""
    monkeypatch.setenv("NO_PROXY", ".example")  # says nothing of what the kubeconfig names
    with refusing() as (port, heads):
        place = Place("far", {"server": "https://cluster.example:6443"}, {})
        place = replace(place, proxy=f"http://ann:se%40me@127.0.0.1:{port}")
        with pytest.raises(ToolMissing):
            forward_to(Client(place), "shop", "web-0", 80, within=5)
    lines = heads[0].decode().split("\r\n")
    assert lines[0].startswith("CONNECT cluster.example:6443 ")
    assert "Proxy-Authorization: Basic YW5uOnNlQG1l" in lines


def test_a_stream_to_this_machine_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with refusing() as (port, heads):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        with pytest.raises(DevenvError):
            forward_to(
                Client(Place("near", {"server": f"http://127.0.0.1:{port}"}, {})),
                "shop",
                "web-0",
                80,
                within=5,
            )
    assert heads[0].startswith(b"GET /api/v1/namespaces/shop/pods/web-0/portforward")
