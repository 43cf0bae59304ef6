"""A Compose project comes up as it did, by the manifest that was made of it: the same requests, the same answers."""

from __future__ import annotations

import urllib.request

import pytest

from devenv.envfiles import read_env
from tests.answering import STACKS, Project

from .checkout import Checkout

pytestmark = pytest.mark.engine


def imported(checkout: Checkout) -> None:
    """Make a manifest of the checkout's Compose project; no value of a secret is in it."""
    checkout.devenv("init", "--from-compose")
    manifest = (checkout.root / "devenv.yaml").read_text()
    moved = read_env(checkout.root / ".devenv" / "secrets.env")
    assert not [name for name, value in moved.items() if value in manifest]
    checkout.manifest(manifest)


def ours_and_theirs(checkout: Checkout, stack: str) -> None:
    """Bring a Compose project up, ask it, and ask the same of what the import makes of it."""
    project = Project.copied(stack, checkout.root, checkout.name)
    compose = ["docker", "compose", "-p", f"theirs-{checkout.name}"]
    try:
        checkout.host(*compose, "up", "-d", "--build")
        assert project.wrong() == {}
    finally:
        checkout.host(*compose, "down", "-v", "-t", "0", "--rmi", "local")
    imported(checkout)
    checkout.devenv("up", "-d")
    assert project.wrong() == {}


def test_a_compose_project_answers_the_same_after_its_import(checkout: Checkout) -> None:
    ours_and_theirs(checkout, "static-configs")


@pytest.mark.long
@pytest.mark.parametrize("stack", [stack for stack in STACKS if stack != "static-configs"])
def test_each_style_of_a_compose_project_answers_the_same_after_its_import(
    checkout: Checkout, stack: str
) -> None:
    ours_and_theirs(checkout, stack)


def test_the_first_project_of_python_comes_up(checkout: Checkout) -> None:
    checkout.devenv("init", "--template", "python-api")
    manifest = (checkout.root / "devenv.yaml").read_text()
    checkout.manifest(manifest)
    checkout.devenv("up", "-d", "api")
    url = f"http://127.0.0.1:{checkout.port('api')}/api/notes"
    note = urllib.request.Request(
        url, data=b'{"text": "one"}', headers={"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(note) as response:
        assert response.status == 201
    with urllib.request.urlopen(url) as response:
        assert response.read() == b'[{"id":1,"text":"one"}]'
