"""Waiting until a container is ready, or saying why it is not."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING

from devenv import proc
from devenv.backends import listening
from devenv.backends.base import AGAIN, BEGIN, SETTLE, Interrupted
from devenv.backends.causes import READ, failed, hopeless
from devenv.errors import UnitFailed

if TYPE_CHECKING:
    from devenv.backends.docker import Engine
    from devenv.backends.states import State
    from devenv.stack.model import Probe, Unit

IMAGE_CHECK = 60.0  # seconds an image's own HEALTHCHECK has to pass in; as `health: {within:}` has it


@dataclass(frozen=True)
class Waiting:
    """Waits for one unit. `starting` is how many seconds the engine took to start it just now.

    On a busy machine a program takes long to fail as well, but not longer than the engine took for more work.
    """

    engine: Engine
    unit: Unit
    container: str
    starting: float = 0.0
    _ends: dict[int, int] = field(default_factory=dict)  # when it began that ended -> its exit code

    def until_ready(self, stop: Event) -> None:
        """Raises `UnitFailed`, or `Interrupted` when told to stop."""
        unit, limit, started, answer = self.unit, self._limit, time.monotonic(), ""
        look = listening.soon(limit)
        while not stop.is_set():
            state = self.engine.events.state(self.container)
            passed = time.monotonic() - started
            if state.status in ("exited", "restarting", "removed", "dead"):
                if unit.one_shot and state.exit_code == 0 and state.status == "exited":
                    return
                if not self._comes_again(state):
                    raise self._died(state)
            if state.health == "unhealthy" and self._engine_decides:
                raise self._unhealthy("is unhealthy")
            ready, answer, pause = self._ready(state, passed)
            if ready:
                return
            if unit.role == "infra" and (what := hopeless(answer)):
                raise self._unhealthy(what, answer)
            if state.oom and state.status == "running":  # one of its processes was killed
                raise self._unhealthy("ran out of memory", answer)
            if passed > look:
                look = passed + listening.AGAIN
                if (what := self._amiss(answer)).endswith(listening.ONLY):
                    raise self._unhealthy(what, answer)
            # A busy machine may start it less often than `AGAIN` in that time.
            if passed > limit and self._ends and not (self.checked or unit.one_shot):
                raise self._died(state)
            if passed > limit == self._limit and not answer:
                limit += self._first_check()
            if passed > limit:
                verb = "did not end" if unit.one_shot else "was not ready"
                raise self._unhealthy(f"{verb} within {self._limit:g} s", answer)
            self.engine.events.pause(min(pause, limit - passed + 0.01))
        raise Interrupted

    def _comes_again(self, state: State) -> bool:
        """Whether the engine starts it again, and it has not ended too often for that to help."""
        self._ends[state.began] = state.exit_code
        lives = state.status in ("exited", "restarting") and self.unit.comes_again(state.exit_code)
        return lives and len(self._ends) < AGAIN

    @property
    def checked(self) -> bool:
        """Whether the unit has a check."""
        return self.unit.probe is not None or self._image_checks

    @cached_property
    def _image_checks(self) -> bool:
        """Whether the image brings a HEALTHCHECK, which counts where the manifest says nothing."""
        return self.unit.probe is None and not self.unit.one_shot and self.engine.is_checked(self.container)

    @property
    def _engine_decides(self) -> bool:
        return self.unit.probe.kind == "exec" if self.unit.probe else self._image_checks

    @property
    def _limit(self) -> float:
        if self.unit.one_shot:
            return self.unit.within
        if self.unit.probe:
            return self.unit.probe.within
        return IMAGE_CHECK if self._image_checks else BEGIN

    def _ready(self, state: State, passed: float) -> tuple[bool, str, float]:
        """Whether it is ready, what the probe got, and how long to wait for the next event."""
        unit = self.unit
        if unit.one_shot or state.status != "running":
            return False, "", 1.0
        if self._engine_decides:
            healthy = state.health == "healthy"
            return healthy, "" if healthy else self._checked(), 1.0
        if unit.probe is None:
            return self._settled(state), "", SETTLE
        port = unit.port(unit.probe.port)
        if port is None or not port.host or not port.published:
            return self._inside(state)
        ready, answer = self._answers(unit.probe, port.host)
        return ready, answer, min(unit.probe.every, 0.1 + passed / 10)  # often at first: most units are quick

    def _answers(self, probe: Probe, published: int) -> tuple[bool, str]:
        """Whether the program is ready behind its port on this machine, and what it said."""
        from devenv.backends.probe import Behind, answers

        behind = None
        if probe.kind != "http":  # an answer tells more
            own, machine = self.engine.in_network(self.container)
            behind = Behind(own, probe.port, machine) if own else None
        return answers(probe.kind, published, probe.path, timeout=probe.timeout, behind=behind)

    def _first_check(self) -> float:
        """Seconds that the engine's first check still has: a busy one may not have asked in a short time."""
        probe = self.unit.probe
        if probe is None or not self.engine.is_checked(self.container) or self.engine.checks(self.container):
            return 0.0
        return probe.every + probe.timeout

    def _inside(self, state: State) -> tuple[bool, str, float]:
        """Whether it is ready where no port of this machine leads to it: by the engine's check in it.

        An image without a shell has none; then it has to go on running.
        """
        if self.engine.is_checked(self.container):
            healthy = state.health == "healthy"
            return healthy, "" if healthy else self._checked(), 1.0
        return self._settled(state), "", SETTLE

    def _settled(self, state: State) -> bool:
        """Whether it has run for as long as a bad start takes."""
        enough = time.monotonic() - state.since >= max(SETTLE, self.starting)
        return enough and self.engine.lives(self.container)

    def _died(self, state: State) -> UnitFailed:
        lines = self._output(state)
        memory = state.oom or (state.status == "exited" and self.engine.ran_out_of_memory(self.container))
        times = f"{len(self._ends)} times, " if len(self._ends) > 1 else ""
        code = state.exit_code if state.status != "running" else [*self._ends.values()][-1]
        return failed(self.unit, "ran out of memory" if memory else f"ended {times}with exit {code}", lines)

    def _unhealthy(self, what: str, answer: str = "") -> UnitFailed:
        lines = self._output(self.engine.events.state(self.container))
        facts = [("probe", self.unit.probe.shown)] if self.unit.probe else []
        if self._ends:
            facts.append(("ended", f"{len(self._ends)} times"))
        if self._image_checks:
            facts.append(("probe", "HEALTHCHECK of the image; health: in devenv.yaml replaces it"))
        # An HTTP answer has the reason in its first line, a command's output in its last.
        if shown := answer.partition("\n")[0] or self._checked():
            facts.append(("answer", shown))
        if (amiss := self._amiss(answer)) not in ("", what):
            facts.append(("instead", amiss))
        return failed(self.unit, what, lines, facts)

    def _amiss(self, answer: str) -> str:
        """Why nobody reaches the port that nothing answers on, as far as its container tells."""
        if self.unit.probe is None or not answer.startswith("nothing "):
            return ""
        tables = proc.run_merged(["docker", "exec", self.container, "cat", *listening.TABLES], within=3.0)
        return listening.amiss(tables.stdout, self.unit.probe.port)

    def _output(self, state: State) -> list[str]:
        """The end of what this run printed; an earlier one of the same container is another story."""
        return self.engine.log_tail(self.container, READ, began=state.began)

    def _checked(self) -> str:
        """The last line of what the engine's check got."""
        return self.engine.last_check(self.container).strip().rpartition("\n")[2]
