"""An engine that is reached with TLS: as `minikube docker-env` says, or a Docker context."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker
import pytest

from tests.certificates import self_signed
from tests.conftest import ROOT

from .checkout import Checkout, Ended, eventually
from .ownengine import ALONE, OwnEngine, needs_own_engine

ADDRESS = "tcp://127.0.0.1:2376"
MANIFEST = """
services:
  web: {image: "busybox:1.37", command: sleep 1000000, reload: {sync: {src: /code}, restart: false}}
"""
# Everything goes in, and comes out while it does; then the end of what goes in is said.
THROUGH = """
import sys, threading
from devenv.backends.docker import Engine
from devenv.backends.streams import attach
address, container, size = sys.argv[1], sys.argv[2], 8 << 20
stream = attach(address, lambda: Engine(address), container, ["cat"])
def send():
    for _ in range(size >> 16):
        stream.send(bytes(1 << 16))
    stream.end()
sending = threading.Thread(target=send)
sending.start()
print(sum(map(len, iter(stream.receive, b""))) == size, stream.exit_code)
sending.join()
"""


@pytest.fixture(scope="module")
def served(
    engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OwnEngine, Path]]:
    """An engine with a busybox, and the folder of the certificates it is reached with."""
    image = b"".join(engine.images.get("busybox:1.37").save(named=True))
    folder, certificates = tmp_path_factory.mktemp("engine"), tmp_path_factory.mktemp("certificates")
    certificate, key = self_signed(["127.0.0.1"])
    for name, text in (("ca", certificate), ("cert", certificate), ("key", key)):
        (certificates / f"{name}.pem").write_text(text)
    own = [
        f"--tls{name}={certificates}/{file}.pem"
        for name, file in (("cacert", "ca"), ("cert", "cert"), ("key", "key"))
    ]
    options = (*ALONE, "--host", ADDRESS, "--tlsverify", *own)
    with OwnEngine(folder, prepare="ip link set lo up", options=options) as started:
        started.client.images.load(image)
        yield started, certificates


class Remote(Checkout):
    """A checkout whose commands run in the engine's network, where its port is."""

    def __init__(self, root: Path, name: str, own: OwnEngine, environment: Mapping[str, str]) -> None:
        super().__init__(root, name, own.client, environment)
        self.inside = ("nsenter", f"--net=/proc/{own.process.pid}/ns/net")

    def run(self, *argv: str, exits: int = 0, **more: str) -> Ended:
        return self.devenv(*argv, exits=exits, under=self.inside, env=more)


@pytest.fixture
def remote(
    served: tuple[OwnEngine, Path], environment: Mapping[str, str], tmp_path: Path
) -> Iterator[Remote]:
    own, certificates = served
    settings = {"DOCKER_HOST": ADDRESS, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
    checkout = Remote(tmp_path / "app", "remote", own, {**environment, **settings})
    checkout.manifest(MANIFEST)
    checkout.write("src/page.txt", "one")
    yield checkout
    checkout.clear()


def page(remote: Remote) -> str:
    return remote.run("exec", "web", "--", "cat", "/code/page.txt").stdout


@needs_own_engine
def test_a_stack_runs_and_is_reloaded_there(remote: Remote) -> None:
    remote.run("up", "-d")
    assert page(remote) == "one"
    watch = remote.begin("watch", under=remote.inside)
    for text in ("brought at its start, or seen", "seen"):
        remote.write("src/page.txt", text)
        eventually(lambda text=text: page(remote) == text)
    watch.interrupt()
    container = remote.units()["web"].id
    argv = [*remote.inside, sys.executable, "-c", THROUGH, ADDRESS, container]
    ended = subprocess.run(
        argv, cwd=ROOT, env=dict(remote.environment), capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.stdout, ended.stderr) == ("True 0\n", "")


@needs_own_engine
def test_a_docker_context_leads_there(remote: Remote, tmp_path: Path) -> None:
    folder = Path(remote.environment["DOCKER_CERT_PATH"])
    environment = {
        name: value for name, value in remote.environment.items() if not name.startswith("DOCKER_")
    }
    remote.environment = {**environment, "DOCKER_CONFIG": str(tmp_path / "docker")}
    files = ",".join(f"{name}={folder}/{name}.pem" for name in ("ca", "cert", "key"))
    remote.host("docker", "context", "create", "lab", "--docker", f"host={ADDRESS},{files}")
    remote.host("docker", "context", "use", "lab")
    remote.run("up", "-d")
    assert "web  service  running" in remote.run("status").stdout


@needs_own_engine
def test_what_is_missing_is_said(remote: Remote, tmp_path: Path) -> None:
    for settings, said in (
        ({"DOCKER_TLS_VERIFY": ""}, "it wants TLS"),
        (
            {"DOCKER_CERT_PATH": str(tmp_path)},
            "no certificate tells whether the Docker engine is the right one",
        ),
        (
            {"DOCKER_TLS_VERIFY": "", "DOCKER_TLS": "1", "DOCKER_CERT_PATH": str(tmp_path)},
            "certificate required",
        ),
    ):
        ended = remote.run("status", exits=3, **settings)
        assert said in ended.stderr
        assert "DOCKER_CERT_PATH=FOLDER" in ended.stderr
