"""What should change in a container, and what did."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from os import PathLike
from typing import NamedTuple

StrPath = str | PathLike[str]


@dataclass(frozen=True, slots=True)
class Sending:
    """A file that a container should have, or without a `source` should not have any more.

    `root` is the synced folder in the container that nothing may lead out of; by default the target's own.
    """

    target: str
    source: StrPath | None
    digest: str = ""
    root: str = ""

    @property
    def place(self) -> Place:
        return place_of(posixpath.dirname(self.target), self.root)

    @property
    def name(self) -> str:
        return posixpath.basename(self.target)


class Place(NamedTuple):
    """A folder below a synced one."""

    root: str
    folder: str


@lru_cache(maxsize=10_000)
def place_of(folder: str, root: str) -> Place:
    """The place of a folder, below `root` or on its own."""
    below = posixpath.relpath(folder, root or folder)
    return Place(root or folder, "" if below == "." else below)


@dataclass(slots=True)
class Sent:
    """What arrived.

    `digests` are of the bytes that did, which may be newer than what was asked for; "" for what was deleted.
    `failed` has a reason for each target that is as it was before.
    """

    digests: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    note: str = ""

    @property
    def files(self) -> int:
        return len(self.digests)


def wanted_of(changes: Iterable[Sending], sent: Sent) -> dict[str, Sending]:
    """The last change of each target; what leaves its root has failed."""
    wanted = {}
    for change in changes:
        if _is_below(change.target, change.place):
            wanted[change.target] = change
        else:
            sent.failed[change.target] = f"not a file below {change.root}"
    return wanted


def _is_below(target: str, place: Place) -> bool:
    """Whether a path is absolute, written without detours, and in a folder below the root."""
    return (
        target == posixpath.normpath(target)
        and target.startswith("/")
        and ".." not in place.folder.split("/")
    )


def stays(change: Sending, text: str) -> bool:
    """Whether a link leads to something below its root, wherever links on its way lead."""
    names = text.split("/")
    if text.startswith("/"):
        root = change.place.root.rstrip("/")
        return ".." not in names and text.startswith(f"{root}/")
    up = next((count for count, name in enumerate(names) if name != ".."), len(names))
    depth = len(change.place.folder.split("/")) if change.place.folder else 0
    return up <= depth and ".." not in names[up:]


class Times:
    """The seconds at which files were changed last.

    Python, Ruby's bootsnap and their like keep a compiled file for as long as the source has its size and, in
    whole seconds, its time: of two saves within one second they would see only the first.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, int] = {}

    def due(self, target: str) -> int:
        """The time that a file needs so as to differ from the one before; 0 where any will do."""
        second = self._seconds.get(target, 0)
        return second + 1 if second >= int(time.time()) else 0

    def note(self, times: Mapping[str, int]) -> None:
        """Note what arrived by now, and the times it was given. What is older is forgotten."""
        now = int(time.time())
        self._seconds = {target: second for target, second in self._seconds.items() if second >= now}
        self._seconds |= {target: max(second, now) for target, second in times.items()}
