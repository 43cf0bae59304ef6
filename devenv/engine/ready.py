"""Waits until a unit answers again after its program was started anew in the same container."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Event
from typing import TYPE_CHECKING

from devenv.backends.base import Interrupted
from devenv.backends.causes import likely
from devenv.backends.probe import answers
from devenv.errors import Card, UnitFailed
from devenv.stack import text

if TYPE_CHECKING:
    from devenv.backends.agent import Agent
    from devenv.stack.model import Unit

STEADY = 0.5  # seconds a program without a check has to run before it counts
FIRST, MOST = 0.01, 0.2  # seconds between two looks: often at first, as most programs are quick


def wait_ready(
    unit: Unit, agent: Agent, secrets: Mapping[str, str], stop: Event, tail: Callable[[], list[str]]
) -> None:
    """Return when the unit is ready. Raises `UnitFailed` when its program ends or takes too long.

    `tail` gets the last lines of its log.
    """
    started, pause, answer = time.monotonic(), FIRST, ""
    limit = unit.probe.within if unit.probe else 10.0
    while not stop.wait(pause):
        program = agent.program()
        passed = time.monotonic() - started
        if program.state == "ended":
            raise _failed(unit, f"ended with exit {program.code}", tail())
        ready, answer = _ready(unit, agent, secrets, passed)
        if ready:
            return
        if passed > limit:
            raise _failed(unit, f"was not ready within {limit:g} s", tail(), answer)
        pause = min(MOST, pause * 1.3)
    raise Interrupted


def _ready(unit: Unit, agent: Agent, secrets: Mapping[str, str], passed: float) -> tuple[bool, str]:
    probe = unit.probe
    if probe is None:
        return passed >= STEADY, ""
    if probe.kind == "exec":
        lines: list[str] = []
        code = agent.run([text.reveal(word, secrets) for word in probe.command], output=lines.append)
        return code == 0, lines[-1] if lines else ""
    port = unit.port(probe.port)
    if port is None or port.host is None:
        return passed >= STEADY, ""
    return answers(probe.kind, port.host, probe.path, timeout=probe.timeout)


def _failed(unit: Unit, what: str, lines: list[str], answer: str = "") -> UnitFailed:
    facts = [("probe", unit.probe.shown)] if unit.probe else []
    facts += [("answer", answer)] if answer else []
    hint = likely([what]) or likely(lines) or f"devenv logs {unit.name}"
    return UnitFailed(Card(unit.name, what, facts=tuple(facts), output=tuple(lines), hint=hint))
