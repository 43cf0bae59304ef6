"""A stream into a unit: the same on every backend."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import Queue
from threading import Event

import pytest

from devenv.backends.base import Backend, Change, ChangeKind, Stream, StreamEnded
from devenv.errors import DevenvError
from devenv.plan.model import ObservedUnit
from devenv.stack.model import Identity, Stack, Unit
from devenv.workspace import Workspace
from tests.contract.real import RUNNING, connected, opened

UNIT = Unit(
    "web", "service", "busybox:1.37", command=("sh", "-c", "trap exit TERM; sleep 900 & wait"),
    grace=1.0,
)  # fmt: skip
MEGABYTE = 1024 * 1024


class Running:
    """One unit on one backend."""

    def __init__(self, backend: Backend, root: Path) -> None:
        self.backend, space = backend, Workspace(root / "devenv.yaml")
        name = f"a{uuid.uuid4().hex[:8]}"
        self.stack = Stack(name, name, Identity.of_checkout(name, space.checkout), units=(UNIT,))
        self.session = opened(backend, space, self.stack)
        self.session.prepare([], say=lambda line: None)
        self.up()

    def up(self) -> None:
        self.session.apply(UNIT, recreate=False)
        self.session.wait(UNIT, Event())

    @property
    def observed(self) -> ObservedUnit:
        return self.backend.observe(self.stack.checkout).units["web"]

    def attach(self, *argv: str) -> Stream:
        return self.backend.attach(self.observed, argv)

    def close(self) -> None:
        self.session.close()
        self.backend.remove(self.stack.checkout, volumes=True, say=lambda line: None)
        self.backend.close()


@pytest.fixture(scope="module", params=RUNNING)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("attach")
    with connected(request.param, root) as backend, closing(Running(backend, root)) as started:
        yield started


def read(stream: Stream, size: int) -> bytes:
    """So many bytes, or fewer when the stream ends."""
    received = b""
    while len(received) < size and (part := stream.receive()):
        received += part
    return received


def test_an_instance_that_files_are_sent_to_is_known_as_edited(running: Running) -> None:
    (instance,) = running.backend.instances(running.observed)
    running.backend.mark_edited(running.observed, instance)
    assert running.observed.edited


def test_bytes_go_both_ways_and_none_is_changed(running: Running) -> None:
    every_byte = bytes(range(256)) * 8
    with closing(running.attach("cat")) as stream:
        stream.send(every_byte)
        assert read(stream, len(every_byte)) == every_byte


def test_what_is_said_at_once_is_not_lost(running: Running) -> None:
    with closing(running.attach("echo", "first")) as stream:
        assert read(stream, 6) == b"first\n"


def test_a_megabyte_arrives_whole_in_both_directions(running: Running) -> None:
    sent = os.urandom(MEGABYTE)
    with closing(running.attach("cat")) as stream:
        writer = threading.Thread(target=stream.send, args=(sent,))
        writer.start()
        received = read(stream, MEGABYTE)
        writer.join()
    assert hashlib.sha256(received).digest() == hashlib.sha256(sent).digest()


def test_an_answer_comes_before_the_next_line_is_written(running: Running) -> None:
    with closing(running.attach("sh", "-c", "while read -r line; do echo got $line; done")) as stream:
        for number in range(20):
            stream.send(b"%d\n" % number)
            assert read(stream, len(b"got %d\n" % number)) == b"got %d\n" % number


def test_the_end_comes_with_the_exit_code_and_what_it_complained_of(running: Running) -> None:
    with closing(running.attach("sh", "-c", "echo why >&2; exit 3")) as stream:
        assert stream.receive() == b""
        assert (stream.exit_code, stream.complaints) == (3, b"why\n")


def test_the_input_can_end_before_the_output(running: Running) -> None:
    with closing(running.attach("sh", "-c", "cat; echo end")) as stream:
        stream.send(b"last\n")
        stream.end()
        assert read(stream, 100) == b"last\nend\n"
        assert stream.exit_code == 0


def test_hanging_up_ends_the_reading(running: Running) -> None:
    stream = running.attach("cat")
    ended = Event()
    threading.Thread(target=lambda: (stream.receive(), ended.set())).start()
    stream.close()
    assert ended.wait(10)


def test_a_command_that_is_not_there_says_so(running: Running) -> None:
    try:
        stream = running.attach("no-such-command")
    except DevenvError:  # some engines say it before there is a stream
        return
    with closing(stream):
        while stream.receive():
            pass  # some engines say it on stdout
        assert stream.exit_code not in (0, None)


def test_the_stream_ends_with_the_container_and_its_successor_takes_a_new_one(running: Running) -> None:
    stream = running.attach("cat")
    stream.send(b"a")
    assert read(stream, 1) == b"a"
    running.session.restart("web", running.observed.id)
    assert stream.receive() == b""
    began = time.monotonic()
    with pytest.raises(StreamEnded):
        while time.monotonic() - began < 5:  # the other side may close a little after its end
            stream.send(b"anybody there?\n" * 1000)
    stream.close()
    running.session.wait(UNIT, Event())
    with closing(running.attach("cat")) as again:
        again.send(b"b")
        assert read(again, 1) == b"b"


def test_recreating_replaces_what_has_not_changed(running: Running) -> None:
    before = running.backend.instances(running.observed)
    running.session.apply(UNIT, recreate=True)
    running.session.wait(UNIT, Event())
    (after,) = running.backend.instances(running.observed)
    assert after not in before


def test_changes_are_told_as_they_happen(running: Running) -> None:
    stop, changes = Event(), Queue[Change]()

    def listen() -> None:
        for change in running.backend.changes(running.stack.id, stop):
            changes.put(change)

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        kinds = set[ChangeKind]()
        running.session.apply(UNIT, recreate=True)
        while not kinds & {ChangeKind.APPEARED, ChangeKind.REPLACED} or ChangeKind.ENDED not in kinds:
            change = changes.get(timeout=60)
            assert change.unit == "web"
            kinds.add(change.kind)
        running.session.wait(UNIT, Event())
    finally:
        stop.set()
        listener.join(30)
    assert not listener.is_alive()
