"""The example of objects: the same service on MinIO, and on another S3 server by one line."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import docker
import pytest

from .checkout import Checkout, eventually
from .conftest import MakeCheckout

pytestmark = [pytest.mark.engine, pytest.mark.kinds]

KEY, WORD = "another", "server-elsewhere"


@pytest.fixture
def elsewhere(engine: docker.DockerClient) -> Iterator[str]:
    """The endpoint of an S3 server that is not MinIO, with its keys, as a container reaches it."""
    server = engine.containers.run(
        "versity/versitygw:v1.8.0",
        ["--port", ":7070", "posix", "/tmp"],
        environment={"ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": WORD},
        ports={"7070/tcp": None},
        detach=True,
    )
    try:
        ports = eventually(lambda: (server.reload(), server.ports.get("7070/tcp"))[1], "its port")
        yield f"http://{KEY}:{WORD}@host.docker.internal:{ports[0]['HostPort']}"
    finally:
        server.remove(force=True)


def kept(checkout: Checkout, body: bytes | None = None) -> bytes:
    """Put an object through the service, or get it."""
    url = f"http://localhost:{checkout.port('api')}/note"
    request = urllib.request.Request(url, body, method="PUT" if body else "GET")
    with urllib.request.urlopen(request, timeout=20) as response:
        answer: bytes = response.read()
    return answer


def test_one_line_moves_a_service_to_another_s3_and_back(checkouts: MakeCheckout, elsewhere: str) -> None:
    checkout = checkouts()
    manifest = checkout.example("objects")
    checkout.devenv("up", "-d", "--remap-ports", within=200)
    kept(checkout, b"in MinIO")
    assert kept(checkout) == b"in MinIO"

    line = "  s3: {}"
    assert line in manifest
    checkout.write("devenv.yaml", manifest.replace(line, f'  s3: {{external: "{elsewhere}"}}'))
    checkout.devenv("up", "-d", "--remap-ports", within=200)
    assert "minio" not in {unit.partition("-")[0] for unit in checkout.running()}
    kept(checkout, b"in the other")
    assert kept(checkout) == b"in the other"

    checkout.devenv("down")
    checkout.devenv("up", "-d", "--remap-ports", within=200)
    assert kept(checkout) == b"in the other"
    checkout.write("devenv.yaml", manifest)
    checkout.devenv("up", "-d", "--remap-ports", within=200)
    assert kept(checkout) == b"in MinIO"
