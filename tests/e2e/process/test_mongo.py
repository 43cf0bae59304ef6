"""MongoDB from the PATH: FerretDB in its place, as no registry has a `mongod`, taken out of the image that stands in."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.e2e.checkout import Checkout
from tests.e2e.process.conftest import Processes, processes

pytestmark = [pytest.mark.engine, pytest.mark.registry]

IMAGE = "mongo:8.0.30"
REX = 'db.pet.insertOne({name: "Rex"})'
PETS = "JSON.stringify(db.pet.find({}, {_id: 0}).toArray())"
MANIFEST = "services: {api: {build: ./api, host: exec sleep 1000, uses: [mongo]}}\n"


@pytest.fixture(scope="module")
def programs(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `mongod`, which plays it, and `mongosh`, `mongodump` and `mongorestore` likewise."""
    if engine.images.get(IMAGE).labels.get("devenv.standin") != "true":
        pytest.skip(f"{IMAGE} is MongoDB's own, whose programs need the libraries of its image")
    folder = tmp_path_factory.mktemp("programs")
    container = engine.containers.create(IMAGE)
    try:
        stream, _ = container.get_archive("/usr/local/bin")
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            archive.extractall(folder, filter="fully_trusted")
    finally:
        container.remove()
    return folder / "bin"


@pytest.fixture
def path(programs: Path, environment: Mapping[str, str]) -> Mapping[str, str]:
    return {**environment, "PATH": f"{programs}{os.pathsep}{environment['PATH']}"}


@pytest.fixture
def plain(tmp_path: Path, path: Mapping[str, str]) -> Iterator[Processes]:
    with processes(tmp_path, path) as checkout:
        checkout.write("api/Dockerfile", "FROM busybox\n")
        yield checkout


@pytest.fixture
def taken() -> Iterator[None]:
    """Something listens where a MongoDB of this machine would, or it has one."""
    with closing(socket.socket()) as usual:
        usual.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            usual.bind(("127.0.0.1", 27017))
        except OSError:
            yield
            return
        usual.listen()
        yield


def asked(checkout: Checkout, script: str, **more: Any) -> str:
    """What MongoDB's shell prints of a script, called as people call it."""
    shell = ("exec", "-T", "mongo", "--", "mongosh", "--quiet", "app", "--eval", script)
    return checkout.devenv(*shell, **more).stdout


@pytest.mark.usefixtures("taken")
def test_seeds_and_clients_go_to_the_stacks_own_server_and_data_outlives_it(plain: Processes) -> None:
    plain.write("seed/1.js", REX)
    plain.write("seed/2.sh", """mongosh --quiet app --eval 'db.pet.insertOne({name: "Tom"})'""")
    plain.manifest(MANIFEST + "infra: {mongo: {seed: [./seed/*]}}\n")
    shown = plain.on("up", "-d").stderr
    assert "asks for no password" in shown
    assert plain.port("mongo", "mongo") != 27017
    assert plain.states() == {"mongo": "healthy", "api": "running"}
    assert plain.listening() == {"0100007F"}
    assert asked(plain, PETS) == '[{"name":"Rex"},{"name":"Tom"}]\n'
    alive = plain.alive()
    plain.devenv("down")
    assert plain.gone(alive)
    plain.devenv("up", "-d")
    assert asked(plain, PETS) == '[{"name":"Rex"},{"name":"Tom"}]\n'


def test_a_seed_without_a_shell_is_refused_and_forgotten_with_its_line(
    plain: Processes, programs: Path, path: Mapping[str, str], tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("mongod", "ferretdb"):
        os.link(programs / name, alone / name)
    env = {"PATH": f"{alone}{os.pathsep}{path['PATH'].partition(os.pathsep)[2]}"}
    plain.write("seed/1.js", REX)
    plain.manifest(MANIFEST + "infra: {mongo: {seed: [./seed/*]}}\n")
    refused = plain.on("up", "-d", env=env, exits=1).stderr
    assert "seeds in JavaScript need mongosh" in refused
    plain.manifest(MANIFEST)
    assert "mongo  healthy" in plain.on("up", "-d", env=env).stderr


def test_documents_come_from_the_container(checkout: Checkout, path: Mapping[str, str]) -> None:
    checkout.manifest("infra: {mongo: {}}\n")
    checkout.devenv("up", "-d", "-b", "compose")
    asked(checkout, REX)
    env = {"PATH": path["PATH"]}
    checkout.devenv("up", "-d", "-b", "process", "--with-data", env=env)
    assert asked(checkout, PETS, env=env) == '[{"name":"Rex"}]\n'
