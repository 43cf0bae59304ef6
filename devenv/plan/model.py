"""Steps, plans, and what a backend observed, as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Op(StrEnum):
    """Everything a plan can ask for."""

    START = "start"
    SAVE = "save"
    LEAVE = "leave"
    PULL = "pull"
    PREPARE = "prepare"
    BUILD = "build"
    APPLY = "apply"
    WAIT = "wait"
    LOAD = "load"
    FORWARD = "forward"
    RESTART = "restart"
    REMOVE = "remove"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do to one unit (or image, backend, or the stack), after others, for a reason.

    `units`: for `prepare`, those that can be created already. `recreate`: for `apply`, replace what is
    there. `id`: for `restart`, `remove` and `clear`, the backend's own name of the object, which only it
    can read.
    """

    number: int
    op: Op
    target: str
    cause: str = ""
    after: tuple[int, ...] = ()
    units: tuple[str, ...] = ()
    recreate: bool = False
    id: str = ""

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
class ObservedUnit:
    """A unit as it was observed: `state` is the engine's word, `healthy` is None where nobody checks.

    `id` is the backend's own name for it, `volumes` those of the volumes it keeps. `half_made`: a store whose
    first start ended before it had done all that it does once, so that its data holds nothing of the user's.
    `stand_in`: its image stands in for the real one, as on a machine without a registry. `serves`: service ->
    paths, on the gateway. `detail` is what a person has to know beside the state.
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
    gateway: bool = False
    serves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    probe: str = ""
    volumes: tuple[str, ...] = ()
    half_made: bool = False
    stand_in: bool = False
    detail: str = ""

    @property
    def running(self) -> bool:
        """Whether it has a process, be it paused or about to start again."""
        return self.state in ("running", "restarting", "paused")

    @property
    def one_shot(self) -> bool:
        """Whether it runs to its end."""
        return self.role in ("job", "setup")


@dataclass(frozen=True, slots=True)
class Observed:
    """A read-only snapshot of what belongs to a checkout, found by label.

    `down` says what of the backend itself has to be started first; nothing else is known then. `strays` are
    what units have beside the one that counts. `taken` are ports of this machine that others hold;
    `forwarded` those that are held for this stack, None where the backend publishes ports by itself.
    `namespace` is where the stack was put before, `namespaces` are those of the cluster by the checkout that
    made them.
    """

    units: Mapping[str, ObservedUnit] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    down: str = ""
    prepared: bool = False
    stack: str = ""
    strays: tuple[ObservedUnit, ...] = ()
    taken: Mapping[int, str] = field(default_factory=dict)
    forwarded: frozenset[int] | None = None
    namespace: str = ""
    namespaces: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another place that this checkout's stack was brought up on, and what of it is there.

    `unreachable` says why nothing of it is known.
    """

    backend: str
    observed: Observed = field(default_factory=Observed)
    unreachable: str = ""
