"""Signing in with a certificate, at a server that asks for one."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.backends.kube.config import Place, find
from devenv.backends.kube.transport import Official, Request
from tests import serving
from tests.certificates import self_signed


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, which is empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


class Handler(serving.Handler):
    def do_GET(self) -> None:
        """Answer whoever has shown a certificate."""
        self.send_json({"shown": bool(self.connection.getpeercert())})


@pytest.fixture(params=["in the kubeconfig", pytest.param("from a plugin", marks=pytest.mark.programs)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A context whose server wants a certificate of its clients."""
    certificate, key = self_signed(["127.0.0.1"])
    (tmp_path / "crt").write_text(certificate)
    (tmp_path / "key").write_text(key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    data = {name: b64encode(text.encode()).decode() for name, text in (("crt", certificate), ("key", key))}
    if request.param == "from a plugin":
        credential = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"clientCertificateData": certificate, "clientKeyData": key},
        }
        (tmp_path / "credential").write_text(json.dumps(credential))
        command = {"apiVersion": credential["apiVersion"], "command": "cat", "interactiveMode": "Never"}
        user: dict[str, object] = {"exec": command | {"args": [str(tmp_path / "credential")]}}
    else:
        user = {"client-certificate-data": data["crt"], "client-key-data": data["key"]}
    with serving.PortServer(Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.serve()
        address = server.address.replace("http:", "https:")
        cluster = {"server": address, "certificate-authority-data": data["crt"]}
        file = tmp_path / "kubeconfig"
        config = {
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": "lab", "user": user}],
        }
        file.write_text(json.dumps(config))
        yield find("lab", environment={"KUBECONFIG": str(file)})
        server.halt()


def test_no_key_stays_in_a_file(place: Place, temporary: Path) -> None:
    for _ in range(2):  # the library writes the files of a plugin's certificate once
        transport = Official(place)
        response = transport.send(Request("GET", "/version"), quiet=5)
        assert (response.status, json.loads(response.data)) == (200, {"shown": True})
        assert [*temporary.iterdir()] == []
        transport.headers()
        transport.close()
    assert [*temporary.iterdir()] == []
