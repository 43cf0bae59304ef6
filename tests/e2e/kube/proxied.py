"""A cluster as Rancher shows it: below a path of another server, for whoever has a token of that one."""

from __future__ import annotations

import selectors
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

from devenv.backends.kube.config import Place
from tests.certificates import self_signed
from tests.serving import Background

PREFIX = "/k8s/clusters/c-abc12"
LONGEST = 60  # seconds
TOKEN = "kubeconfig-u-ann:sesame"


class Proxy(Background, ThreadingTCPServer):
    """TLS on a port of this machine, before the API server that a place leads to."""

    daemon_threads = True

    def __init__(self, place: Place, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.place = place
        self.certificate, key = self_signed(["127.0.0.1"])
        (folder / "certificate").write_text(self.certificate)
        (folder / "key").write_text(key)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(folder / "certificate", folder / "key")

    @property
    def server(self) -> str:
        """What a kubeconfig says of it."""
        return f"https://127.0.0.1:{self.server_address[1]}{PREFIX}"


class Passing(BaseRequestHandler):
    """One connection with one request, or with one stream."""

    server: Proxy

    def handle(self) -> None:
        with suppress(OSError):
            self.request.settimeout(LONGEST)
            with self.server.tls.wrap_socket(self.request, server_side=True) as client:
                self._pass(client)

    def _pass(self, client: ssl.SSLSocket) -> None:
        head, rest = self._head(client)
        line, *fields = head.split("\r\n")
        verb, path, version = line.split(" ")
        signed_in = f"authorization: bearer {TOKEN}".lower() in [field.lower() for field in fields]
        if not path.startswith(f"{PREFIX}/") or not signed_in:
            client.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        upgrade = any(field.lower().startswith("upgrade:") for field in fields)
        own = ("authorization:", *(() if upgrade else ("connection:",)))
        kept = [field for field in fields if not field.lower().startswith(own)]
        kept += [] if upgrade else ["Connection: close"]
        address = urlsplit(self.server.place.server)
        host, port = address.hostname or "", address.port or 443
        with (
            socket.create_connection((host, port), LONGEST) as plain,
            self.server.place.tls.wrap_socket(plain, server_hostname=host) as target,
        ):
            target.sendall(
                "\r\n".join([f"{verb} {path.removeprefix(PREFIX)} {version}", *kept, "", ""]).encode()
            )
            target.sendall(rest)
            both_ways(client, target)

    @staticmethod
    def _head(client: ssl.SSLSocket) -> tuple[str, bytes]:
        """The request's line and fields, and what came with them."""
        read = b""
        while b"\r\n\r\n" not in read:
            data = client.recv(1 << 16)
            if not data:
                raise OSError("hung up")
            read += data
        head, _, rest = read.partition(b"\r\n\r\n")
        return head.decode(), rest


def both_ways(one: ssl.SSLSocket, other: ssl.SSLSocket) -> None:
    """Pass on what either says until one hangs up; in one thread, as TLS wants it."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                source, sink = key.fileobj, key.data
                assert isinstance(source, ssl.SSLSocket)
                for data in at_hand(source):
                    if not data:
                        return
                    sink.sendall(data)


def at_hand(source: ssl.SSLSocket) -> Iterator[bytes]:
    """What can be read without waiting, which may be nothing: TLS has messages of its own."""
    while True:
        source.settimeout(0)
        try:
            data = source.recv(1 << 16)
        except ssl.SSLWantReadError:
            return
        finally:
            source.settimeout(LONGEST)
        yield data
        if not data:
            return


@contextmanager
def proxied(place: Place, folder: Path) -> Iterator[Proxy]:
    """The proxy, for as long as the block runs."""
    with Proxy(place, folder) as made:
        made.serve()
        try:
            yield made
        finally:
            made.halt()
