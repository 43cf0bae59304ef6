"""A service that runs on this machine, among containers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devenv.backends.relay.look import process
from tests.serving import free_port

from .checkout import Checkout, eventually

pytestmark = pytest.mark.engine

SHOP = """
    services:
      web: {image: "busybox:1.37", command: sleep 900, uses: [orders], grace: 1s}
      orders:
        image: busybox:1.37
        command: sh -c "mkdir /srv; echo from a container > /srv/index.html; exec httpd -f -p 8080 -h /srv"
        host: serve --port $PORT
        port: 8080
        publish: PUBLISHED
        grace: 1s
"""


def shop() -> str:
    """The manifest, with a port that nobody else takes while no program listens on it yet."""
    return SHOP.replace("PUBLISHED", str(free_port()))


ASK = ("wget", "-qO-", "http://orders.default.svc.cluster.local:8080/")


class FromHere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from here\n")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def program(port: int) -> Iterator[None]:
    """The service as a developer starts it, on loopback alone."""
    with ThreadingHTTPServer(("127.0.0.1", port), FromHere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_a_service_on_this_machine_is_reached_by_its_name_until_its_container_comes_back(
    checkout: Checkout, tmp_path: Path
) -> None:
    checkout.manifest(shop())

    up = checkout.devenv("up", "-d", "--host", "orders")

    assert "nothing listens there yet" in up.stderr
    port = int(checkout.devenv("env", "orders", "--json").json["PORT"])
    (row,) = (
        row for row in checkout.devenv("status", "--json", exits=1).json["units"] if row["name"] == "orders"
    )
    assert (row["state"], row["ports"]) == ("on this machine", {"http": port})
    with program(port):
        assert checkout.inside("web", *ASK) == "from here\n"
        assert checkout.devenv("plan", "--host", "orders").stdout == ""
        relay = process(checkout.root / ".devenv" / "compose", "orders")
        assert relay.pid is not None

    checkout.devenv("up", "-d")

    assert checkout.inside("web", *ASK) == "from a container\n"
    eventually(lambda: relay.pid is None, "the end of the relay's process")
