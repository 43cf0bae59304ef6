"""The states of a stack's containers, kept current by the engine's events."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass
class State:
    """A container's state as far as events go.

    `began` is when its run started, in nanoseconds of the engine's clock; `since` is when we saw that start,
    monotonic.
    """

    status: str = "created"
    exit_code: int = 0
    health: str = ""
    oom: bool = False
    began: int = 0
    since: float = 0.0


def inspected(details: Mapping[str, Any]) -> State:
    """The state in the details of a container."""
    state = details["State"]
    return State(
        state["Status"],
        state["ExitCode"],
        state.get("Health", {}).get("Status", ""),
        oom=bool(state.get("OOMKilled")),
        began=_nanoseconds(state["StartedAt"]),
    )


def _nanoseconds(moment: str) -> int:
    """`2026-01-01T00:00:00.123456789Z` since the epoch; a container that never ran has the year 1."""
    seconds, _, fraction = moment.removesuffix("Z").partition(".")
    began = datetime.fromisoformat(f"{seconds}+00:00").timestamp()
    return max(0, int(began) * 10**9 + int(f"{fraction:0<9}"))


WHOLE = ("start", "die", "destroy")
"""Events that tell a state; all others tell only what changed of one that has to be asked for."""


TELLING = (*WHOLE, "pause", "unpause", "oom", "health_status")
"""All events that tell something of a state; each check of a container's health sends three that do not."""


class States:
    """A table of container id -> state, for one thread that writes events and others that wait for them."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._changed = threading.Condition()

    def get(self, container: str) -> State | None:
        """A container's state, if it was asked for or an event told it."""
        with self._changed:
            return self._states.get(container)

    def keep(self, container: str, state: State) -> State:
        """Keep a state that was asked for, unless events told one meanwhile; returns the one kept."""
        with self._changed:
            return self._states.setdefault(container, state)

    def begin(self, container: str, state: State) -> None:
        """Replace the state of an earlier run: its late events must not count for this one."""
        state.since = time.monotonic()
        with self._changed:
            earlier = self._states.get(container)
            if earlier is None or earlier.began < state.began:
                self._states[container] = state
                self._changed.notify_all()

    def clear(self) -> None:
        """Forget everything, as events may have been missed."""
        with self._changed:
            self._states.clear()
            self._changed.notify_all()

    def note(self, event: Mapping[str, Any]) -> None:
        """Take over what an event of the engine tells."""
        action, actor = event.get("Action", ""), event.get("Actor", {})
        moment = int(event.get("timeNano", 0))
        with self._changed:
            state = self._states.get(actor.get("ID", "")) or State()
            if moment < state.began and action != "destroy":
                return  # of an earlier run
            if action in WHOLE:
                self._states[actor.get("ID", "")] = state
            match action.partition(":")[0]:
                case "start":
                    state.status, state.health, state.oom = "running", "", False
                    state.began, state.since = moment, time.monotonic()
                case "die":
                    state.status = "exited"
                    state.exit_code = int(actor.get("Attributes", {}).get("exitCode", 1))
                case "pause":
                    state.status = "paused"
                case "unpause":
                    state.status = "running"
                case "oom":
                    state.oom = True
                case "destroy":
                    state.status = "removed"
                case "health_status":
                    state.health = action.partition(": ")[2]
                case _:
                    return
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait for the next change, but no longer than this."""
        with self._changed:
            self._changed.wait(seconds)
