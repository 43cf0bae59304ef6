"""What reaches the builder, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from .checkout import Checkout

pytestmark = pytest.mark.engine


@pytest.fixture
def whole(checkout: Checkout) -> Checkout:
    """A project that is built from its very root, state of a project within it and all."""
    checkout.write("Dockerfile", "FROM busybox:1.37\nCOPY . /srv\n")
    checkout.write(".env", "TOKEN=tell-nobody\n")
    checkout.write(".dockerignore", ".env\n!.devenv\n!**/.devenv/**\n")
    checkout.write("app.txt", "app\n")
    checkout.write("sub/.devenv/secrets.env", "TOKEN=of-another\n")
    (checkout.root / "state").symlink_to(".devenv")
    checkout.manifest("services: {web: {build: ., command: sleep 900, secrets: [TOKEN]}}")
    return checkout


COPIED = {"/srv/.dockerignore", "/srv/Dockerfile", "/srv/app.txt", "/srv/devenv.yaml", "/srv/state"}


def test_a_copy_of_the_whole_project_holds_nothing_of_the_state(whole: Checkout) -> None:
    whole.devenv("plan")  # there is some state before the first build
    whole.devenv("up", "-d")

    assert set(whole.inside("web", "find", "/srv", "!", "-type", "d").split()) == COPIED


def test_an_up_after_a_build_of_the_whole_project_has_nothing_to_do(whole: Checkout) -> None:
    whole.devenv("up", "-d")
    before = whole.lives()

    for _ in range(3):
        assert whole.devenv("plan").stdout == ""
        assert "nothing to do" in whole.devenv("up", "-d").output
    assert whole.lives() == before


@pytest.mark.parametrize("output", [(), ("-o", "out"), ("-o", "../beside")])
def test_who_builds_from_the_rendered_file_sends_no_state_either(
    whole: Checkout, output: tuple[str, ...]
) -> None:
    whole.devenv("up", "-d")
    folder = Path(whole.root, whole.devenv("render", *output).stdout.strip())
    file = str(folder / "compose.yaml")

    whole.host("docker", "compose", "-f", file, "build", "--no-cache")

    copied = whole.host("docker", "compose", "-f", file, "run", "--rm", "web", "find", "/srv")
    assert "/srv/app.txt" in copied
    assert "/.devenv" not in copied


def test_a_context_may_lie_below_and_its_dockerfile_deeper_still(checkout: Checkout) -> None:
    checkout.write("apps/web/docker/Web.Dockerfile", "FROM busybox:1.37\nCOPY . /srv\n")
    checkout.write("apps/web/docker/Web.Dockerfile.dockerignore", "left.txt\n")
    checkout.write("apps/web/.dockerignore", "page.txt\n")
    checkout.write("apps/web/page.txt", "page\n")
    checkout.write("apps/web/left.txt", "left\n")
    checkout.write("apps/web/.devenv/secrets.env", "TOKEN=of-another\n")
    checkout.manifest("""
        services:
          web: {build: {context: apps/web, dockerfile: docker/Web.Dockerfile}, command: sleep 900}
    """)
    checkout.devenv("up", "-d")
    file = str(checkout.root / ".devenv/compose/compose.yaml")

    first = checkout.inside("web", "find", "/srv", "-name", "*.txt", "-o", "-name", "*.env")
    checkout.host("docker", "compose", "-f", file, "build", "--no-cache")
    second = checkout.host(
        "docker", "compose", "-f", file, "run", "--rm", "web", "find", "/srv", "-type", "f"
    )

    assert first.split() == ["/srv/page.txt"]
    assert "/srv/page.txt" in second.split()
    assert "left.txt" not in second
    assert "secrets.env" not in second
