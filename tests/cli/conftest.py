"""The command line in this process, over a backend that only remembers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from textwrap import dedent

import pytest
from typer import testing
from typer.testing import CliRunner, Result

from devenv import hostports
from devenv.backends import BACKENDS
from devenv.cli import app
from devenv.render import DECLARED
from tests.fakes import ElsewhereBackend, FakeBackend, Machine

testing._get_command = cache(testing._get_command)  # type: ignore[attr-defined]  # a third of what a command takes

Devenv = Callable[..., Result]

SHOP = """
    name: shop
    services:
      web: {image: web:1, port: 3000, uses: [orders], route: /}
      orders: {image: orders:1, port: 8000, publish: 18000, uses: [valkey, migrate], secrets: [KEY]}
    jobs:
      migrate: {image: migrate:1, uses: [valkey]}
      votes: {image: votes:1, manual: true}
    profiles: {lite: [orders]}
"""


@pytest.fixture
def machine() -> Machine:
    """A new machine with nothing on it."""
    FakeBackend.machine = Machine()
    return FakeBackend.machine


@pytest.fixture
def elsewhere() -> Machine:
    """Another one, which `-b elsewhere` reaches."""
    ElsewhereBackend.machine = Machine()
    return ElsewhereBackend.machine


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the shop's manifest, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devenv.yaml").write_text(dedent(SHOP))
    (tmp_path / ".env").write_text("KEY=sesame-open\n")
    return tmp_path


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one command worked out, the next need not: of a kind above all. The key holds all that it depends on."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def devenv(machine: Machine, project: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> Devenv:
    """Runs `devenv` with some arguments."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    for backend in (FakeBackend, ElsewhereBackend):
        monkeypatch.setitem(BACKENDS, backend.name, f"tests.fakes:{backend.__name__}")
        monkeypatch.setitem(DECLARED, backend.name, DECLARED["compose"])  # type: ignore[arg-type]
    monkeypatch.setattr(
        hostports, "taken", lambda ports, **_: {}
    )  # whatever listens on the machine of the tests
    monkeypatch.setenv("DEVENV_BACKEND", "fake")

    def run(*arguments: str, **more: object) -> Result:
        return CliRunner().invoke(app, list(arguments), **more)  # type: ignore[arg-type]

    return run
