"""What a container says of itself when an agent starts in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hello:
    """What a container is like. `record` is target -> digest of what it was sent before; "" for deleted."""

    uid: int
    gid: int
    tools: frozenset[str]
    mounts: tuple[str, ...]
    supervised: bool
    record: Mapping[str, str]
