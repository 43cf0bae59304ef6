"""What an engine's answers mean, who is ready, and what known messages are about."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from devenv.backends import containers, contexts
from devenv.backends.kube.backend import KubeBackend
from devenv.backends.probe import Behind, answers
from devenv.doctor.engine import Silence, look
from devenv.errors import ToolMissing
from devenv.plan.model import ObservedUnit
from devenv.stack.imaged import Declared
from tests.table import each_row

LABELS = {
    "devenv.dev/unit": "orders",
    "devenv.dev/stack": "shop-c0ffee",
    "devenv.dev/role": "service",
    "devenv.dev/fingerprint": "env:1",
    "devenv.dev/ports": '[["http",80,8080,8081],["metrics",9100,9100,9100]]',
    "devenv.dev/links": '[["","http://localhost:8081"]]',
}


def container(**fields: Any) -> dict[str, Any]:
    return {
        "Id": "c0ffee",
        "Labels": LABELS,
        "State": "running",
        "Status": "Up 3 minutes",
        "Image": "orders:1",
        **fields,
    }


def test_a_container_is_known_by_its_labels_alone() -> None:
    assert containers.observed_unit(container(Status="Up 3 minutes (healthy)")) == ObservedUnit(
        "orders",
        id="c0ffee",
        state="running",
        stack="shop-c0ffee",
        role="service",
        healthy=True,
        fingerprint="env:1",
        image="orders:1",
        ports={80: (8080, 8081), 9100: (9100, 9100)},
        port_names={80: "http", 9100: "metrics"},
        links=(("", "http://localhost:8081"),),
    )
    bare = containers.observed_unit(
        container(Labels={"devenv.dev/unit": "job"}, State="exited", Status="Exited (3) 1 hour ago")
    )
    assert bare == ObservedUnit("job", id="c0ffee", state="exited", exit_code=3, image="orders:1")


STATUSES = {
    "Up 3 minutes": None,
    "Up 3 minutes (healthy)": True,
    "Up 3 minutes (unhealthy)": False,
    "Up 1 second (health: starting)": False,
    "Created": None,
    "": None,
}


@pytest.mark.parametrize(("status", "healthy"), STATUSES.items())
def test_health_is_what_the_engine_says_of_it(status: str, healthy: bool | None) -> None:
    assert containers.observed_unit(container(Status=status)).healthy is healthy


NAMES = {
    "postgres:18": True,
    "docker.io/library/postgres:18": True,
    "postgres": False,
    "busybox": True,
    "ghcr.io/acme/shop:1": True,
    "localhost:5000/shop": True,
    "postgres@sha256:abc": True,
    "postgres:18@sha256:abc": True,
    "postgres@sha256:def": False,
    "shop:1": False,
}


@each_row(NAMES.items())
def test_an_image_is_there_by_whatever_name_it_is_asked_for(name: str, there: bool) -> None:
    images = [
        {"RepoTags": ["postgres:18", "busybox:latest"], "RepoDigests": ["postgres@sha256:abc"]},
        {"RepoTags": ["ghcr.io/acme/shop:1", "localhost:5000/shop:latest"], "RepoDigests": None},
        {"RepoTags": None},
    ]
    assert containers.named(images, [name]) == ({name} if there else set())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path into which everybody may look: a socket's name has at most 107 bytes."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


Engine = Callable[[int, Any], str]


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    """An engine that has one answer for whoever asks next; returns its address."""
    listening: list[socket.socket] = []

    def make(status: int, answer: Any) -> str:
        path = str(folder / "docker.sock")
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(path)
        server.listen()
        listening.append(server)

        def serve() -> None:
            with suppress(OSError):  # closed before anybody asked
                connection, _ = server.accept()
                with closing(connection):
                    connection.recv(4096)
                    connection.sendall(f"HTTP/1.0 {status} Said\r\n\r\n{json.dumps(answer)}".encode())

        threading.Thread(target=serve, daemon=True).start()
        return f"unix://{path}"

    yield make
    for server in listening:
        server.close()


def test_all_containers_come_with_one_question(engine: Engine) -> None:
    assert containers.all_containers(engine(200, [container()])) == [container()]


def test_volumes_that_an_image_declares_are_known_on_kubernetes_from_the_local_engine(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine(200, {"Config": {"Volumes": {"/data/db": {}}}}))
    assert KubeBackend().declared(["db:1"]) == {"db:1": Declared(volumes=("/data/db",))}
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert KubeBackend().declared(["db:1"]) == {}


def test_the_version_is_what_it_says(engine: Engine) -> None:
    assert containers.version(engine(200, {"Version": "28.5.2"})) == "28.5.2"


def test_what_is_no_local_engine_is_left_to_the_sdk(engine: Engine) -> None:
    assert containers.all_containers("tcp://127.0.0.1:1") is None
    assert containers.images(engine(500, {"message": "oh"})) is None


@pytest.fixture
def nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a machine on which no engine is where engines are."""
    monkeypatch.setattr(containers, "USUAL", f"unix://{folder}/usual.sock")
    environment = {"HOME": str(folder), "DOCKER_CONFIG": str(folder)}
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


def test_where_nobody_listens_it_says_what_to_start(nothing: dict[str, str]) -> None:
    with pytest.raises(ToolMissing, match="no Docker engine answers at unix:///") as missing:
        containers.all_containers(containers.USUAL)
    assert "sudo systemctl start docker" in missing.value.hint
    assert missing.value.exit_code == 3
    assert containers.absent(nothing) == containers.USUAL.removeprefix("unix://")


def test_a_rootless_engine_is_named_where_the_usual_one_is_not_there(
    engine: Engine, folder: Path, nothing: dict[str, str]
) -> None:
    rootless = engine(200, {})
    nothing["XDG_RUNTIME_DIR"] = str(folder)
    assert containers.elsewhere(nothing) == rootless
    assert containers.absent(nothing).endswith(f"/usual.sock, though at {rootless}")
    error = containers.unreachable(containers.USUAL, "No such file", nothing)
    assert error.hint == f"export DOCKER_HOST={rootless}   # an engine answers there"


def test_an_address_that_was_named_is_taken_back(nothing: dict[str, str]) -> None:
    named = {**nothing, "DOCKER_HOST": "unix:///gone.sock"}
    assert containers.another("unix:///gone.sock", named) == (
        "start that engine, or: unset DOCKER_HOST   # it names that address"
    )
    assert containers.another("tcp://lab:1", nothing).startswith("docker context use default ")


def test_podman_is_called_by_its_name(engine: Engine) -> None:
    address = engine(200, {"Version": "4.9.3", "Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}]})
    version = containers.version(address)
    assert version == "Podman 4.9.3"
    with pytest.raises(ToolMissing, match=r"Podman 4\.9\.3 answers at x") as refused:
        containers.described(version, "x")
    assert refused.value.why == "devenv needs Docker itself, 25 or newer"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without the right")
def test_without_the_right_to_ask_it_says_who_gives_it(engine: Engine, folder: Path) -> None:
    address = engine(200, [])
    (folder / "docker.sock").chmod(0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(ToolMissing, match="no right to talk to the Docker engine at unix:///") as missing:
            containers.all_containers(address)
    finally:
        os.seteuid(0)
    assert missing.value.hint.startswith("sudo usermod -aG docker $USER")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("28.5.2", "Docker 28.5.2 at x"),
        ("25.0.0+dfsg1", "Docker 25.0.0 at x"),
        ("29.0.0-rc.1", "Docker 29.0.0-rc.1 at x"),
    ],
)
def test_an_engine_is_called_by_its_version_and_an_unusual_address(version: str, expected: str) -> None:
    assert containers.described(version, "x") == expected
    assert containers.described(version, containers.USUAL) == expected.removesuffix(" at x")


@pytest.mark.parametrize("version", ["20.10.24", "24.0.9"])
def test_an_engine_too_old_is_refused(version: str) -> None:
    with pytest.raises(ToolMissing, match=f"the Docker engine is {version}"):
        containers.described(version, "x")


def test_the_engine_is_the_one_that_the_docker_command_talks_to(folder: Path) -> None:
    own = {"DOCKER_CONFIG": str(folder)}
    assert containers.address({"DOCKER_HOST": "tcp://a:1", **own}) == "tcp://a:1"
    assert containers.address(own) == "unix:///var/run/docker.sock"
    (folder / "config.json").write_text("{broken")
    assert containers.address(own) == "unix:///var/run/docker.sock"
    (folder / "config.json").write_text('{"currentContext": "default"}')
    assert containers.address(own) == "unix:///var/run/docker.sock"


@pytest.mark.programs
@pytest.mark.skipif(shutil.which("docker") is None, reason="Docker's own program makes the context")
def test_a_docker_context_is_read_where_the_docker_command_keeps_it(folder: Path) -> None:
    make = ["docker", "--config", str(folder), "context", "create", "lab", "--docker", "host=tcp://a:1"]
    subprocess.run(make, check=True, capture_output=True)
    own = {"DOCKER_CONFIG": str(folder)}
    assert containers.address({"DOCKER_CONTEXT": "lab", **own}) == "tcp://a:1"
    (folder / "config.json").write_text('{"currentContext": "lab"}')
    assert containers.address(own) == "tcp://a:1"
    with pytest.raises(ToolMissing, match='no Docker context "lba"'):
        containers.address({"DOCKER_CONTEXT": "lba", **own})


@pytest.fixture
def certified(folder: Path) -> Path:
    """The docker command's own folder, with all certificates."""
    for name in ("ca", "cert", "key"):
        (folder / f"{name}.pem").touch()
    return folder


def test_the_environment_says_whether_an_engine_is_reached_with_tls(certified: Path) -> None:
    all_of_them = contexts.Certificates(
        str(certified / "ca.pem"), (str(certified / "cert.pem"), str(certified / "key.pem"))
    )
    there = {"DOCKER_HOST": "tcp://a:1", "DOCKER_CONFIG": str(certified)}
    verified = {**there, "DOCKER_TLS_VERIFY": "1"}
    assert contexts.certificates(there) is None
    assert contexts.certificates(verified) == all_of_them
    assert contexts.certificates({**there, "DOCKER_TLS": "1"}) == replace(all_of_them, authority=None)
    (certified / "key.pem").unlink()
    assert contexts.certificates(verified) == replace(all_of_them, own=None)
    with pytest.raises(ToolMissing, match="no certificate tells") as missing:
        contexts.certificates({**verified, "DOCKER_CERT_PATH": str(certified / "none")})
    assert missing.value.where == str(certified / "none" / "ca.pem")


def test_an_engine_behind_ssh_is_said_to_be_out_of_reach() -> None:
    address = "ssh://ann@lab/run/docker.sock"
    error = containers.unreachable(address, "no adapter", {})
    assert "through ssh" in error.what
    assert error.hint.startswith("ssh -fNL /tmp/docker.sock:/run/docker.sock ann@lab ")
    assert look(address, {"DOCKER_HOST": address}) == Silence(error.what, instead=error.hint)


HTTP = {
    b"HTTP/1.1 204 No Content\r\n\r\n": (True, "204 No Content"),
    b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n": (True, "302 Found"),
    b"HTTP/1.1 503 Unavailable\r\nContent-Length: 4\r\n\r\nwait": (False, "503 Unavailable: wait"),
    b"": (False, "nothing answers on the port"),
    b"SSH-2.0-x\r\n": (False, "the answer is not HTTP"),
}


def listening(answer: bytes | None, address: str = "127.0.0.1") -> tuple[socket.socket, int]:
    """A program on a port: it says `answer` and hangs up, or with None it says nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.create_server((address, 0), family=family)

    def serve() -> None:
        with suppress(OSError):  # whoever asked may have hung up
            connection, _ = server.accept()
            with closing(connection):
                if answer is None:
                    connection.recv(4096)  # until the other side hangs up
                elif answer:
                    connection.recv(4096)
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return server, server.getsockname()[1]


@pytest.mark.parametrize(("answer", "expected"), HTTP.items())
def test_http_is_ready_with_2xx_and_3xx_and_else_says_what_it_got(
    answer: bytes, expected: tuple[bool, str]
) -> None:
    server, port = listening(answer)
    with closing(server):
        assert answers("http", port, "/healthz") == expected


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_program_on_the_other_localhost_is_asked_there(kind: str) -> None:
    try:
        server, port = listening(b"HTTP/1.1 200 OK\r\n\r\n", "::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with closing(server):
        assert answers(kind, port, "/")[0]
    assert answers(kind, port, "/") == (False, "nothing answers on the port")


def test_a_port_is_ready_when_a_program_holds_the_line() -> None:
    server, port = listening(None)
    with closing(server):
        assert answers("tcp", port) == (True, "accepts connections")


def test_a_proxy_that_hangs_up_at_once_has_nothing_behind_it() -> None:
    server, port = listening(b"")
    with closing(server):
        assert answers("tcp", port) == (False, "nothing listens on the port")
    assert answers("tcp", port) == (False, "nothing answers on the port")


@pytest.mark.parametrize(
    ("machine", "listens", "ready"),
    [("127.0.0.1", True, True), ("127.0.0.1", False, False), ("192.0.2.1", False, True)],
    ids=["something behind it", "nothing behind it", "another machine's"],
)
def test_a_proxy_that_is_slow_to_hang_up_is_looked_behind(
    unused_port: int, machine: str, listens: bool, ready: bool
) -> None:
    proxy, port = listening(None)
    program, inner = listening(None) if listens else (None, unused_port)
    with closing(proxy), closing(program) if program else nullcontext():
        behind = Behind("127.0.0.1", inner, machine)
        assert answers("tcp", port, behind=behind)[0] is ready


def test_where_a_container_is_comes_with_it() -> None:
    networks = {
        "none": {"IPAddress": "", "Gateway": ""},
        "shop": {"IPAddress": "10.9.0.2", "Gateway": "10.9.0.1"},
    }
    listed = container(NetworkSettings={"Networks": networks})
    assert containers.observed_unit(listed).in_network == ("10.9.0.2", "10.9.0.1")
    assert containers.observed_unit(container()).in_network == ("", "")


OWNERS = {
    "of a stack": (
        {"devenv.dev/unit": "db", "devenv.dev/stack": "shop-c0ffee"},
        "db of the stack shop-c0ffee",
    ),
    "of a Compose project": (
        {"com.docker.compose.project": "old"},
        "container old-db-1 of the Compose project old",
    ),
    "of nobody": ({}, "container old-db-1"),
}


@pytest.mark.parametrize(("labels", "owner"), OWNERS.values(), ids=OWNERS)
def test_whose_port_it_is_can_be_said(labels: dict[str, str], owner: str) -> None:
    ports = [{"PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}, {"PrivatePort": 81, "Type": "tcp"}]
    holder = container(Labels=labels, Names=["/old-db-1"], Ports=ports)
    assert (containers.owner(holder), list(containers.published(holder))) == (owner, [8080])
