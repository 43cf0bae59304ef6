"""What was promoted to an environment, read as any other stack on a cluster is."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping

from devenv.backends.base import Site
from devenv.backends.kube import look
from devenv.backends.kube.backend import KubeBackend
from devenv.backends.kube.refusals import Refused
from devenv.errors import DevenvError
from devenv.masking import passwords_of
from devenv.plan.model import Observed
from devenv.plan.promotion.changes import PENDING, Target


class PromotedBackend(KubeBackend):
    """The units of one release, in the context and the namespace of its environment and nowhere else."""

    def __init__(self, target: Target, secrets: Mapping[str, Collection[str] | None]) -> None:
        """`secrets`: those that the release reads -> the keys whose values nobody is to see, None for all.

        Of the others, URLs with a password.
        """
        super().__init__(Site(context=target.context))
        self.release, self._secrets = target, secrets
        self.start_hint = f"devenv promote {target.environment}"
        self.looking = f"devenv logs -e {target.environment}"

    def observe(self, checkout: str) -> Observed:
        """Whatever the checkout: a release is of none. Raises `DevenvError` where there is no release."""
        target = self.release
        phase = look.phase(self.cluster.client, target.namespace)
        observed = look.observe(self.cluster.client, target.namespace, stack=target.release)
        if observed.units:
            return observed
        match phase:
            case look.GONE:
                what, hint = f"there is no namespace {target.namespace}", self.start_hint
                why = "nothing was promoted there yet, or somebody deleted it"
            case look.TERMINATING:
                what, hint = (
                    f"the namespace {target.namespace} is being deleted",
                    f"wait, then {self.start_hint}",
                )
                why = "somebody deleted it, with all that was in it"
            case _:
                what, hint = f"nothing of {target.release} runs in {target.environment}", self.start_hint
                why = "it was not promoted yet, or was retired"
        raise DevenvError(what, where=target.where, why=why, hint=hint)

    def pending(self) -> str:
        """The revision that Helm began and did not end, with its status, as "3 (pending-upgrade)"; else "".

        Helm labels the Secrets that it keeps of revisions with these.
        """
        selector = f"owner=helm,name={self.release.release},status in ({','.join(PENDING)})"
        path = f"/api/v1/namespaces/{self.release.namespace}/secrets"
        try:
            items = self.cluster.client.get(path, labelSelector=selector)["items"]
        except Refused:
            return ""
        labels = [item["metadata"]["labels"] for item in items]
        return f"{labels[-1]['version']} ({labels[-1]['status']})" if labels else ""

    def hidden(self) -> list[str]:
        """The values in its Secrets that are to be masked; none of a Secret that we may not read."""
        hidden: list[str] = []
        for name, keys in self._secrets.items():
            for key, value in self._values(name).items():
                if keys is None or key in keys or any(passwords_of(value)):
                    hidden.append(value)
        return hidden

    def _values(self, name: str) -> dict[str, str]:
        path = f"/api/v1/namespaces/{self.release.namespace}/secrets/{name}"
        try:
            data = (self.cluster.client.find(path) or {}).get("data") or {}
        except Refused:
            return {}
        return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
