"""How far each backend honours what a manifest says: the same, emulated, or lost, and why.

Renderers declare it field by field (`render/*/parity.py`); this puts it beside what is really used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # pydantic comes with it, and declaring needs none
    from devenv.manifest.used import Used

Level = Literal["same", "emulated", "lost"]
LEVELS: tuple[Level, ...] = ("same", "emulated", "lost")


@dataclass(frozen=True, slots=True)
class Support:
    """How far a field is honoured, and why not wholly."""

    level: Level = "same"
    reason: str = ""


SAME = Support()

Fields = Mapping[str, Mapping[str, Support]]
"""Model -> field -> support."""


def emulated(reason: str) -> Support:
    """Honoured in another way than the backend's own."""
    return Support("emulated", reason)


def lost(reason: str) -> Support:
    """Not honoured."""
    return Support("lost", reason)


@dataclass(frozen=True, slots=True)
class Row:
    """One thing a manifest says, and what becomes of it on each backend."""

    path: str
    support: Mapping[str, Support]

    @property
    def worst(self) -> Level:
        """The lowest of its levels."""
        return max((support.level for support in self.support.values()), key=LEVELS.index)


def report(used: Iterable[Used], declared: Mapping[str, Fields]) -> list[Row]:
    """A row for everything the manifest says that a backend acts on; `declared` is backend -> fields."""
    return [
        Row(use.path, {backend: fields[use.model][use.field] for backend, fields in declared.items()})
        for use in used
        if all(use.field in fields.get(use.model, {}) for fields in declared.values())
    ]
