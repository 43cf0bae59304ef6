"""Whether a promoted stack answers: every route through the gateway, every routed service's own check."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.errors import DevenvError
from devenv.plan.promotion import Target

if TYPE_CHECKING:
    from devenv.backends.kube.client import Client
    from devenv.stack.model import Stack

TRIES = 15  # looks at a route that does not answer: a gateway may still be learning its routes
PAUSE = 1.0  # seconds between two of them


@dataclass(frozen=True)
class Smoke:
    """Asks through the API server, which reaches Services that nothing outside does."""

    client: Client
    target: Target
    tries: int = TRIES

    def test(self, stack: Stack, say: Callable[[str, str], None]) -> None:
        """Raises `DevenvError` for the first that does not answer."""
        if stack.gateway is None:
            return
        gateway = stack.unit(stack.gateway.unit)
        service = f"/api/v1/namespaces/{self.target.namespace}/services/{gateway.name}"
        elsewhere = self.client.find(service) is None
        for unit in stack.units:
            for route in unit.routes:
                if elsewhere:
                    say("smoke", f"{unit.name}  {route}  not asked: the cluster's own gateway serves it")
                    continue
                wrong = self._ask(f"{gateway.name}:{gateway.ports[0].container}", route)
                say("smoke", f"{unit.name}  {route}  {wrong or 'answers'}")
                if wrong:
                    raise self._failed(f"{route} does not answer through the gateway", wrong)
            probe = unit.probe
            if unit.routes and probe and probe.kind == "http":
                _, wrong = self._get(f"{unit.name}:{probe.port}", probe.path)
                if wrong:
                    raise self._failed(f"{unit.name} is not healthy: {probe.shown}", wrong)

    def _ask(self, service: str, route: str) -> str:
        """What is wrong with a route; nothing where a service answers, be it with a refusal."""
        wrong = ""
        for _ in range(self.tries):
            status, wrong = self._get(service, route)
            if status < 500 and "no Route matched" not in wrong:
                return ""
            time.sleep(PAUSE)
        return wrong

    def _get(self, service: str, path: str) -> tuple[int, str]:
        """The status of an answer, and what is wrong where that is 400 or more."""
        from devenv.backends.kube.refusals import Refused

        try:
            self.client.text(f"/api/v1/namespaces/{self.target.namespace}/services/{service}/proxy{path}")
        except Refused as error:
            return error.status, error.why or error.what
        return 200, ""

    def _failed(self, what: str, why: str) -> DevenvError:
        hint = f"devenv rollback {self.target.environment}   goes back to what served before"
        return DevenvError(what, where=self.target.where, why=why, hint=hint)
