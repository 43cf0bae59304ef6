"""Rules about `smoke`: the requests that a stack answers once it is up."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.errors import did_you_mean
from devenv.manifest.fields import Request
from devenv.manifest.rules.scope import Scope
from devenv.manifest.source import Finding, Path


def requests_lead_somewhere(scope: Scope) -> Iterator[Finding]:
    """A request names a service with a port, or there is a gateway that takes it."""
    services = scope.manifest.services
    for index, text in enumerate(scope.manifest.smoke):
        path: Path = ("smoke", index)
        request = Request.read(text)
        service = services.get(request.service)
        if not request.service:
            if not any(each.route for each in services.values()):
                yield path, "nothing has a route, so there is no gateway to ask", "write NAME/path"
        elif service is None:
            hint = did_you_mean(request.service, services, f"services: {', '.join(services)}")
            yield path, f'no service "{request.service}"', hint
        elif service.port is None and not service.ports:
            yield path, f"{request.service} has no port to ask", f"add port: to services.{request.service}"
        elif service.publish is False:
            hint = f"remove publish: false from services.{request.service}, or ask the gateway"
            yield path, f"{request.service} publishes no port on this machine", hint
