"""Connections over one stream: the far end is the real program, at the other side of two pipes."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from queue import SimpleQueue

import pytest

from devenv.backends.base import Stream
from devenv.backends.relay import connections
from devenv.backends.relay.connections import HEADER, READY, WINDOW, Carrier
from devenv.backends.relay.process import Relay, Task
from devenv.errors import DevenvError
from devenv.plan.model import Observed, ObservedUnit
from tests.clock import Clock
from tests.fakes import FakeBackend
from tests.serving import free_port

Serve = Callable[[socket.socket], None]
WITHIN = 20.0


class Far:
    """The far end as it runs in a container."""

    def __init__(self, port: int) -> None:
        argv = [sys.executable, "-u", connections.__file__, str(port)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def receive(self) -> bytes:
        assert self.process.stdout
        return os.read(self.process.stdout.fileno(), 1 << 16)

    def send(self, data: bytes) -> None:
        assert self.process.stdin
        while data:
            data = data[os.write(self.process.stdin.fileno(), data) :]

    def close(self) -> None:
        """Hang up; it ends by itself."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(WITHIN)


@contextmanager
def program(serve: Serve) -> Iterator[int]:
    """A program on this machine, and its port."""

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            serve(connection)

    def accept(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        thread = threading.Thread(target=accept, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(WITHIN)


@contextmanager
def relayed(port: int, here: int) -> Iterator[Far]:
    """A far end that listens on a port, whose connections are carried to a port here."""
    far, ready = Far(port), threading.Event()

    async def carry() -> None:
        carrier = Carrier(far.receive, far.send, lambda _: asyncio.open_connection("127.0.0.1", here))
        carrying = asyncio.create_task(carrier.run())
        await asyncio.wait_for(carrier.ready.wait(), WITHIN)
        ready.set()
        await carrying

    thread = threading.Thread(target=lambda: asyncio.run(carry()), daemon=True)
    thread.start()
    try:
        assert ready.wait(WITHIN)
        yield far
    finally:
        far.close()
        thread.join(WITHIN)
        assert far.process.stdout
        far.process.stdout.close()


def echo(connection: socket.socket) -> None:
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), WITHIN)


def asked(port: int, body: bytes) -> bytes:
    """What comes back for a body, up to the end; it is sent and ended before anything is read."""
    with connect(port) as client:
        client.sendall(body)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(1 << 16), b""))


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.mark.programs
def test_bytes_go_both_ways_and_the_end_of_one_is_not_the_end_of_the_other(port: int) -> None:
    body = bytes(range(256)) * (2 * WINDOW // 256)

    def whole(connection: socket.socket) -> None:
        connection.sendall(b"".join(iter(lambda: connection.recv(1 << 16), b"")))

    with program(whole) as here, relayed(port, here):
        assert asked(port, body) == body


@pytest.mark.programs
def test_many_connections_at_once_do_not_mix(port: int) -> None:
    bodies = [str(number).encode() * 500 for number in range(100)]
    with program(echo) as here, relayed(port, here), ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda body: asked(port, body), bodies)) == bodies


@pytest.mark.programs
def test_a_reader_that_stands_still_holds_up_no_other(port: int) -> None:
    def endless(connection: socket.socket) -> None:
        if connection.recv(1) == b"e":
            connection.sendall(b"short")
            return
        while True:
            connection.sendall(bytes(WINDOW))

    with program(endless) as here, relayed(port, here), closing(connect(port)) as still:
        still.sendall(b"x")
        assert still.recv(1) == b"\0"  # and no more of it
        for _ in range(3):
            assert asked(port, b"e") == b"short"


@pytest.mark.programs
def test_where_nothing_listens_here_a_connection_is_reset(port: int) -> None:
    with relayed(port, free_port()), pytest.raises(ConnectionResetError):
        asked(port, b"x")


@pytest.mark.programs
def test_a_client_that_is_gone_is_heard_of_here(port: int) -> None:
    gone = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.sendall(connection.recv(1))
        with suppress(ConnectionResetError):
            connection.recv(1)
        gone.set()

    with program(serve) as here, relayed(port, here):
        client = connect(port)
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert gone.wait(WITHIN)


@pytest.mark.programs
def test_when_the_stream_ends_the_port_is_closed(port: int) -> None:
    with program(echo) as here, relayed(port, here) as far, connect(port) as client:
        far.close()
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            connect(port)


def test_bytes_that_arrive_once_it_is_over_are_dropped() -> None:
    arriving: SimpleQueue[bytes] = SimpleQueue()
    before = set(threading.enumerate())

    def broken(_: bytes) -> None:
        raise BrokenPipeError

    async def carry() -> list[threading.Thread]:
        await Carrier(arriving.get, broken).run()
        return [thread for thread in threading.enumerate() if thread not in before]

    threads = asyncio.run(carry())
    arriving.put(b"late")
    for thread in threads:
        thread.join(WITHIN)
        assert not thread.is_alive()


@pytest.mark.programs
def test_one_that_is_started_anew_takes_the_port_over(port: int) -> None:
    with program(echo) as here, relayed(port, here) as first, relayed(port, here):
        first.process.wait(WITHIN)
        assert asked(port, b"hello") == b"hello"


@pytest.mark.programs
def test_a_port_that_cannot_be_had_is_said(port: int) -> None:
    with socket.create_server(("0.0.0.0", port)):
        argv = [sys.executable, "-u", connections.__file__, str(port)]
        ended = subprocess.run(argv, stdin=subprocess.PIPE, capture_output=True, text=True, timeout=WITHIN)
    assert ended.returncode == 1
    assert "address already in use" in ended.stderr


WEB = ObservedUnit("web", "1", "running", hosted=True)


def relay_of(*looks: ObservedUnit | None) -> tuple[Relay, list[ObservedUnit | None]]:
    """The process's loop on a backend where this is seen, one after the other, and the looks that are left."""
    left = list(looks)

    class Scripted(FakeBackend):
        def observe(self, checkout: str) -> Observed:
            unit = left.pop(0)
            return Observed({"web": unit} if unit else {})

    return Relay(Task("fake", "/", "/", "c", "web", {"80": 8080}), Scripted(), Clock()), left


def test_the_process_ends_once_the_unit_has_its_own_container_again() -> None:
    relay, left = relay_of(replace(WEB, state="exited"), None, replace(WEB, hosted=False), WEB)
    relay.run()
    assert left == [WEB]


def test_what_keeps_it_from_connecting_at_first_is_an_error() -> None:
    relay, _ = relay_of(WEB)
    with pytest.raises(DevenvError, match="nothing runs on a fake machine"):
        relay.run()


def test_a_unit_that_stays_away_ends_it() -> None:
    relay, left = relay_of(*[None] * 7, WEB)  # looked for after 0.2 s, 0.6 s and so on, until 10 s are over
    relay.run()
    assert left == [WEB]


def test_one_that_carried_for_hours_waits_for_a_container_that_is_replaced() -> None:
    hours, clock = 3 * 3600.0, Clock()

    class Ended:
        """A far end that is ready, and cut off hours later."""

        complaints, exit_code = b"", None

        def __init__(self) -> None:
            self._frames = [HEADER.pack(READY, 0, 0)]

        def send(self, data: bytes) -> None:
            """Nobody reads it."""

        def receive(self) -> bytes:
            if self._frames:
                return self._frames.pop()
            clock.sleep(hours)
            return b""

        def close(self) -> None:
            """It is."""

    left = [WEB, None, replace(WEB, hosted=False)]

    class Scripted(FakeBackend):
        def observe(self, checkout: str) -> Observed:
            unit = left.pop(0)
            return Observed({"web": unit} if unit else {})

        def attach(self, unit: ObservedUnit, argv: Sequence[str], *, instance: str = "") -> Stream:
            return Ended()  # type: ignore[return-value]

    relay = Relay(Task("fake", "/", "/", "c", "web", {"80": 8080}), Scripted(), clock)
    relay.connected = True
    relay.run()
    assert left == []
