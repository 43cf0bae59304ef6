"""What happens between two edits of a stack that is up."""

from __future__ import annotations

import os

import pytest

from .checkout import Checkout

pytestmark = pytest.mark.engine

TWO_BUILT = """
    services:
      web: {build: ./web, command: httpd -f -p 80 -h /srv, port: 80, health: /page.txt}
      worker: {build: ./worker, command: sleep 900, uses: [web]}
"""


@pytest.fixture
def up(shared: Checkout) -> Checkout:
    """Two services built from sources, up; the same containers as long as no test changes them."""
    shared.sources("web")
    shared.sources("worker")
    shared.manifest(TWO_BUILT)
    shared.devenv("up", "-d")
    return shared


def test_up_returns_once_everything_is_healthy_and_a_second_one_touches_nothing(up: Checkout) -> None:
    assert up.running() == {"web", "worker"}
    before = up.lives()

    assert up.devenv("plan").stdout == ""
    again = up.devenv("up", "-d")

    assert "nothing to do" in again.stderr
    assert up.lives() == before


def test_new_times_of_files_change_nothing(up: Checkout) -> None:
    before = up.lives()
    for file in up.root.rglob("*"):
        os.utime(file, (0, 2_000_000_000))

    assert up.devenv("plan").stdout == ""
    up.devenv("up", "-d")

    assert up.lives() == before


def test_a_changed_source_rebuilds_its_service_alone_and_the_plan_names_the_file(up: Checkout) -> None:
    before, tags = up.lives(), up.tags("worker")
    up.write("web/page.txt", "two")

    plan = up.devenv("plan").stdout
    up.devenv("up", "-d")

    assert "build web (sources changed: page.txt)" in plan
    assert "worker" not in plan
    after = up.lives()
    assert after["worker"] == before["worker"]
    assert after["web"] != before["web"]
    assert up.tags("worker") == tags
    assert up.inside("web", "cat", "/srv/page.txt") == "two"


def test_up_of_one_service_does_not_take_another_for_built(checkout: Checkout) -> None:
    for name in ("web", "other"):
        checkout.sources(name)
    checkout.manifest("""
        services:
          web: {build: ./web, command: sleep 900}
          other: {build: ./other, command: sleep 900}
    """)
    checkout.devenv("up", "-d")
    for name in ("web", "other"):
        checkout.sources(name, page="two")
    checkout.devenv("up", "-d", "web")

    assert "build other (sources changed: page.txt)" in checkout.devenv("plan").stdout


def test_going_back_to_the_sources_before_needs_no_build(up: Checkout) -> None:
    for page in ("two", "one"):
        up.write("web/page.txt", page)
        stderr = up.devenv("up", "-d").stderr

    assert "built" not in stderr
    assert up.inside("web", "cat", "/srv/page.txt") == "one"


def test_going_back_further_than_images_are_kept_builds_again(up: Checkout) -> None:
    for page in ("three", "four", "five", "six", "one"):
        up.write("web/page.txt", page)
        up.devenv("up", "-d")

    assert up.inside("web", "cat", "/srv/page.txt") == "one"
    assert len(up.tags("web")) == 3


def test_changed_env_recreates_that_service_alone_and_builds_nothing(up: Checkout) -> None:
    before = up.lives()
    up.manifest(TWO_BUILT.replace("sleep 900,", "sleep 900, env: {LEVEL: debug},"))

    stderr = up.devenv("up", "-d").stderr

    assert "built" not in stderr
    assert up.lives()["web"] == before["web"]
    assert up.units()["worker"].env["LEVEL"] == "debug"


def test_a_service_that_left_the_manifest_is_removed_and_the_rest_stays(up: Checkout) -> None:
    before = up.lives()
    up.manifest("\n".join(TWO_BUILT.splitlines()[:-1]))

    plan = up.devenv("plan").stdout
    up.devenv("up", "-d")

    assert "remove worker (not in the manifest any more)" in plan
    assert up.lives() == {"web": before["web"]}


def test_up_of_one_service_starts_what_it_uses_and_nothing_else(checkout: Checkout) -> None:
    checkout.manifest("""
        services:
          web: {image: "busybox:1.37", command: sleep 900, uses: [base]}
          base: {image: "busybox:1.37", command: sleep 900}
          other: {image: "busybox:1.37", command: sleep 900}
        profiles: {lite: [base]}
    """)

    checkout.devenv("up", "-d", "--profile", "lite")
    assert checkout.running() == {"base"}

    checkout.devenv("up", "-d", "web")
    assert checkout.running() == {"base", "web"}


def test_a_stopped_service_is_started_again(up: Checkout) -> None:
    before = up.lives()
    up.engine.api.stop(up.units()["worker"].id, timeout=0)

    up.devenv("up", "-d")

    after = up.lives()
    assert up.running() == {"web", "worker"}
    assert after["web"] == before["web"]
    assert after["worker"][0] == before["worker"][0]


def test_a_paused_service_goes_on(up: Checkout) -> None:
    before = up.units()["worker"]
    up.engine.api.pause(before.id)

    ended = up.devenv("up", "-d")

    assert "ready in" in ended.stderr
    after = up.units()["worker"]
    assert (after.id, after.status) == (before.id, "running")


def test_restart_restarts_the_named_service_and_keeps_its_container(up: Checkout) -> None:
    before = up.lives()

    up.devenv("restart", "worker")

    after = up.lives()
    assert after["web"] == before["web"]
    assert after["worker"][0] == before["worker"][0]
    assert after["worker"] != before["worker"]


def test_the_rendered_file_works_with_compose_alone_and_devenv_takes_it_over(checkout: Checkout) -> None:
    checkout.sources("web")
    checkout.sources("worker")
    checkout.manifest(TWO_BUILT)
    folder = checkout.devenv("render").stdout.strip()

    checkout.host("docker", "compose", "-f", f"{folder}/compose.yaml", "up", "-d", "--wait")
    assert checkout.running() == {"web", "worker"}
    before = checkout.lives()

    assert checkout.devenv("plan").stdout == ""
    assert "nothing to do" in checkout.devenv("up", "-d").stderr
    assert checkout.lives() == before


def test_an_image_without_a_shell_is_checked_from_outside(checkout: Checkout) -> None:
    checkout.sources(
        "web",
        dockerfile="FROM busybox:1.37 AS made\nFROM scratch\nCOPY --from=made /bin/busybox /busybox\nCOPY . /srv\n"
        'CMD ["/busybox", "httpd", "-f", "-p", "80", "-h", "/srv"]\n',
    )
    checkout.manifest("""
        services:
          web: {build: ./web, port: 80, health: /page.txt}
          user: {image: "busybox:1.37", command: sleep 900, uses: [web]}
    """)

    checkout.devenv("up", "-d")

    units = {unit["name"]: unit["state"] for unit in checkout.devenv("status", "--json").json["units"]}
    assert units == {"web": "healthy", "user": "running"}
    checkout.devenv("down")
    checkout.host("docker", "compose", "-f", ".devenv/compose/compose.yaml", "up", "--wait")
    assert checkout.running() == {"web", "user"}
