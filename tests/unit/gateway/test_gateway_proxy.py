"""Proxying: what upstream and client get, streams, failures, WebSockets and the log."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from devenv.gateway.server import close_websockets

from .conftest import Start
from .harness import Loop, Running, Upstream, until

CONFIG = """
_format_version: "3.0"
services:
  - name: echo
    url: UPSTREAM/base
    routes:
      - {name: api, paths: [/api]}
      - {name: keep, paths: [/keep], strip_path: false, preserve_host: true}
      - {name: secure, paths: [/secure], protocols: [https]}
      - {name: moved, paths: [/moved-to], protocols: [https], https_redirect_status_code: 301}
  - name: impatient
    url: UPSTREAM
    read_timeout: 100
    routes: [{name: slow, paths: [/slow], strip_path: false}]
  - name: nobody
    url: http://127.0.0.1:1
    retries: 1
    routes: [{name: nobody, paths: [/nobody]}]
  - name: nameless
    url: http://nowhere.invalid
    routes: [{name: nameless, paths: [/nameless]}]
  - name: unplugged
    url: UPSTREAM
    enabled: false
    routes: [{name: unplugged, paths: [/off]}]
routes:
  - {name: serviceless, paths: [/serviceless]}
"""


@pytest.fixture
def gateway(start: Start) -> Running:
    return start(CONFIG)


def test_a_request_reaches_its_upstream_as_kong_would_send_it(gateway: Running, upstream: Upstream) -> None:
    port = gateway.ports["proxy"]
    reply = gateway.ask(
        "/api/x%20y?b=2&a=1&a",
        method="PUT",
        headers={
            "Host": f"shop.localhost:{port}",
            "X-Forwarded-For": "10.0.0.1",
            "X-Forwarded-Host": "forged",
            "Connection": "close, X-Hop",
            "X-Hop": "1",
            "X-End": "2",
        },
        body=b"hello",
    )
    assert reply.status == 200
    assert reply.json["method"] == "PUT"
    assert reply.json["target"] == "/base/x%20y?b=2&a=1&a"
    assert reply.json["body"] == "hello"
    headers = reply.seen
    assert headers["host"] == f"127.0.0.1:{upstream.port}"
    assert headers["x-real-ip"] == "127.0.0.1"
    assert headers["x-forwarded-for"] == "10.0.0.1, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == "shop.localhost"
    assert headers["x-forwarded-port"] == str(port)
    assert headers["x-forwarded-path"] == "/api/x%20y"
    assert headers["x-forwarded-prefix"] == "/api"
    assert headers["x-kong-request-id"] == reply.headers["X-Kong-Request-Id"]
    assert headers["x-end"] == "2"
    assert headers["content-length"] == "5"
    assert not {"x-hop", "user-agent", "transfer-encoding"} & set(headers)


def test_a_response_reaches_its_client(gateway: Running) -> None:
    reply = gateway.ask("/api")
    assert reply.headers["X-Upstream"] == "yes"
    assert reply.headers["Via"] == "1.1 devenv-gateway"
    assert int(reply.headers["X-Kong-Upstream-Latency"]) >= 0
    assert int(reply.headers["X-Kong-Proxy-Latency"]) >= 0
    assert len(reply.headers["X-Kong-Request-Id"]) == 32
    moved = gateway.ask("/api/moved")
    assert moved.status == 302
    assert moved.headers["Location"] == "/there"
    assert moved.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert moved.headers["Content-Encoding"] == "gzip"
    assert moved.body == b"\x1f\x8bnot really gzip"
    assert moved.headers["X-Hop"] is None


def test_the_host_is_preserved_when_asked_for(gateway: Running) -> None:
    reply = gateway.ask("/keep/x", headers={"Host": "shop.localhost"})
    assert reply.seen["host"] == "shop.localhost"
    assert reply.json["target"] == "/base/keep/x"
    assert "x-forwarded-prefix" not in reply.seen


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE", "PATCH", "POST", "TRACE"])
def test_every_method_goes_through(gateway: Running, method: str) -> None:
    reply = gateway.ask("/api", method=method)
    assert reply.status == 200
    if method == "HEAD":
        assert int(reply.headers["Content-Length"]) > 100
        assert reply.body == b""
    else:
        assert reply.json["method"] == method


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/unknown", 404, "no Route matched with those values"),
        ("/off", 404, "no Route matched with those values"),
        ("/secure", 426, "Please use HTTPS protocol"),
        ("/nobody", 502, "An invalid response was received from the upstream server"),
        ("/api/hang-up", 502, "An invalid response was received from the upstream server"),
        ("/nameless", 503, "name resolution failed"),
        ("/serviceless", 503, "no Service found with those values"),
        ("/slow", 504, "The upstream server is timing out"),
    ],
)
def test_failures_are_answered_in_kongs_words(gateway: Running, path: str, status: int, message: str) -> None:
    reply = gateway.ask(path, headers={"Accept": "application/json"})
    assert (reply.status, reply.message) == (status, message)
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
    assert reply.json["request_id"] == reply.headers["X-Kong-Request-Id"]
    reached_upstream = status in (502, 504)
    assert (
        int(reply.headers["X-Kong-Upstream-Latency" if reached_upstream else "X-Kong-Response-Latency"]) >= 0
    )
    assert ("Via" in reply.headers) is reached_upstream


def test_a_client_of_an_https_route_is_redirected(gateway: Running) -> None:
    reply = gateway.ask("/moved-to/x?a=1", headers={"Host": "shop.localhost:8000"})
    assert (reply.status, reply.headers["Location"]) == (
        301,
        "https://shop.localhost/moved-to/x?a=1",
    )


@pytest.mark.parametrize(
    ("accept", "kind", "beginning"),
    [
        ("*/*", "application/json", b"{\n"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html", b"<!doctype html>"),
        ("text/plain", "text/plain", b"no Route matched with those values\nrequest_id: "),
        ("application/xml", "application/xml", b"<?xml"),
        ("image/png", "application/json", b"{\n"),
        ("text/html;q=0.1, application/json", "application/json", b"{\n"),
    ],
)
def test_errors_come_in_the_kind_the_client_accepts(
    gateway: Running, accept: str, kind: str, beginning: bytes
) -> None:
    reply = gateway.ask("/unknown", headers={"Accept": accept})
    assert reply.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert reply.body.startswith(beginning)


def test_a_response_cut_short_is_cut_short_for_the_client_too(gateway: Running) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        gateway.ask("/api/half")


def test_events_arrive_one_by_one(gateway: Running, upstream: Upstream) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.ports["proxy"], timeout=60)
    connection.request("GET", "/api/events")
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "text/event-stream"
    assert response.read1() == b"data: 1\n\n"
    upstream.release.set()
    assert response.read() == b"data: 2\n\n"
    connection.close()


@pytest.mark.parametrize("path", ["/api/events", "/api/slow"])
def test_a_client_that_leaves_takes_the_upstream_request_with_it(
    gateway: Running, upstream: Upstream, path: str
) -> None:
    with socket.create_connection(("127.0.0.1", gateway.ports["proxy"])) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        if path.endswith("events"):
            until(client, b"data: 1")
        else:
            assert upstream.arrived.wait(60)
    assert upstream.cancelled.wait(60)
    # As nginx logs it: 499 only where no answer had begun.
    status = 200 if path.endswith("events") else 499
    wait_for(lambda: any(f" {status} " in line for line in gateway.log))


def test_large_bodies_stream_both_ways(gateway: Running, upstream: Upstream) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(512):
            yield b"y" * 65536

    assert gateway.ask("/api/upload", method="POST", body=chunks()).json == {"bytes": 2**25}
    assert len(upstream.uploaded) > 1
    assert len(gateway.ask("/api/large").body) == 2**25


def test_an_upload_is_passed_on_before_it_is_whole(gateway: Running, upstream: Upstream) -> None:
    with socket.create_connection(("127.0.0.1", gateway.ports["proxy"]), timeout=60) as client:
        client.sendall(b"POST /api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        wait_for(lambda: upstream.uploaded == [5])
        client.sendall(b"67890")
        until(client, b'{"bytes": 10}')


def test_a_client_that_waits_is_told_to_go_on(gateway: Running) -> None:
    with socket.create_connection(("127.0.0.1", gateway.ports["proxy"]), timeout=60) as client:
        head = "POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        client.sendall(head.encode())
        assert until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ok")
        until(client, b'"body": "ok"')


def test_an_upstream_that_takes_no_body_is_timed_out(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        gateway = start(
            '_format_version: "3.0"\n'
            f"services: [{{name: deaf, url: 'http://127.0.0.1:{port}', write_timeout: 100,"
            " routes: [{paths: [/]}]}]\n"
        )
        with socket.create_connection(("127.0.0.1", gateway.ports["proxy"]), timeout=60) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
            sender = threading.Thread(target=flood, args=(client,))
            sender.start()
            answer = until(client, b"The upstream server is timing out")
            client.shutdown(socket.SHUT_RDWR)
            sender.join(60)
    assert answer.startswith(b"HTTP/1.1 504 ")


def flood(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            client.sendall(b"x" * 65536)


@pytest.mark.parametrize(("verify", "status"), [("", 200), (", tls_verify: true", 502)])
def test_an_https_upstream_is_trusted_unless_it_must_be_verified(
    start: Start, loop: Loop, tmp_path: Path, verify: str, status: int
) -> None:
    with tls_upstream_on(loop, tmp_path) as port:
        gateway = start(
            '_format_version: "3.0"\n'
            f"services: [{{name: s, url: 'https://localhost:{port}', retries: 0{verify},"
            " routes: [{paths: [/]}]}]\n"
        )
        reply = gateway.ask("/")
        assert reply.status == status
        if status == 200:
            assert reply.seen["host"] == f"localhost:{port}"


@contextlib.contextmanager
def tls_upstream_on(loop: Loop, folder: Path) -> Iterator[int]:
    """Run an upstream with a certificate nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    async def begin() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(Upstream().handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        return runner

    runner = loop.run(begin())
    try:
        yield runner.addresses[0][1]
    finally:
        loop.run(runner.cleanup())


def test_the_log_has_a_line_for_each_request_and_no_query(gateway: Running) -> None:
    gateway.ask("/api/x?apikey=secret", headers={"Authorization": "Bearer secret"})
    gateway.ask("/nobody?apikey=secret")
    wait_for(lambda: len(gateway.log) == 2)
    assert gateway.log[0].startswith('127.0.0.1 "GET /api/x?..." 200 ')
    assert " api " in gateway.log[0]
    assert '"GET /nobody?..." 502 ' in gateway.log[1]
    assert "cannot connect to 127.0.0.1:1" in gateway.errors[0]
    assert not any("secret" in line for line in gateway.log + gateway.errors)


def test_websocket_messages_go_both_ways(gateway: Running, loop: Loop) -> None:
    url = f"ws://127.0.0.1:{gateway.ports['proxy']}/api/socket?a=1"

    async def talk() -> list[Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=["other", "chat"]) as client,
        ):
            messages: list[Any] = [client.protocol, (await client.receive_str())]
            await client.send_str("héllo")
            messages.append(await client.receive_str())
            await client.send_bytes(b"\x00" * 1_000_000)
            messages.append(len(await client.receive_bytes()))
            await client.ping(b"there?")
            await client.send_str("close")
            last = await client.receive()
            return [*messages, last.type, client.close_code, last.extra]

    messages = loop.run(talk())
    closed = aiohttp.WSMsgType.CLOSE
    assert messages == [
        "chat",
        "/base/socket?a=1 None",
        "héllo",
        1_000_000,
        closed,
        4001,
        "as told",
    ]
    wait_for(lambda: any(" 101 " in line for line in gateway.log))


@pytest.mark.parametrize(("path", "status"), [("/unknown", 404), ("/nobody", 502), ("/api", 200)])
def test_a_refused_websocket_is_what_the_upstream_answered(
    gateway: Running, loop: Loop, path: str, status: int
) -> None:
    async def talk() -> int:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"ws://127.0.0.1:{gateway.ports['proxy']}{path}")
            return refused.value.status

    assert loop.run(talk()) == status


def test_open_websockets_are_closed_at_the_end(start: Start, loop: Loop) -> None:
    gateway = start(CONFIG)

    async def talk() -> tuple[int | None, float]:
        async with aiohttp.ClientSession() as session:
            url = f"ws://127.0.0.1:{gateway.ports['proxy']}/api/socket"
            async with session.ws_connect(url) as client:
                await client.receive_str()
                began = time.monotonic()
                close_websockets(gateway.gateway)
                await client.receive()
                return client.close_code, time.monotonic() - began

    code, spent = loop.run(talk())
    assert code == 1001
    assert spent < 1


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
