"""The state of every unit while a plan runs: events in, rows out. Pure but for the injected clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from devenv.events import Done, Event, Failed, Planned, Progress, Skipped, Started
from devenv.plan.model import Op, Step
from devenv.stack.model import Stack, Unit

WELL = ("ready", "done", "synced", "unchanged")
"""The phases in which a unit is as it should be."""


@dataclass
class Row:
    """One unit: its phase, and when that began (seconds of a monotonic clock)."""

    unit: Unit
    phase: str = "waiting"
    since: float = 0.0
    built: float | None = None
    took: float | None = None
    line: str = ""
    checked: bool = False

    @property
    def settled(self) -> bool:
        """Whether the row does not change any more."""
        return self.phase in (*WELL, "failed", "skipped")


@dataclass
class Board:
    """All units of a run."""

    clock: Callable[[], float]
    rows: dict[str, Row] = field(default_factory=dict)
    stack: Stack | None = None
    removed: list[str] = field(default_factory=list)

    def see(self, event: Event) -> list[Row]:
        """Apply an event; returns the rows that it changed."""
        match event:
            case Planned():
                self.stack = event.stack
                touched = {step.target for step in event.plan}
                images = {step.target for step in event.plan.of(Op.PULL)}
                builds = {event.stack.unit(step.target).image for step in event.plan.of(Op.BUILD)}
                for name in event.units:
                    unit = event.stack.unit(name)
                    busy = name in touched or unit.image in images | builds
                    self.rows[name] = Row(unit, "waiting" if busy else "unchanged")
                return []
            case Started(step=step):
                if step.op is Op.SYNC and self._starts(step):
                    return []
                return self._phase(step, _DOING.get(step.op, ""))
            case Progress(step=step, line=line):
                for row in self._of(step):
                    row.line = line
                return []
            case Done():
                return self._done(event)
            case Failed(step=step):
                return self._phase(step, "failed")
            case Skipped(step=step) if step.op is Op.APPLY:
                failed = {row.unit.name for row in self.rows.values() if row.phase == "failed"}
                return [] if step.target in failed else self._phase(step, "skipped")
        return []

    def _done(self, event: Done) -> list[Row]:
        step = event.step
        match step.op:
            case Op.BUILD:
                rows = self._of(step)
                for row in rows:
                    row.built, row.line, row.phase, row.since = event.seconds, "", "built", 0.0
                return rows
            case Op.PULL:
                for row in self._of(step):
                    row.line, row.phase, row.since = "", "waiting", 0.0
            case Op.WAIT if self.rows[step.target].unit.hosted:
                return []  # ready when its relay is
            case Op.HOST:
                return self._phase(step, "ready")
            case Op.WAIT:
                for row in self._of(step):
                    row.checked = event.checked
                return self._phase(step, "done" if self.rows[step.target].unit.one_shot else "ready")
            case Op.SYNC:
                return [] if self._starts(step) else self._phase(step, "synced")
            case Op.REMOVE:
                self.removed.append(step.target)
        return []

    def _phase(self, step: Step, phase: str) -> list[Row]:
        rows = self._of(step) if phase else []
        now = self.clock()
        changed = [row for row in rows if row.phase != phase]
        for row in changed:
            if phase in ("ready", "done", "synced", "failed") and row.since:
                row.took = now - row.since
            elif row.phase in ("waiting", "built"):
                row.since = now
            row.phase, row.line = phase, ""
        return changed

    def _starts(self, step: Step) -> bool:
        """Whether a unit starts, which is not over when it has its files."""
        return any(row.phase == "starting" for row in self._of(step))

    def _of(self, step: Step) -> list[Row]:
        if step.op in (Op.PREPARE, Op.REMOVE):
            return []
        if step.op is Op.PULL:
            return [row for row in self.rows.values() if row.unit.image == step.target]
        if step.op is Op.BUILD and self.stack is not None:
            image = self.stack.unit(step.target).image
            return [row for row in self.rows.values() if row.unit.image == image]
        return [self.rows[step.target]] if step.target in self.rows else []


_DOING = {
    Op.PULL: "pulling",
    Op.BUILD: "building",
    Op.CLEAR: "clearing",
    Op.APPLY: "starting",
    Op.SYNC: "syncing",
    Op.RESTART: "restarting",
    Op.HOST: "starting",
    Op.WAIT: "starting",
}


def addresses(unit: Unit) -> str:
    """A unit's addresses on this machine, and its gateway paths."""
    pages = []
    if unit.role == "service":
        pages += [f"{link.label} {link.url}".strip() for link in unit.links]
    elif host := next((port.host for port in unit.ports if port.host), None):
        pages.append(f"{'http://' if unit.gateway else ''}localhost:{host}")
        pages += [f"{link.label} {link.url}" for link in unit.links]
    return "   ".join([*pages, *unit.routes])
