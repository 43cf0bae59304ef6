"""Checkouts of little stacks, each in a folder of its own, on the engine that the docker command talks to."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import docker
import pytest

from devenv.backends import containers

from .checkout import Checkout

MakeCheckout = Callable[..., Checkout]


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The engine, asked without devenv."""
    client = docker.DockerClient(base_url=containers.address(), timeout=60)
    yield client
    client.close()


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """A person's environment, with caches and keys of this run only.

    What concerns the machine is shared with the other workers of the run, as ports are.
    """
    home, base = tmp_path_factory.mktemp("home"), tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    own = {name: value for name, value in os.environ.items() if not name.startswith("DEVENV_")}
    own["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', '')}"
    for name in ("CI", "NO_COLOR", "COLUMNS", "VIRTUAL_ENV"):
        own.pop(name, None)
    return {**own, "XDG_CACHE_HOME": str(home / "cache"), "XDG_STATE_HOME": str(shared / "state")}


@contextmanager
def making(
    folder: Path, engine: docker.DockerClient, environment: Mapping[str, str]
) -> Iterator[MakeCheckout]:
    """Makes checkouts below a folder, and clears them in the end."""
    own = "t" + hashlib.sha256(str(folder).encode()).hexdigest()[:7]  # so that no two tests share an image
    with ExitStack() as cleared:

        def make(name: str = "project", *, stack: str = own) -> Checkout:
            checkout = Checkout(folder / name, stack, engine, environment, own_images=stack == own)
            cleared.callback(checkout.clear)
            return checkout

        yield make


@pytest.fixture
def checkouts(
    tmp_path: Path, engine: docker.DockerClient, environment: Mapping[str, str]
) -> Iterator[MakeCheckout]:
    """Makes checkouts for this test."""
    with making(tmp_path, engine, environment) as make:
        yield make


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient, environment: Mapping[str, str]
) -> Iterator[Checkout]:
    """One checkout for all tests of a module: each makes of it what it needs."""
    with making(tmp_path_factory.mktemp("shared"), engine, environment) as make:
        yield make()


@pytest.fixture
def checkout(checkouts: MakeCheckout) -> Checkout:
    """One checkout, without a manifest yet."""
    return checkouts()
