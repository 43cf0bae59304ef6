"""A plan is walked as fast as its order allows, and to its end where it can be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Barrier
from threading import Event as Stop

import pytest

from devenv.backends.base import Work
from devenv.engine.runner import Workbench, run
from devenv.errors import DevenvError, UnitFailed
from devenv.events import Done, Event, Failed, Progress, Skipped, Started
from devenv.plan.model import Observed, Op, Plan, Step
from devenv.plan.planner import Intent, Situation, plan_up
from devenv.stack.model import Stack, Unit
from tests.fakes import FakeBackend, FakeSession, Machine

from .stacks import fingerprints, stack

SHOP = """
    name: shop
    services:
      web: {image: web:1, port: 80, uses: [orders]}
      orders: {image: orders:1, uses: [migrate]}
      alone: {image: alone:1}
    jobs:
      migrate: {image: migrate:1}
"""


@pytest.fixture
def machine() -> Machine:
    FakeBackend.machine = Machine()
    return FakeBackend.machine


def carried_out(
    app: Stack, backend: FakeBackend, folder: Path
) -> tuple[list[DevenvError], list[Event], Workbench]:
    events, wanted = list[Event](), fingerprints(app)
    bench = Workbench(app, backend, backend.open(Work(app, folder, wanted)))
    try:
        failures = run(plan(app), bench, events.append)
    except BaseException:
        assert bench.stop.is_set()
        raise
    return failures, events, bench


def plan(app: Stack) -> Plan:
    return plan_up(app, Situation("fake", Observed(), fingerprints(app)), Intent())


def outcome(events: list[Event], kind: type[Done | Failed | Skipped | Started]) -> set[str]:
    return {f"{event.step.op} {event.step.target}" for event in events if isinstance(event, kind)}


def test_every_step_is_begun_and_ended_once_and_after_those_it_needs(
    machine: Machine, tmp_path: Path
) -> None:
    app = stack(SHOP)
    failures, events, _ = carried_out(app, FakeBackend(), tmp_path)
    assert failures == []
    ended: set[int] = set()
    for event in events:
        if isinstance(event, Started):
            assert ended.issuperset(event.step.after)
        if isinstance(event, Done):
            ended.add(event.step.number)
    assert ended == {step.number for step in plan(app)}
    assert {event.line for event in events if isinstance(event, Progress)} == {
        f"pulling {image}" for image in machine.images
    }


def test_a_program_that_ends_before_its_files_arrive_has_its_own_card(
    machine: Machine, tmp_path: Path
) -> None:
    app = stack("name: a\nservices: {web: {image: x}}")
    backend = FakeBackend()
    machine.failing.add("web")

    def sync(unit: Unit, say: object) -> None:
        machine.units["web"] = replace(machine.units["web"], state="exited", exit_code=3)
        raise DevenvError("container d7afad4dd045 is not running")

    steps = (Step(1, Op.APPLY, "web", "not found"), Step(2, Op.SYNC, "web", "web.py", (1,)))
    opened = backend.open(Work(app, tmp_path, fingerprints(app)))
    failures = run(Plan(steps), Workbench(app, backend, opened, sync=sync), lambda event: None)
    assert [type(failure) for failure in failures] == [UnitFailed]


class Meeting(FakeBackend):
    """Two units become ready only together."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names, self.barrier = names, Barrier(len(names), timeout=30)

    def open(self, work: Work) -> FakeSession:
        names, barrier = self.names, self.barrier

        class Session(FakeSession):
            def wait(self, unit: Unit, stop: Stop) -> None:
                if unit.name in names:
                    barrier.wait()

        return Session(self.machine, work)


class Slow(FakeBackend):
    """A unit of it is ready once its last line was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = Stop()

    def open(self, work: Work) -> FakeSession:
        shown = self.shown

        class Session(FakeSession):
            def wait(self, unit: Unit, stop: Stop) -> bool:
                return unit.name != "alone" or shown.wait(30)

        return Session(self.machine, work)


def test_what_a_unit_printed_last_is_told_while_it_is_waited_for_and_once(
    machine: Machine, tmp_path: Path
) -> None:
    app, backend, events = stack(SHOP), Slow(), list[Event]()
    machine.checkout = app.checkout

    def report(event: Event) -> None:
        events.append(event)
        if isinstance(event, Progress) and event.step.op is Op.WAIT:
            backend.shown.set()

    session = backend.open(Work(app, tmp_path, fingerprints(app)))
    assert run(plan(app), Workbench(app, backend, session, patience=0.01), report) == []
    told = [event for event in events if isinstance(event, Progress) and event.step.op is Op.WAIT]
    assert [(event.step.target, event.line) for event in told if event.step.target == "alone"] == [
        ("alone", "alone says hello")
    ]


def test_what_does_not_wait_for_one_another_goes_on_at_the_same_time(
    machine: Machine, tmp_path: Path
) -> None:
    failures, events, _ = carried_out(stack(SHOP), Meeting("migrate", "alone"), tmp_path)
    assert failures == []
    assert outcome(events, Done) >= {"wait migrate", "wait alone"}


def test_after_a_failure_what_needs_it_is_left_out_and_the_rest_comes_up(
    machine: Machine, tmp_path: Path
) -> None:
    machine.failing = {"migrate"}
    (failure,), events, bench = carried_out(stack(SHOP), FakeBackend(), tmp_path)
    assert isinstance(failure, UnitFailed)
    assert (failure.card.unit, failure.card.waiting) == ("migrate", ("orders", "web"))
    assert outcome(events, Failed) == {"wait migrate"}
    assert outcome(events, Skipped) == {"apply orders", "wait orders", "apply web", "wait web"}
    assert "wait alone" in outcome(events, Done)
    assert not bench.stop.is_set()


def test_two_failures_are_both_told(machine: Machine, tmp_path: Path) -> None:
    machine.failing = {"migrate", "alone"}
    failures, _, _ = carried_out(stack(SHOP), FakeBackend(), tmp_path)
    assert {failure.card.unit for failure in failures if isinstance(failure, UnitFailed)} == {
        "migrate",
        "alone",
    }


class Buggy(FakeBackend):
    """It has a mistake in it."""

    def open(self, work: Work) -> FakeSession:
        class Session(FakeSession):
            def apply(self, unit: Unit, *, recreate: bool) -> None:
                raise ZeroDivisionError(unit.name)

        return Session(self.machine, work)


def test_a_bug_keeps_its_traceback_and_stops_everything(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as bug:
        carried_out(stack(SHOP), Buggy(), tmp_path)
    assert bug.traceback[-1].name == "apply"


def test_ctrl_c_passes_through_once_all_have_been_told_to_stop(machine: Machine, tmp_path: Path) -> None:
    machine.interrupting = {"migrate"}
    with pytest.raises(KeyboardInterrupt):
        carried_out(stack(SHOP), FakeBackend(), tmp_path)


def test_a_unit_without_a_check_that_ends_while_others_start_has_failed(
    machine: Machine, tmp_path: Path
) -> None:
    class Session(FakeSession):
        def wait(self, unit: Unit, stop: Stop) -> bool:
            if unit.name == "web":  # by then the other one has counted as running
                machine.failing.add("orders")
                machine.units["orders"] = replace(machine.units["orders"], state="exited", exit_code=3)
            return super().wait(unit, stop)

    class Backend(FakeBackend):
        def open(self, work: Work) -> FakeSession:
            super().open(work)
            return Session(machine, work)

    failures, events, _ = carried_out(stack(SHOP), Backend(), tmp_path)
    assert [str(failure) for failure in failures] == ["orders ended with exit 3"]
    assert outcome(events, Failed) == {"wait orders"}


@pytest.mark.parametrize("op", [Op.SAVE, Op.LOAD])
def test_a_store_that_was_removed_meanwhile_fails_its_step_alone(
    machine: Machine, tmp_path: Path, op: Op
) -> None:
    app, backend = stack("name: a\nservices: {web: {image: x}}"), FakeBackend()
    bench = Workbench(app, backend, other=backend, carried=tmp_path)
    (failure,) = run(Plan((Step(1, op, "web"),)), bench, lambda event: None)
    assert failure.what == "web does not exist any more"
