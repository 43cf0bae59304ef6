"""How far each backend supports the fields of a manifest: the same, emulated, or lost, and why.

Renderers declare it field by field (`render/*/parity.py`); `report` selects the fields a manifest uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # it imports pydantic, which declarations do not need
    from devenv.manifest.used import Used

Level = Literal["same", "emulated", "lost"]
LEVELS: tuple[Level, ...] = ("same", "emulated", "lost")


@dataclass(frozen=True, slots=True)
class Support:
    """How far a field is supported, and why not fully."""

    level: Level = "same"
    reason: str = ""


SAME = Support()
BUILT: Mapping[str, Support] = dict.fromkeys(
    (
        "context",
        "dockerfile",
        "target",
        "args",
        "secrets",
        "ssh",
        "additional_contexts",
        "cache_from",
        "platform",
        "network",
    ),
    SAME,
)
"""What a build honours: the builder is the same wherever its images run."""

Fields = Mapping[str, Mapping[str, Support]]
"""Model -> field -> support."""


def emulated(reason: str) -> Support:
    """Supported, but by other means than the backend's own."""
    return Support("emulated", reason)


def lost(reason: str) -> Support:
    """Not supported."""
    return Support("lost", reason)


@dataclass(frozen=True, slots=True)
class Row:
    """A field of a manifest, and how far each backend supports it."""

    path: str
    support: Mapping[str, Support]

    @property
    def worst(self) -> Level:
        """The lowest level among the backends."""
        return max((support.level for support in self.support.values()), key=LEVELS.index)


def report(used: Iterable[Used], declared: Mapping[str, Fields]) -> list[Row]:
    """A row for every used field that concerns the backends; `declared` is backend -> fields."""
    return [
        Row(use.path, {backend: fields[use.model][use.field] for backend, fields in declared.items()})
        for use in used
        if all(use.field in fields.get(use.model, {}) for fields in declared.values())
    ]
