"""What the pure part asks of the world, and what it is told. Plain values; importing this costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from devenv.stack.ports import Claim, Key
from devenv.stack.view import View

STATE = ".devenv"
"""The folder of what devenv writes: nobody's source, so never counted and never sent, wherever it lies."""

Path = tuple[str | int, ...]
Finding = tuple[Path, str, str]
"""A place in the manifest, what is wrong with it, and how to mend it."""

BuildKey = tuple[str, str]
"""Context and Dockerfile, as written."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Texts of a Dockerfile and of the ignore file that a builder goes by when it lies beside that."""

    dockerfile: str
    ignore: str


Files = Mapping[str, tuple[tuple[str, str], ...]]
"""Pattern -> (path, digest) of every file it matches."""


@dataclass(frozen=True, slots=True)
class Want:
    """Something of the project that has to be read, and the place in the manifest that says so."""

    kind: Literal["build", "file", "pattern", "text"]
    name: str
    path: Path
    dockerfile: str = ""


@dataclass(frozen=True, slots=True)
class Outline:
    """What of a manifest has to be known before the world is looked at."""

    wants: tuple[Want, ...]
    claims: tuple[Claim, ...]
    profiles: Mapping[str, tuple[str, ...]]
    backend: str = ""
    name: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """What was read: digests of build contexts, files by pattern, texts, decided host ports.

    `hosted`: the units that run as plain processes; `machine`: what a container calls this machine.
    """

    checkout: str
    ports: Mapping[Key, int] = field(default_factory=dict)
    builds: Mapping[BuildKey, str] = field(default_factory=dict)
    files: Files = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    namespace: str = ""
    hosted: frozenset[str] = frozenset()
    machine: str = "host.docker.internal"

    def view(self, unit: str = "") -> View:
        """What a unit sees; without one, what a program on this machine does."""
        inside = View(self.ports, self.hosted, self.machine)
        return inside.outside if not unit or unit in self.hosted else inside


def merge(base: Any, change: Any) -> Any:
    """Deep merge: mappings join, everything else is replaced."""
    if isinstance(base, Mapping) and isinstance(change, Mapping):
        return {**base, **{key: merge(base.get(key), value) for key, value in change.items()}}
    return change
