"""Which image of this machine's engine a cluster was brought under a name: a note for each, for all stacks.

Engines count an image's id in different ways, and differently from nodes: only ids of one engine compare.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from devenv import home
from devenv.stack import text
from devenv.writing import write_whole


@dataclass(frozen=True, slots=True)
class Brought:
    """The notes on one cluster."""

    context: str

    def id(self, image: str) -> str:
        """The id that the engine had for the image as it was brought; "" for one that was not."""
        try:
            return self._file(image).read_text(encoding="utf-8")
        except OSError:
            return ""

    def note(self, image: str, id: str) -> None:
        """Remember what was brought; it has arrived, also where that cannot be written."""
        with suppress(OSError):
            write_whole(self._file(image), id, mode=0o644)

    def _file(self, image: str) -> Path:
        return home.cache(os.environ) / "brought" / text.digest(self.context, image)
