"""A whole stack as plain processes: PostgreSQL, Valkey, a gateway and a service, none of them in a container."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.process.conftest import API, Processes, processes

MANIFEST = """
services:
  api:
    build: ./api
    host: python server.py
    port: 8000
    uses: [postgres/billing, valkey]
    route: /api
    health: /healthz
    env: {GREETING: "hello ${postgres.host}"}
jobs:
  count: {build: ./api, command: [sh, -c, 'psql -XAt "$DATABASE_URL" -c "SELECT count(*) FROM pet"'], uses: [postgres], manual: true}
infra:
  postgres: {seed: [./seed/*.sql]}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, environment: Mapping[str, str]) -> Iterator[Processes]:
    folder: Path = tmp_path_factory.mktemp("a folder with blanks")
    with processes(folder, environment) as checkout:
        checkout.manifest(MANIFEST)
        checkout.write("api/server.py", API)
        checkout.write("api/Dockerfile", "FROM python:3.13\nCOPY . .\n")
        checkout.write("seed/1.sql", "CREATE TABLE pet (name text); INSERT INTO pet VALUES ('Rex'), ('Tom');")
        checkout.on("up", "-d")
        yield checkout


def test_a_stack_comes_up_and_answers_through_the_gateway(shop: Processes) -> None:
    proxy = shop.port("kong", "proxy")
    with urllib.request.urlopen(f"http://127.0.0.1:{proxy}/api/x", timeout=10) as response:
        assert response.read().decode().startswith("/api/x ")
    well = dict.fromkeys(("api", "kong", "postgres", "valkey"), "healthy")
    assert shop.states() == {**well, "postgres-databases": "done"}


def test_an_unchanged_stack_has_nothing_to_do(shop: Processes) -> None:
    before = shop.records()
    assert "nothing to do" in shop.devenv("up", "-d").stderr
    assert shop.records() == before


def test_an_unchanged_manifest_is_read_from_the_cache_in_every_run(shop: Processes) -> None:
    """A key with a set in it is another one in each run, and the models are imported each time."""
    for seed in ("1", "2"):
        imports = {"PYTHONPROFILEIMPORTTIME": "1", "PYTHONHASHSEED": seed}
        shown = shop.devenv("up", "-d", env=imports).stderr
    assert "devenv.backends.process.records" in shown
    assert "pydantic" not in shown


def test_everything_listens_for_this_machine_alone(shop: Processes) -> None:
    assert shop.listening() == {"0100007F"}


def test_what_plays_the_part_of_kong_is_named_as_such(shop: Processes) -> None:
    assert "stand-in" in shop.devenv("status").stdout


def test_a_store_has_its_seed_and_each_database_that_is_used(shop: Processes) -> None:
    assert shop.devenv("exec", "api", "--", "sh", "-c", "echo $GREETING").stdout == "hello 127.0.0.1\n"
    listed = shop.devenv("exec", "postgres", "--", "psql", "-XAt", "-U", "app", "-d", "app", "-l").stdout
    assert "billing|" in listed
    assert (
        shop.devenv("exec", "postgres", "--", "psql", "-XAtU", "app", "-d", "app", "-c", "TABLE pet").stdout
        == "Rex\nTom\n"
    )


def test_no_secret_is_readable_by_others(shop: Processes) -> None:
    secrets = (shop.root / ".devenv/secrets.env").read_text().splitlines()
    password = next(line.partition("=")[2] for line in secrets if "POSTGRES" in line)
    files = [file for file in shop.folder.path.rglob("*") if file.is_file() and "/data/" not in str(file)]
    holding = [file for file in files if password in file.read_text(errors="replace")]
    assert holding, "none of these files is the one that programs are started from"
    assert not [file for file in holding if file.stat().st_mode & 0o077]


def test_a_killed_supervisor_leaves_nothing_that_the_next_up_does_not_end(shop: Processes) -> None:
    port = shop.port("api")
    supervisor = str(shop.folder.supervisor())
    before = {name: record.pid for name, record in shop.records().items() if record.state == "running"}
    shop.host("kill", "-9", supervisor)
    assert shop.states()["api"] == "orphaned"
    shop.devenv("up", "-d")
    after = {name: record.pid for name, record in shop.records().items() if record.state == "running"}
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())
    assert shop.port("api") == port


def test_down_keeps_the_data_and_leaves_no_process(shop: Processes) -> None:
    alive = shop.alive()
    assert alive
    ended = shop.devenv("down")
    assert "data kept in 2 volumes" in ended.stderr
    assert shop.gone(alive)
    shop.devenv("up", "-d")
    pets = shop.devenv("exec", "postgres", "--", "psql", "-XAtU", "app", "-d", "app", "-c", "TABLE pet")
    assert pets.stdout == "Rex\nTom\n"


def test_a_saved_file_starts_its_service_anew_and_nothing_else(shop: Processes) -> None:
    before = {name: record.pid for name, record in shop.records().items()}
    going = shop.begin("up")
    going.wait_for("every save restarts api")
    file = shop.root / "api/server.py"
    file.write_text(file.read_text().replace("begins", "begins anew"))
    going.wait_for("api/server.py  starts anew")
    going.wait_for("| begins anew", within=10)
    going.interrupt()
    after = {name: record.pid for name, record in shop.records().items()}
    assert {name for name in after if after[name] != before[name]} == {"api"}
    assert "nothing to do" in shop.devenv("up", "-d").stderr
