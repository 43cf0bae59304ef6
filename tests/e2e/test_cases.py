"""Inputs from bug reports of other tools, brought up: what arrives in the containers is what was meant."""

from __future__ import annotations

import base64
import http.client
import json
import shlex
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.cases import DOTENV, DOTENV_VALUES, from_windows

from .checkout import Checkout

pytestmark = pytest.mark.engine

SERVER = """\
import http.server, os, socket, socketserver


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        big = b"a" * (30_000_000 if self.path == "/big" else 1)
        self.answer(big)

    def do_POST(self):
        number = int(self.headers["Content-Length"])
        self.answer(b"%d for %s" % (len(self.rfile.read(number)), self.headers["Host"].encode()))

    def answer(self, body):
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.wfile.write(self.connection.recv(100)[::-1])
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET6 if ":" in os.environ.get("AT", "") else socket.AF_INET


Server((os.environ.get("AT", "0.0.0.0"), 8000), Handler).serve_forever()
"""
DOCKERFILE = 'FROM python:3.13-slim\nWORKDIR /srv\nCOPY . .\nCMD ["python", "-u", "server.py"]\n'
KONG = """\
_format_version: "3.0"
plugins:
- name: correlation-id
  config: {header_name: x-trace, echo_downstream: true}
"""
MODERN = """\
ARG BASE=debian:trixie-slim
FROM ${BASE} AS base
ARG FLAG
ARG N
COPY <<EOT /hello.txt
flag=${FLAG} n=${N}
EOT
RUN <<EOT
set -e
echo from a heredoc >> /hello.txt
EOT
FROM base AS prod
RUN echo prod > /stage
FROM base AS dev
RUN echo dev > /stage
"""


@dataclass(frozen=True)
class Case:
    """A project, and what has to be true once `up` has ended."""

    manifest: str
    files: dict[str, str]
    check: Callable[[Checkout], None]
    windows: bool = False
    """Whether the project's own files are as an editor on Windows writes them."""


@contextmanager
def gateway(checkout: Checkout) -> Iterator[http.client.HTTPConnection]:
    """A connection to the gateway."""
    address = urlsplit(checkout.devenv("open").stdout.strip())
    with closing(http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)) as connection:
        yield connection


def check_windows(checkout: Checkout) -> None:
    env = checkout.units()["api"].env
    assert (env["FIRST"], env["SECOND"]) == ("alpha", "beta gamma")
    assert set(checkout.inside("api", "ls", "/srv").split()) == {"Dockerfile", "server.py"}
    with gateway(checkout) as connection:
        connection.request("GET", "/api")
        answer = connection.getresponse()
        assert (answer.status, bool(answer.getheader("x-trace"))) == (200, True)


def check_dotenv(checkout: Checkout) -> None:
    env = checkout.units()["show"].env
    assert {name: env[name] for name in DOTENV_VALUES} == DOTENV_VALUES
    assert checkout.inside("show", "cat", "/run/pem") == DOTENV_VALUES["P_PEM"]
    exported = f'eval "$(devenv env show --export)" && python3 -c {shlex.quote(SHOW)}'
    assert json.loads(checkout.host("bash", "-c", exported)) == DOTENV_VALUES


SHOW = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('P_')}))"


def check_modern(checkout: Checkout) -> None:
    assert checkout.inside("api", "cat", "/hello.txt", "/stage") == "flag=true n=1.10\nfrom a heredoc\ndev\n"
    assert "nothing to do" in checkout.devenv("up", "-d").stderr
    manifest = (checkout.root / "devenv.yaml").read_text()
    checkout.write(
        "devenv.yaml", manifest.replace("N: 1.10", "N: 1.20").replace("target: dev", "target: prod")
    )
    checkout.devenv("up", "-d")
    assert checkout.inside("api", "cat", "/hello.txt", "/stage") == "flag=true n=1.20\nfrom a heredoc\nprod\n"


def check_bodies(checkout: Checkout) -> None:
    with gateway(checkout) as connection:
        connection.request("POST", "/", body=b"x" * 30_000_000, headers={"Host": "shop.example"})
        assert connection.getresponse().read() == b"30000000 for shop.example"
        connection.request("GET", "/big")
        assert len(connection.getresponse().read()) == 30_000_000
    key = base64.b64encode(b"0123456789abcdef").decode()
    request = (
        f"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection((connection.host, connection.port), timeout=30) as stream:
        stream.sendall(request.encode())
        assert stream.recv(1000).startswith(b"HTTP/1.1 101")
        stream.sendall(b"hello")
        assert stream.recv(100) == b"olleh"


CASES = {
    "files saved on Windows": Case(
        """
        services:
          api: {build: ./api, port: 8000, route: /api, secrets: [FIRST, SECOND]}
        gateway: {extra: ./kong.yml}
        """,
        {
            "kong.yml": KONG,
            ".env": 'FIRST=alpha\nSECOND="beta gamma"\n',
            "api/.dockerignore": "*.log\nnotes\n.dockerignore\n",
            "api/Dockerfile": DOCKERFILE,
            "api/server.py": SERVER,
            "api/a.log": "",
            "api/notes/n.txt": "",
        },
        check_windows,
        windows=True,
    ),
    "values of the .env file": Case(
        f"""
        services:
          show:
            image: busybox:1.37
            command: sleep 900
            secrets: [{", ".join(DOTENV_VALUES)}]
            files: {{/run/pem: {{secret: P_PEM}}}}
        """,
        {".env": DOTENV},
        check_dotenv,
    ),
    "a Dockerfile of today": Case(
        """
        services:
          api:
            build:
              context: .
              dockerfile: docker/Api.Dockerfile
              target: dev
              args: {BASE: "busybox:1.37", FLAG: true, N: 1.10}
            command: sleep 900
        """,
        {"docker/Api.Dockerfile": MODERN},
        check_modern,
    ),
    "large bodies and WebSockets through the gateway": Case(
        "services: {api: {build: ./api, port: 8000, route: /}}",
        {"api/Dockerfile": DOCKERFILE, "api/server.py": SERVER},
        check_bodies,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_case(checkout: Checkout, case: Case) -> None:
    checkout.manifest(case.manifest)
    for name, text in case.files.items():
        checkout.write(name, "")
        (checkout.root / name).write_text(text)
    if case.windows:
        for name in ("devenv.yaml", "kong.yml", ".env", "api/.dockerignore", "api/Dockerfile"):
            file = checkout.root / name
            file.write_bytes(from_windows(file.read_text()))
    checkout.devenv("up", "-d")
    case.check(checkout)


STRICT = """\
import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302 if self.headers["Host"] == "localhost" else 400)
        self.send_header("Location", "https://127.0.0.1:9/login")
        self.send_header("Content-Length", "0")
        self.end_headers()


http.server.HTTPServer(("", 8000), Handler).serve_forever()
"""


def test_compose_alone_gives_the_verdict_that_up_gives(checkout: Checkout) -> None:
    """A redirect to nowhere, a server that knows only localhost, and a proxy that is not there."""
    checkout.write("api/Dockerfile", DOCKERFILE)
    checkout.write("api/server.py", STRICT)
    proxy = "env: {http_proxy: 'http://127.0.0.1:9', HTTP_PROXY: 'http://127.0.0.1:9'}, grace: 1s"
    serve = "[busybox, httpd, -f, -p, '8000', -h, /etc]"
    checkout.manifest(
        f"""
        services:
          strict: {{build: ./api, port: 8000, health: /, {proxy}}}
          box: {{image: "busybox:1.37", command: {serve}, port: 8000, health: /hostname, {proxy}}}
        """
    )
    checkout.devenv("up", "-d")
    assert {unit.health for unit in checkout.units().values()} <= {"healthy", "starting"}
    bundle = str(checkout.root / ".devenv" / "compose" / "compose.yaml")
    checkout.host("docker", "compose", "-f", bundle, "up", "--wait", "--wait-timeout", "30")
    assert {unit.health for unit in checkout.units().values()} == {"healthy"}


UNREACHED = {
    "http": {
        "v4": ("127.0.0.1", "{http: /, within: 1s}"),
        "v6": ("::1", "{http: /, within: 1s}"),
        "patient": ("127.0.0.1", "{http: /, within: 20s}"),
    },
    "tcp": {"v4": ("127.0.0.1", "{tcp: 8000, within: 1s}"), "v6": ("::1", "{tcp: 8000, within: 1s}")},
}


@pytest.mark.parametrize("services", UNREACHED.values(), ids=UNREACHED)
def test_what_only_its_container_reaches_is_unhealthy_for_everybody_and_not_waited_for_to_the_end(
    checkout: Checkout, services: dict[str, tuple[str, str]]
) -> None:
    lines = [
        f'  {name}: {{build: ./api, port: 8000, health: {health}, env: {{AT: "{address}"}}, grace: 1s}}\n'
        for name, (address, health) in services.items()
    ]
    checkout.manifest("services:\n" + "".join(lines))
    checkout.write("api/Dockerfile", DOCKERFILE)
    checkout.write("api/server.py", SERVER)
    failed = checkout.devenv("up", "-d", exits=1)
    cards = {card.split()[0]: card for card in failed.stderr.split("\nx ")[1:]}
    for name in services:
        assert "listens on 127.0.0.1 only" in cards[name]
        assert "make it listen on 0.0.0.0" in cards[name]
        assert cards[name].startswith("patient listens on 127.0.0.1 only") is (name == "patient")
    states = checkout.devenv("status", "--json", exits=1).json["units"]
    assert {unit["state"] for unit in states} == {"unhealthy"}
    assert "healthy" not in {unit.health for unit in checkout.units().values()}
    assert "wait v4 (not healthy)" in checkout.devenv("plan").stdout


def test_a_service_that_listens_on_another_port_is_told_on_which(checkout: Checkout) -> None:
    checkout.manifest("services: {api: {build: ./api, port: 8001, health: {http: /, within: 1s}, grace: 1s}}")
    checkout.write("api/Dockerfile", DOCKERFILE)
    checkout.write("api/server.py", SERVER)
    failed = checkout.devenv("up", "-d", exits=1)
    assert "instead   listens on port 8000, not on 8001" in failed.stderr
    assert "is the number under port: the one that it listens on?" in failed.stderr


@pytest.mark.parametrize("command", ["sh", "sh -c 'sleep 300 & echo started'"])
def test_a_service_that_ends_well_is_a_failure_with_the_usual_reasons(
    checkout: Checkout, command: str
) -> None:
    checkout.manifest(f'services: {{shell: {{image: "busybox:1.37", command: "{command}"}}}}')
    failed = checkout.devenv("up", "-d", exits=1)
    assert "is it a job, a shell without a terminal, or does it go to the background?" in failed.stderr
