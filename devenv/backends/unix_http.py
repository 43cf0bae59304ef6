"""HTTP over a socket: only what talking to a local engine, and asking a port of this machine, needs.

Written by hand for one reason: importing `http.client` takes 20 ms, a fifth of all that `devenv status`
does. A request is HTTP/1.0, so that the engine hangs up at the end of its answer and cuts nothing into
chunks; a proxy in between may send chunks all the same, and they are read.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, IOBase, RawIOBase
from typing import Any

PATIENCE = 30.0  # seconds of silence
LINE = 1 << 16  # bytes in a line of the head
HEADERS = 200
PIECE = 1 << 16  # bytes read at a time


class BadAnswer(OSError):
    """What came is not HTTP, or ended too early."""


class Unanswered(BadAnswer):
    """The other side hung up without a word."""


class _Incoming(RawIOBase):
    """The bytes of a connection; after a silence `goes_on` says whether more may come, if anybody knows."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.goes_on: Callable[[], bool] | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            try:
                return self._connection.recv_into(buffer)
            except TimeoutError:
                if self.goes_on is None:
                    raise
                if not self.goes_on():
                    return 0


@dataclass(frozen=True, slots=True)
class Response:
    """The head of an answer, and what its body is read from. Names of headers are in small letters."""

    status: int
    reason: str
    headers: Mapping[str, str]
    reader: BufferedReader[Any]
    incoming: _Incoming

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes, in pieces of any size. Raises `OSError`; `BadAnswer` when it is cut."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return self._chunks()
        length = self.headers.get("content-length")
        return iter(self._piece, b"") if length is None else self._exactly(_number(length, 10))

    def _piece(self, most: int = PIECE) -> bytes:
        return self.reader.read1(most)

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._piece(min(size, PIECE))
            if not piece:
                raise BadAnswer(f"the answer ended {size} bytes early")
            size -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while size := _number(_line(self.reader).partition(";")[0], 16):
            yield from self._exactly(size)
            _line(self.reader)
        while _line(self.reader):  # trailers
            pass


@contextmanager
def get(
    path: str,
    resource: str,
    *,
    quiet: float | None = PATIENCE,
    goes_on: Callable[[], bool] | None = None,
    post: bytes | None = None,
) -> Iterator[Response]:
    """Ask the server at a socket for a resource, or post JSON to it.

    `quiet` is the longest silence within the body, in seconds: an error, unless `goes_on` says whether
    to wait on or to take it for the end. Raises `OSError`, `BadAnswer`.
    """
    with _connected(path) as connection:
        verb = "GET" if post is None else "POST"
        head = f"{verb} {resource} HTTP/1.0\r\nHost: docker\r\n"
        if post is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(post)}\r\n"
        with answered(connection, f"{head}\r\n".encode() + (post or b"")) as response:
            connection.settimeout(quiet)
            response.incoming.goes_on = goes_on
            yield response


@contextmanager
def answered(connection: socket.socket, request: bytes) -> Iterator[Response]:
    """What is answered to a request. Raises `OSError`; `BadAnswer`, `Unanswered`."""
    connection.sendall(request)
    incoming = _Incoming(connection)
    with BufferedReader(incoming, PIECE) as reader:
        if not reader.peek(1):
            raise Unanswered("the answer ended early")
        status, reason, headers = _head(reader)
        yield Response(status, reason, headers, reader, incoming)


def fetch(path: str, resource: str, post: bytes | None = None) -> tuple[int, bytes]:
    """Status and whole body of an answer. Raises as `get`."""
    with get(path, resource, post=post) as response:
        return response.status, b"".join(response.pieces())


def upgrade(path: str, resource: str, body: bytes) -> socket.socket:
    """Post JSON, and go on with the bare connection, of which no byte after the head has been read.

    Raises `OSError`, `BadAnswer` with what the server says against it.
    """
    connection = _connected(path)
    try:
        connection.sendall(
            f"POST {resource} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        with connection.makefile(
            "rb", buffering=0
        ) as reader:  # unbuffered: bytes after the head belong to the caller
            status, _, headers = _head(reader)
            if status not in (101, 200):
                message = reader.read(min(_number(headers.get("content-length", "0"), 10), LINE)) or b""
                raise BadAnswer(message.decode(errors="replace").strip() or f"the answer is {status}")
        connection.settimeout(None)
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(PATIENCE)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _head(reader: IOBase) -> tuple[int, str, dict[str, str]]:
    first = re.fullmatch(r"HTTP/1\.[01] (\d{3}) ?(.*)", _line(reader))
    if first is None:
        raise BadAnswer("the answer is not HTTP")
    headers: dict[str, str] = {}
    while line := _line(reader):
        name, colon, value = line.partition(":")
        if not colon or len(headers) == HEADERS:
            raise BadAnswer("the answer is not HTTP")
        headers[name.strip().lower()] = value.strip()
    return int(first[1]), first[2], headers


def _line(reader: IOBase) -> str:
    line = reader.readline(LINE)
    if not line.endswith(b"\n"):
        raise BadAnswer("the answer ended early" if len(line) < LINE else "the answer is not HTTP")
    return line.rstrip(b"\r\n").decode("latin-1")


def _number(text: str, base: int) -> int:
    """A size as HTTP writes it: digits and nothing else."""
    digits = "0-9" if base == 10 else "0-9a-fA-F"
    if not re.fullmatch(f"[{digits}]{{1,16}}", text.strip()):
        raise BadAnswer(f"{text!r} is no size")
    return int(text, base)
