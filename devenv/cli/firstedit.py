"""The first edit of the first hour: one saved file, followed until its service works with it."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

from devenv.cli import keys
from devenv.cli.watching import Watching, wait_for
from devenv.engine.lifecycle import Request

if TYPE_CHECKING:
    from devenv.cli.context import Context
    from devenv.engine.loaded import Loaded
    from devenv.events import Event, Reloaded


class FirstEdit(Watching):
    """A session of hot reload that ends with the first file that was taken up, or with Enter."""

    def __init__(self, context: Context, loaded: Loaded) -> None:
        super().__init__(context, Request(), loaded)
        self._applying: Reloaded | None = None
        self.file, self.seconds = "", 0.0

    def _report(self, event: Event) -> None:
        from devenv.events import Reloaded
        from devenv.stack.reloading.decisions import Action

        super()._report(event)
        if not isinstance(event, Reloaded) or event.error or not event.files or event.action is Action.NONE:
            return
        restarts = event.action is Action.RESTART and event.ready is None
        if restarts or event.action is Action.REBUILD:
            self._applying = event  # a plan does it, and says when it is done
        else:
            self._finish(event)

    def _apply(self) -> Loaded | None:
        loaded = super()._apply()
        applied, self._applying = self._applying, None
        if loaded is not None and applied is not None and not self._failed:
            self._finish(applied)
        return loaded

    def _finish(self, event: Reloaded) -> None:
        """Take the first file that is still there: editors and sed write beside it, and move that over it."""
        now, root = time.time(), self._context.workspace.root
        for file in () if self.file else event.files:
            with suppress(OSError):
                self.seconds, self.file = max(0.0, now - (root / file).stat().st_mtime), file
                self._left.set()
                return

    def _follow_logs(self) -> None:
        wait_for(self._left)

    def _keys(self) -> AbstractContextManager[None]:
        return keys.pressed(self._take_key)

    def _take_key(self, key: str) -> None:
        if key in (*keys.ENTER, keys.ESCAPE, "q"):
            self._left.set()
