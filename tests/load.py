"""A steady load on an HTTP server, and what became of each request: nothing is tried again.

Requests go out at their moments, whether earlier ones were answered or not. Half of them are POSTs with a body; of
both halves, half go over connections that are kept, as browsers and proxies keep them, and half over new ones.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PATIENCE = 10.0  # seconds an answer may take
KINDS = tuple(itertools.product(("GET", "POST"), (True, False)))
BODY = b'{"order": 1}'


@dataclass
class Connection:
    """A connection of a client, which reads one answer at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    keeps: bool = True

    @property
    def usable(self) -> bool:
        """Whether neither side has ended it."""
        return self.keeps and not self.reader.at_eof() and not self.writer.is_closing()

    async def ask(self, host: str, method: str, path: str) -> str:
        """The body of an answer. Raises `OSError` for none or a cut one, `ValueError` for a refusal."""
        body = BODY if method == "POST" else b""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n".encode() + body)
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
            answer = (await self.reader.readexactly(int(fields["content-length"]))).decode()
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError(f"hung up after {len(error.partial)} bytes") from error
        self.keeps = fields.get("connection") != "close"
        if " 200 " not in head.splitlines()[0]:
            raise ValueError(f"{head.splitlines()[0]}: {answer}")
        return answer


@dataclass
class Load:
    """Requests so far: answers by their text, failures, and the longest that one took."""

    host: str
    port: int
    path: str
    rate: int = 50
    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _idle: list[Connection] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def end(self) -> None:
        """Send no more."""
        self._over.set()

    async def run(self) -> None:
        """Go on to its end, and for as long as answers are missing."""
        async with asyncio.TaskGroup() as requests:
            for number, (method, keeps) in zip(itertools.count(), itertools.cycle(KINDS), strict=False):
                await asyncio.sleep(self._began + number / self.rate - time.monotonic())
                if self._over.is_set():
                    break
                requests.create_task(self._request(method, keeps=keeps))
        for connection in self._idle:
            connection.writer.close()

    async def _request(self, method: str, *, keeps: bool) -> None:
        self.sent += 1
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                self.answers[await self._asked(method, keeps=keeps)] += 1
        except (OSError, ValueError, TimeoutError) as error:
            kind = f"{method}, {'kept' if keeps else 'new'} connection"
            self.failures.append(f"at {began - self._began:.2f} s, {kind}: {type(error).__name__}: {error}")
        self.slowest = max(self.slowest, time.monotonic() - began)

    async def _asked(self, method: str, *, keeps: bool) -> str:
        connection = self._kept() if keeps else None
        if connection is None:
            connection = Connection(*await asyncio.open_connection(self.host, self.port))
        try:
            answer = await connection.ask(self.host, method, self.path)
        except BaseException:
            connection.writer.close()
            raise
        if keeps and connection.usable:
            self._idle.append(connection)
        else:
            connection.writer.close()
        return answer

    def _kept(self) -> Connection | None:
        """A connection that is open and at rest."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.writer.close()
        return None


@contextmanager
def loaded(host: str, port: int, path: str, *, rate: int = 50) -> Iterator[Load]:
    """A load for as long as the block runs; it is whole once that ends."""
    load = Load(host, port, path, rate)
    thread = threading.Thread(target=lambda: asyncio.run(load.run()), name="load")
    thread.start()
    try:
        yield load
    finally:
        load.end()
        thread.join()
