"""A unit for display: its state in a word, its URLs, the page to open first. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from devenv.plan.model import Observed, ObservedUnit
from devenv.stack.ports import is_web

if TYPE_CHECKING:
    from devenv.stack.model import Stack

EXTERNAL = "external"
ROLES = ("infra", "setup", "job", "service", "")


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """A unit as terminal, JSON and web pages show it. `ports`: name -> port of this machine."""

    name: str
    kind: str
    role: str
    version: str
    state: str
    detail: str
    healthy: bool | None
    ok: bool
    addresses: tuple[str, ...]
    pages: tuple[tuple[str, str], ...]
    routes: tuple[str, ...]
    ports: Mapping[str, int]
    stand_in: bool
    program: str

    @property
    def url(self) -> str:
        """The page to open for it, or ""."""
        return next((url for _, url in self.pages if is_web(url)), "")


def statuses(observed: Observed) -> list[UnitStatus]:
    """Every unit, stores first."""
    routes: dict[str, tuple[str, ...]] = {}
    for unit in observed.units.values():
        routes |= unit.serves
    units = sorted(observed.units.values(), key=lambda unit: (ROLES.index(unit.role), unit.unit))
    return [status(unit, routes.get(unit.unit, ())) for unit in units]


def externals(kinds: Mapping[str, str]) -> list[UnitStatus]:
    """Stores that something else runs (name -> kind), of which nothing here knows whether they do."""
    return [
        UnitStatus(
            name, kind, "infra", "", EXTERNAL, "", None, True, (), (), (), {}, stand_in=False, program=""
        )
        for name, kind in sorted(kinds.items())
    ]


def described(observed: Observed, stack: Stack, page: str) -> Observed:
    """A release with what its objects do not say: kinds, routes, and the gateway's public page, if any.

    A version is that of the stack, so it is only said of a unit that runs the stack's image.
    """
    by_name = {unit.name: unit for unit in stack.units}
    gateway = stack.gateway.unit if stack.gateway else ""
    serves = {unit.name: unit.routes for unit in stack.units if unit.routes}
    units = {
        name: replace(
            unit,
            engine=by_name[name].engine,
            version=by_name[name].version if by_name[name].image == unit.image else "",
            serves=serves if name == gateway else {},
            links=(("", page),) if page and name == gateway else (),
        )
        if name in by_name
        else unit
        for name, unit in observed.units.items()
    }
    return replace(observed, units=units)


def status(unit: ObservedUnit, routes: tuple[str, ...] = ()) -> UnitStatus:
    """A unit's status; `routes` are the gateway's paths that lead to it."""
    up = unit.running
    ports = {unit.port_names.get(port, str(port)): host for port, (_, host) in unit.ports.items() if host}
    scheme = "http://" if unit.gateway else ""
    return UnitStatus(
        name=unit.unit,
        kind=unit.engine or unit.role,
        role=unit.role,
        version=unit.version,
        state=state(unit),
        detail=unit.detail,
        healthy=unit.healthy,
        ok=as_it_should_be(unit),
        addresses=tuple(f"{scheme}localhost:{host}" for host in ports.values() if host) if up else (),
        pages=unit.links if up else (),
        routes=routes if up else (),
        ports=ports,
        stand_in=unit.stand_in and not unit.hosted,
        program=unit.program,
    )


def state(unit: ObservedUnit) -> str:
    """A unit's state in a word, for display."""
    if unit.one_shot and unit.state == "exited" and unit.exit_code == 0:
        return "done"
    if unit.state == "exited":
        return f"exited ({unit.exit_code})"
    if unit.hosted and unit.state == "running":
        return "on this machine"
    if unit.state != "running" or unit.healthy is None:
        return unit.state
    return "healthy" if unit.healthy else "unhealthy"


def as_it_should_be(unit: ObservedUnit) -> bool:
    """Whether a unit is running and not unhealthy, or a one-shot has not failed. False if a change failed."""
    if unit.detail:
        return False
    if unit.one_shot:
        return unit.state in ("running", "created") or (unit.state == "exited" and unit.exit_code == 0)
    return unit.state == "running" and unit.healthy is not False


def front_page(observed: Observed, order: Sequence[str] = ()) -> str:
    """The URL to open first: the gateway's shortest route, else the first page of a service, else of a store.

    `order`: names of units as the manifest has them.
    """
    places = {name: place for place, name in enumerate(order)}
    units = [unit for unit in observed.units.values() if unit.running]
    units.sort(key=lambda unit: places.get(unit.unit, len(places)))
    gateway = next((unit for unit in units if unit.gateway), None)
    port = next((host for _, host in gateway.ports.values()), 0) if gateway else 0
    paths = [path for unit in units for served in unit.serves.values() for path in served]
    pages = [
        url for role in ("service", "infra") for unit in units if unit.role == role for _, url in unit.links
    ]
    return _first(port, paths, pages)


def front_page_of(stack: Stack, names: Collection[str]) -> str:
    """The same, for the named units of a stack that has just started."""
    units = [unit for unit in stack.units if unit.name in names]
    gateway = next((unit for unit in units if stack.gateway and unit.name == stack.gateway.unit), None)
    port = gateway.ports[0].host or 0 if gateway else 0
    paths = [path for unit in units for path in unit.routes]
    pages = [
        link.url
        for role in ("service", "infra")
        for unit in units
        if unit.role == role
        for link in unit.links
    ]
    return _first(port, paths, pages)


def pages_of(stack: Stack) -> dict[str, str]:
    """Unit -> the page to open for it; the front page comes first."""
    gateway = {stack.gateway.unit} if stack.gateway else set()
    started = [unit for unit in stack.units if not unit.manual]
    units = [unit for role in ("service", "infra") for unit in started if unit.role == role]
    pages = {
        unit.name: front_page_of(stack, {unit.name} | (gateway if unit.routes else set())) for unit in units
    }
    front = front_page_of(stack, [unit.name for unit in units])
    return dict(
        sorted(((name, url) for name, url in pages.items() if url), key=lambda page: page[1] != front)
    )


def _first(port: int, paths: Iterable[str], pages: Sequence[str]) -> str:
    path = min((path for path in paths if not path.startswith("~")), key=len, default="")
    if port and path:
        return f"http://localhost:{port}{path}"
    return next(filter(is_web, pages), "")
