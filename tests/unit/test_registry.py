"""A registry that is asked without a Docker engine: logins, digests, platforms, and what it refuses."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from devenv.backends.images import Images
from devenv.backends.registries import RegistryRefused
from devenv.backends.registry import INDEXES, Unanswered, digest, login
from devenv.errors import ToolMissing

DIGEST = f"sha256:{'a' * 64}"
INDEX = {
    "mediaType": INDEXES[0],
    "manifests": [
        {"platform": {"os": "linux", "architecture": "amd64"}},
        {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {"platform": {"os": "unknown", "architecture": "unknown"}},
    ],
}
SINGLE = {"config": {"digest": "sha256:c"}}


class Shelf(ThreadingHTTPServer):
    """A registry with one repository. `wants` is what it answers to who does not say who they are."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.wants, self.token = "", ""
        self.things: dict[str, Any] = {"/manifests/1": INDEX, "/manifests/2": SINGLE}
        self.things["/blobs/sha256:c"] = {"os": "linux", "architecture": "arm64"}
        self.status, self.unsent = 200, 0
        self.authorizations: list[str] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def image(self) -> str:
        return f"{self.host}/team/web"


class Handler(BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        authorization = self.headers.get("Authorization", "")
        if path == "/token":
            self.server.authorizations.append(authorization)
            assert "scope=repository%3Ateam%2Fweb%3Apull" in query
            self._answer(200, {"token": self.server.token})
        elif self.server.status != 200:
            why = {"errors": [{"code": "DENIED", "message": "not for you"}]}
            self._answer(self.server.status, why if self.server.status == 403 else {})
        elif self.server.wants and self.server.token not in authorization:
            self._answer(401, {}, {"WWW-Authenticate": self.server.wants})
        elif (thing := self.server.things.get(path.removeprefix("/v2/team/web"))) is not None:
            self._answer(200, thing, {"Docker-Content-Digest": DIGEST})
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert "grant_type=refresh_token" in form
        self.server.authorizations.append(form)
        self._answer(200, {"access_token": self.server.token})

    def _answer(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {**(headers or {}), "Content-Length": str(len(body) + self.server.unsent)}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's configuration, of somebody who has no login."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


@pytest.mark.parametrize(
    ("tag", "platform", "there"),
    [
        ("1", "", True),
        ("1", "linux/arm64", True),
        ("1", "linux/amd64/v3", True),
        ("1", "linux/riscv64", False),
        ("2", "linux/arm64", True),
        ("2", "linux/amd64", False),
        ("3", "", False),
    ],
)
def test_a_digest_is_of_an_image_that_runs_on_the_platform(
    shelf: Shelf, docker: Path, tag: str, platform: str, there: bool
) -> None:
    assert digest(f"{shelf.image}:{tag}", platform) == DIGEST * there


def basic(login: str) -> str:
    return base64.b64encode(login.encode()).decode()


def test_a_token_is_asked_for_with_the_login_that_docker_has(shelf: Shelf, docker: Path) -> None:
    shelf.token = "of-the-day"
    shelf.wants = f'Bearer realm="http://{shelf.host}/token",service="shelf"'
    assert digest(f"{shelf.image}:1") == DIGEST  # for nobody in particular
    docker.write_text(json.dumps({"auths": {shelf.host: {"auth": basic("ann:pass:word")}}}))
    assert digest(f"{shelf.image}:1") == DIGEST
    assert shelf.authorizations == ["", f"Basic {basic('ann:pass:word')}"]
    docker.write_text(json.dumps({"auths": {shelf.host: {"identitytoken": "refresh-me"}}}))
    assert digest(f"{shelf.image}:1") == DIGEST
    assert "refresh_token=refresh-me" in shelf.authorizations[-1]


@pytest.mark.programs
def test_a_login_that_a_program_keeps(
    shelf: Shelf, docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.wants, shelf.token = 'Basic realm="shelf"', basic("ann:sesame")
    with pytest.raises(Unanswered, match="no basic auth credentials"):
        digest(f"{shelf.image}:1")
    docker.write_text(json.dumps({"credHelpers": {shelf.host: "keeper"}}))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Unanswered, match="docker-credential-keeper command is missing"):
        digest(f"{shelf.image}:1")
    program = tmp_path / "docker-credential-keeper"
    program.write_text(
        f'#!/bin/sh\n[ "$1 $(cat)" = "get {shelf.host}" ] && echo \'{{"Username": "ann", "Secret": "sesame"}}\'\n'
    )
    program.chmod(0o755)
    assert digest(f"{shelf.image}:1") == DIGEST


def test_logins_are_found_as_docker_writes_them(docker: Path) -> None:
    assert login("docker.io") is None
    docker.write_text(json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": basic("ann:a")}}}))
    assert login("docker.io") == ("ann", "a")
    for text in ("no JSON", "[]"):
        docker.write_text(text)
        assert login("docker.io") is None


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (403, "with an account that may push to"),
        (429, "it limits how often: wait, then again"),
        (503, "again: the connection was lost"),
    ],
)
def test_what_a_registry_refuses_is_said_as_with_an_engine(
    shelf: Shelf, docker: Path, status: int, hint: str
) -> None:
    def none() -> Any:
        raise ToolMissing("no Docker engine answers")

    images = Images("unix:///nowhere", none)
    assert images.digest_in_registry(f"{shelf.image}:1", "linux/amd64") == DIGEST
    shelf.status = status
    with pytest.raises(RegistryRefused) as error:
        images.digest_in_registry(f"{shelf.image}:1")
    assert hint in error.value.hint


def test_a_registry_that_is_away(docker: Path, shelf: Shelf) -> None:
    image = f"{shelf.image}:1"
    shelf.shutdown()
    shelf.server_close()
    with pytest.raises(Unanswered, match="connection refused"):
        digest(image)


def test_an_answer_that_is_broken_off(docker: Path, shelf: Shelf) -> None:
    shelf.unsent = 100
    with pytest.raises(Unanswered, match="broken off"):
        digest(f"{shelf.image}:1")


@pytest.mark.parametrize("page", [b"<html>sign in</html>", b'"sign in"'])
def test_what_is_no_registry_says_so(docker: Path, shelf: Shelf, page: bytes) -> None:
    """As the page of a proxy, or of a hotel's network, that answers everything with 200."""
    shelf.things["/manifests/1"] = page
    with pytest.raises(Unanswered, match="does not speak as a registry"):
        digest(f"{shelf.image}:1")


def test_a_login_that_is_none_is_no_login(docker: Path) -> None:
    docker.write_text(json.dumps({"auths": {"ghcr.io": {"auth": "/w=="}}}))
    assert login("ghcr.io") is None
