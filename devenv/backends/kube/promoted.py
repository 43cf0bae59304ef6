"""What was promoted to an environment, read as any other stack on a cluster is."""

from __future__ import annotations

import base64

from devenv.backends.base import Site
from devenv.backends.kube import look
from devenv.backends.kube.backend import KubeBackend
from devenv.backends.kube.refusals import Refused
from devenv.errors import DevenvError
from devenv.plan.model import Observed
from devenv.plan.promotion import Target


class PromotedBackend(KubeBackend):
    """The units of one release, in the context and the namespace of its environment and nowhere else."""

    def __init__(self, target: Target, secret: str) -> None:
        """`secret`: the Secret that the release reads."""
        super().__init__(Site(context=target.context))
        self.release, self._secret = target, secret
        self.bring_up = f"devenv promote {target.environment}"
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
                what, hint = f"there is no namespace {target.namespace}", self.bring_up
                why = "nothing was promoted there yet, or somebody deleted it"
            case look.TERMINATING:
                what, hint = (
                    f"the namespace {target.namespace} is being deleted",
                    f"wait, then {self.bring_up}",
                )
                why = "somebody deleted it, with all that was in it"
            case _:
                what, hint = f"nothing of {target.release} runs in {target.environment}", self.bring_up
                why = "it was not promoted yet, or was retired"
        raise DevenvError(what, where=target.where, why=why, hint=hint)

    def hidden(self) -> list[str]:
        """The values in its Secret, to be masked; none where we may not read it."""
        try:
            path = f"/api/v1/namespaces/{self.release.namespace}/secrets/{self._secret}"
            data = (self.cluster.client.find(path) or {}).get("data") or {}
        except Refused:
            return []
        return [base64.b64decode(value).decode(errors="replace") for value in data.values()]
