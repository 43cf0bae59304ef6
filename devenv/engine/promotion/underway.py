"""The Helm that a command of this checkout began: it outlives a devenv that is killed, and goes on unseen."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from devenv import proc
from devenv.backends.process.identity import identity
from devenv.errors import DevenvError

if TYPE_CHECKING:
    from devenv.plan.promotion.changes import Target
    from devenv.workspace import Workspace

WITHIN = 300  # seconds that one which was interrupted may take to end, as it waits for what served before
LOOK = 0.2  # seconds between two looks at whether it has ended
VERBS = {"upgrade": "it goes back to what served before", "rollback": "it stops half way"}
"""What an interrupted Helm does."""


@dataclass(frozen=True, slots=True)
class Underway:
    """A Helm at work. `began` is RFC 3339, `within` seconds; a process is meant by its pid and its identity.

    `by`: the devenv that began it.
    """

    verb: str
    pid: int
    identity: str
    by: int
    by_identity: str
    began: str
    within: int

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return bool(self.identity) and identity(self.pid) == self.identity

    @property
    def is_left_alone(self) -> bool:
        """Whether nobody waits for it any more."""
        return identity(self.by) != self.by_identity

    @property
    def what(self) -> str:
        """For people."""
        return f"helm {self.verb}, process {self.pid}, since {self.began[11:19]}"

    @property
    def outcome(self) -> str:
        """What becomes of it where nobody stops it."""
        back = ", and goes back if they are not" if self.verb == "upgrade" else ""
        return f"it goes on by itself: it waits until its pods are ready, up to {self.within} s{back}"


@dataclass(frozen=True, slots=True)
class Record:
    """A file that says which Helm this checkout has at work in an environment.

    Without a workspace, and where it cannot be written or read, none is.
    """

    workspace: Workspace | None = None
    environment: str = ""

    def read(self) -> Underway | None:
        """The Helm that is at work now."""
        if self.workspace is None:
            return None
        try:
            row = Underway(**json.loads((self.workspace.state / self._name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return row if row.is_alive else None

    def stop(self, verb: str, within: int) -> proc.Stop:
        """A handle for a Helm that begins, which is written down as soon as it runs."""
        return proc.Stop(lambda pid: self._write(verb, within, pid))

    def require_idle(self, target: Target, heal: Callable[[], str]) -> None:
        """Raises `DevenvError` while a Helm is at work; `heal` gives the command that ends what it began."""
        helm = self.read()
        if helm is None:
            return
        if helm.is_left_alone:
            raise DevenvError(
                f"{target.release} is being changed by a Helm whose devenv has ended",
                where=f"{target.where}; {helm.what}",
                why=helm.outcome,
                hint=f"wait for it, or have it go back now: {heal()}",
            )
        raise DevenvError(
            f"{target.release} is being changed by another devenv of this checkout",
            where=f"{target.where}; process {helm.by}, with {helm.what}",
            hint="wait for it, or press Ctrl-C there",
        )

    def end(self, target: Target, say: Callable[[str, str], None], *, within: int = WITHIN) -> bool:
        """Interrupt a Helm that was left alone, and wait for its end. Returns whether there was one.

        Raises `DevenvError` for one that somebody waits for, and one that does not end.
        """
        helm = self.read()
        if helm is None:
            return False
        if not helm.is_left_alone:
            self.require_idle(target, str)
        say(helm.verb, f"Helm is still at work ({helm.what}) and is interrupted: {VERBS[helm.verb]}")
        if not _interrupt(helm, patience=within):
            raise DevenvError(
                f"{helm.what}, does not end",
                where=target.where,
                why=f"it was interrupted {within} s ago",
                hint=f"kill -9 {helm.pid}   then devenv rollback {target.environment}",
            )
        return True

    @property
    def _name(self) -> str:
        return f"helm-{self.environment}.json"

    def _write(self, verb: str, within: int, pid: int) -> None:
        if self.workspace is None:
            return
        began, by = datetime.now().astimezone().isoformat(timespec="seconds"), os.getpid()
        row = Underway(verb, pid, identity(pid), by, identity(by), began, within)
        with contextlib.suppress(DevenvError):
            self.workspace.write({self._name: json.dumps(asdict(row))}, private=[self._name])


def _interrupt(helm: Underway, *, patience: float) -> bool:
    """Ask a Helm for its end, as Ctrl-C does, and wait for that. Returns whether it came in time."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if helm.is_alive:
            os.kill(helm.pid, signal.SIGINT)
    began = time.monotonic()
    while helm.is_alive:
        if time.monotonic() - began > patience:
            return False
        time.sleep(LOOK)
    return True
