"""A process that may open no more files waits for room, and goes on."""

from __future__ import annotations

import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devenv.backends.accepting import AGAIN, accepted
from devenv.backends.process.control import Control
from devenv.backends.process.records import Folder


@contextmanager
def no_room() -> Iterator[None]:
    """This process may open no file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_connection_without_room_waits_and_is_not_asked_for_all_the_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.connect(listener.getsockname())
        begun = time.monotonic()
        with no_room():
            assert accepted(listener) is None
        assert time.monotonic() - begun >= AGAIN
        connection = accepted(listener)
        assert connection is not None
        connection.close()


@pytest.mark.programs
@pytest.mark.skipif(sys.platform != "linux", reason="no other system sets limits of another process")
def test_a_supervisor_without_room_goes_on_when_there_is_some(tmp_path: Path) -> None:
    """It ended, and all programs of the stack with it."""
    control = Control(Folder(tmp_path / "state"))
    control.start()
    pid = control.folder.supervisor()
    assert pid is not None
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, hard))
    assert not control.answers(AGAIN)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    control.ask("end")
