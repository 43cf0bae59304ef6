"""Whether programs that were started anew are ready. No engine: agents that say what they are told to."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.backends.agent import Program, Sent
from devenv.backends.base import LogLine, StreamEnded
from devenv.engine.ready import LIMITED, restart
from devenv.engine.reloading.links import Link, Links, repeated
from devenv.engine.reloading.synced import Synced
from devenv.errors import Card, DevenvError, UnitFailed
from devenv.plan.model import ObservedUnit
from devenv.stack.model import Port, Probe, Unit
from devenv.stack.reloading.rules import Rules, Source, infer


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def answering() -> Iterator[int]:
    """A port of this machine behind which some replica is ready."""
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


class Replica:
    """An agent; its checks end with these codes, the last one from then on."""

    hello = SimpleNamespace(supervised=True)
    record: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, *codes: int, state: str = "running", meeting: threading.Barrier | None = None) -> None:
        self._codes, self._state, self._meeting = list(codes), state, meeting
        self.checks: list[Sequence[str]] = []
        self.error: Exception | None = None

    def restart(self, grace: float) -> None:
        if self._meeting:
            self._meeting.wait(60)

    def program(self) -> Program:
        return Program(self._state, 1, 3, 2)

    def run(self, argv: Sequence[str], *, output: Callable[[str], None]) -> int:
        self.checks.append(argv)
        return self._codes.pop(0) if len(self._codes) > 1 else self._codes[0]

    def send(self, sendings: Sequence[Any]) -> Sent:
        if self.error:
            raise self.error
        return Sent(digests={sending.target: sending.digest for sending in sendings})

    def close(self) -> None:
        """Nothing is open."""


def unit(*, host: int | None, replicas: int = 1, kind: Any = "http") -> Unit:
    return Unit(
        "web",
        "service",
        "web:1",
        ports=(Port("http", 8000, host),),
        probe=Probe(kind, 8000, "/", within=5),
        replicas=replicas,
        grace=0.1,
    )


def started(unit: Unit, *agents: Any, log: Sequence[LogLine] = ()) -> None:
    restart(unit, agents, {}, threading.Event(), lambda name: log)


def test_each_of_several_replicas_is_asked_by_itself(answering: int) -> None:
    late, ready = Replica(1, 1, 0), Replica(0)
    started(unit(host=answering, replicas=2), late, ready)
    assert (len(late.checks), len(ready.checks)) == (3, 1)


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_port_that_is_not_published_is_asked_from_within(kind: str) -> None:
    late = Replica(1, 1, 0)
    started(unit(host=None, kind=kind), late)
    assert len(late.checks) == 3


def test_a_published_port_of_a_single_container_is_asked_from_here(answering: int) -> None:
    alone = Replica(1)
    started(unit(host=answering), alone)
    assert alone.checks == []


def test_a_connection_to_a_published_port_says_nothing_of_the_program(answering: int) -> None:
    """An engine's proxy takes it, before the program listens."""
    late = Replica(1, 1, 0)
    started(unit(host=answering, kind="tcp"), late)
    assert len(late.checks) == 3


@pytest.mark.programs
def test_a_check_that_hangs_is_ended() -> None:
    done = subprocess.run(["sh", "-c", LIMITED, "0.1", "sleep", "60"], timeout=30, check=False)
    assert done.returncode == 124


def test_all_replicas_are_started_at_once(answering: int) -> None:
    meeting = threading.Barrier(3)
    started(unit(host=answering, replicas=3), *(Replica(0, meeting=meeting) for _ in range(3)))


def test_a_replica_that_ends_is_a_failure_with_what_it_printed_since(answering: int) -> None:
    log = [LogLine("web", "before", "1999"), LogLine("web", "a wrong import", "9999")]
    with pytest.raises(UnitFailed) as raised:
        started(unit(host=answering, replicas=2), Replica(0), Replica(0, state="ended"), log=log)
    assert (raised.value.card.what, raised.value.card.output) == ("ended with exit 3", ("a wrong import",))


# -- up


def sent(*replicas: Replica) -> None:
    """Have `up` send a changed file to these, which starts their programs anew."""
    rules = infer("FROM python:3\nCOPY . /app\nCMD python /app/main.py\n", context="web", name="Dockerfile")
    synced: Any = SimpleNamespace(
        rules={"web": rules},
        held=lambda unit, image: {"/app/main.py": Source("web/main.py", "f00d")},
        wanted=lambda unit: {"/app/main.py": Source("web/main.py", "beef")},
    )
    agents = dict(zip("ab", replicas, strict=False))
    backend: Any = SimpleNamespace(instances=lambda observed: list(agents))

    def linked(backend: Any, unit: Any, instance: str, rules: Rules, image: Any) -> Link:
        agent: Any = agents[instance]
        return Link(agent, rules, image, lambda: None)

    observed = ObservedUnit("web", "1", "running", image="web:1")
    held: Synced = synced
    Links(backend, Path("/x"), linked).sync(
        held, unit(host=None, replicas=2), observed, {}, lambda line: None, lambda name: []
    )


def test_up_fails_where_the_file_it_sent_ends_the_program() -> None:
    with pytest.raises(UnitFailed) as raised:
        sent(Replica(0), Replica(0, state="ended"))
    assert raised.value.card.what == "ended with exit 3"


def test_up_sends_to_all_replicas_at_once() -> None:
    meeting = threading.Barrier(2)
    sent(Replica(0, meeting=meeting), Replica(0, meeting=meeting))


def test_a_container_that_goes_away_while_up_sends_is_named() -> None:
    gone = Replica(0)
    gone.error = StreamEnded("the agent ended")
    with pytest.raises(DevenvError) as raised:
        sent(Replica(0), gone)
    assert raised.value.what == "a container of web ended while files were sent to it"


# -- containers that appear while somebody waits for them


def test_containers_that_appear_are_sent_to_once_each() -> None:
    there, sent, third = ["a"], list[str](), threading.Event()

    def send(but: Collection[str]) -> list[str]:
        new = [instance for instance in there if instance not in but]
        sent.extend(new)
        if new == ["a"]:
            there.append("b")
        if new == ["b"]:
            there.append("c")
            raise DevenvError("b ended")
        if "c" in new:
            third.set()
        return new

    with repeated(send, every=0.01):
        assert third.wait(60)
    assert sent == ["a", "b", "b", "c"]


def test_what_cannot_be_sent_is_said_in_the_end_whatever_the_waiting_brought() -> None:
    def send(but: Collection[str]) -> list[str]:
        raise DevenvError("web: 1 of 1 files could not be sent")

    with pytest.raises(DevenvError, match="could not be sent"), repeated(send):
        raise UnitFailed(Card("web", "was not ready within 10 s"))
