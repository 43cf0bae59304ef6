"""What the pure core asks of the world, and the answers, as plain values. Cheap to import."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from devenv.stack import text
from devenv.stack.model import File
from devenv.stack.ports import Claim, Key
from devenv.stack.view import View

Path = tuple[str | int, ...]
Finding = tuple[Path, str, str]
"""A path in the manifest, the problem there, and a suggestion."""

BuildKey = tuple[str, str]
"""Context and Dockerfile, as written."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The texts of a Dockerfile and of the ignore file beside it."""

    dockerfile: str
    ignore: str


Files = Mapping[str, tuple[tuple[str, str], ...]]
"""Pattern -> (path, digest) of every file it matches."""


@dataclass(frozen=True, slots=True)
class Want:
    """A file or folder of the project to read, and the path in the manifest that names it.

    A `repository` is fetched by the builder, and not read here. A `context` is a folder that a build reads
    besides its own.
    A `tree` is a folder, or a file, that is only sent to containers; its key has no Dockerfile. A `mount` is
    a file, or a folder as a whole. An `env` is a file of variables.
    """

    kind: Literal["build", "repository", "context", "env", "tree", "file", "mount", "pattern", "text"]
    name: str
    path: Path
    dockerfile: str = ""


@dataclass(frozen=True, slots=True)
class Outline:
    """The parts of a manifest that decide what to read from the world; `promotes`: it has environments."""

    wants: tuple[Want, ...]
    claims: tuple[Claim, ...]
    profiles: Mapping[str, tuple[str, ...]]
    backend: str = ""
    name: str = ""
    namespace: str = ""
    promotes: bool = False
    units: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """What people call the units: those that a store needs for itself are left out."""
    externals: Mapping[str, str] = field(default_factory=dict)
    """Stores that something else runs -> kind."""


@dataclass(frozen=True, slots=True)
class World:
    """The answers: files by pattern, parsed files, allotted host ports. Their `repr` is the key of a cache.

    `folders`: mounted folder -> path in it and digest of each of its files. `variables`: those of each file
    of variables.
    `hosted`: units that run as plain processes; `machine`: the name of this machine for a container.
    `external`: stores that something else runs, whose variables come from Secrets of theirs.
    """

    checkout: str
    ports: Mapping[Key, int] = field(default_factory=dict)
    files: Files = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    namespace: str = ""
    hosted: tuple[str, ...] = ()
    machine: str = "host.docker.internal"
    external: frozenset[str] = frozenset()
    folders: Files = field(default_factory=dict)
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def view(self, unit: str = "") -> View:
        """The view of a unit, or without one, of a program on this machine."""
        inside = View(self.ports, self.hosted, self.machine, unit=unit)
        if unit in self.hosted:  # by number: a name may lead to ::1, where few programs listen
            return replace(inside.outside, machine="127.0.0.1")
        return inside if unit else inside.outside

    def file(self, target: str, source: Any, fill: Callable[[str], text.Text]) -> File:
        """A file or folder of the project, a secret, or a text to fill in, as a file in a container."""
        if not isinstance(source, str) and source.content is None:
            return File(target, secret=source.secret)
        if not isinstance(source, str):
            return text_file(target, fill(source.content))
        if (inside := self.folders.get(source)) is not None:
            return File(target, posixpath.normpath(source), digest=text.digest(repr(inside)), inside=inside)
        (path, digest), *_ = self.files.get(source) or ((source, ""),)
        return File(target, source=path, digest=digest)


def text_file(target: str, content: text.Text) -> File:
    """A text as a file in a container."""
    holds = tuple(sorted(text.secrets_in(content)))
    return File(target, content=content, digest=text.digest(repr(content)), holds=holds)


def merge(base: Any, change: Any) -> Any:
    """Deep merge: mappings join, everything else is replaced."""
    if isinstance(base, Mapping) and isinstance(change, Mapping):
        return {**base, **{key: merge(base.get(key), value) for key, value in change.items()}}
    return change
