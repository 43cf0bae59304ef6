"""Streams into a pod, as far as no cluster is needed to see where they go."""

from __future__ import annotations

import socket
import threading

import pytest

from devenv.backends.kube.channels import forward_to
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import Place
from devenv.errors import ToolMissing


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
