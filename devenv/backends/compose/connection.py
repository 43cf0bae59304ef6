"""The engine that the docker command would talk to, reached when it is first needed."""

from __future__ import annotations

from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from devenv.backends import containers

if TYPE_CHECKING:  # reading must not pay for imports that only changes need
    from devenv.backends.docker import Engine
    from devenv.backends.images import Images


class Connection:
    """One engine: its address, and its SDK once more than a list is needed."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._making = Lock()

    @cached_property
    def address(self) -> str:
        return containers.address()

    @property
    def engine(self) -> Engine:
        """The engine through its SDK. Made when it is first needed, by whichever thread that is."""
        with self._making:
            if self._engine is None:
                from devenv.backends.docker import Engine

                containers.reach(self.address)
                self._engine = Engine(self.address)
            return self._engine

    @cached_property
    def images(self) -> Images:
        from devenv.backends.images import Images

        return Images(self.address, lambda: self.engine)

    def close(self) -> None:
        """Let go of the engine, if it was reached."""
        if self._engine is not None:
            self._engine.close()
