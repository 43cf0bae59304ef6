"""Which proxy a request to a cluster goes through: the one that kubectl would take."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest
from urllib3.exceptions import HTTPError

from devenv.backends.kube.config import find
from devenv.backends.kube.proxies import proxy_of
from devenv.backends.kube.transport import Official, Plain, Request
from tests.table import each_row

P = "http://proxy:3128"
FAR = "https://cluster.acme.io:6443"


@each_row(
    {
        "none": (FAR, "", {}, ""),
        "the kubeconfig's": (FAR, P, {"HTTPS_PROXY": "http://other", "NO_PROXY": "*"}, P),
        "the environment's": (FAR, "", {"HTTPS_PROXY": P}, P),
        "in small letters": (FAR, "", {"https_proxy": P}, P),
        "without a scheme": (FAR, "", {"HTTPS_PROXY": "proxy:3128"}, P),
        "of another scheme": (FAR, "", {"HTTP_PROXY": P, "ALL_PROXY": P}, ""),
        "without TLS": ("http://cluster.acme.io", "", {"HTTP_PROXY": P}, P),
        "this machine": ("https://127.0.0.1:6443", "", {"HTTPS_PROXY": P}, ""),
        "this machine again": ("https://127.0.5.5", "", {"HTTPS_PROXY": P}, ""),
        "by its name": ("https://localhost:6443", "", {"HTTPS_PROXY": P}, ""),
        "by its address of version 6": ("https://[::1]:6443", "", {"HTTPS_PROXY": P}, ""),
        "all": (FAR, "", {"HTTPS_PROXY": P, "NO_PROXY": "*"}, ""),
        "a domain": (FAR, "", {"HTTPS_PROXY": P, "no_proxy": "a, acme.io"}, ""),
        "a domain with a dot": (FAR, "", {"HTTPS_PROXY": P, "NO_PROXY": ".acme.io"}, ""),
        "a domain with a star": (FAR, "", {"HTTPS_PROXY": P, "NO_PROXY": "*.Acme.io"}, ""),
        "what ends like it": ("https://myacme.io", "", {"HTTPS_PROXY": P, "NO_PROXY": "acme.io"}, P),
        "the domain itself": ("https://acme.io", "", {"HTTPS_PROXY": P, "NO_PROXY": ".acme.io"}, P),
        "its port": (FAR, "", {"HTTPS_PROXY": P, "NO_PROXY": "acme.io:6443"}, ""),
        "another port": (FAR, "", {"HTTPS_PROXY": P, "NO_PROXY": "acme.io:443"}, P),
        "an address": ("https://192.168.49.2:8443", "", {"HTTPS_PROXY": P, "NO_PROXY": "192.168.49.2"}, ""),
        "a network": ("https://192.168.49.2:8443", "", {"HTTPS_PROXY": P, "NO_PROXY": "192.168.49.0/24"}, ""),
        "another network": ("https://10.0.0.1", "", {"HTTPS_PROXY": P, "NO_PROXY": "192.168.49.0/24,x/y"}, P),
        "of version 6": ("https://[fd00::1]", "", {"HTTPS_PROXY": P, "NO_PROXY": "fd00::/8"}, ""),
    }
)
def test_the_proxy_of_a_cluster(server: str, named: str, environment: dict[str, str], proxy: str) -> None:
    assert proxy_of(server, named, environment) == proxy


@pytest.mark.parametrize("transport", [Plain, Official])
@pytest.mark.parametrize("source", ["environment", "kubeconfig"])
def test_a_request_goes_through_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: type[Plain] | type[Official], source: str
) -> None:
    """Of both ways to a cluster: what looked at it said that nothing answers, and what changed it went on."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    heads: list[str] = []

    def refuse(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            heads.append(connection.recv(1 << 12).decode())
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = threading.Thread(target=refuse, args=(listener,))
        proxy.start()
        address = f"http://ann:se%40me@127.0.0.1:{listener.getsockname()[1]}"
        cluster = {"server": FAR, "insecure-skip-tls-verify": True}
        if source == "kubeconfig":
            cluster["proxy-url"] = address
            monkeypatch.setenv("NO_PROXY", "*")
        else:
            monkeypatch.setenv("HTTPS_PROXY", address)
        config = {
            "contexts": [{"name": "far", "context": {"cluster": "far", "user": "me"}}],
            "clusters": [{"name": "far", "cluster": cluster}],
            "users": [{"name": "me", "user": {"token": "t"}}],
        }
        (tmp_path / "config").write_text(json.dumps(config))
        place = find("far", environment={**os.environ, "KUBECONFIG": str(tmp_path / "config")})
        with pytest.raises(HTTPError):
            transport(place).send(Request("GET", "/version"), quiet=5)
        proxy.join(5)
    lines = heads[0].split("\r\n")
    assert lines[0].startswith("CONNECT cluster.acme.io:6443 ")
    assert "proxy-authorization: basic YW5uOnNlQG1l".lower() in map(str.lower, lines)
