"""What a busy machine may take for a program to end, and for a check to be made, before `up` has its verdict."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from threading import Event

import pytest

from devenv.backends.base import SETTLE
from devenv.backends.compose.waiting import Waiting
from devenv.backends.states import State
from devenv.errors import UnitFailed
from devenv.stack.model import Probe, Unit

UNIT = Unit("api", "service", "api:1")


class Engine:
    """One container that has run a little longer than usual, and ends right after that was looked at."""

    def __init__(self) -> None:
        self.states = iter(
            [State("running", since=time.monotonic() - SETTLE - 0.1), State("exited", exit_code=9)]
        )

    @property
    def events(self) -> Engine:
        """It tells of itself what it is asked for."""
        return self

    def state(self, container: str) -> State:
        return next(self.states)

    def is_checked(self, container: str) -> bool:
        return False

    def lives(self, container: str) -> bool:
        return True

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


class Late(Engine):
    """One whose program has ended long ago, which it tells with the second look."""

    def lives(self, container: str) -> bool:
        return False


def test_an_end_that_the_engine_tells_late_is_a_failure() -> None:
    with pytest.raises(UnitFailed) as failed:
        Waiting(Late(), UNIT, "c0ffee").until_ready(Event())  # type: ignore[arg-type]
    assert failed.value.card.what == "ended with exit 9"


class Checked(Engine):
    """One that the engine has not asked yet how it is when its time is over, and that then gives an answer."""

    def __init__(self, answer: str) -> None:
        self.answer, self.over = answer, False

    def state(self, container: str) -> State:
        return State("running", health="starting")

    def is_checked(self, container: str) -> bool:
        return True

    def checks(self, container: str) -> Sequence[str]:
        self.over = True
        return ()

    def last_check(self, container: str) -> str:
        return self.answer if self.over else ""

    def pause(self, seconds: float) -> None:
        Event().wait(seconds)


@pytest.mark.parametrize("answer", ["the disk is gone", ""])
def test_the_first_check_is_waited_for(answer: str) -> None:
    probe = Probe("exec", command=("false",), every=0.01, timeout=0.02, within=0.01)
    unit = replace(UNIT, probe=probe)
    with pytest.raises(UnitFailed) as failed:
        Waiting(Checked(answer), unit, "c0ffee").until_ready(Event())  # type: ignore[arg-type]
    assert failed.value.card.what == "was not ready within 0.01 s"
    assert dict(failed.value.card.facts).get("answer", "") == answer


def test_a_machine_with_time_waits_no_longer_than_before() -> None:
    Waiting(Engine(), UNIT, "c0ffee", starting=SETTLE / 2).until_ready(Event())  # type: ignore[arg-type]
