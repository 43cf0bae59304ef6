"""Steps, plans, and what a backend observed, as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from devenv.errors import Card, UnitFailed

if TYPE_CHECKING:
    from devenv.stack.labels import Labels


class Op(StrEnum):
    """The operations of a plan."""

    START = "start"
    SAVE = "save"
    LEAVE = "leave"
    PULL = "pull"
    PREPARE = "prepare"
    BUILD = "build"
    APPLY = "apply"
    SYNC = "sync"
    WAIT = "wait"
    LOAD = "load"
    FORWARD = "forward"
    HOST = "host"
    RESTART = "restart"
    REMOVE = "remove"
    CLEAR = "clear"
    PUSH = "push"
    CREATE = "create"
    UPGRADE = "upgrade"
    SMOKE = "smoke"


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on a unit, an image, a backend or the stack, after other steps, for a reason.

    `units`: for `prepare`, the units that can be created already. `recreate`: for `apply`, replace the
    container that exists. `id`: for `restart`, `remove` and `clear`, the backend's own name of the object;
    only the backend can read it.
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
    """Steps in an order that respects `after`. An empty plan prints nothing."""

    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    def of(self, op: Op) -> list[Step]:
        """The steps with this operation."""
        return [step for step in self.steps if step.op is op]


ORPHANED = "orphaned"
"""The state of a process whose supervisor was killed: it is ended before anything else is started."""


@dataclass(frozen=True, slots=True)
class ObservedUnit:
    """A unit as the backend observed it. `state` is the engine's word; `healthy` is None without a check.

    `id` is the backend's own name for it, `volumes` are the backend's names of its volumes. `half_made`: the
    first start of a store ended before its scripts did, so its data holds nothing of the user's. `stand_in`:
    a stand-in image runs instead of the real one, as on a machine without a registry. `image_moved`: the
    name of its image means another image by now, or none. `image_id`: the image that its nodes were brought
    as they call it, `image_brought`: as this machine did, and `image_outdated`: this machine has another one
    of that name. `edited`: files may have been sent to its containers. `serves`: service -> paths, on the
    gateway. `hosted`: it is a relay to a program on this machine, and `program` is the one. `in_network`: a
    container's address, and its engine's machine's in the same network. `detail`: what people have to know
    beside the state.
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
    image_moved: bool = False
    image_id: str = ""
    image_brought: str = ""
    image_outdated: bool = False
    edited: bool = True
    hosted: bool = False
    program: str = ""
    in_network: tuple[str, str] = ("", "")
    detail: str = ""

    @classmethod
    def from_labels(cls, tags: Labels, *, id: str, state: str) -> ObservedUnit:
        """A unit as its labels describe it; what only the engine knows is left to the caller."""
        return cls(
            unit=tags.unit,
            id=id,
            state=state,
            stack=tags.stack,
            role=tags.role,
            engine=tags.engine,
            fingerprint=tags.fingerprint,
            version=tags.version,
            ports={port.container: (port.wanted, port.host) for port in tags.ports},
            port_names={port.container: port.name for port in tags.ports},
            links=tags.links,
            gateway=tags.gateway,
            hosted=tags.hosted,
            serves=tags.serves,
            probe=tags.probe,
        )

    @property
    def running(self) -> bool:
        """Whether it has a process; a paused or restarting unit counts."""
        return self.state in ("running", "restarting", "paused")

    @property
    def present(self) -> bool:
        """Whether a process of it may hold its ports."""
        return self.running or self.state == ORPHANED

    @property
    def one_shot(self) -> bool:
        """Whether it runs to its end."""
        return self.role in ("job", "setup")


@dataclass(frozen=True, slots=True)
class Edits:
    """The files of a unit's sources that its containers lack, by their paths in the project.

    `unknown`: they cannot be compared, as nobody knows what its image holds, or it does not answer.
    `waiting`: its program was not started yet.
    """

    files: tuple[str, ...] = ()
    unknown: bool = False
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """A read-only snapshot of everything that carries a checkout's labels.

    `down`: why the backend itself has to be started first; then everything else is empty. `strays`: further
    containers of a unit that already has one. `taken`: ports of this machine that other programs hold ->
    who. `forwarded`: ports that devenv forwards for this stack, None where the backend publishes ports
    itself. `namespace`: where the stack was deployed before. `namespaces`: the cluster's namespaces -> the
    checkout that created them.
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

    def unit(self, name: str) -> ObservedUnit:
        """A unit that has to be there. Raises `UnitFailed` where somebody has removed it meanwhile."""
        if name not in self.units:
            raise UnitFailed(Card(name, "does not exist any more", hint=f"devenv up {name}"))
        return self.units[name]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another backend that runs this checkout's stack, and the units observed there.

    `unreachable` says why nothing could be observed.
    """

    backend: str
    observed: Observed = field(default_factory=Observed)
    unreachable: str = ""
