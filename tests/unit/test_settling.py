"""A program without a check runs for as long as a bad start takes on this machine, before it counts as running."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event

import pytest

from devenv.backends.base import SETTLE
from devenv.backends.compose.waiting import Waiting
from devenv.backends.states import State
from devenv.errors import UnitFailed
from devenv.stack.model import Unit

UNIT = Unit("api", "service", "api:1")


class Engine:
    """One container that has run a little longer than usual, and ends right after that was looked at."""

    def __init__(self) -> None:
        self.states = iter(
            [State("running", since=time.monotonic() - SETTLE - 0.1), State("exited", exit_code=9)]
        )

    def state(self, container: str) -> State:
        return next(self.states)

    def is_checked(self, container: str) -> bool:
        return False

    def pause(self, seconds: float) -> None:
        """The next look tells what became of it."""

    def ran_out_of_memory(self, container: str) -> bool:
        return False

    def log_tail(self, container: str, count: int, *, began: int) -> Sequence[str]:
        return []


def test_an_end_that_comes_late_as_the_start_did_is_a_failure() -> None:
    with pytest.raises(UnitFailed) as failed:
        Waiting(Engine(), UNIT, "c0ffee", starting=60).until_ready(Event())  # type: ignore[arg-type]
    assert failed.value.card.what == "ended with exit 9"


def test_a_machine_with_time_waits_no_longer_than_before() -> None:
    Waiting(Engine(), UNIT, "c0ffee", starting=SETTLE / 2).until_ready(Event())  # type: ignore[arg-type]
