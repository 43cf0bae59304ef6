"""Servers from the PATH, with the settings of the user's home against them: what was written outlives `down`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from devenv.backends.process.programs import OF_SERVERS
from tests.e2e.process.conftest import Processes, processes

pytestmark = pytest.mark.kinds

MANIFEST = """
services:
  api: {{build: ./api, host: exec sleep 1000, uses: [{uses}]}}
infra:
  {infra}
"""


@pytest.fixture
def plain(tmp_path: Path, environment: Mapping[str, str]) -> Iterator[Processes]:
    """A checkout of somebody whose home is empty but for settings that nothing here may take."""
    (tmp_path / ".my.cnf").write_text("[client]\nport=1\nhost=192.0.2.1\n[mysqld]\nport=1\nnonsense=1\n")
    with processes(tmp_path, {**environment, "HOME": str(tmp_path)}) as checkout:
        yield checkout


def begin(plain: Processes, server: str, uses: str, infra: str) -> None:
    """Bring up a stack with a kind whose server has to be on this machine."""
    path = ":".join((plain.environment["PATH"], *OF_SERVERS))
    if shutil.which(server, path=path) is None:
        pytest.skip(f"no {server} on the PATH")
    plain.write("api/Dockerfile", "FROM busybox\n")
    plain.manifest(MANIFEST.format(uses=uses, infra=infra))
    plain.on("up", "-d")


def again(plain: Processes) -> None:
    alive = plain.alive()
    plain.devenv("down")
    assert plain.gone(alive)
    plain.devenv("up", "-d")


def test_mysql(plain: Processes) -> None:
    plain.write("seed/1.sql", "CREATE TABLE pet (name text); INSERT INTO pet VALUES ('Rex');")
    begin(plain, "mysqld", "mysql/billing", "mysql: {seed: [./seed/*.sql]}")
    client = '"$(command -v mysql || command -v mariadb)" --no-defaults -h127.0.0.1 -P$MYSQL_TCP_PORT'
    ask = f'MYSQL_PWD="$MYSQL_PASSWORD" {client} -u"$MYSQL_USER" -NBe "$1" "$2"'
    exec = ("exec", "mysql", "--", "sh", "-c", ask, "sh")
    assert plain.devenv(*exec, "SHOW DATABASES LIKE 'b%'", "billing").stdout == "billing\n"
    again(plain)
    assert plain.devenv(*exec, "SELECT name FROM pet", "app").stdout == "Rex\n"


def test_rabbitmq(plain: Processes) -> None:
    queue = '{"name": "mail", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}}'
    plain.write("queues.json", f'{{"queues": [{queue}]}}')
    begin(plain, "rabbitmq-server", "rabbitmq/orders", "rabbitmq: {definitions: [./queues.json]}")
    ask = ("exec", "rabbitmq", "--", "rabbitmqctl", "--quiet", "--no-table-headers")
    assert set(plain.devenv(*ask, "list_vhosts").stdout.split()) == {"/", "orders"}
    assert plain.listening() == {"0100007F", "00000000000000000000000001000000"}
    again(plain)
    assert plain.devenv(*ask, "list_queues", "name").stdout == "mail\n"
    assert not (plain.root.parent / ".erlang.cookie").exists()
