"""One HTTP request to a pod through a forwarded port, under any host name."""

from __future__ import annotations

import http.client
import io
from contextlib import closing
from threading import Timer
from typing import IO

from devenv.backends.kube.channels import forward_to
from devenv.backends.kube.client import Client

BYTES, ERROR = 0, 1
PORT = 2  # bytes with the port's number, with which each channel begins
TIMEOUT = 10.0  # seconds for the connection, and for the answer


def ask(client: Client, namespace: str, pod: str, port: int, path: str, *, host: str) -> tuple[int, str]:
    """The status of the answer to a GET, and what is wrong where that is 400 or more; 503 where none comes.

    Raises `DevenvError` where the port cannot be forwarded.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: devenv\r\nConnection: close\r\n\r\n"
    received = {BYTES: b"", ERROR: b""}
    with closing(forward_to(client, namespace, pod, port, within=TIMEOUT)) as channels:
        limit = Timer(TIMEOUT, channels.close)
        limit.start()
        try:
            channels.send(BYTES, request.encode())
            for channel, data in channels.frames():
                received[channel] += data
                if (answer := read(received[BYTES][PORT:])) is not None:
                    return answer
        finally:
            limit.cancel()
    return 503, received[ERROR][PORT:].decode(errors="replace") or "no answer"


class _Received:
    """What `http.client` reads an answer from."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, mode: str) -> IO[bytes]:
        return io.BytesIO(self._answer)


def read(answer: bytes) -> tuple[int, str] | None:
    """Status and, from 400 on, the text of an answer; None while more of it has to come."""
    if b"\r\n\r\n" not in answer:
        return None
    response = http.client.HTTPResponse(_Received(answer))  # type: ignore[arg-type]
    response.begin()
    if response.status < 400:
        return response.status, ""
    try:
        return response.status, response.read().decode(errors="replace")
    except http.client.IncompleteRead:
        return None
