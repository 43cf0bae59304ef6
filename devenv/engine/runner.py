"""Walks a plan: every step as soon as those before it have ended well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Queue

from devenv.backends.base import Backend, Interrupted
from devenv.errors import DevenvError, UnitFailed
from devenv.events import Done, Failed, Note, Progress, Report, Skipped, Started
from devenv.plan.model import Op, Plan, Step
from devenv.stack.graph import waiting_for
from devenv.stack.model import Stack
from devenv.stack.mounts import require_kept


@dataclass(frozen=True)
class Work:
    """What the steps of a plan need to be carried out."""

    stack: Stack
    backend: Backend
    root: Path
    fingerprints: Mapping[str, str]
    secrets: Mapping[str, str]
    stop: threading.Event = field(default_factory=threading.Event)


def run(plan: Plan, work: Work, report: Report) -> list[DevenvError]:
    """Carry out a plan. What depends on a failed step is left out, the rest goes on.

    Returns the failures, the root cause first. A KeyboardInterrupt passes through once every step has
    been told to stop.
    """
    ended: Queue[tuple[Step, DevenvError | BaseException | None, float]] = Queue()
    waiting = list(plan)
    running: dict[int, Step] = {}
    done: set[int] = set()
    failures: list[DevenvError] = []
    try:
        while True:
            for step in [step for step in waiting if done.issuperset(step.after)]:
                waiting.remove(step)
                running[step.number] = step
                report(Started(step))
                threading.Thread(target=_do, args=(step, work, report, ended), daemon=True).start()
            if not running:
                for step in waiting:
                    report(Skipped(step))
                return failures
            step, error, seconds = ended.get()
            del running[step.number]
            if error is None:
                done.add(step.number)
                report(Done(step, seconds))
            elif isinstance(error, DevenvError):
                error = _with_waiting(error, work.stack)
                failures.append(error)
                report(Failed(step, error))
            elif not isinstance(error, Interrupted):
                raise error
    except BaseException:
        work.stop.set()
        raise


def _do(
    step: Step,
    work: Work,
    report: Report,
    ended: Queue[tuple[Step, DevenvError | BaseException | None, float]],
) -> None:
    started = time.monotonic()
    error: BaseException | None = None
    try:
        whole = step.op is Op.PREPARE  # it is of no unit, so no unit's row shows how far it is
        _VERBS[step.op](step, work, lambda line: report(Note(line) if whole else Progress(step, line)))
    except BaseException as caught:
        error = caught
    ended.put((step, error, time.monotonic() - started))


def _with_waiting(error: DevenvError, stack: Stack) -> DevenvError:
    if isinstance(error, UnitFailed) and error.card.unit in stack:
        card = replace(error.card, waiting=tuple(waiting_for(stack, error.card.unit)))
        return UnitFailed(card)
    return error


Say = Callable[[str], None]


def _build(step: Step, work: Work, say: Say) -> None:
    work.backend.build(work.stack.unit(step.target), work.root, work.secrets, say)


def _prepare(step: Step, work: Work, say: Say) -> None:
    _require_kept(work, step.units)
    work.backend.prepare(work.stack, step.units, say)


def _require_kept(work: Work, names: Sequence[str]) -> None:
    """Raises `DevenvError` before a store is made whose data would not be in its volume."""
    stores = [unit for unit in map(work.stack.unit, names) if unit.role == "infra" and unit.volumes]
    declared = work.backend.declared({unit.image for unit in stores}) if stores else {}
    for unit in stores:
        require_kept(unit, declared.get(unit.image, ()))


def _apply(step: Step, work: Work, say: Say) -> None:
    _require_kept(work, [step.target])
    work.backend.apply(work.stack.unit(step.target), work.fingerprints[step.target])


_VERBS: Mapping[Op, Callable[[Step, Work, Say], None]] = {
    Op.PULL: lambda step, work, say: work.backend.pull(step.target, say),
    Op.PREPARE: _prepare,
    Op.BUILD: _build,
    Op.APPLY: _apply,
    Op.WAIT: lambda step, work, say: work.backend.wait(work.stack.unit(step.target), work.stop),
    Op.RESTART: lambda step, work, say: work.backend.restart(step.target),
    Op.REMOVE: lambda step, work, say: work.backend.remove_unit(step.target),
}
