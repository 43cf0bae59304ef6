"""Decides what to do. Every step carries its cause, and an unchanged stack needs no step."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from devenv.plan.carrying import carried, require_readable
from devenv.plan.model import ORPHANED, Edits, Elsewhere, Observed, ObservedUnit, Op, Plan, Step
from devenv.plan.namespace import former_place
from devenv.stack.fingerprints import differences, outdated
from devenv.stack.graph import closure, ordered
from devenv.stack.model import Stack, Unit


@dataclass(frozen=True, slots=True)
class Intent:
    """What the user asked for. `names`: these units, or all; `rebuild`: build images even if nothing changed.

    `carry`: copy the stores' data from the backend that the stack leaves.
    """

    names: tuple[str, ...] = ()
    rebuild: bool = False
    carry: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What a plan depends on besides the stack. `changes`: image -> why it has to be built, if known.

    `edits`: what the containers of units lack that reload. `relayed`: hosted units whose connections are
    carried to this machine.
    """

    backend: str
    observed: Observed
    fingerprints: Mapping[str, str]
    changes: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Elsewhere | None = None
    edits: Mapping[str, Edits] = field(default_factory=dict)
    relayed: frozenset[str] = frozenset()


def select(stack: Stack, names: Collection[str]) -> list[Unit]:
    """The units that `up` starts, in starting order: the named ones with everything they need, or all."""
    if names:
        return closure(stack, names)
    return [unit for unit in ordered(stack) if not unit.manual]


def plan_up(stack: Stack, situation: Situation, intent: Intent) -> Plan:
    """The steps from the observed units to the stack, up and ready."""
    return _Planner(stack, situation, intent).plan(select(stack, intent.names))


def plan_run(stack: Stack, situation: Situation, name: str) -> Plan:
    """The steps before a one-off run of a unit: everything it needs, ready, and its own image."""
    unit = stack.unit(name)
    needs = closure(stack, [need.unit for need in unit.needs])
    return _Planner(stack, situation, Intent()).plan(needs, images=[unit], only=True)


def plan_restart(stack: Stack, units: Collection[ObservedUnit]) -> Plan:
    """Restart observed units of the stack, each once what it needs is back, and wait until all are ready."""
    observed = {unit.unit: unit for unit in units}
    steps: list[Step] = []
    ready: dict[str, frozenset[int]] = {}
    for unit in ordered(stack):
        after = frozenset().union(*(ready[need.unit] for need in unit.needs))
        ready[unit.name] = after  # also of a unit that is left alone: those who need it wait for its needs
        if unit.name in observed:
            restart, wait = len(steps) + 1, len(steps) + 2
            id = observed[unit.name].id
            steps += [
                Step(restart, Op.RESTART, unit.name, "asked for", tuple(sorted(after)), id=id),
                Step(wait, Op.WAIT, unit.name, after=(restart,)),
            ]
            ready[unit.name] = frozenset({wait})
    return Plan(tuple(steps))


def wanted_images(stack: Stack, situation: Situation, intent: Intent) -> frozenset[str]:
    """The images whose presence the plan depends on; none if every unit is up to date and ready."""
    units = select(stack, intent.names)
    planner = _Planner(stack, situation, intent)
    if intent.rebuild or any(map(planner.concerns_images, units)):
        return frozenset(unit.image for unit in units)
    return frozenset()


def ready(unit: Unit, current: ObservedUnit) -> bool:
    """Whether an observed unit is running and healthy, or for a one-shot: has succeeded."""
    if unit.one_shot:
        return current.state == "exited" and current.exit_code == 0
    return current.state == "running" and current.healthy is not False


@dataclass(frozen=True, slots=True)
class _Stale:
    """Why a unit is applied, and whether its container is replaced."""

    cause: str
    recreate: bool = False


NO_EDITS = Edits()
CLUSTERS = ("kube", "minikube")


class _Planner:
    def __init__(self, stack: Stack, situation: Situation, intent: Intent) -> None:
        self.stack, self.situation, self.intent, self.observed = stack, situation, intent, situation.observed
        self._current = {
            name: unit
            for name, unit in situation.observed.units.items()
            if not former_place(stack, situation.observed, unit)
        }
        self.steps: list[Step] = []
        self._ready: dict[str, int] = {}
        self._loads: dict[str, int] = {}

    def plan(self, units: list[Unit], *, images: Sequence[Unit] = (), only: bool = False) -> Plan:
        """Steps that start `units`, and provide the images of others. `only`: leave all other units alone."""
        stale = {unit.name: reason for unit in units if (reason := self.stale(unit))}
        needed = [unit for unit in units if self.intent.rebuild or unit.name in stale]
        builds = self._builds([*needed, *images])
        for unit in units:
            if unit.image in builds and unit.name not in stale and self.intent.rebuild:
                stale[unit.name] = _Stale("rebuilt", recreate=True)
        start = self._start(needed=bool(stale or builds))
        moved = self._move(start)
        removed = [] if only else self._remove_orphans()
        removed += self._clear(units, start)
        pulls = self._pulls([*units, *images], start) if stale or images else []
        prepared: list[int] = []
        if stale or builds or pulls:
            new = [name for name, reason in stale.items() if reason.cause == "not found"]
            early = tuple(name for name in new if self.stack.unit(name).image not in builds)
            prepared = [self._prepare([*start, *moved, *removed, *pulls], early)]
        built = {
            image: self._add(Op.BUILD, unit.name, cause, start) for image, (unit, cause) in builds.items()
        }
        for unit in units:
            self._unit(unit, stale.get(unit.name), prepared, built)
        self._forward(prepared or [*start, *moved])
        return Plan(tuple(self.steps))

    def stale(self, unit: Unit) -> _Stale | None:
        """Why a unit has to be applied, or None."""
        current = self._current.get(unit.name)
        if current is None:
            return _Stale("not found")
        if current.half_made:
            return _Stale("half-made data is made anew")
        if current.hosted != unit.hosted:
            return _Stale(
                "this machine runs it" if unit.hosted else "its container runs again", recreate=True
            )
        wanted = self.situation.fingerprints[unit.name]
        if current.fingerprint != wanted:
            return _Stale("; ".join(_changes(unit, current.fingerprint, wanted)), recreate=True)
        if self._outdated(unit) or (self._moved(unit) and unit.image in self.observed.images):
            return _Stale(f"{unit.image} is another image now", recreate=True)
        if current.state == "paused":
            return _Stale("paused")
        if self._edits(unit).unknown:
            return _Stale("its sources changed, and it cannot be sent them", recreate=True)
        if current.running or ready(unit, current):
            return None
        if current.state == ORPHANED:
            return _Stale("its supervisor was killed")
        if current.state == "created":
            return _Stale("not started", recreate=unit.one_shot)
        cause = f"failed with exit {current.exit_code}" if current.exit_code else "stopped"
        return _Stale(cause, recreate=unit.one_shot)

    def _edits(self, unit: Unit) -> Edits:
        return self.situation.edits.get(unit.name, NO_EDITS)

    def concerns_images(self, unit: Unit) -> bool:
        """Whether the steps of a unit depend on the images that are there."""
        return bool(self.stale(unit)) or self._moved(unit) or self._unready(unit)

    def _moved(self, unit: Unit) -> bool:
        """Whether it runs an image whose name means another one now; what is built has its content as tag."""
        current = self._current.get(unit.name)
        return bool(current and current.image_moved and current.image != unit.image and unit.build is None)

    def _outdated(self, unit: Unit) -> bool:
        """Whether its nodes have an older image than this machine under the name that the manifest has."""
        current = self._current.get(unit.name)
        return bool(current and current.image_outdated and unit.build is None)

    def _unready(self, unit: Unit) -> bool:
        return unit.name in self._current and not ready(unit, self._current[unit.name])

    def _unit(self, unit: Unit, reason: _Stale | None, prepared: list[int], built: Mapping[str, int]) -> None:
        after = [self._ready[need.unit] for need in unit.needs if need.unit in self._ready]
        current = self._current.get(unit.name)
        if reason is not None:
            after += [*prepared, *([built[unit.image]] if unit.image in built else [])]
            number = self._add(Op.APPLY, unit.name, reason.cause, after, recreate=reason.recreate)
            if cause := _sync_after_start(unit, reason, current):
                number = self._add(Op.SYNC, unit.name, cause, [number])
            self._ready[unit.name] = self._add(Op.WAIT, unit.name, "", [number])
        elif current is not None and (edits := self._edits(unit)) and (edits.files or edits.waiting):
            cause = _shown(edits.files) or "its program waits for its files"
            number = self._add(Op.SYNC, unit.name, cause, after)
            self._ready[unit.name] = number
            if edits.waiting or not ready(unit, current):  # a program that it restarts is ready by its end
                self._ready[unit.name] = self._add(Op.WAIT, unit.name, "", [number])
        elif current is not None and not ready(unit, current):
            self._ready[unit.name] = self._add(Op.WAIT, unit.name, _waiting(unit, current), after)
        if unit.hosted and (reason is not None or unit.name not in self.situation.relayed):
            after = [self._ready[unit.name]] if unit.name in self._ready else after
            self._ready[unit.name] = self._add(Op.HOST, unit.name, _hosting(unit), after)
        if unit.name in self._loads:
            after = [self._loads[unit.name], *prepared]
            after += [self._ready[unit.name]] if unit.name in self._ready else []
            assert self.situation.elsewhere is not None
            cause = f"data of {self.situation.elsewhere.backend}"
            number = self._add(Op.LOAD, unit.name, cause, after)
            if unit.copied:
                number = self._add(Op.WAIT, unit.name, "started again on its data", [number])
            self._ready[unit.name] = number

    def _builds(self, units: list[Unit]) -> dict[str, tuple[Unit, str]]:
        """Image -> a unit to build it for, and why."""
        builds: dict[str, tuple[Unit, str]] = {}
        for unit in units:
            if unit.build is None or unit.image in builds:
                continue
            if self.intent.rebuild:
                builds[unit.image] = unit, "asked for"
            elif unit.image not in self.observed.images:
                builds[unit.image] = unit, self.situation.changes.get(unit.image, "not built yet")
        return builds

    def _pulls(self, units: list[Unit], after: list[int]) -> list[int]:
        wanted = dict.fromkeys(unit.image for unit in units if unit.build is None)
        outdated = {unit.image for unit in units if self._outdated(unit)}
        causes = {
            image: "this machine has another image of that name" for image in wanted if image in outdated
        }
        cluster = self.situation.backend in CLUSTERS
        missing = "not on the nodes as it is here" if cluster else "not on this machine"
        causes |= {image: missing for image in wanted if image not in self.observed.images}
        return [self._add(Op.PULL, image, causes[image], after) for image in wanted if image in causes]

    def _start(self, *, needed: bool) -> list[int]:
        down = self.observed.down
        return [self._add(Op.START, self.situation.backend, down, [])] if down and needed else []

    def _move(self, start: list[int]) -> list[int]:
        """Save the data on the backend that the stack leaves, and end its units, or forwards, there."""
        elsewhere = self.situation.elsewhere
        if elsewhere is None or not (elsewhere.observed.units or elsewhere.observed.forwarded):
            return []
        if self.intent.carry:
            for unit in carried(self.stack, elsewhere):
                require_readable(unit, elsewhere)
                cause = f"--with-data from {elsewhere.backend}"
                self._loads[unit.name] = self._add(Op.SAVE, unit.name, cause, start)
        cause = f"the stack moves to {self.situation.backend}; its data stays"
        return [self._add(Op.LEAVE, elsewhere.backend, cause, [*start, *self._loads.values()])]

    def _remove_orphans(self) -> list[int]:
        removals = [(stray.unit, "a duplicate of the unit", stray.id) for stray in self.observed.strays]
        for name, current in self.observed.units.items():
            if place := former_place(self.stack, self.observed, current):
                removals.append((name, f"in {place}, where the stack was before", current.id))
            elif name not in self.stack:
                removals.append((name, "not in the manifest any more", ""))
        return [self._add(Op.REMOVE, name, cause, [], id=id) for name, cause, id in removals]

    def _clear(self, units: list[Unit], after: list[int]) -> list[int]:
        """Remove stores with half-made data, and that data: it was never complete."""
        half_made = [store for unit in units if (store := self._current.get(unit.name)) and store.half_made]
        cause = "its first start did not finish: the data is half made"
        return [self._add(Op.CLEAR, store.unit, cause, after, id=store.id) for store in half_made]

    def _prepare(self, after: list[int], units: tuple[str, ...]) -> int:
        missing = "namespace" if self.situation.backend in CLUSTERS else "network"
        cause = "has steps to run" if self.observed.prepared else f"{missing} missing"
        return self._add(Op.PREPARE, self.stack.name, cause, after, units=units)

    def _forward(self, after: list[int]) -> None:
        """Forward ports of this machine, on a backend that does not publish them itself."""
        if self.observed.forwarded is None:
            return
        wanted = {port.host for unit in self.stack.units for port in unit.forwarded if port.host}
        missing = wanted - self.observed.forwarded
        if missing or self.observed.forwarded - wanted:
            ports = ", ".join(map(str, sorted(missing)))
            cause = f"no forward leads to {ports}" if missing else "ports changed"
            self._add(Op.FORWARD, self.stack.name, cause, after)

    def _add(
        self,
        op: Op,
        target: str,
        cause: str,
        after: list[int],
        *,
        units: tuple[str, ...] = (),
        recreate: bool = False,
        id: str = "",
    ) -> int:
        number = len(self.steps) + 1
        after = sorted(self._minimal(set(after)))
        self.steps.append(Step(number, op, target, cause, tuple(after), units, recreate, id))
        return number

    def _minimal(self, after: set[int]) -> set[int]:
        """Without the steps that another of these steps comes after anyway."""
        implied: set[int] = set()
        todo = list(after)
        while todo:
            step = self.steps[todo.pop() - 1]
            todo += [number for number in step.after if number not in implied]
            implied.update(step.after)
        return after - implied


def _changes(unit: Unit, old: str, new: str) -> Iterator[str]:
    """What makes a container stale, and which of the changes do not reach a store's existing data."""
    changed, outdated_names = differences(old, new), outdated(old, new)
    if changed or not outdated_names:
        yield f"{' and '.join(changed) or 'everything'} changed"
    later = dict(unit.data.later) if unit.data else {}
    for verb in dict.fromkeys(later.values()):
        if names := [name for name in outdated_names if later.get(name) == verb]:
            yield f"{_listed(names, 'is', 'are')} {verb} in the existing data"
    if names := [name for name in outdated_names if name not in later]:
        yield f"{_listed(names, 'counts', 'count')} only for new data"


def _hosting(unit: Unit) -> str:
    ports = " and ".join(str(port.host or port.container) for port in unit.ports)
    return f"relay to port {ports} of this machine"


def _sync_after_start(unit: Unit, reason: _Stale, current: ObservedUnit | None) -> str:
    """Why a unit that was just started needs its files, or ""."""
    if not unit.reloads:
        return ""
    if unit.sourceless:
        return "its image lacks its sources"
    return "" if reason.recreate or current is None else "what changed while it was down"


def _shown(files: Sequence[str]) -> str:
    more = f" and {len(files) - 2} more" if len(files) > 2 else ""
    return ", ".join(files[:2]) + more


def _listed(names: Sequence[str], singular: str, plural: str) -> str:
    return f"{' and '.join(names)} {singular if len(names) == 1 else plural}"


def _waiting(unit: Unit, current: ObservedUnit) -> str:
    if unit.one_shot:
        return "still running"
    return "not healthy" if current.state == "running" else current.state
