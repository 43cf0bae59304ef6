"""The check that the engine runs in a container gives the verdict that devenv's own probe gives."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.backends.probe import answers
from devenv.render.bundle import Source
from devenv.render.compose import render
from devenv.render.compose.checks import in_container
from devenv.stack.dockerfile import base_image, has_shell
from devenv.stack.model import Probe
from devenv.stack.world import Recipe
from tests import documents, serving
from tests.table import each_row

from .kubernetes.stacks import objects
from .stacks import stack

READY = {
    "/ok": True,
    "/redirect": True,
    "/away": True,
    "/as-localhost": True,
    "/it's?a=[1]&b=$HOME": True,
    "/missing": False,
    "/broken": False,
}


class Handler(serving.Handler):
    """Answers by path; a redirect leads where nobody answers."""

    def do_GET(self) -> None:
        status = {"/redirect": 301, "/away": 302, "/missing": 404, "/broken": 500}.get(self.path, 200)
        if self.path == "/as-localhost" and self.headers["Host"] != "localhost":
            status = 400
        if self.path not in READY:
            status = 404
        self.send_response(status)
        if status in (301, 302):
            self.send_header("Location", "/broken" if status == 301 else "https://127.0.0.1:9/")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving.listening(Handler, "0.0.0.0") as server:
        yield server.server_port


@pytest.mark.parametrize(("path", "ready"), READY.items())
def test_devenvs_own_probe(port: int, path: str, ready: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert answers("http", port, path)[0] is ready


@pytest.mark.programs
@pytest.mark.parametrize("client", ["curl", "wget", "python3", "node"])
@pytest.mark.parametrize(("path", "ready"), READY.items())
def test_the_check_in_the_container(port: int, path: str, ready: bool, client: str, tmp_path: Path) -> None:
    if (program := sys.executable if client == "python3" else shutil.which(client)) is None:
        pytest.skip(f"no {client} on this machine")
    for name, place in ((client, program), ("grep", shutil.which("grep"))):
        (tmp_path / name).symlink_to(str(place))
    how, script = in_container(Probe("http", port, path))
    environment = {
        "PATH": str(tmp_path),
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }
    done = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, check=False)
    assert how == "CMD-SHELL"
    assert (done.returncode == 0, done.stdout, done.stderr) == (ready, b"", b"")


@pytest.mark.engine
@pytest.mark.parametrize(("image", "client"), [("busybox:1.37", "wget"), ("node:24-slim", "node")])
def test_the_check_with_what_images_have(port: int, image: str, client: str) -> None:
    """All paths in one container: `0` for each that is ready."""
    checks = "\n".join(f"({in_container(Probe('http', port, path))[1]}); echo $?" for path in READY)
    command = ["docker", "run", "--rm", "--network", "host", "-e", "http_proxy=http://127.0.0.1:9", image]
    done = subprocess.run(
        [*command, "sh", "-c", f"command -v {client} >/dev/null || echo none; {checks}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert [line == "0" for line in done.stdout.split()] == list(READY.values()), done


@pytest.mark.programs
def test_where_nothing_speaks_http_a_listening_port_has_to_do(port: int, tmp_path: Path) -> None:
    (tmp_path / "grep").symlink_to(str(shutil.which("grep")))
    for number, ready in ((port, True), (1, False)):
        _, script = in_container(Probe("http", number, "/missing"))
        done = subprocess.run(["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, check=False)
        assert (done.returncode == 0) is ready


@pytest.mark.programs
@pytest.mark.parametrize(
    ("host", "reached"),
    [("0.0.0.0", True), ("::", True), ("127.0.0.1", False), ("127.0.0.53", False), ("::1", False)],
)
@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_program_that_only_its_container_reaches_is_not_ready(host: str, reached: bool, kind: str) -> None:
    with serving.listening(Handler, host) as server:
        _, script = in_container(Probe(kind, server.server_port, "/ok" if kind == "http" else ""))
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=False)
    assert (done.returncode == 0, done.stdout, done.stderr) == (reached, b"", b"")


def test_kubernetes_asks_for_localhost_too() -> None:
    manifests = objects(stack("name: a\nservices:\n  api: {image: x, port: 80, health: /up}\n"))
    (container,) = manifests["Deployment", "api"]["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"] == {
        "path": "/up", "port": 80, "httpHeaders": [{"name": "Host", "value": "localhost"}]
    }  # fmt: skip


BASES = {
    "one stage": ("FROM a:1\n", None, "a:1"),
    "the last stage": ("FROM a AS build\nRUN x\nFROM b\n", None, "b"),
    "a target": ("from a as Build\nFROM b\n", "build", "a"),
    "a stage on a stage": ("FROM a AS one\nFROM one AS two\nFROM two\n", None, "a"),
    "flags, comments and continued lines": ("# x\nFROM \\\n# y\n  --platform=$P a AS b\n", None, "a"),
    "an argument": ("ARG TAG=1\nARG BASE=a:$TAG\nFROM ${BASE:-x}\n", None, "b"),
    "an argument's default": ("FROM ${NONE:-a}\n", None, "a"),
    "a text that looks like it": (
        "FROM a\nRUN <<EOF\nFROM b\nEOF\nCOPY <<-'E' /x\n\tFROM c\n\tE\n",
        None,
        "a",
    ),
    "no Dockerfile": ("hello\n", None, ""),
}


@each_row(BASES.values())
def test_what_an_image_is_made_from(dockerfile: str, target: str | None, image: str) -> None:
    assert base_image(dockerfile, target, {"BASE": "b"}) == image


@each_row(
    [
        ("scratch", False),
        ("gcr.io/distroless/static-debian12", False),
        ("gcr.io/distroless/base:debug", True),
        ("gcr.io/distroless/base-debian12:nonroot", False),
        ("cgr.dev/chainguard/static:latest", False),
        ("chainguard/static", False),
        ("cgr.dev/chainguard/python:latest-dev", True),
        ("alpine", True),
        ("", True),
        ("me/scratch", True),
    ]
)
def test_who_has_a_shell(image: str, there: bool) -> None:
    assert has_shell(image) is there


SHELL_LESS = "FROM golang AS build\nRUN go build\nFROM scratch\nCOPY --from=build /a /a\n"


@pytest.mark.parametrize(
    ("fields", "checked"),
    [
        ("build: ., port: 80, health: /", False),
        ("build: ., port: 80", False),
        ("build: {target: build}, port: 80", True),
        ("build: ., health: {exec: [/a, check]}", True),
        ("image: gcr.io/distroless/static, port: 80", False),
        ("image: x, port: 80", True),
    ],
)
def test_without_a_shell_there_is_no_check_and_nobody_waits_for_it(fields: str, checked: bool) -> None:
    of = stack(f"name: a\nservices:\n  api: {{{fields}}}\n  web: {{image: x, uses: api}}\n")
    recipes = {(".", "Dockerfile"): Recipe(SHELL_LESS, "")}
    services = documents.load(render(of, Source(recipes=recipes)).files["compose.yaml"])["services"]
    assert ("healthcheck" in services["api"]) is checked
    condition = "service_healthy" if checked else "service_started"
    assert services["web"]["depends_on"] == {"api": {"condition": condition}}
