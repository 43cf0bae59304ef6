"""A relay in the place of a unit: the same on every backend."""

from __future__ import annotations

import os
import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from devenv.backends.base import Backend
from devenv.backends.relay.process import Task
from devenv.plan.model import ObservedUnit
from devenv.stack.hosting import with_hosted
from devenv.stack.model import Identity, Port, Stack, Unit
from devenv.workspace import Workspace
from tests.contract.real import FAKE_CLUSTER, FAKE_ENGINE, connected, opened
from tests.e2e.checkout import eventually
from tests.serving import free_port

CLIENT = """
import socket, sys
try:
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
    print(connection.recv(100).decode(), end="")
except ConnectionResetError:
    print("reset", end="")
"""


class Hosted:
    """One hosted unit on one backend; its container's port and the program's are both free."""

    def __init__(self, backend: Backend, root: Path) -> None:
        self.backend, space = backend, Workspace(root / "devenv.yaml")
        self.inside, self.here = free_port(), free_port()
        name = f"h{uuid.uuid4().hex[:8]}"
        service = Unit("web", "service", "busybox:1.37", ports=(Port("http", self.inside, self.here),))
        plain = Stack(name, name, Identity.of_checkout(name, space.checkout), units=(service,))
        # No fake runs an image, and the name of this one is known to all of them.
        (relay,) = with_hosted(plain, ["web"]).units
        self.stack = replace(plain, units=(replace(relay, image="busybox:1.37"),))
        self.session = opened(backend, space, self.stack)
        self.session.prepare([], say=lambda line: None)
        self.task = Task.of(backend.name, root, space.state, space.checkout, self.stack.unit("web"))
        self.up(recreate=False)
        self.task.ensure()

    def up(self, *, recreate: bool) -> None:
        self.session.apply(self.stack.unit("web"), recreate=recreate)
        self.session.wait(self.stack.unit("web"), Event())

    @property
    def observed(self) -> ObservedUnit:
        return self.backend.observe(self.stack.checkout).units["web"]

    def ask(self) -> str:
        """What somebody who connects to the unit's port reads."""
        argv = ["python3", "-c", CLIENT, str(self.inside)]
        with closing(self.backend.attach(self.observed, argv)) as stream:
            answer = b"".join(iter(stream.receive, b"")).decode()
            return answer or stream.complaints.decode()

    def close(self) -> None:
        self.task.process.end()
        self.session.close()
        self.backend.remove(self.stack.checkout, volumes=True, say=lambda line: None)
        self.backend.close()


@pytest.fixture(scope="module", params=[FAKE_ENGINE, FAKE_CLUSTER])
def hosted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    root = tmp_path_factory.mktemp("relay")
    with connected(request.param, root) as backend, closing(Hosted(backend, root)) as started:
        yield started


@pytest.fixture
def program(hosted: Hosted) -> Iterator[None]:
    """A program on this machine, on loopback alone."""

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                with server.accept()[0] as connection:
                    connection.sendall(b"from here")

    with socket.create_server(("127.0.0.1", hosted.here)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_who_connects_to_the_unit_reaches_the_program(hosted: Hosted, program: None) -> None:
    assert hosted.observed.hosted
    assert hosted.ask() == "from here"


def test_without_a_program_a_connection_is_reset(hosted: Hosted) -> None:
    assert hosted.ask() == "reset"


def test_in_a_new_container_it_is_started_again(hosted: Hosted, program: None) -> None:
    hosted.up(recreate=True)
    eventually(lambda: hosted.ask() == "from here", "an answer from here")


def test_a_process_that_was_killed_is_missed(hosted: Hosted) -> None:
    assert hosted.task.carried
    pid = hosted.task.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    hosted.task.process.end()  # returns once it is gone
    assert not hosted.task.carried
