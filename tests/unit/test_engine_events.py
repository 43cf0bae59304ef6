"""What events say of containers, over a fake engine: in which order, and of which run."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest

from devenv.backends import containers, loglines
from devenv.backends.base import Change
from devenv.backends.docker import Engine
from devenv.backends.loglines import EngineLogs, Source
from devenv.errors import ToolMissing
from tests.engine.fake import OUT, Container, Line, Server

FOREVER = ("sh", "-c", "trap 'exit 143' TERM; echo up; while :; do sleep 0.05; done")


@pytest.fixture
def server() -> Iterator[Server]:
    with TemporaryDirectory() as folder, closing(Server(str(Path(folder) / "docker.sock"))) as server:
        yield server


@pytest.fixture
def engine(server: Server) -> Iterator[Engine]:
    with closing(Engine(server.address)) as engine:
        yield engine


def container(server: Server, *argv: str, tty: bool = False) -> Container:
    labels = {"devenv.dev/stack": "shop-1", "devenv.dev/unit": "web"}
    item = Container(
        uuid.uuid4().hex * 2, f"web-{uuid.uuid4().hex[:4]}", "busybox:1.37", argv, labels, {}, tty=tty
    )
    server.engine.create(item)
    return item


def eventually(engine: Engine, condition: Callable[[], bool]) -> None:
    """Wait for events until it is so."""
    for _ in range(100):
        if condition():
            return
        engine.events.pause(0.1)
    raise AssertionError("it never was")


@pytest.mark.programs
def test_the_end_of_the_run_before_is_not_taken_for_the_new_ones(server: Server, engine: Engine) -> None:
    web = container(server, *FOREVER)
    engine.events.listen("shop-1")
    engine.start(web.id)
    eventually(engine, lambda: engine.events.state(web.id).since > 0)
    server.engine.held.clear()  # the engine is busy: it answers, and its events come late
    engine.restart(web.id)
    assert engine.events.state(web.id).status == "running"
    since, statuses = engine.events.state(web.id).since, set[str]()

    def started() -> bool:
        statuses.add(engine.events.state(web.id).status)
        return engine.events.state(web.id).since > since

    server.engine.held.set()
    eventually(engine, started)
    assert statuses == {"running"}
    server.engine.stop(web)
    eventually(engine, lambda: engine.events.state(web.id).status == "exited")
    assert engine.events.state(web.id).exit_code == 143


@pytest.mark.programs
def test_an_end_in_the_second_before_listening_began_is_not_the_new_runs(
    server: Server, engine: Engine
) -> None:
    web = container(server, "sh", "-c", "exit 5")
    server.engine.start(web)
    with server.engine.changed:
        assert server.engine.changed.wait_for(lambda: web.status == "exited", 10)
    web.argv = FOREVER
    server.engine.held.clear()
    engine.events.listen("shop-1")  # the engine tells what it has just missed, too
    engine.start(web.id)
    assert engine.events.state(web.id).status == "running"
    server.engine.held.set()
    for _ in range(20):
        engine.events.pause(0.01)
        assert engine.events.state(web.id).status == "running"


@pytest.mark.programs
def test_a_quick_end_is_seen_though_its_events_are_late(server: Server, engine: Engine) -> None:
    job = container(server, "sh", "-c", "exit 3")
    engine.events.listen("shop-1")
    engine.start(job.id)
    eventually(engine, lambda: engine.events.state(job.id).status == "exited")
    assert engine.events.state(job.id).exit_code == 3


def test_a_container_that_never_ran_began_never(server: Server, engine: Engine) -> None:
    state = engine.events.state(container(server, "true").id)
    assert (state.status, state.began) == ("created", 0)


@pytest.fixture(params=["socket", "sdk"])
def logs(request: pytest.FixtureRequest, server: Server, engine: Engine) -> EngineLogs:
    """Both ways to read logs: of a local engine, and of any other."""
    address = "ssh://elsewhere" if request.param == "sdk" else server.address
    return EngineLogs(address, lambda: engine)


@pytest.mark.parametrize("tty", [False, True])
def test_logs_are_the_same_over_the_socket_and_the_sdk(tty: bool, logs: EngineLogs, server: Server) -> None:
    web = container(server, "true", tty=tty)
    end = b"\r\n" if tty else b"\n"
    web.lines = [Line(1767225600 * 10**9 + n, OUT, b"line %d%s" % (n, end)) for n in range(3)]
    web.lines.append(Line(1767225700 * 10**9, OUT, b"x" * 40_000 + end))
    sources = [Source("web", web.id, "shop-1", lasting=True)]

    def read(tail: int | None = None) -> list[str]:
        batches = loglines.lines(logs, sources, follow=False, tail=tail, since=None, stop=threading.Event())
        return [line.text for batch in batches for line in batch]

    assert read() == ["line 0", "line 1", "line 2", "x" * 40_000]
    assert read(2) == ["line 2", "x" * 40_000]


def test_the_log_of_what_is_not_there_is_empty(logs: EngineLogs) -> None:
    assert list(logs.log("gone", follow=False, tail=None, since=None)) == []


def followed(
    server: Server, engine: Engine, first: Container, *, silence: float = containers.SILENCE
) -> tuple[Iterator[str], threading.Event]:
    """The lines of a container that is started and says that it is up, over all its replacements."""
    server.engine.start(first)
    sources, stop = [Source("web", first.id, "shop-1", lasting=True)], threading.Event()
    logs = EngineLogs(server.address, lambda: engine, silence=silence)
    batches = loglines.lines(logs, sources, follow=True, tail=None, since=None, stop=stop)
    lines = (line.text for batch in batches for line in batch)
    assert next(lines) == "up"
    return lines, stop


def replace(server: Server, engine: Engine, first: Container) -> None:
    """Have another container in its place, which says "anew"."""
    second = container(server, "sh", "-c", "echo anew; exec sleep 100")
    engine.remove(first.id)
    server.engine.start(second)


@pytest.mark.programs
def test_followed_logs_go_on_over_a_restart_and_a_replacement(server: Server, engine: Engine) -> None:
    first = container(server, *FOREVER)
    lines, stop = followed(server, engine, first)
    engine.restart(first.id)
    assert next(lines) == "up"
    replace(server, engine, first)
    assert next(lines) == "anew"
    stop.set()


@pytest.mark.programs
def test_a_follow_ends_with_its_run_though_the_log_does_not(server: Server, engine: Engine) -> None:
    first = container(server, *FOREVER)
    first.endless = True
    lines, stop = followed(server, engine, first, silence=0.02)
    replace(server, engine, first)
    assert next(lines) == "anew"
    stop.set()


@pytest.mark.programs
def test_what_is_followed_goes_on_though_the_engine_refuses_for_a_moment(server: Server) -> None:
    asked = list[dict[str, str]]()

    class Busy(Engine):
        def labelled(self, **tags: str) -> list[containers.Container]:
            server.engine.refusal = None if asked else ("containers/json", 500, "context canceled")
            asked.append(tags)
            return super().labelled(**tags)

    first = container(server, *FOREVER)
    with closing(Busy(server.address)) as engine:
        lines, stop = followed(server, engine, first)
        asked.clear()
        replace(server, engine, first)
        assert (next(lines), len(asked) > 1) == ("anew", True)
        stop.set()


def test_the_engine_is_asked_without_its_sdk(server: Server) -> None:
    web = container(server, "true")
    (listed,) = containers.all_containers(server.address) or ()
    assert (listed["Id"], containers.version(server.address)) == (web.id, "28.5.2+dfsg4")


def test_an_engine_that_is_away_has_no_changes_to_tell(server: Server, engine: Engine) -> None:
    Path(engine.address.removeprefix("unix://")).unlink()
    with pytest.raises(ToolMissing):
        list(engine.events.changes("shop-1", threading.Event()))


@pytest.mark.programs
def test_nothing_waits_for_a_stream_that_has_ended(server: Server, engine: Engine) -> None:
    def waiting() -> list[str]:
        return [thread.name for thread in threading.enumerate() if "_close_on" in thread.name]

    web = container(server, *FOREVER)
    engine.start(web.id)
    threading.Timer(0.2, server.engine.stop, [web]).start()
    with closing(cast("Generator[Change]", engine.events.changes("shop-1", threading.Event()))) as changes:
        assert next(changes).unit == "web"
        assert waiting()
    eventually(engine, lambda: not waiting())


@pytest.mark.programs
def test_checks_of_a_container_that_tell_no_state_are_not_sent(server: Server, engine: Engine) -> None:
    web = container(server, *FOREVER)
    engine.events.listen("shop-1")
    engine.start(web.id)
    server.engine.event(web, "exec_create: sh")
    server.engine.event(web, "exec_die")
    server.engine.event(web, "health_status: healthy")
    eventually(engine, lambda: engine.events.state(web.id).health == "healthy")
    assert server.engine.sent == ["start", "health_status: healthy"]


def test_the_environment_is_not_searched_for_a_proxy_with_every_request_over_a_socket(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def searched(*args: object) -> dict[str, str]:
        raise AssertionError("searched")

    monkeypatch.setattr("requests.sessions.get_environ_proxies", searched)
    assert engine.labelled(stack="shop-1") == []
