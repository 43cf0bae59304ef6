"""The backends that run something, on a fake engine or a real one, and how a test connects to each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devenv.backends import load
from devenv.backends.base import Backend, Session, Site, Work
from devenv.backends.kube.config import MINIKUBE, current, find
from devenv.render import renderer
from devenv.render.aspects import ASPECTS
from devenv.render.bundle import Source
from devenv.stack.fingerprints import fingerprint
from devenv.stack.model import Stack
from devenv.workspace import Workspace
from tests.cluster import fake_cluster
from tests.conftest import NEEDS
from tests.engine import fake_engine

WANTS = {"compose": ["engine"], "kube": ["engine", "cluster"], "minikube": ["engine", "cluster"]}
REAL = [
    pytest.param(name, marks=[getattr(pytest.mark, marker) for marker in wants])
    for name, wants in WANTS.items()
]


FAKE_ENGINE, FAKE_CLUSTER = "fake-engine", "fake-cluster"
EVERY = [FAKE_ENGINE, FAKE_CLUSTER, "process", *REAL]
RUNNING = EVERY[:-1]
"""Without Minikube, where that is nothing but another name of the cluster."""


@contextmanager
def connected(name: str, root: Path) -> Iterator[Backend]:
    """`connect`, or a backend on a fake engine or cluster that is there for so long."""
    site = Site(root=root, state=root / ".devenv")
    match name:
        case "fake-engine":
            with fake_engine():
                yield load("compose", site)
        case "fake-cluster":
            with fake_cluster():
                yield load("kube", site)
        case _:
            yield connect(name, root)


def connect(name: str, root: Path) -> Backend:
    """A backend that a project in a folder works with; the test is skipped where it cannot."""
    for missing, _ in (NEEDS[marker] for marker in WANTS.get(name, ())):
        if why := missing():
            pytest.skip(why)  # a fixture of a module is made before a test's own check
    site = Site(root=root, state=root / ".devenv")
    if name == "minikube":
        # The profile that runs: making one is for the tests of that.
        if find(current()).provider != MINIKUBE:
            pytest.skip("the cluster is not Minikube's")
        site = Site(root=root, state=root / ".devenv", context=current())
    return load(name, site)


def opened(backend: Backend, space: Workspace, stack: Stack) -> Session:
    """A session on a stack, from its rendered files."""
    render = renderer(backend.renderer)
    prints = {
        unit.name: fingerprint(unit, {}, own=ASPECTS[backend.renderer](stack, unit)) for unit in stack.units
    }
    folder = space.write_bundle(render.render(stack, Source(fingerprints=prints)), backend.name, {})
    session = backend.open(Work(stack, folder, prints))
    images = {unit.image for unit in stack.units}
    for image in images - backend.images(stack, images):  # as a plan does
        session.pull(image, lambda line: None)
    return session
