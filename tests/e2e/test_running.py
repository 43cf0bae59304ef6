"""How a service runs: fields that change its container, on the real engine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import docker
import pytest

from .checkout import Checkout, eventually
from .conftest import making

pytestmark = pytest.mark.engine

MANIFEST = """
    namespace: running
    services:
      hidden:                           # nothing of this machine leads there: its check is made inside
        image: busybox:1.37
        command: httpd -f -p 8000
        port: 8000
        publish: false
        health: {http: /, every: 100ms, within: 20s}
        files: {/srv/index.html: ./index.html}
        aliases: [behind]
        user: 1000:1001
        workdir: /srv
        read_only: true
        tmpfs: ["/tmp", "/run:size=1m"]
        shm: 1Mi
        capabilities: {add: [NET_ADMIN], drop: [ALL]}
        init: false
        stop_signal: INT
        grace: 1s
      stubborn:                         # ends twice before it goes on
        image: busybox:1.37
        command: '[ "$(wc -c </data/tries)" -ge 2 ] && exec sleep 1000; printf x >>/data/tries; exit 3'
        volumes: {data: /data}
        restart: on-failure
        uses: [hidden, prepared]
        grace: 1s
      silent:                           # its image's own check never passes
        build: ./silent
        command: sh loop.sh
        user: 1000
        workdir: /srv/app
        stop_signal: INT
        health: false
        grace: 1s
      tools: {image: "busybox:1.37", command: sleep 1000, manual: true, uses: [hidden], grace: 1s}
    jobs:
      prepared: {image: "busybox:1.37", command: wget -qO /dev/null http://behind.running:8000/, uses: [hidden]}
"""


LOOP = "echo {}; while :; do sleep 0.1; done\n"


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient, environment: Mapping[str, str]
):
    """The application, up."""
    with making(tmp_path_factory.mktemp("running"), engine, environment) as make:
        checkout = make()
        checkout.write("index.html", "hello")
        checkout.write("silent/Dockerfile", "FROM busybox:1.37\nCOPY . /srv/app\nHEALTHCHECK CMD false\n")
        checkout.write("silent/loop.sh", LOOP.format("first"))
        checkout.manifest(MANIFEST)
        checkout.devenv("up", "-d")
        yield checkout


def test_a_service_that_publishes_nothing_is_healthy_and_reached_by_the_others(stack: Checkout) -> None:
    hidden = stack.units()["hidden"]
    assert not hidden.raw["HostConfig"]["PortBindings"]
    assert hidden.health == "healthy"
    rows = {row["name"]: row for row in stack.devenv("status", "--json").json["units"]}
    assert rows["hidden"]["state"] == "healthy"
    assert "localhost" not in json.dumps(rows["hidden"])


def test_a_service_without_a_check_has_none_of_its_image_either(stack: Checkout) -> None:
    assert stack.units()["silent"].health == ""


def test_a_container_runs_as_the_manifest_says(stack: Checkout) -> None:
    hidden = stack.units()["hidden"].raw
    config, host = hidden["Config"], hidden["HostConfig"]
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("1000:1001", "/srv", "SIGINT")
    assert (host["ReadonlyRootfs"], host["ShmSize"], host.get("Init")) == (True, 2**20, None)
    assert (host["CapAdd"], host["CapDrop"]) == (["CAP_NET_ADMIN"], ["ALL"])
    assert stack.inside("hidden", "sh", "-c", "id -u; pwd; touch /tmp/here && echo ok") == "1000\n/srv\nok\n"


def test_a_changed_file_reaches_a_program_of_another_user_and_folder(stack: Checkout) -> None:
    before = stack.units()["silent"].id
    stack.write("silent/loop.sh", LOOP.format("second"))
    stack.devenv("up", "-d")
    assert stack.units()["silent"].id == before
    eventually(lambda: "second" in stack.devenv("logs", "silent").stdout, "its word")
    assert stack.inside("silent", "id", "-u") == "1000\n"


def test_a_manual_service_starts_by_its_name_only(stack: Checkout) -> None:
    assert "tools" not in stack.units()
    stack.devenv("up", "-d", "tools")
    assert "tools" in stack.running()
    stack.devenv("up", "-d")
    assert "tools" in stack.running()


def test_a_program_that_fails_at_first_is_started_again(stack: Checkout) -> None:
    eventually(lambda: stack.units()["stubborn"].raw["RestartCount"] == 2, "the third start")
    eventually(lambda: "stubborn" in stack.running(), "the third run")


def test_a_program_that_keeps_ending_is_a_failure_with_its_words(stack: Checkout) -> None:
    loops = (
        "  loops: {image: \"busybox:1.37\", command: 'echo no licence; exit 4', restart: always, grace: 1s}\n"
    )
    stack.manifest(MANIFEST.replace("    jobs:\n", f"    {loops}    jobs:\n"))

    failed = stack.devenv("up", "-d", "loops", exits=1)

    # A busy machine may start it less often in the time that it has.
    assert re.search(r"loops ended [2-5] times, with exit 4", failed.output)
    assert "no licence" in failed.output
    assert not stack.devenv("down", "-y").code
    assert stack.units() == {}
