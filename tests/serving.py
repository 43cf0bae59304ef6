"""What the servers of the tests share: a free port, answers as JSON or in chunks, and serving in a thread."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice
from random import randrange
from socketserver import BaseServer
from typing import Any

OWN, WORKERS = range(17000, 18400), 10
"""Ports that no system hands out by itself, no kind has and devenv does not allot; a part for each worker of a run."""


@cache
def _ports() -> Iterator[int]:
    """This worker's ports, from anywhere among them and round: other runs may be on this machine."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    part = OWN[number::WORKERS]
    begin = randrange(len(part))
    return cycle([*part[begin:], *part[:begin]])


def free_port() -> int:
    """A port of this machine that nobody listens on, at either address, and that nobody is given meanwhile."""
    for port in islice(_ports(), len(OWN)):
        with suppress(OSError), ExitStack() as servers:
            for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                if family == socket.AF_INET or socket.has_dualstack_ipv6():
                    servers.enter_context(socket.create_server((address, port), family=family))
            return port
    raise AssertionError("no port is free")


class Handler(BaseHTTPRequestHandler):
    """A request to a server of the tests, and the forms its answers take. It logs nothing."""

    def log_message(self, *args: Any) -> None:
        """The log of a test's server is of no use."""

    def send_json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer."""
        body = json.dumps(value).encode()
        self.send_response(status)
        fields = {"Content-Type": "application/json"} | dict(headers or {})
        for name, text in {**fields, "Content-Length": str(len(body))}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def begin(self, headers: Mapping[str, str] | None = None) -> None:
        """Begin an answer of unknown length: in chunks, or for HTTP/1.0 until the server hangs up."""
        self.send_response(200)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.chunked = self.request_version != "HTTP/1.0"
        if self.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send(self, data: bytes) -> None:
        """A part of an answer that was begun."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    def end(self) -> None:
        """The end of an answer that was begun."""
        if self.chunked:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True


class Background(BaseServer):
    """A server that serves in a thread from `serve` to `halt`."""

    def serve(self) -> None:
        self._serving = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._serving.start()

    def halt(self) -> None:
        self.shutdown()
        self._serving.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong, but not that a client hung up early."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class PortServer(Background, ThreadingHTTPServer):
    """A server on a free port of this machine, at one of its addresses."""

    def __init__(self, handler: type[Handler], host: str = "127.0.0.1") -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def listening(handler: type[Handler], host: str = "127.0.0.1") -> Iterator[PortServer]:
    """A server on a free port, for as long as the block runs."""
    with PortServer(handler, host) as server:
        server.serve()
        try:
            yield server
        finally:
            server.halt()


def rfc3339(nanoseconds: int) -> str:
    """A moment, in nanoseconds since the epoch, as Docker and Kubernetes write it."""
    seconds = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
    return f"{seconds:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9:09}Z"


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
