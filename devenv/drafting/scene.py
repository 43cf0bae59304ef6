"""What the conversion of a Compose project works with: the project, the files around it, names of units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from devenv.drafting import reading
from devenv.drafting.draft import Draft
from devenv.drafting.interpolation import plain
from devenv.drafting.reading import Project
from devenv.drafting.stores import Store, repository
from devenv.manifest.rules.names import as_label

Role = Literal["service", "job", "store", "part", "router"]
SECTIONS: Mapping[Role, str] = {"service": "services", "job": "jobs", "store": "infra", "part": "infra"}


@dataclass(frozen=True, slots=True)
class World:
    """The files that a project names, as values, and the environment.

    `env_files`: path -> its variables, as Compose writes values. `paths`: path as in the manifest -> "file"
    or "folder"; `texts`: path -> the text of a file. `literals`: path of an env file -> what stands there.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    env_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    literals: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    folder: str = ""


@dataclass(slots=True)
class StoreUnit:
    """A store of the project: its kind, and the values of its options as Compose writes them."""

    name: str
    kind: Store
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unit:
    """A service of the Compose project, and what it becomes."""

    original: str
    name: str
    role: Role
    keys: Mapping[str, Any]

    @property
    def path(self) -> tuple[str, str]:
        """Its path in the manifest."""
        return SECTIONS[self.role], self.name

    def at(self, key: str) -> str:
        """A key of it in the Compose file, as the table names it."""
        return f"{self.original}.{key}"


@dataclass(slots=True)
class Scene:
    """All of it.

    `secrets`: the variables that hold secrets. `moved`: secret -> what stood in plain text. `servers`: the
    units that run a server which many have. `hosts`: each name by which units reach a unit -> its own.
    `folders`: volume -> the folder of this machine that it stands for. `reached`: unit -> its ports in the
    addresses of others. `uses`: unit -> what it uses.
    """

    project: Project
    world: World
    draft: Draft
    units: dict[str, Unit]
    stores: dict[str, StoreUnit] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)
    servers: frozenset[str] = frozenset()
    hosts: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    reached: dict[str, list[int]] = field(default_factory=dict)
    uses: dict[str, list[str]] = field(default_factory=dict)

    def env_files(self, unit: Unit) -> list[tuple[str, bool]]:
        """The paths of a unit's env files, and whether each has to be there."""
        items = reading.listed(unit.keys.get("env_file"))
        paths = (item.get("path") if isinstance(item, dict) else item for item in items)
        required = (not (isinstance(item, dict) and item.get("required") is False) for item in items)
        folder = self.project.folder
        return [(reading.relative(str(path), folder), own) for path, own in zip(paths, required, strict=True)]

    def variables(self, unit: Unit) -> dict[str, str | None]:
        """A unit's variables with those of its env files, as Compose writes them."""
        values: dict[str, str | None] = {}
        for file, _ in self.env_files(unit):
            values |= self.world.env_files.get(file, {})
        return {**values, **reading.environment(unit.keys)}

    def is_private(self, unit: Unit, variable: str) -> bool:
        """Whether a variable is known to hold a secret, whatever it is called."""
        return variable in self.project.private.get(unit.original, ())

    def profiles(self, unit: Unit) -> list[str]:
        """The profiles that start a unit; none of one that starts by itself, as COMPOSE_PROFILES may say."""
        return inactive(unit.keys, self.world.variables)

    def owner(self, unit: Unit) -> list[str]:
        """The store that a unit is a part of; none of a router."""
        image = repository(plain(str(unit.keys.get("image") or "")))
        return [store.name for store in self.stores.values() if image in store.kind.parts]

    def unit(self, name: str) -> Unit | None:
        """The unit of an original name."""
        return self.units.get(name)


def inactive(service: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """The profiles of a service, none where it starts without one: where one is on, or has no name."""
    profiles = [str(profile) for profile in reading.listed(service.get("profiles"))]
    active = {"", *(name.strip() for name in values.get("COMPOSE_PROFILES", "").split(","))}
    return [] if active & {*profiles} else profiles


def unit_names(names: Iterator[str] | list[str]) -> dict[str, str]:
    """Compose's service name -> a name that can be a host name everywhere, each once."""
    chosen: dict[str, str] = {}
    for name in names:
        label = as_label(name) or as_label(f"unit-{name}") or "unit"
        number = 2
        while label in chosen.values():
            label, number = f"{as_label(name) or 'unit'}-{number}", number + 1
        chosen[name] = label
    return chosen


def hosts(project: Project, units: Mapping[str, Unit]) -> dict[str, str]:
    """Each name by which the services reach each other -> the unit's name."""
    names = {original: unit.name for original, unit in units.items()}
    for original, unit in units.items():
        keys = project.services[original]
        for alias in (*reading.aliases(keys), *reading.fixed_addresses(keys)):
            names.setdefault(alias, unit.name)
        for alias, target in reading.link_names(keys).items():
            if target in units:
                names.setdefault(alias, units[target].name)
    return names


def contested(project: Project, units: Mapping[str, Unit]) -> Iterator[tuple[str, list[str]]]:
    """The names by which several units are reached, as one for each profile, and these units."""
    owners: dict[str, list[str]] = {}
    for original, unit in units.items():
        for name in {original, *reading.aliases(project.services[original])}:
            owners.setdefault(name, []).append(unit.name)
    yield from ((name, names) for name, names in owners.items() if len(names) > 1)


def stack_name(project: Project, folder: str) -> str:
    """The name to write, or "" where the folder's is the same or does."""
    name = as_label(plain(project.name))
    own = as_label(folder)
    if name and name != own:
        return name
    return "" if own else as_label(f"stack-{folder}") or "stack"


def key_of(name: str) -> str:
    """A volume's name as a manifest takes it."""
    return as_label(name) or as_label(f"v-{name}") or "data"


def variable_of(name: str) -> str:
    """A name as a variable can have it."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").upper()
