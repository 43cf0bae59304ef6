"""Starts programs anew in the same containers, and waits until each answers again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from devenv.backends.base import BEGIN, SETTLE, Interrupted, LogLine
from devenv.backends.causes import READ, failed
from devenv.backends.probe import answers
from devenv.errors import UnitFailed
from devenv.stack import text

if TYPE_CHECKING:
    from devenv.backends.agent import Agent
    from devenv.backends.base import Backend
    from devenv.stack.model import Unit

FIRST, MOST = 0.01, 0.2  # seconds between two looks: often at first, as most programs are quick


LIMITED = 'if command -v timeout >/dev/null; then exec timeout "$0" "$@"; fi; exec "$@"'
"""A check that hangs must not hold up what comes after it. The first word is the seconds it has."""

T = TypeVar("T")
Tail = Callable[[str], Iterable[LogLine]]
"""Gets the last lines of a unit's log, all replicas together."""


def log_tail(backend: Backend, checkout: str, name: str) -> list[LogLine]:
    """The last lines of a unit's log."""
    observed = backend.observe(checkout).units
    if name not in observed:
        return []
    batches = backend.logs([observed[name]], follow=False, tail=READ, since=None, stop=Event())
    return [line for batch in batches for line in batch]


def restart(unit: Unit, agents: Sequence[Agent], secrets: Mapping[str, str], stop: Event, tail: Tail) -> None:
    """Start the program of each replica anew, all at once; return when every one is ready.

    Raises `UnitFailed` when a program ends or takes too long.
    """
    began = start(unit, agents)
    await_ready(unit, agents, secrets, stop, tail, began)


def start(unit: Unit, agents: Sequence[Agent]) -> str:
    """Start the program of each replica anew, all at once; returns when that began, as logs have it."""
    began = datetime.now(UTC).isoformat()
    each(lambda agent: agent.restart(unit.grace), agents)
    return began


def await_ready(
    unit: Unit, agents: Sequence[Agent], secrets: Mapping[str, str], stop: Event, tail: Tail, began: str
) -> None:
    """Return when every replica is ready.

    Raises `UnitFailed` when a program ends or takes too long, `Interrupted` when `stop` is set.
    """

    def lines() -> list[str]:
        return [line.text for line in tail(unit.name) if line.time >= began]

    each(lambda agent: wait_ready(unit, agent, secrets, stop, lines), agents)


def each(act: Callable[[T], object], items: Iterable[T]) -> None:
    """Do something with all items at once; raises the first one's failure when all have ended."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        for done in [pool.submit(act, item) for item in items]:
            done.result()


def wait_ready(
    unit: Unit, agent: Agent, secrets: Mapping[str, str], stop: Event, tail: Callable[[], list[str]]
) -> None:
    """Return when the program in one container is ready.

    Raises `UnitFailed` when it ends or takes too long. `tail` gets the last lines of its log.
    """
    started, pause, answer = time.monotonic(), FIRST, ""
    limit = unit.probe.within if unit.probe else BEGIN
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
    """Whether this very container is ready.

    A port of this machine may lead to another replica, and an engine's proxy takes connections for a program
    that does not listen yet: only an answer over HTTP tells more.
    """
    probe = unit.probe
    if probe is None:
        return passed >= SETTLE, ""
    port = unit.port(probe.port)
    if probe.kind == "http" and unit.replicas == 1 and port is not None and port.host:
        return answers(probe.kind, port.host, probe.path, timeout=probe.timeout)
    from devenv.render.compose.checks import in_container

    how, *words = (text.reveal(word, secrets) for word in in_container(probe))
    command = ["sh", "-c", *words] if how == "CMD-SHELL" else words
    lines: list[str] = []
    limit = str(math.ceil(probe.timeout))
    code = agent.run(["sh", "-c", LIMITED, limit, *command], output=lines.append)
    return code == 0, lines[-1] if lines else ""


def _failed(unit: Unit, what: str, lines: list[str], answer: str = "") -> UnitFailed:
    facts = [("probe", unit.probe.shown)] if unit.probe else []
    facts += [("answer", answer)] if answer else []
    return failed(unit, what, lines, facts)
