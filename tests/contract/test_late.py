"""Compose on an engine that takes long to start anything: a program that ends as late has not come up."""

from __future__ import annotations

import uuid
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from devenv.backends import load
from devenv.backends.base import Site
from devenv.errors import UnitFailed
from devenv.stack.model import Identity, Stack, Unit
from devenv.workspace import Workspace
from tests.contract.real import opened
from tests.engine import fake_engine
from tests.engine.fake import Container

TOOK, ENDS = 1.5, 0.8
"""Seconds that the engine takes for a start, and after which the program ends: later than it usually has to run."""


def test_a_program_that_ends_as_late_as_it_started_is_a_failure(tmp_path: Path) -> None:
    name = f"l{uuid.uuid4().hex[:8]}"
    space = Workspace(tmp_path / "devenv.yaml")
    unit = Unit("api", "service", "busybox:1.37", command=("sh", "-c", f"sleep {ENDS}; exit 9"), grace=1.0)
    stack = Stack(name, name, Identity.of_checkout(name, space.checkout), units=(unit,))
    with fake_engine() as server, closing(load("compose", Site(tmp_path, tmp_path / ".devenv"))) as backend:
        start = server.engine.start

        def late(container: Container) -> None:
            Event().wait(TOOK)
            start(container)

        server.engine.start = late  # type: ignore[method-assign]
        with closing(opened(backend, space, stack)) as session:
            session.prepare([], say=lambda line: None)
            session.apply(unit, recreate=False)
            with pytest.raises(UnitFailed) as failed:
                session.wait(unit, Event())
            assert failed.value.card.what == "ended with exit 9"
            backend.remove(stack.checkout, volumes=True, say=lambda line: None)
