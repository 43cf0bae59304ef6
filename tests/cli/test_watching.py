"""The terminal of `watch`: keys that are pressed at any moment."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.cli.watching import Watching
from devenv.console import Console

WITHIN = 10.0  # seconds


class Backend:
    """One whose logs have no lines, and which is told the session."""

    session: Watching
    keys: str

    def observe(self, checkout: str) -> Any:
        if self.keys:
            self.session._take_key(self.keys[0])
            self.keys = self.keys[1:]
        return SimpleNamespace(units={})

    def logs(self, units: object, *, stop: threading.Event, **options: object) -> Iterator[list[Any]]:
        assert stop.wait(WITHIN)
        yield []


@pytest.mark.parametrize("keys", ["q", "lq"])
def test_a_key_that_is_pressed_while_it_is_asked_what_runs_is_not_lost(keys: str, tmp_path: Path) -> None:
    backend = Backend()
    console = Console(io.StringIO(), io.StringIO())
    workspace = SimpleNamespace(state=tmp_path, checkout="c")
    context: Any = SimpleNamespace(
        workspace=workspace, console=console, place=SimpleNamespace(backend=backend)
    )
    loaded: Any = SimpleNamespace(notes=(), stack=SimpleNamespace(units=()))
    backend.session, backend.keys = Watching(context, loaded, loaded), keys
    backend.session._only = "web"
    backend.session._follow_logs()
    assert backend.keys == ""
