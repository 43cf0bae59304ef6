"""Whether a promoted stack answers: every route through the gateway, every routed service's own check.

Kong of the chart is asked through the API server. Another gateway is asked at the address that it reports;
without one, or where that cannot be reached from here, the line of the route says that nothing was proved.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.errors import DevenvError
from devenv.plan.promotion.changes import Target
from devenv.render.kong import named_routes

if TYPE_CHECKING:
    from devenv.backends.entrance import Entrance
    from devenv.backends.kube.client import Client
    from devenv.manifest.environments import Environment, ParentGateway
    from devenv.stack.model import Stack, Unit
    from devenv.stack.routing import Route

Say = Callable[[str, str], None]

TRIES = 15  # looks at a route that does not answer: a gateway may still be learning its routes
PAUSE = 1.0  # seconds between two of them


@dataclass(frozen=True)
class Smoke:
    """Asks through the API server, which reaches Services that nothing outside does."""

    client: Client
    target: Target
    tries: int = TRIES
    environment: Environment | None = None

    def test(self, stack: Stack, say: Say) -> None:
        """Raises `DevenvError` for the first that does not answer."""
        if stack.gateway is None:
            return
        service = f"/api/v1/namespaces/{self.target.namespace}/services/{stack.gateway.unit}"
        elsewhere = self.client.find(service) is None
        if self.environment is not None and not isinstance(self.environment.gateway, str):
            self._look_at_http_routes(self.environment.gateway.httproute, say)
        answers = self._at_entrance if elsewhere else self._at_kong
        for unit in stack.units:
            if unit.manual:  # none runs until somebody says so
                continue
            for route, line, wrong in answers(stack, unit):
                say("smoke", f"{unit.name}  {route}  {line or wrong}")
                if wrong:
                    raise self._failed(f"{route} does not answer through the gateway", wrong)
            probe = unit.probe
            if unit.routes and probe and probe.kind == "http":
                _, wrong = self._get(f"{unit.name}:{probe.port}", probe.path)
                if wrong:
                    raise self._failed(f"{unit.name} is not healthy: {probe.shown}", wrong)
        if self.environment is not None:
            self._look_at_the_way_in(stack.gateway.unit, say)

    def _look_at_the_way_in(self, gateway: str, say: Say) -> None:
        from devenv.backends import entrance

        assert self.environment is not None
        namespace, balanced = self.target.namespace, self.environment.gateway == "loadbalancer"
        if balanced and (address := entrance.of_balancer(self.client, namespace, f"{gateway}-public")):
            say("smoke", f"the load balancer's address is {address}")
        for line in entrance.unserved(self.client, self.target.namespace, self.target.release):
            say("smoke", line)

    def _look_at_http_routes(self, parent: ParentGateway, say: Say) -> None:
        """Raises `DevenvError` where the Gateway refuses one: nothing reaches its service, wherever it is."""
        from devenv.backends import entrance

        for tried in range(self.tries):
            if tried:
                time.sleep(PAUSE)
            lost = entrance.unaccepted(self.client, self.target.namespace, self.target.release)
            if not lost:
                return
        name = f"{parent.gateway} in {parent.namespace or self.target.namespace}"
        for route, why in lost.items():
            if why:
                raise self._failed(f"the Gateway {name} refuses the HTTPRoute {route}", why)
            say("smoke", f"nothing serves the HTTPRoute {route}: no controller has looked at it for {name}")

    # Both yield the route, what is said of it, and what is wrong with it.

    def _at_kong(self, stack: Stack, unit: Unit) -> Iterator[tuple[str, str, str]]:
        assert stack.gateway is not None
        gateway = stack.unit(stack.gateway.unit)
        port = gateway.ports[0].container
        for route in _routes(stack, unit):
            if why := unasked(route):
                yield route.path, why, ""
                continue
            host = next(iter(_names(route)), "")
            try:
                wrong = self._ask(gateway.name, port, route.path, host)
            except DevenvError as error:  # who promotes need not have the right to forward ports
                if not host:
                    raise
                yield route.path, f"not asked: it is only for {host}, and {error.what}", ""
                continue
            yield route.path, "" if wrong else "answers", wrong

    def _at_entrance(self, stack: Stack, unit: Unit) -> Iterator[tuple[str, str, str]]:
        for route in _routes(stack, unit):
            if why := unasked(route):
                yield route.path, why, ""
            else:
                yield route.path, *self._asked(route, self._entrance(stack, route))

    def _entrance(self, stack: Stack, route: Route) -> Entrance | None:
        from devenv.backends import entrance

        if self.environment is None:
            return None
        host = next(iter(_names(route)), self.environment.host or "")
        namespace, gateway = self.target.namespace, self.environment.gateway
        if not isinstance(gateway, str):
            return entrance.of_gateway(self.client, namespace, gateway.httproute, host=host)
        name = stack.name
        if gateway == "kong":  # an Ingress for each route
            assert stack.gateway is not None
            name = next(name for name, each in named_routes(stack.gateway).items() if each is route)
        tls = bool(self.environment.ingress.tls)
        return entrance.of_ingress(self.client, namespace, name, host=host, tls=tls)

    def _asked(self, route: Route, entrance: Entrance | None) -> tuple[str, str]:
        """What is said of a route, and what is wrong with it."""
        if entrance is None:
            return "not asked: the cluster's own gateway serves it, and reports no address", ""
        wrong = ""
        for tried in range(self.tries):
            if tried:
                time.sleep(PAUSE)
            try:
                status = entrance.status(route.path)
            except (OSError, http.client.HTTPException) as error:
                return f"not proved: {entrance.address}:{entrance.port} does not answer here: {error}", ""
            if status < 500 and status != 404:
                return "answers", ""
            own, _ = self._get(f"{route.service}:{route.port}", "/" if route.strip else route.path)
            if status == own == 404:
                return f"not proved: {route.service} itself has no page there", ""
            wrong = f"{entrance.address}:{entrance.port} answers {status}"
        return "", wrong

    def _ask(self, gateway: str, port: int, path: str, host: str) -> str:
        """What is wrong with a route; nothing where a service answers, be it with a refusal.

        Raises `DevenvError` where a route of a host name cannot be asked for.
        """
        wrong = ""
        for tried in range(self.tries):
            if tried:
                time.sleep(PAUSE)
            if host:
                status, wrong = self._get_as(gateway, port, path, host)
            else:
                status, wrong = self._get(f"{gateway}:{port}", path)
            if status < 500 and "no Route matched" not in wrong:
                return ""
        return wrong

    def _get_as(self, gateway: str, port: int, path: str, host: str) -> tuple[int, str]:
        """Like `_get`, under a host name: the API server's own way to a Service has none."""
        from devenv.backends.kube import pods as pod_of
        from devenv.backends.kube.asking import ask

        labels = f"app.kubernetes.io/name={gateway},app.kubernetes.io/instance={self.target.release}"
        namespace = self.target.namespace
        pods = self.client.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=labels)["items"]
        pod = next((pod_of.name(pod) for pod in pods if pod_of.ready(pod)), "")
        if not pod:
            return 503, f"no pod of {gateway} is ready"
        return ask(self.client, namespace, pod, port, path, host=host)

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


def _routes(stack: Stack, unit: Unit) -> list[Route]:
    assert stack.gateway is not None
    return [route for route in stack.gateway.routes if route.service == unit.name]


def _names(route: Route) -> list[str]:
    """Host names that a route can be asked under."""
    return [host for host in route.hosts if "*" not in host]


def unasked(route: Route) -> str:
    """Why a GET says nothing about a route; "" where it does."""
    if route.methods and "GET" not in map(str.upper, route.methods):
        return f"not asked: it is only for {', '.join(route.methods)}"
    if route.hosts and not _names(route):
        return f"not asked: it is only for {', '.join(route.hosts)}"
    return ""
