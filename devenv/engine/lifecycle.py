"""The commands that change what runs: up, restart, run, down."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from devenv.backends.base import Removed, Say, Work
from devenv.errors import DevenvError, UnitFailed
from devenv.events import Event, Failed, Note, Planned, Report, Skipped
from devenv.plan.model import ObservedUnit, Op, Plan
from devenv.promises import Promises
from devenv.stack.labels import HALF_MADE

if TYPE_CHECKING:
    from devenv.backends.base import Backend, Session
    from devenv.engine.loaded import Loaded
    from devenv.engine.place import Place
    from devenv.engine.project import Project
    from devenv.plan.planner import Intent
    from devenv.stack.model import Stack, Unit


@dataclass(frozen=True)
class Outcome:
    """The result of a run. `seconds` is None where there was nothing to do.

    `loaded` is what was brought up, for hot reload to go on from. `once` runs the unit of `devenv run` in the
    foreground and returns its exit code.
    """

    stack: Stack
    units: tuple[str, ...]
    failures: tuple[DevenvError, ...] = ()
    seconds: float | None = None
    once: Callable[[], int] | None = None
    loaded: Loaded | None = None


@dataclass(frozen=True)
class Request:
    """The options of `up`: names and profiles of units, or all. `reload`: start them ready for hot reload.

    `host`: the services that run on this machine; None leaves those there that do now.
    """

    names: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    remap: bool = False
    rebuild: bool = False
    carry: bool = False
    reload: bool = True
    host: tuple[str, ...] | None = None

    def intent(self, loaded: Loaded) -> Intent:
        """The same with profiles resolved. Raises `UsageError` for an unknown profile."""
        from devenv.plan.planner import Intent

        names = (*self.names, *loaded.members(self.profiles))
        names += tuple(self.host or ()) if names else ()
        return Intent(names, rebuild=self.rebuild, carry=self.carry)


Replan = Callable[[], "tuple[Loaded, Plan]"]
"""Reads and observes everything again, and plans for what is there now."""

Hide = Callable[["Loaded"], None]
"""Has the secrets of a stack masked in all output from now on."""


class Lifecycle:
    """One project on one backend. Progress goes to `report` only."""

    def __init__(self, project: Project, place: Place, promises: Promises, hide: Hide) -> None:
        self._project, self._place, self._promises, self._hide = project, place, promises, hide
        self._space = project.workspace

    def up(self, request: Request, report: Report) -> Outcome:
        """Bring the stack up and wait until all units are ready. The outcome holds the failures."""
        from devenv.plan.carrying import left_behind
        from devenv.plan.planner import select

        started = time.monotonic()
        with closing(self._promises):

            def replan() -> tuple[Loaded, Plan]:
                loaded = self._load(remap=request.remap, reload=request.reload, host=request.host)
                plan = self._project.plan(loaded, self._place.backend, request.intent(loaded))
                if plan and loaded.stack.externals:
                    from devenv.engine.externals import require_reachable

                    require_reachable(loaded.stack.externals, loaded.secrets)
                return loaded, plan

            loaded, plan, failures = self._started(replan, report)
            units = tuple(unit.name for unit in select(loaded.stack, request.intent(loaded).names))
            if not failures and plan:
                notes = left_behind(loaded.stack, loaded.elsewhere) if request.carry else []
                failures = self._completed(loaded, plan, replan, units, report, notes)
            elif not plan:
                self._remember_place(also=False)
            seconds = time.monotonic() - started if plan else None
            return Outcome(loaded.stack, units, tuple(failures), seconds, loaded=loaded)

    def _started(self, replan: Replan, report: Report) -> tuple[Loaded, Plan, list[DevenvError]]:
        """Load and plan; a backend that is down is started first, or its units could not be observed."""
        loaded, steps = replan()
        starts = Plan(tuple(steps.of(Op.START)))
        if not starts:
            return loaded, steps, []
        from devenv.engine.runner import Workbench
        from devenv.engine.runner import run as carry_out

        backend = self._place.backend
        report(Planned(loaded.stack, starts, backend.name, "", self._place.reason, ()))
        failures = carry_out(starts, Workbench(loaded.stack, backend), report)
        if failures:
            return loaded, steps, failures
        return *replan(), []

    def _completed(
        self,
        loaded: Loaded,
        plan: Plan,
        replan: Replan,
        units: tuple[str, ...],
        report: Report,
        notes: Sequence[str] = (),
    ) -> list[DevenvError]:
        """Carry out a plan, and another one for stores whose data turns out to be half made.

        Where the container of such a store is gone, only its check finds that out, and the first plan did
        not clear it.
        """
        withheld: list[Failed | Skipped] = []

        def report_but_half_made(event: Event) -> None:
            match event:
                case Failed(step=step, error=UnitFailed() as error) if error.answered(HALF_MADE):
                    cleared = any(clear.target == step.target for clear in plan.of(Op.CLEAR))
                    (report if cleared else withheld.append)(event)
                case Skipped() if withheld:
                    withheld.append(event)
                case _:
                    report(event)

        failures = self._carry_out(loaded, plan, units, report_but_half_made, notes)
        if withheld:
            loaded, again = replan()
            clears = {step.target for step in again.of(Op.CLEAR)}
            if clears >= {event.step.target for event in withheld if isinstance(event, Failed)}:
                for store in sorted(clears):
                    report(Note(f"{store}: {HALF_MADE}; its data is made anew"))
                return self._carry_out(loaded, again, units, report)
            for event in withheld:
                report(event)
        return failures

    def restart(self, units: Collection[ObservedUnit], report: Report) -> Outcome:
        """Restart running units and wait until they are ready again."""
        from devenv.plan.planner import plan_restart

        loaded = self._load(promise=False)
        plan = plan_restart(loaded.stack, units)
        names = tuple(step.target for step in plan.of(Op.RESTART))
        failures = self._carry_out(loaded, plan, names, report) if plan else []
        return Outcome(loaded.stack, names, tuple(failures))

    def run(self, name: str, argv: Sequence[str], *, tty: bool, report: Report) -> Outcome:
        """Bring up what a unit uses; `once` of the outcome then runs it, if nothing failed."""
        with closing(self._promises):

            def replan() -> tuple[Loaded, Plan]:
                loaded = self._load()
                return loaded, self._project.plan_run(loaded, self._place.backend, name)

            loaded, plan, failures = self._started(replan, report)
            unit = loaded.stack.unit(name)
            needs = tuple(need.unit for need in unit.needs)
            if not failures and plan:
                failures = self._completed(loaded, plan, replan, needs, report)
            elif not plan:
                self._remember_place(also=True)  # a run that is killed leaves something for `down` to find
            session = self._open(loaded) if not failures else None
        once = None if session is None else lambda: session.run(unit, argv, tty=tty)
        return Outcome(loaded.stack, needs, tuple(failures), once=once)

    def _load(
        self,
        *,
        remap: bool = False,
        promise: bool = True,
        reload: bool = True,
        host: Collection[str] | None = None,
    ) -> Loaded:
        place = self._place
        place.backend.require_allowed()
        loaded = self._project.load(
            place.backend,
            other=place.other,
            promises=self._promises,
            remap=remap,
            promise=promise,
            reload=reload,
            host=host,
        )
        self._hide(loaded)
        return loaded

    def _open(self, loaded: Loaded) -> Session:
        backend = self._place.backend
        folder = self._space.state / backend.name
        declared = self._project.declared(loaded, backend)
        bundle = self._project.bundle(loaded, backend, folder, declared)
        self._space.write_bundle(bundle, backend.name, loaded.secrets, loaded.stack.words)
        return backend.open(Work(loaded.stack, folder, loaded.fingerprints, loaded.secrets))

    def _carry_out(
        self,
        loaded: Loaded,
        plan: Plan,
        units: tuple[str, ...],
        report: Report,
        notes: Sequence[str] = (),
    ) -> list[DevenvError]:
        """Carry out a plan and report it, from the headline on. Returns the failures."""
        # Imported where there is something to do: an unchanged stack must not pay for it.
        from devenv.engine.runner import Workbench
        from devenv.engine.runner import run as carry_out

        place, stack = self._place, loaded.stack
        report(Planned(stack, plan, place.backend.name, place.backend.check(), place.reason, units))
        for note in (*loaded.notes, *notes, *_troubles(loaded, plan, place)):
            report(Note(note))
        self._remember_place(also=True)
        sends_only = all(step.op is Op.SYNC for step in plan)  # which renders nothing and opens nothing
        with nullcontext() if sends_only else closing(self._open(loaded)) as session:
            carried = self._space.state / "carried"
            sync, syncing = partial(self._sync, loaded), partial(self._syncing, loaded)
            bench = Workbench(stack, place.backend, session, place.other, carried, sync, syncing, self._host)
            failures = carry_out(plan, bench, report)
        for note in sorted(self._project.links(place.backend).notes):
            report(Note(note))
        built = [step.target for step in plan.of(Op.BUILD)]
        applied = [stack.unit(step.target) for step in plan.of(Op.APPLY)]
        loaded.synced.remember(applied, built, self._project.digests)
        if not failures:
            self._remember_place(also=False)
            replaced = {step.target for step in (*plan.of(Op.BUILD), *plan.of(Op.APPLY))}
            self._project.remember_builds(loaded, loaded.current | replaced)
        return failures

    def _sync(self, loaded: Loaded, unit: Unit, say: Say, but: Collection[str] = ()) -> list[str]:
        from devenv.engine.ready import log_tail

        backend, checkout = self._place.backend, loaded.stack.checkout
        observed = backend.observe(checkout).unit(unit.name)
        tail = partial(log_tail, backend, checkout)
        links = self._project.links(backend)
        return links.sync(loaded.synced, unit, observed, loaded.secrets, say, tail, but=but)

    def _syncing(self, loaded: Loaded, unit: Unit, say: Say) -> AbstractContextManager[None]:
        from devenv.engine.reloading.links import repeated

        return repeated(partial(self._sync, loaded, unit, say))

    def _host(self, unit: Unit) -> None:
        self._project.relay(self._place.backend, unit).ensure()

    def _remember_place(self, *, also: bool) -> None:
        """Record which backends the stack may be on; `also` includes the previous one."""
        names = [self._place.backend.name]
        if also and self._place.other is not None:
            names.append(self._place.other.name)
        self._space.write({"backend": "".join(f"{name}\n" for name in names)})


def _troubles(loaded: Loaded, plan: Plan, place: Place) -> list[str]:
    """What of this machine troubles units that start anew, as they would only show it late; a line each."""
    units, backend = loaded.observed.units, place.backend
    starting = tuple(
        loaded.stack.unit(step.target)
        for step in plan.of(Op.APPLY)
        if step.target not in units or not units[step.target].running
    )
    if not starting or backend.name != "compose":  # a cluster has limits and a scheduler of its own
        return []
    from devenv.doctor import early
    from devenv.doctor.verdict import Wanted

    wanted = Wanted(backend.name, loaded.stack, starting=starting, profiles=loaded.profiles)
    return [
        f"{verdict.text}: {verdict.fix.command}"
        for verdict in early.warnings(wanted, backend.home)
        if verdict.fix
    ]


def down(
    backend: Backend, others: Iterable[Backend], checkout: str, *, volumes: bool, stop: bool, say: Say
) -> Removed:
    """Remove what a checkout has on a backend, and on others that it may not have left yet.

    `stop` ends what the backend keeps running without units.
    """
    idle = backend.idle
    removed = backend.remove(checkout, volumes=volumes, say=say)
    for other in others:
        removed += other.remove(checkout, volumes=volumes, say=say)
    if stop:
        say(f"stopping {idle}")
        backend.stop()
    return removed
