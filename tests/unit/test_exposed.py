"""A service without a port has the only one that its Dockerfile exposes."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.engine.project import Project
from devenv.errors import ManifestInvalid
from devenv.manifest.exposed import portless
from devenv.memory import Memory
from devenv.stack.copies import image
from devenv.workspace import Workspace
from tests.table import each_row

ONE = "FROM python:3.13-slim\nEXPOSE 8000\n"


def project(folder: Path, services: str, dockerfile: str = ONE) -> Project:
    (folder / "api").mkdir(exist_ok=True)
    (folder / "api" / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    (folder / "devenv.yaml").write_text("name: a\nservices:\n" + services, encoding="utf-8")
    return Project(Workspace(folder / "devenv.yaml"), {}, Memory(folder / ".cache"))


def ports(of: Project) -> dict[str, int | None]:
    return {name: service.port for name, service in of.manifest.parsed[0].services.items()}


@each_row(
    [
        ("FROM a\nEXPOSE 8000", ("8000",)),
        ("FROM a\nARG PORT=81\nENV P=$PORT\nEXPOSE $P/tcp", ("81",)),
        ("FROM a\nEXPOSE 53/udp", ("53/udp",)),
        ("FROM a\nEXPOSE 80\nEXPOSE 80/tcp", ("80",)),
        ("FROM a\nEXPOSE 80 443", ("80", "443")),
        ("FROM a\nEXPOSE 8000-8010", ("8000", "8010")),
        ("FROM a AS base\nEXPOSE 80\nFROM base", ("80",)),
        ("FROM a AS builder\nEXPOSE 80\nFROM b\nCOPY --from=builder /a /a", ()),
        ("FROM a", ()),
    ]
)
def test_what_a_dockerfile_exposes(dockerfile: str, exposed: tuple[str, ...]) -> None:
    assert image(dockerfile).exposed == exposed


@each_row(
    [
        ("{build: ./api}", ["api"]),
        ("{build: {context: ./api, target: dev}}", ["api"]),
        ("{build: ./api, command: run, route: /}", ["api"]),
        ("{build: ./api, command: run, health: /ready}", ["api"]),
        ("{build: ./api, command: work}", []),
        ("{build: ./api, entrypoint: work, health: {exec: ok}}", []),
        ("{build: ./api, port: 1}", []),
        ("{build: ./api, ports: {a: 1}}", []),
        ("{image: x}", []),
        ("7", []),
    ]
)
def test_whose_port_may_come_from_there(service: str, names: list[str]) -> None:
    assert [each.service for each in portless(f"services:\n  api: {service}\n")] == names


def test_it_is_the_port_of_a_service_and_of_nobody_who_shares_its_image(tmp_path: Path) -> None:
    of = project(
        tmp_path,
        '  api: {build: ./api, route: /, env: {SELF: "${api.url}"}}\n'
        "  worker: {build: ./api, command: work, uses: [api]}\n",
    )
    assert ports(of) == {"api": 8000, "worker": None}
    assert [claim.container for claim in of.manifest.outline.claims if claim.unit == "api"] == [8000]
    assert of.manifest.derived() == ["api: port 8000, which its Dockerfile exposes"]


def test_another_expose_is_read_at_once(tmp_path: Path) -> None:
    assert project(tmp_path, "  api: {build: ./api}\n").manifest.outline.claims[0].container == 8000
    after = project(tmp_path, "  api: {build: ./api}\n", ONE.replace("8000", "9000"))
    assert after.manifest.outline.claims[0].container == 9000


def test_two_are_not_guessed_and_named_only_where_a_port_is_needed(tmp_path: Path) -> None:
    two = ONE + "EXPOSE 9000\n"
    assert ports(project(tmp_path, "  api: {build: ./api}\n", two)) == {"api": None}
    with pytest.raises(ManifestInvalid) as refused:
        _ = project(tmp_path, "  api: {build: ./api, route: /}\n", two).manifest.parsed
    assert [str(problem).partition(": ")[2] for problem in refused.value.problems] == [
        "services.api.route: a service with a route needs a port"
        " - add port: with one of those that the Dockerfile exposes (8000, 9000)"
    ]


def test_a_dockerfile_that_is_not_there_is_reported_where_it_is_read(tmp_path: Path) -> None:
    of = project(tmp_path, "  api: {build: ./other}\n")
    assert ports(of) == {"api": None}
    with pytest.raises(ManifestInvalid):
        of.read(of.manifest.outline)
