"""What is read from a socket, whatever is said there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from devenv.backends import containers, unix_http
from devenv.backends.unix_http import BadAnswer
from devenv.errors import ToolMissing

Serve = Callable[[Iterable[bytes]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server that sends these bytes, piece by piece, to whoever asks next, and hangs up; its path."""
    threads: list[threading.Thread] = []
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        path = str(Path(folder) / "docker.sock")
        server.bind(path)
        server.listen()

        def start(pieces: Iterable[bytes]) -> str:
            def answer() -> None:
                connection, _ = server.accept()
                with suppress(ConnectionError), closing(connection):  # who has read enough hangs up
                    connection.recv(4096)
                    for piece in pieces:
                        connection.sendall(piece)

            threads.append(threading.Thread(target=answer))
            threads[-1].start()
            return path

        yield start
        for thread in threads:
            thread.join()


OK = b"HTTP/1.0 200 OK\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

ANSWERS = {
    "until it hangs up": (OK + b"\r\n[1]", b"[1]"),
    "nothing": (OK + b"\r\n", b""),
    "with a length": (OK + b"Content-Length: 3\r\n\r\n[1]", b"[1]"),
    "with more than its length": (OK + b"content-LENGTH:3\r\n\r\n[1]HTTP/1.0 500", b"[1]"),
    "without a reason": (b"HTTP/1.1 200\r\n\r\n[1]", b"[1]"),
    "in bare lines": (b"HTTP/1.0 200 OK\nContent-Length: 3\n\n[1]", b"[1]"),
    "in chunks": (CHUNKED + b"2\r\n[1\r\n1;name=value\r\n]\r\n0\r\n\r\n", b"[1]"),
    "in chunks with trailers": (CHUNKED + b"A\r\n0123456789\r\n0\r\nDigest: x\r\n\r\n", b"0123456789"),
    "large": (OK + b"\r\n" + b"x" * 300_000, b"x" * 300_000),
}


@pytest.mark.parametrize("size", [1 << 20, 1], ids=["at once", "byte by byte"])
@pytest.mark.parametrize(("answer", "body"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer(answer: bytes, body: bytes, size: int, serve: Serve) -> None:
    step = size if len(answer) < 1000 else 1 << 20
    path = serve([answer[start : start + step] for start in range(0, len(answer), step)])
    assert unix_http.fetch(path, "/version") == (200, body)


MALFORMED = {
    "nothing": (b"", "the answer ended early"),
    "half a head": (OK + b"Content-Le", "the answer ended early"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.9\r\n", "the answer is not HTTP"),
    "another version": (b"HTTP/2 200\r\n\r\n", "the answer is not HTTP"),
    "no status": (b"HTTP/1.1 OK\r\n\r\n", "the answer is not HTTP"),
    "a status of letters": (b"HTTP/1.1 2OO OK\r\n\r\n", "the answer is not HTTP"),
    "bytes": (b"\x15\x03\x01\x00\x02\x02\x16\n", "the answer is not HTTP"),
    "a header without a colon": (OK + b"nonsense\r\n\r\n", "the answer is not HTTP"),
    "an endless line": (b"HTTP/1.0 200 " + b"O" * 100_000, "the answer is not HTTP"),
    "endless headers": (OK + b"".join(b"a%d: b\r\n" % number for number in range(300)), "the answer is not HTTP"),
    "a cut body": (OK + b"Content-Length: 7\r\n\r\n[1]", "the answer ended 4 bytes early"),
    "a length of letters": (OK + b"Content-Length: three\r\n\r\n[1]", "'three' is no size"),
    "a negative length": (OK + b"Content-Length: -1\r\n\r\n[1]", "'-1' is no size"),
    "a cut chunk": (CHUNKED + b"5\r\n[1]", "the answer ended 2 bytes early"),
    "no last chunk": (CHUNKED + b"3\r\n[1]\r\n", "the answer ended early"),
    "a chunk of no size": (CHUNKED + b"0x3\r\n[1]\r\n0\r\n\r\n", "'0x3' is no size"),
    "no JSON": (OK + b"\r\n[1", "Expecting ',' delimiter"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "why"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_answer_is_an_error_for_people(answer: bytes, why: str, serve: Serve) -> None:
    with pytest.raises(ToolMissing, match="is no Docker engine") as raised:
        containers.version(f"unix://{serve([answer])}")
    assert raised.value.why.startswith(why)


def test_a_body_is_passed_on_as_it_comes(serve: Serve) -> None:
    arrived = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield OK + b"Content-Type: text/plain\r\n\r\nab"
        assert arrived.wait(60)
        yield b"c"

    with unix_http.get(serve(pieces()), "/logs") as response:
        assert response.headers == {"content-type": "text/plain"}
        body = response.pieces()
        assert next(body) == b"ab"
        arrived.set()
        assert list(body) == [b"c"]


@pytest.mark.parametrize("status", [b"101 UPGRADED", b"200 OK"])
def test_what_comes_in_one_packet_with_the_head_is_the_streams(status: bytes, serve: Serve) -> None:
    path = serve([b"HTTP/1.1 " + status + b"\r\nUpgrade: tcp\r\n\r\nfirst", b"second"])
    with unix_http.upgrade(path, "/exec/1/start", b"{}") as connection, connection.makefile("rb") as reader:
        assert reader.read() == b"firstsecond"


REFUSALS = {
    b"HTTP/1.1 409 Conflict\r\nContent-Length: 20\r\n\r\n{\"message\":\"paused\"}": '{"message":"paused"}',
    b"HTTP/1.1 500 Oh\r\n\r\n": "the answer is 500",
    b"": "the answer ended early",
}  # fmt: skip


@pytest.mark.parametrize(("answer", "why"), REFUSALS.items(), ids=["with a reason", "without", "cut"])
def test_an_upgrade_that_is_refused_says_why(answer: bytes, why: str, serve: Serve) -> None:
    with pytest.raises(BadAnswer) as raised:
        unix_http.upgrade(serve([answer]), "/exec/1/start", b"{}")
    assert str(raised.value) == why
