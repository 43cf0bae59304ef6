"""The backends that really run something, and how a test connects to one."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.backends import load
from devenv.backends.base import Backend, Site
from devenv.backends.kube.config import MINIKUBE, current, find
from tests.conftest import NEEDS

WANTS = {"compose": ["engine"], "kube": ["engine", "cluster"], "minikube": ["engine", "cluster"]}
REAL = [
    pytest.param(name, marks=[getattr(pytest.mark, marker) for marker in wants])
    for name, wants in WANTS.items()
]


def connect(name: str, root: Path) -> Backend:
    """A backend that a project in a folder works with; the test is skipped where it cannot."""
    for missing, _ in (NEEDS[marker] for marker in WANTS[name]):
        if why := missing():
            pytest.skip(why)  # a fixture of a module is made before a test's own check
    site = Site(root=root, state=root / ".devenv")
    if name == "minikube":
        # The profile that runs: making one is for the tests of that.
        if find(current()).provider != MINIKUBE:
            pytest.skip("the cluster is not Minikube's")
        site = Site(root=root, state=root / ".devenv", context=current())
    backend = load(name, site)
    backend.start(root.name, lambda line: None)
    return backend
