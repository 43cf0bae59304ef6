"""What a container is given by the manifest, on a real engine: a volume of two, one of somebody else's, a folder."""

from __future__ import annotations

from collections.abc import Mapping

import docker
import pytest

from .checkout import Checkout
from .conftest import making

pytestmark = pytest.mark.engine

MANIFEST = """
    services:
      web:
        image: busybox:${env.BUSYBOX:-1.37}
        command: echo hello >/srv/written; exec sleep 1000
        volumes: {media: /srv}
        files: {/etc/conf: ./conf}
        grace: 0s
      worker:
        image: busybox:1.37
        command: sleep 1000
        uses: [web]
        volumes: {media: /data, archive: /archive, own: /own}
        grace: 0s
      named:                            # hot reload's supervisor is a shell script, and a shell drops such names
        build: ./named
        command: sleep 1000
        env: {log.level: debug, spring-profile: a $b}
        grace: 0s
    volumes: {media: {size: 2Gi}, archive: {external: ARCHIVE}}
"""


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient, environment: Mapping[str, str]
):
    """The application, up, once the volume of somebody else was there."""
    with making(tmp_path_factory.mktemp("sharing"), engine, environment) as make:
        checkout = make()
        checkout.write("named/Dockerfile", "FROM busybox:1.37\nCOPY page.txt /page.txt\n")
        checkout.write("named/page.txt", "one")
        checkout.write("conf/one.ini", "1")
        checkout.write("conf/deeper/two.ini", "2")
        name = f"{checkout.name}-archive"
        checkout.manifest(MANIFEST.replace("ARCHIVE", name))
        missing = checkout.devenv("up", "-d", exits=1)
        assert f"there is no volume {name}" in missing.output
        assert f"docker volume create {name}" in missing.output
        archive = engine.volumes.create(name)
        try:
            checkout.devenv("up", "-d")
            yield checkout
            checkout.devenv("down", "--volumes", "--yes")
            archive.reload()  # it is still there
        finally:
            checkout.clear()
            archive.remove()


def test_two_services_have_one_volume(stack: Checkout) -> None:
    script = (
        "until test -s /data/written; do sleep 0.05; done; cat /data/written"  # it runs before it has written
    )
    assert stack.devenv("exec", "worker", "--", "sh", "-c", script).stdout == "hello\n"


def test_a_folder_is_there_as_a_whole_and_read_only(stack: Checkout) -> None:
    script = "cat /etc/conf/one.ini /etc/conf/deeper/two.ini; touch /etc/conf/x || echo no"
    assert stack.devenv("exec", "web", "sh", "-c", script).stdout == "12no\n"
    stack.write("conf/deeper/three.ini", "3")
    plan = stack.devenv("plan").stdout
    assert "apply web (files changed)" in plan
    assert "apply worker" not in plan


def test_a_plan_of_what_is_as_it_should_be_is_empty(stack: Checkout) -> None:
    (stack.root / "conf/deeper/three.ini").unlink(missing_ok=True)
    assert stack.devenv("plan").stdout == ""


def test_names_that_no_shell_holds_reach_the_program(stack: Checkout) -> None:
    script = "tr '\\0' '\\n' </proc/$(pidof sleep)/environ"
    variables = stack.devenv("exec", "named", "sh", "-c", script).stdout.splitlines()
    assert {"log.level=debug", "spring-profile=a $b"} <= set(variables)
