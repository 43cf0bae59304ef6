"""What Helm leaves of a release that it uninstalled: jobs that ran as hooks with their files, and volumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devenv.backends.kube.refusals import Refused
from devenv.plan.promotion.changes import HOOK, Target

if TYPE_CHECKING:
    from devenv.backends.kube.client import Client

HOOKED = {"jobs": "/apis/batch/v1", "configmaps": "/api/v1"}


@dataclass(frozen=True)
class Leftovers:
    """Finds them by the labels that our charts give to whatever they make."""

    client: Client
    target: Target

    def remove_hooks(self) -> None:
        """Secrets that were made by a hook stay: they are asked for again."""
        for kind, api in HOOKED.items():
            for path, item in self._labelled(api, kind):
                if HOOK in (item["metadata"].get("annotations") or {}):
                    self.client.delete(path, uid=item["metadata"]["uid"])

    def volumes(self, *, needed: bool = False) -> dict[str, str]:
        """The claims of the release's volumes by name, and where each is.

        Unless they are `needed`, none where we may not look.
        """
        try:
            return {
                item["metadata"]["name"]: path
                for path, item in self._labelled("/api/v1", "persistentvolumeclaims")
            }
        except Refused:
            if needed:
                raise
            return {}

    def _labelled(self, api: str, kind: str) -> Iterator[tuple[str, Any]]:
        path = f"{api}/namespaces/{self.target.namespace}/{kind}"
        selector = f"app.kubernetes.io/instance={self.target.release}"
        for item in self.client.get(path, labelSelector=selector)["items"]:
            yield f"{path}/{item['metadata']['name']}", item
