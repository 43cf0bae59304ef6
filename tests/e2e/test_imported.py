"""A Compose project comes up as it did, by the manifest that was made of it: the same requests, the same answers."""

from __future__ import annotations

import shutil
import socket
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException

import pytest

from devenv.envfiles import read_env
from tests.conftest import ROOT

from .checkout import Checkout, eventually

pytestmark = pytest.mark.engine

STACKS = ROOT / "tests" / "answering"


@dataclass(frozen=True)
class Request:
    """A line of a project's `requests.txt`: the variable of a published port, a method, a path, a body."""

    variable: str
    method: str
    path: str
    body: str

    @classmethod
    def of(cls, line: str) -> Request:
        variable, *words = line.split()
        method = words.pop(0) if words[0].isupper() else "GET"
        return cls(variable, method, words[0], " ".join(words[1:]))

    def answer(self, ports: Mapping[str, int]) -> str:
        """What is answered; nothing while nobody does."""
        url = f"http://127.0.0.1:{ports[self.variable]}{self.path}"
        request = urllib.request.Request(url, self.body.encode() or None, method=self.method)
        try:
            with urllib.request.urlopen(request, timeout=40) as response:
                return f"{response.headers.get_content_type()} {response.read().decode().strip()}"
        except (OSError, HTTPException):
            return ""


def answers(requests: Sequence[Request], ports: Mapping[str, int]) -> dict[str, str]:
    """What the project answers to each request; the first is asked until it is answered."""
    eventually(partial(requests[0].answer, ports), requests[0].path, within=60)
    return {f"{number} {each.path}": each.answer(ports) for number, each in enumerate(requests)}


def free_ports(names: Collection[str]) -> dict[str, int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: own.getsockname()[1] for name, own in zip(names, sockets, strict=True)}
    for own in sockets:
        own.close()
    return ports


def ours_and_theirs(checkout: Checkout, stack: str) -> None:
    """Bring a Compose project up, ask it, and ask the same of what the import makes of it."""
    shutil.copytree(STACKS / stack, checkout.root, dirs_exist_ok=True)
    requests = [Request.of(line) for line in (checkout.root / "requests.txt").read_text().splitlines()]
    ports = free_ports({request.variable for request in requests})
    variables = {**ports, "NAME": checkout.name}
    checkout.write(".env", "".join(f"{name}={value}\n" for name, value in variables.items()))
    compose = ["docker", "compose", "-p", f"theirs-{checkout.name}"]
    try:
        checkout.host(*compose, "up", "-d", "--build")
        theirs = answers(requests, ports)
    finally:
        checkout.host(*compose, "down", "-v", "-t", "0", "--rmi", "local")
    assert all(theirs.values()), theirs

    checkout.devenv("init", "--from-compose")
    manifest = (checkout.root / "devenv.yaml").read_text()
    moved = read_env(checkout.root / ".devenv" / "secrets.env")
    assert not [name for name, value in moved.items() if value in manifest]
    checkout.manifest(manifest)
    checkout.devenv("up", "-d")
    assert answers(requests, ports) == theirs


def test_a_compose_project_answers_the_same_after_its_import(checkout: Checkout) -> None:
    ours_and_theirs(checkout, "static-configs")


@pytest.mark.long
@pytest.mark.parametrize("stack", sorted({folder.name for folder in STACKS.iterdir()} - {"static-configs"}))
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
