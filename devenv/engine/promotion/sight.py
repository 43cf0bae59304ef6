"""The cluster that an environment's context led to before: its name may come to mean another one."""

from __future__ import annotations

import contextlib
import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.backends.kube.target import identity
from devenv.errors import DevenvError, UsageError

if TYPE_CHECKING:
    from devenv.backends.kube.client import Client
    from devenv.plan.promotion.changes import Target
    from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Sight:
    """What this checkout saw at its last promotion to an environment; nothing without a workspace."""

    workspace: Workspace | None
    target: Target

    def require_same(self, client: Client) -> None:
        """Raises `UsageError` where the context leads to another cluster than it did then."""
        then = self._read()
        now = identity(client) if then.get("context") == self.target.context else ""
        if now and now != then.get("cluster"):
            assert self.workspace is not None
            file = self.workspace.state / self._name
            raise UsageError(
                f"the context {self.target.context} leads to another cluster than at the last promotion",
                where=f"now {client.place.server}, then {then.get('server')}",
                why="a kubeconfig may give two clusters one name",
                hint=f"rm {shlex.quote(str(file))}   if the cluster was made anew, or moved",
            )

    def remember(self, client: Client) -> None:
        """Write down where the context leads, as far as we may ask and can write."""
        if self.workspace is None or not (cluster := identity(client)):
            return
        row = {"context": self.target.context, "cluster": cluster, "server": client.place.server}
        with contextlib.suppress(DevenvError):
            self.workspace.write({self._name: json.dumps(row)})

    @property
    def _name(self) -> str:
        return f"cluster-{self.target.environment}.json"

    def _read(self) -> dict[str, str]:
        if self.workspace is None:
            return {}
        try:
            return dict(json.loads((self.workspace.state / self._name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return {}
