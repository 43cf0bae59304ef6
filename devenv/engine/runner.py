"""Carries out a plan: every step starts once all steps before it have succeeded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, Queue

from devenv.backends.base import Backend, Interrupted, Say, Session
from devenv.engine import carry
from devenv.engine.slow import PATIENCE, Slow
from devenv.errors import DevenvError, UnitFailed
from devenv.events import Done, Failed, Note, Progress, Report, Skipped, Started
from devenv.plan.model import Op, Plan, Step
from devenv.stack.graph import waiting_for
from devenv.stack.model import Stack, Unit


@dataclass(frozen=True)
class Workbench:
    """What steps work with. `other` is the previous backend, `carried` the folder of its data.

    `sync` sends a unit's changed files to its containers, `syncing` to those that appear meanwhile. `host`
    has the connections of a unit carried to this machine. After `patience` seconds of a wait the unit's last
    log line is shown.
    """

    stack: Stack
    backend: Backend
    opened: Session | None = None
    other: Backend | None = None
    carried: Path = Path()
    sync: Callable[[Unit, Say], object] = lambda unit, say: None
    syncing: Callable[[Unit, Say], AbstractContextManager[None]] = lambda unit, say: nullcontext()
    host: Callable[[Unit], object] = lambda unit: None
    stop: threading.Event = field(default_factory=threading.Event)
    patience: float = PATIENCE

    @property
    def session(self) -> Session:
        """The session; every step but `start` needs it."""
        assert self.opened is not None
        return self.opened


@dataclass(frozen=True)
class Ended:
    """How a step ended."""

    step: Step
    error: BaseException | None
    seconds: float
    checked: bool


def run(plan: Plan, bench: Workbench, report: Report) -> list[DevenvError]:
    """Carry out a plan. Steps that depend on a failed one are skipped; all others run.

    Returns the failures, the root cause first. A KeyboardInterrupt is raised on after every step
    has been told to stop.
    """
    ended: Queue[Ended] = Queue()
    waiting = list(plan)
    running: dict[int, Step] = {}
    done: set[int] = set()
    unchecked: list[Step] = []
    failures: list[DevenvError] = []
    slow = Slow(bench.backend, bench.stack.checkout, report, patience=bench.patience)
    try:
        while True:
            for step in [step for step in waiting if done.issuperset(step.after)]:
                waiting.remove(step)
                running[step.number] = step
                report(Started(step))
                threading.Thread(target=_do, args=(step, bench, slow, report, ended), daemon=True).start()
            if not running:
                for step in waiting:
                    report(Skipped(step))
                return failures + list(_ended_since(unchecked, bench, report))
            end = ended.get()
            step, error = end.step, end.error
            del running[step.number]
            if error is None:
                done.add(step.number)
                if step.op is Op.WAIT and not end.checked and not bench.stack.unit(step.target).one_shot:
                    unchecked.append(step)
                report(Done(step, end.seconds, end.checked))
            elif isinstance(error, DevenvError):
                error = _in_stack(error, bench.stack)
                failures.append(error)
                report(Failed(step, error))
            elif not isinstance(error, Interrupted):
                raise error
    except BaseException:
        bench.stop.set()
        with suppress(Empty):
            while any(step.op in MOVING for step in running.values()):  # a store that rests starts again
                running.pop(ended.get(timeout=LEAVING).step.number)
        raise
    finally:
        slow.close()


def _ended_since(unchecked: Sequence[Step], bench: Workbench, report: Report) -> Iterator[DevenvError]:
    """The failures of units without a check that ended while others were starting; one look tells.

    One that is started again by itself may run just then: it is waited for once more.
    """
    observed = bench.backend.observe(bench.stack.checkout).units if unchecked else {}
    for step in unchecked:
        unit, wanted = observed.get(step.target), bench.stack.unit(step.target)
        ended = unit is not None and (not unit.running or unit.state == "restarting")
        if ended or (unit is not None and wanted.restart not in (None, "no")):
            try:
                bench.session.wait(wanted, bench.stop)
            except DevenvError as error:
                error = _in_stack(error, bench.stack)
                report(Failed(step, error))
                yield error


def _do(step: Step, bench: Workbench, slow: Slow, report: Report, ended: Queue[Ended]) -> None:
    started = time.monotonic()
    error: BaseException | None = None
    checked: bool | None = None
    try:
        whole = step.op in OF_NO_UNIT  # no unit's row shows its progress
        with slow.waiting(step) if step.op is Op.WAIT else nullcontext():
            checked = _VERBS[step.op](
                step, bench, lambda line: report(Note(line) if whole else Progress(step, line))
            )
    except BaseException as caught:
        error = caught
    ended.put(Ended(step, error, time.monotonic() - started, bool(checked)))


def _in_stack(error: DevenvError, stack: Stack) -> DevenvError:
    """The error with what only the whole stack tells: who waits for the unit, and which hosts there are."""
    if isinstance(error, UnitFailed) and error.card.unit in stack:
        from devenv.backends.hostnames import explained

        waiting = tuple(waiting_for(stack, error.card.unit))
        return UnitFailed(explained(replace(error.card, waiting=waiting), stack))
    return error


def _prepare(step: Step, bench: Workbench, say: Say) -> None:
    _require_kept(bench, step.units)
    bench.session.prepare(step.units, say)


def _apply(step: Step, bench: Workbench, say: Say) -> None:
    _require_kept(bench, [step.target])
    bench.session.apply(bench.stack.unit(step.target), recreate=step.recreate)


def _require_kept(bench: Workbench, names: Sequence[str]) -> None:
    """Raises `DevenvError` before a store is created whose data would lie outside its volume."""
    stores = [unit for unit in map(bench.stack.unit, names) if unit.role == "infra" and unit.volumes]
    declared = bench.backend.declared({unit.image for unit in stores}) if stores else {}
    if stores:
        from devenv.stack.mounts import require_kept  # YAML comes with it
    for unit in stores:
        volumes = declared[unit.image].volumes if unit.image in declared else ()
        require_kept(unit, volumes, bench.backend.renderer)


def _sync(step: Step, bench: Workbench, say: Say) -> None:
    unit = bench.stack.unit(step.target)
    try:
        bench.sync(unit, say)
    except DevenvError:
        if bench.opened and _has_ended(unit, bench):  # which is the cause, and has a card
            bench.opened.wait(unit, bench.stop)
        raise


def _has_ended(unit: Unit, bench: Workbench) -> bool:
    """Whether a unit does not run any more; a busy engine tells of its end late."""
    for _ in range(ASKED):
        container = bench.backend.observe(bench.stack.checkout).units.get(unit.name)
        if container is None or not container.running:
            return container is not None
        bench.stop.wait(0.1)
    return False


def _wait(step: Step, bench: Workbench, say: Say) -> bool:
    unit = bench.stack.unit(step.target)
    if not unit.sourceless:
        return bench.session.wait(unit, bench.stop)
    with bench.syncing(unit, say):
        return bench.session.wait(unit, bench.stop)


def _host(step: Step, bench: Workbench, say: Say) -> None:
    bench.host(bench.stack.unit(step.target))


def _leave(step: Step, bench: Workbench, say: Say) -> None:
    assert bench.other is not None
    removed = bench.other.remove(bench.stack.checkout, volumes=False, say=lambda line: None)
    if removed.units:
        say(f"the stack ran on {step.target}: stopped there{', its data kept' if removed.kept else ''}")
    if idle := bench.other.idle:
        say(f"{idle} keeps running; stop it with: devenv down -b {step.target} --stop")


def _save(step: Step, bench: Workbench, say: Say) -> None:
    assert bench.other is not None
    store = bench.other.observe(bench.stack.checkout).unit(step.target)
    size = carry.save(bench.other, store, bench.stack.unit(step.target), bench.carried, bench.stop)
    say(f"{step.target}: {size / 1e6:.1f} MB carried from {bench.other.name}")


def _load(step: Step, bench: Workbench, say: Say) -> None:
    assert bench.other is not None
    store = bench.backend.observe(bench.stack.checkout).unit(step.target)
    unit, source = bench.stack.unit(step.target), bench.other.name
    carry.load(bench.backend, store, unit, bench.carried, bench.stop, source=source)


MOVING = frozenset({Op.SAVE, Op.LOAD})
ASKED = 10  # times whether a unit has ended that took no files
LEAVING = 60.0  # seconds that a store may take to start again, once its copy is broken off

OF_NO_UNIT = frozenset({Op.START, Op.LEAVE, Op.PREPARE, Op.FORWARD, Op.SAVE})

_VERBS: Mapping[Op, Callable[[Step, Workbench, Say], bool | None]] = {
    Op.START: lambda step, bench, say: bench.backend.start(bench.stack.name, say),
    Op.SAVE: _save,
    Op.LEAVE: _leave,
    Op.PULL: lambda step, bench, say: bench.session.pull(step.target, say),
    Op.PREPARE: _prepare,
    Op.BUILD: lambda step, bench, say: bench.session.build(bench.stack.unit(step.target), say),
    Op.APPLY: _apply,
    Op.SYNC: _sync,
    Op.WAIT: _wait,
    Op.LOAD: _load,
    Op.FORWARD: lambda step, bench, say: bench.session.forward(),
    Op.HOST: _host,
    Op.RESTART: lambda step, bench, say: bench.session.restart(step.target, step.id),
    Op.REMOVE: lambda step, bench, say: bench.session.remove(step.target, step.id),
    Op.CLEAR: lambda step, bench, say: bench.session.clear(bench.stack.unit(step.target), step.id),
}
