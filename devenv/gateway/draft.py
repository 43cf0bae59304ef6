"""A configuration while it is read: its entities, their ids and all problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from devenv.gateway import schema
from devenv.gateway.model import Consumer, Route, Service
from devenv.gateway.schema import Field

Entry = Mapping[str, Any]
KONG = UUID("fd02801f-0957-4a15-a55a-c8d9606f30b5")  # its namespace for ids made of names


class Refused(Exception):
    """A configuration the gateway does not load, with every reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(slots=True)
class Problems:
    """Problems found so far, each with its place in the file."""

    source: str
    lines: list[str] = field(default_factory=list)

    def report(self, where: str, problem: str) -> None:
        """Add a problem."""
        self.lines.append(": ".join(filter(None, (self.source, where, problem))))


@dataclass(slots=True)
class Draft:
    """A configuration being read."""

    problems: Problems
    hashed: bool
    services: dict[str, Service] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    consumers: dict[str, Consumer] = field(default_factory=dict)
    handles: dict[tuple[str, str], str] = field(default_factory=dict)
    explicit_ids: set[str] = field(default_factory=set)

    def report(self, where: str, problem: str) -> None:
        """Report a problem."""
        self.problems.report(where, problem)

    def identify(self, kind: str, entry: Entry, where: str, handle: str) -> str:
        """Return an entity's id, derived from its name when it has none, and remember both."""
        name = entry[handle] or entry.get("custom_id") or where
        identity = str(entry["id"] or (kongs_id(kind, name) if entry[handle] else stable_id(kind, name)))
        if entry["id"]:
            self.explicit_ids.add(identity)
        taken = [value for value in (entry[handle], identity) if (kind, value) in self.handles]
        if taken:
            self.report(where, f'there is another {kind} "{taken[0]}"')
        self.handles[kind, identity] = identity
        if entry[handle]:
            self.handles[kind, entry[handle]] = identity
        return identity

    def unique(self, name: str, value: str | None, where: str, kind: str = "") -> None:
        """Remember a value that no other entity of the kind may have."""
        if value:
            first = self.handles.setdefault((f"{kind}.{name}", value), where)
            if first != where:
                self.report(f"{where}.{name}", f"the same as in {first}")

    def refer(self, kind: str, value: Any, where: str) -> str | None:
        """Return the id of the entity a reference names."""
        if value is None:
            return None
        if isinstance(value, dict):
            value = next((value[key] for key in ("id", "name", "username") if value.get(key)), None)
        identity = self.handles.get((kind, value)) if isinstance(value, str) else None
        if identity is None:
            shown = f' "{value}"' if isinstance(value, str) else ""
            self.report(f"{where}.{kind}", f"there is no {kind}{shown}")
        return identity


ListEntry = tuple[str, Entry, dict[str, str]]
"""An entry of a list: its place in the file, its fields, and the ids of what it is nested in."""


def entries(
    draft: Draft, parent: Entry, name: str, fields: Mapping[str, Field], where: str = ""
) -> Iterator[ListEntry]:
    """Return the checked entries of a list, each with its place."""
    for at, raw in enumerate(parent[name]):
        place = f"{where}.{name}[{at}]" if where else f"{name}[{at}]"
        label = f"{place} ({raw['name']})" if labelled(name, raw) else place
        entry = schema.record(fields)(raw, label, draft.report)
        if isinstance(raw, dict):
            yield label, entry, {}


def labelled(name: str, raw: Any) -> bool:
    """Tell whether an entry's place shows its name: a plugin's does."""
    return name == "plugins" and isinstance(raw, dict) and isinstance(raw.get("name"), str)


def kongs_id(kind: str, name: str) -> str:
    """Return the id that Kong derives from a name; it decides between routes that are otherwise equal."""
    return str(uuid5(uuid5(KONG, f"{kind}s"), name))


def stable_id(kind: str, *names: str) -> str:
    """Return an id that stays the same across reloads of the same names."""
    return str(uuid5(NAMESPACE_URL, f"devenv-gateway:{kind}:{'/'.join(names)}"))
