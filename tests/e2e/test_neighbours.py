"""Several checkouts, several runs and other people's things on one machine."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from .checkout import Checkout, eventually
from .conftest import MakeCheckout

pytestmark = pytest.mark.engine

WITH_DATA = """
    services:
      web:
        image: busybox:1.37
        command: httpd -f -p 80 -h /data
        port: 80
        volumes: {data: /data}
        health: {exec: "true"}
"""


def publishing(port: int) -> str:
    return f"""
    services:
      web:
        image: busybox:1.37
        command: httpd -f -p 80
        port: 80
        publish: {port}
        env: {{URL: "${{web.public_url}}"}}
      worker: {{image: "busybox:1.37", command: sleep 900}}
    """


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of this machine that this very process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def foreign(engine: docker.DockerClient, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A container, a network and a volume that are not devenv's, as (kind -> id)."""
    name = f"foreign-{tmp_path.name.replace('_', '-')}"[:60]
    container = engine.containers.run(
        "busybox:1.37", "sleep 900", name=name, detach=True, labels={"who": "me"}
    )
    network, volume = engine.networks.create(name), engine.volumes.create(name)
    yield {"container": container.id, "network": network.id, "volume": volume.name}
    with contextlib.suppress(docker.errors.APIError):
        container.remove(force=True)
    network.remove()
    volume.remove()


def test_two_checkouts_of_one_repo_run_side_by_side(checkouts: MakeCheckout) -> None:
    left, right = checkouts("left", stack="sidebyside"), checkouts("right", stack="sidebyside")
    for checkout in (left, right):
        checkout.manifest(WITH_DATA)
        checkout.devenv("up", "-d")

    names = [checkout.units()["web"].name for checkout in (left, right)]
    assert names[0] != names[1]
    assert not {*left.networks(), *left.volumes()} & {*right.networks(), *right.volumes()}
    assert left.port("web") != right.port("web")

    survivor = right.lives()
    left.devenv("down", "--volumes", "--yes")

    assert left.containers() == []
    assert right.lives() == survivor
    assert right.running() == {"web"}
    assert right.volumes() != []


def test_down_keeps_the_data_and_up_finds_it_again(checkout: Checkout) -> None:
    checkout.manifest(WITH_DATA)
    checkout.devenv("up", "-d")
    checkout.inside("web", "sh", "-c", "echo kept >/data/page")

    stderr = checkout.devenv("down").stderr
    assert checkout.containers() == []
    assert checkout.networks() == []
    assert "data kept in 1 volume" in stderr

    checkout.devenv("up", "-d")
    assert checkout.inside("web", "cat", "/data/page") == "kept\n"


def test_down_with_volumes_removes_only_what_is_ours(
    checkout: Checkout, engine: docker.DockerClient, foreign: dict[str, str]
) -> None:
    checkout.manifest(WITH_DATA)
    checkout.devenv("up", "-d")

    refused = checkout.devenv("down", "--volumes", exits=2)
    assert "add --yes" in refused.stderr
    assert checkout.running() == {"web"}

    checkout.devenv("down", "--volumes", "--yes")

    assert (checkout.containers(), checkout.networks(), checkout.volumes()) == ([], [], [])
    assert engine.containers.get(foreign["container"]).status == "running"
    assert engine.networks.get(foreign["network"])
    assert engine.volumes.get(foreign["volume"])


def test_a_port_that_a_program_holds_is_named_with_its_owner_before_anything_is_created(
    checkout: Checkout, listener: int
) -> None:
    checkout.manifest(publishing(listener))

    stderr = checkout.devenv("up", "-d", exits=1).stderr

    assert f"port {listener} is taken by" in stderr
    assert f"(pid {os.getpid()})" in stderr
    assert f"web publishes {listener}" in stderr
    assert "--remap-ports" in stderr
    assert (checkout.containers(), checkout.networks()) == ([], [])


def test_a_port_that_another_checkout_holds_is_named_with_its_stack(
    checkouts: MakeCheckout, unused_port: int
) -> None:
    left, right = checkouts("left"), checkouts("right")
    for checkout in (left, right):
        checkout.manifest(publishing(unused_port))
    left.devenv("up", "-d")

    stderr = right.devenv("up", "-d", exits=1).stderr

    assert f"port {unused_port} is taken by web of the stack {left.id}" in stderr
    assert (right.containers(), right.networks()) == ([], [])


def test_a_remapped_port_is_stable_and_every_url_follows(checkout: Checkout, listener: int) -> None:
    checkout.manifest(publishing(listener))

    stderr = checkout.devenv("up", "-d", "--remap-ports").stderr
    first = checkout.port("web")

    assert first != listener
    assert f"{listener} is taken by" in stderr
    assert checkout.units()["web"].env["URL"] == f"http://localhost:{first}"
    assert checkout.devenv("open", "web").stdout.strip() == f"http://localhost:{first}"
    assert "nothing to do" in checkout.devenv("up", "-d", "--remap-ports").stderr

    checkout.devenv("down")
    checkout.devenv("up", "-d", "--remap-ports")
    assert checkout.port("web") == first


def test_a_second_up_waits_and_says_for_whom(checkout: Checkout) -> None:
    checkout.manifest("""
        services:
          web: {image: "busybox:1.37", command: sleep 900, health: {exec: test -f /open, every: 100ms}}
    """)
    first = checkout.begin("up", "-d")
    eventually(checkout.running, "the container")

    second = checkout.begin("up", "-d")
    second.wait_for(f"waiting for devenv up (pid {first.process.pid}) to finish with this stack")
    assert second.process.poll() is None
    checkout.inside("web", "touch", "/open")

    assert (first.end().code, second.end().code) == (0, 0)
    assert "nothing to do" in second.output
    assert len(checkout.networks()) == 1
    assert len(checkout.units()) == 1


def test_two_ups_that_begin_together_make_one_of_everything(checkout: Checkout) -> None:
    checkout.sources("web")
    checkout.manifest("""
        services:
          web: {build: ./web, command: sleep 900}
          worker: {image: "busybox:1.37", command: sleep 900, volumes: {data: /data}}
    """)

    both = [checkout.begin("up", "-d") for _ in range(2)]

    assert [program.end().code for program in both] == [0, 0]
    assert checkout.running() == {"web", "worker"}
    assert checkout.networks() == [checkout.id]
    assert checkout.volumes() == [f"{checkout.id}_worker-data"]


def test_stacks_that_come_up_at_once_do_not_fight_over_a_port(checkouts: MakeCheckout) -> None:
    stacks = [checkouts(name) for name in ("left", "middle", "right")]
    for stack in stacks:
        stack.manifest('services: {web: {image: "busybox:1.37", command: httpd -f -p 3137, port: 3137}}')
    going = [stack.begin("up", "-d") for stack in stacks]
    assert [stack.end().code for stack in going] == [0, 0, 0]
    ports = {stack.devenv("status", "--json").json["units"][0]["ports"]["http"] for stack in stacks}
    assert len(ports) == 3
    assert 3137 in ports
