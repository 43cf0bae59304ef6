"""Steps, plans, and what a backend saw, as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Op(StrEnum):
    """Everything a plan can ask of a backend."""

    PULL = "pull"
    PREPARE = "prepare"
    BUILD = "build"
    APPLY = "apply"
    WAIT = "wait"
    RESTART = "restart"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do to one unit (or image, or the stack), after others, for a reason.

    `units`: for `prepare`, those that can be created already.
    """

    number: int
    op: Op
    target: str
    cause: str = ""
    after: tuple[int, ...] = ()
    units: tuple[str, ...] = ()

    def __str__(self) -> str:
        after = ",".join(map(str, self.after))
        cause = f" ({self.cause})" if self.cause else ""
        return f"[{after}] -> #{self.number} {self.op} {self.target}{cause}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order that respects `after`. An empty plan prints as nothing."""

    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def of(self, op: Op) -> list[Step]:
        """The steps of one kind."""
        return [step for step in self.steps if step.op is op]


@dataclass(frozen=True, slots=True)
class Found:
    """A unit as it was seen: `state` is the engine's word, `healthy` is None where nobody checks.

    `stand_in`: its image stands in for the real one, as on a machine without a registry.
    """

    unit: str
    id: str
    state: str
    stack: str = ""
    role: str = ""
    engine: str = ""
    healthy: bool | None = None
    exit_code: int = 0
    fingerprint: str = ""
    image: str = ""
    version: str = ""
    ports: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    port_names: Mapping[int, str] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    routes: tuple[str, ...] = ()
    probe: str = ""
    stand_in: bool = False

    @property
    def running(self) -> bool:
        return self.state in ("running", "restarting", "paused")


@dataclass(frozen=True, slots=True)
class Observed:
    """A read-only snapshot of what belongs to a checkout, found by label.

    `strays` are ids of what runs a unit that something else runs, too; `taken` are ports of this machine
    that others hold, `forwarded` those that are held for this stack. `namespace` is where the stack was put
    before, `namespaces` are those of the cluster by the checkout that made them.
    """

    units: Mapping[str, Found] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    prepared: bool = False
    stack: str = ""
    strays: tuple[str, ...] = ()
    taken: Mapping[int, str] = field(default_factory=dict)
    forwarded: frozenset[int] = frozenset()
    namespace: str = ""
    namespaces: Mapping[str, str] = field(default_factory=dict)
