"""Decides what to do. Every step carries its cause, and an unchanged stack needs no step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from devenv.plan.model import Found, Observed, Op, Plan, Step
from devenv.stack.graph import closure, ordered
from devenv.stack.model import Stack, Unit, differences


def select(stack: Stack, names: Collection[str]) -> list[Unit]:
    """The units that `up` is about, in starting order: the named ones with all they need, or all."""
    if names:
        return closure(stack, names)
    return [unit for unit in ordered(stack) if not unit.manual]


def plan_up(
    stack: Stack,
    observed: Observed,
    *,
    fingerprints: Mapping[str, str],
    names: Collection[str] = (),
    changes: Mapping[str, str] | None = None,
    rebuild: bool = False,
) -> Plan:
    """Everything between what was observed and the stack, ready.

    `changes`: image -> why it has to be built, as far as that is known. `rebuild` builds unchanged
    images too.
    """
    planner = _Planner(stack, observed, fingerprints, changes or {}, rebuild=rebuild)
    return planner.plan(select(stack, names))


def plan_restart(names: Collection[str]) -> Plan:
    """Restart the named units, all at once, and wait until they are ready again."""
    steps: list[Step] = []
    for name in names:
        number = len(steps) + 1
        steps += [
            Step(number, Op.RESTART, name, "asked for"),
            Step(number + 1, Op.WAIT, name, after=(number,)),
        ]
    return Plan(tuple(steps))


def plan_run(
    stack: Stack,
    observed: Observed,
    *,
    fingerprints: Mapping[str, str],
    name: str,
    changes: Mapping[str, str] | None = None,
) -> Plan:
    """What a one-off run of a unit needs: all that it uses, ready, and its own image."""
    planner = _Planner(stack, observed, fingerprints, changes or {}, rebuild=False)
    unit = stack.unit(name)
    needs = closure(stack, [need.unit for need in unit.needs])
    return planner.plan(needs, images=[unit], orphans=False)


class _Planner:
    def __init__(
        self,
        stack: Stack,
        observed: Observed,
        fingerprints: Mapping[str, str],
        changes: Mapping[str, str],
        *,
        rebuild: bool,
    ) -> None:
        self.stack, self.observed, self.fingerprints = stack, observed, fingerprints
        self._found = {n: one for n, one in observed.units.items() if one.stack in ("", stack.id)}
        self.changes, self.rebuild = changes, rebuild
        self.steps: list[Step] = []
        self._ready: dict[str, int] = {}

    def plan(self, units: list[Unit], *, images: Sequence[Unit] = (), orphans: bool = True) -> Plan:
        """Steps that bring `units` up, and the images of others."""
        stale = {unit.name: cause for unit in units if (cause := self._stale(unit))}
        builds = self._builds([*units, *images])
        for unit in units:
            if unit.image in builds and unit.name not in stale:
                stale[unit.name] = "rebuilt"
        before = self._orphans() if orphans else []
        pulls = self._pulls([*units, *images]) if stale or images else []
        if stale or builds or pulls:
            before = [*before, *pulls]
            new = [name for name, cause in stale.items() if cause == "not found"]
            waiting = {unit.name for unit in units if unit.image in builds}
            before = [self._prepare(before, tuple(name for name in new if name not in waiting))]
        built = {
            image: self._add(Op.BUILD, unit.name, cause, before) for image, (unit, cause) in builds.items()
        }
        for unit in units:
            self._unit(unit, stale.get(unit.name, ""), before, built)
        return Plan(tuple(self.steps))

    def _unit(self, unit: Unit, cause: str, before: list[int], built: Mapping[str, int]) -> None:
        after = [self._ready[need.unit] for need in unit.needs if need.unit in self._ready]
        found = self._found.get(unit.name)
        if cause:
            after += [built[unit.image]] if unit.image in built else []
            number = self._add(Op.APPLY, unit.name, cause, after or before)
            self._ready[unit.name] = self._add(Op.WAIT, unit.name, "", [number])
        elif found is not None and not ready(unit, found):
            self._ready[unit.name] = self._add(Op.WAIT, unit.name, _waiting(unit, found), after)

    def _stale(self, unit: Unit) -> str:
        found = self._found.get(unit.name)
        if found is None:
            return "not found"
        wanted = self.fingerprints[unit.name]
        if found.fingerprint != wanted:
            changed = differences(found.fingerprint, wanted)
            return f"{' and '.join(changed) or 'everything'} changed"
        if found.state == "paused":
            return "paused"
        if found.running or (unit.one_shot and found.state == "exited" and found.exit_code == 0):
            return ""
        if found.state == "created":
            return "not started"
        return f"failed with exit {found.exit_code}" if found.exit_code else "stopped"

    def _builds(self, units: list[Unit]) -> dict[str, tuple[Unit, str]]:
        builds: dict[str, tuple[Unit, str]] = {}
        for unit in units:
            if unit.build is None or unit.image in builds:
                continue
            if unit.image not in self.observed.images:
                builds[unit.image] = unit, self.changes.get(unit.image, "not built yet")
            elif self.rebuild:
                builds[unit.image] = unit, "asked for"
        return builds

    def _pulls(self, units: list[Unit]) -> list[int]:
        wanted = dict.fromkeys(unit.image for unit in units if unit.build is None)
        missing = [image for image in wanted if image not in self.observed.images]
        return [self._add(Op.PULL, image, "not on this machine", []) for image in missing]

    def _orphans(self) -> list[int]:
        causes = dict.fromkeys(self.observed.strays, "there are two of it")
        for name, found in self.observed.units.items():
            if name not in self._found:
                causes[found.id] = f"of {found.stack}, as the stack was called before"
            elif name not in self.stack:
                causes[name] = "not in the manifest any more"
        return [self._add(Op.REMOVE, target, cause, []) for target, cause in causes.items()]

    def _prepare(self, after: list[int], units: tuple[str, ...]) -> int:
        cause = "has steps to run" if self.observed.prepared else "network missing"
        return self._add(Op.PREPARE, self.stack.name, cause, after, units)

    def _add(self, op: Op, target: str, cause: str, after: list[int], units: tuple[str, ...] = ()) -> int:
        number = len(self.steps) + 1
        self.steps.append(Step(number, op, target, cause, tuple(sorted(set(after))), units))
        return number


def ready(unit: Unit, found: Found) -> bool:
    """Whether a unit that was found is up, or has done what it is for."""
    if unit.one_shot:
        return found.state == "exited" and found.exit_code == 0
    return found.state == "running" and found.healthy is not False


def _waiting(unit: Unit, found: Found) -> str:
    if unit.one_shot:
        return "still running"
    return "not healthy" if found.state == "running" else found.state
