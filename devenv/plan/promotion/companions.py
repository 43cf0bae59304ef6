"""Charts of other people that a stack brings along: which are wanted, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devenv.plan.promotion.changes import Change, Revision, deployed, half_made


@dataclass(frozen=True, slots=True)
class Companion:
    """A chart as an environment names it. `values` is a file of the project, `digest` that of its text."""

    name: str
    chart: str
    version: str
    repo: str = ""
    values: str = ""
    digest: str = ""

    @property
    def address(self) -> str:
        """Where it comes from, for people."""
        return f"{self.repo.rstrip('/')}/{self.chart}" if self.repo else self.chart

    @property
    def mark(self) -> str:
        """How the description of its revisions begins: they are the same if this is."""
        values = f", values {self.digest}" if self.digest else ""
        return f"devenv: {self.address} {self.version}{values}"

    def serves(self, history: Sequence[Revision]) -> bool:
        """Whether the revision that serves is this very chart with these values."""
        now = None if half_made(history) else deployed(history)
        description = now.description if now else ""
        return description == self.mark or description.startswith(f"{self.mark}, by ")


@dataclass(frozen=True, slots=True)
class Due:
    """A companion that is not as it should be. `adopts`: the chart that another hand installed as it."""

    companion: Companion
    changes: tuple[Change, ...]
    adopts: str = ""
