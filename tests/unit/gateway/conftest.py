"""Fixtures: one loop and one upstream for all tests, a gateway for each configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from .harness import Loop, Running, Upstream, running, upstream_on

Start = Callable[[str | None], Running]


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def shared_upstream(loop: Loop) -> Iterator[Upstream]:
    with upstream_on(loop) as upstream:
        yield upstream


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Upstream:
    shared_upstream.arrived.clear()
    shared_upstream.cancelled.clear()
    shared_upstream.release.clear()
    shared_upstream.uploaded.clear()
    return shared_upstream


@pytest.fixture
def start(loop: Loop, upstream: Upstream) -> Iterator[Start]:
    """Start a gateway; `UPSTREAM` in its configuration is the upstream's URL."""
    with ExitStack() as stack:

        def begin(text: str | None) -> Running:
            content = text.replace("UPSTREAM", upstream.url) if text else None
            return stack.enter_context(running(loop, content))

        yield begin
