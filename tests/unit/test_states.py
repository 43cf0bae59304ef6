"""What events tell of containers, as values."""

from __future__ import annotations

import pytest

from devenv.backends.states import State, States
from tests.table import each_row


def event(action: str, moment: int = 1) -> dict[str, object]:
    return {"Action": action, "Actor": {"ID": "web", "Attributes": {"exitCode": "3"}}, "timeNano": moment}


@each_row(["exec_create: sh", "exec_start: sh", "exec_die", "health_status: healthy", "pause", "oom", "top"])
def test_an_event_that_tells_a_part_of_a_state_is_no_state(action: str) -> None:
    states = States()
    states.note(event(action))
    assert states.get("web") is None


@pytest.mark.parametrize(
    ("action", "status"), [("start", "running"), ("die", "exited"), ("destroy", "removed")]
)
def test_an_event_that_tells_all_is_one(action: str, status: str) -> None:
    states = States()
    states.note(event(action))
    state = states.get("web") or State()
    assert state.status == status


def test_later_events_change_what_is_known() -> None:
    states = States()
    for moment, action in enumerate(("start", "health_status: healthy", "exec_die", "pause"), start=1):
        states.note(event(action, moment))
    state = states.get("web") or State()
    assert (state.status, state.health) == ("paused", "healthy")
