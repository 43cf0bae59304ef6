"""A machine that is not as it should be: no engine, no right to it, no room on the disk."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from devenv.backends import containers
from tests.engine.fake import Server

from .checkout import Checkout
from .conftest import MakeCheckout

pytestmark = pytest.mark.engine

SIMPLE = 'services: {web: {image: "busybox:1.37", command: sleep 900}}'

# Root may open what nobody may; without these it is like everybody else.
UNPRIVILEGED = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
    if os.geteuid() == 0
    else ()
)


@pytest.mark.parametrize("address", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"])
@pytest.mark.parametrize("command", ["up -d", "status", "down", "logs"])
def test_without_an_engine_every_command_says_so_and_what_to_do(
    checkout: Checkout, address: str, command: str
) -> None:
    checkout.manifest(SIMPLE)

    ended = checkout.devenv(*command.split(), env={"DOCKER_HOST": address}, exits=3)

    assert f"no Docker engine answers at {address}" in ended.stderr
    assert "unset DOCKER_HOST" in ended.stderr
    assert ended.seconds < 5


@pytest.mark.parametrize("command", ["plan", "render", "env", "schema"])
def test_without_an_engine_what_only_looks_at_the_manifest_works(checkout: Checkout, command: str) -> None:
    checkout.manifest(SIMPLE)

    ended = checkout.devenv(command, env={"DOCKER_HOST": "unix:///nowhere/docker.sock"})

    if command == "plan":
        assert "apply web (not found)" in ended.stdout
        assert "no Docker engine answers" in ended.stderr


def test_a_terminal_with_another_engine_says_where_the_stack_is_and_changes_nothing(
    checkout: Checkout,
) -> None:
    checkout.manifest(SIMPLE)
    checkout.devenv("up", "-d")
    before, home = checkout.lives(), containers.address()

    def refused(address: str, *commands: str) -> None:
        for command in commands:
            ended = checkout.devenv(*command.split(), env={"DOCKER_HOST": address}, exits=3)
            assert "the stack is on an engine that this terminal does not lead to" in ended.stderr, command
            assert f"export DOCKER_HOST={home}" in ended.stderr, command
            assert ended.seconds < 5

    refused("unix:///nowhere/docker.sock", "status", "logs", "up -d", "down")
    with TemporaryDirectory() as folder, closing(Server(f"{folder}/docker.sock")) as empty:
        refused(empty.address, "status", "logs", "exec web ls", "plan", "up -d", "down --volumes -y")
        assert "nothing to do" in checkout.devenv("up", "-d").stderr
        assert checkout.lives() == before
        checkout.devenv("down")
        status = checkout.devenv("status", env={"DOCKER_HOST": empty.address}).stderr
        assert "nothing of this checkout is running" in status


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root needs setpriv to give up its rights"
)
@pytest.mark.parametrize("command", ["up -d", "status"])
def test_without_the_right_to_the_engine_it_says_whose_right_that_is(
    checkout: Checkout, tmp_path: Path, command: str
) -> None:
    checkout.manifest(SIMPLE)
    with socket.socket(socket.AF_UNIX) as closed:
        address = os.path.relpath(tmp_path / "docker.sock")  # a socket's path may not be long
        closed.bind(address)
        closed.listen()
        os.chmod(address, 0)

        ended = checkout.devenv(
            *command.split(),
            env={"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"},
            under=UNPRIVILEGED,
            exits=3,
        )

    assert "no right to talk to the Docker engine" in ended.stderr
    assert "usermod -aG docker" in ended.stderr


@pytest.fixture
def tiny_disk(checkouts: MakeCheckout) -> Iterator[Checkout]:
    """A checkout on a disk of 256 KiB."""
    checkout = checkouts("tiny")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", str(checkout.root)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("may not mount a small disk here")
    yield checkout
    subprocess.run(["umount", "--lazy", str(checkout.root)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that is left on the folder's disk."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 512)
        except OSError:
            return ballast


def test_a_full_disk_is_named_and_the_old_files_stay_whole(tiny_disk: Checkout) -> None:
    tiny_disk.manifest(SIMPLE)
    tiny_disk.devenv("up", "-d")
    before = {file: file.read_bytes() for file in tiny_disk.root.glob(".devenv/compose/*")}
    lives = tiny_disk.lives()
    services = ", ".join(f'web{n}: {{image: "busybox:1.37", command: sleep 900}}' for n in range(20))
    tiny_disk.manifest(f"services: {{{services}}}")
    ballast = fill(tiny_disk.root)

    ended = tiny_disk.devenv("up", "-d", exits=1)

    assert "the disk is full" in ended.stderr
    assert {file: file.read_bytes() for file in tiny_disk.root.glob(".devenv/compose/*")} == before
    assert tiny_disk.lives() == lives
    assert [entry["state"] for entry in tiny_disk.devenv("status", "--json").json["units"]] == ["running"]

    tiny_disk.manifest(SIMPLE)
    ballast.unlink()
    assert "nothing to do" in tiny_disk.devenv("up", "-d").stderr


def test_a_disk_that_is_full_from_the_start_is_named(tiny_disk: Checkout) -> None:
    tiny_disk.manifest(SIMPLE)
    ballast = fill(tiny_disk.root)

    assert "apply web (not found)" in tiny_disk.devenv("plan").stdout
    for command in (["up", "-d"], ["render"]):
        assert "the disk is full" in tiny_disk.devenv(*command, exits=1).stderr
    assert tiny_disk.containers() == []

    ballast.unlink()
    tiny_disk.devenv("up", "-d")
    assert tiny_disk.running() == {"web"}
