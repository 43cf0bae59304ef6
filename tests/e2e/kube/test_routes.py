"""Routes through a real Traefik: an Ingress in front of Kong, Ingresses alone, and HTTPRoutes, asked the same.

Kong is, on machines without Docker Hub, devenv's stand-in for it. Kong's own controller cannot be had: its objects
are judged by their schemas.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.certificates import self_signed
from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import Lab, OnCluster
from tests.e2e.kube.test_load import PROGRAM as RUDE
from tests.e2e.kube.traefik import CLASS, GATEWAY, Traefik, serving
from tests.helm import Helm
from tests.load import loaded

pytestmark = [pytest.mark.engine, pytest.mark.cluster, pytest.mark.long]

PROGRAM = """
import http.server, json, os

class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked = [os.environ["NAME"], self.command, self.path, self.headers["Host"], body]
        answer = json.dumps(asked).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer(("", 8000), Echo).serve_forever()
"""
SERVICE = "image: python:3.13-slim, command: python /srv/main.py, files: {/srv/main.py: main.py}, port: 8000, grace: 1s"
PLAIN = {
    "web": "[/, {path: /admin, host: [staff.example]}]",
    "orders": "[/api, {path: /list, host: [staff.example, '*.shop.example']}]",
    "files": "{path: /api/files}",
}
"""Routes that each way has."""
FULL = {
    **PLAIN,
    "orders": "[{path: /api, strip: true}, {path: /hooks, methods: [POST, put]}]",
    "files": "[{path: /api/files, strip: true, methods: [GET]}, {path: /list, host: [staff.example], strip: true}]",
}
"""Those that an HTTPRoute has, too."""
ENVIRONMENTS = {
    "own": "host: own.example, ingress: {{class: {name}}}",
    "ingress": "host: ingress.example, gateway: ingress, ingress: {{class: {name}, tls: lock}}",
    "httproute": "host: httproute.example, "
    "gateway: {{httproute: {{gateway: {gateway}, namespace: default, listener: web}}}}",
}
ASKED = {
    "ingress": (
        ("GET", "", "/", ["web", "/"]),
        ("GET", "", "/about?a=b%20c", ["web", "/about?a=b%20c"]),
        ("POST", "", "/api", ["orders", "/api"]),
        ("GET", "", "/api/1", ["orders", "/api/1"]),
        ("DELETE", "", "/api/files/x%2Fy", ["files", "/api/files/x%2Fy"]),
        ("GET", "", "/admin", ["web", "/admin"]),
        ("GET", "", "/list", ["web", "/list"]),
        ("GET", "staff.example", "/list", ["orders", "/list"]),
        ("GET", "staff.example", "/admin/1", ["web", "/admin/1"]),
        ("GET", "staff.example", "/api/1", ["orders", "/api/1"]),
        ("GET", "staff.example", "/", ["web", "/"]),
        ("GET", "a.shop.example", "/list", ["orders", "/list"]),
        ("GET", "a.shop.example", "/other", ["web", "/other"]),
        ("GET", "elsewhere.example", "/", 404),
    ),
    "httproute": (
        ("GET", "", "/api", ["orders", "/"]),
        ("POST", "", "/api/1?a=b", ["orders", "/1?a=b"]),
        ("GET", "", "/api/files/x", ["files", "/x"]),
        ("POST", "", "/api/files/x", ["orders", "/files/x"]),
        ("POST", "", "/hooks/1", ["orders", "/hooks/1"]),
        ("PUT", "", "/hooks", ["orders", "/hooks"]),
        ("GET", "", "/hooks/1", ["web", "/hooks/1"]),
        ("GET", "staff.example", "/list/1", ["files", "/1"]),
        ("GET", "staff.example", "/admin", ["web", "/admin"]),
        ("POST", "staff.example", "/hooks", ["orders", "/hooks"]),
        ("GET", "", "/list/1", ["web", "/list/1"]),
        ("GET", "elsewhere.example", "/", 404),
    ),
}
"""Method, host (by itself the environment's), path -> the service that gets it, and as which path."""


@pytest.fixture
def traefik(promoting: OnCluster, lab: Lab, engine: docker.DockerClient) -> Iterator[Traefik]:
    with serving(promoting, lab, engine) as there:
        yield there


@pytest.fixture
def promoting(alone: OnCluster, helm: Helm) -> Iterator[OnCluster]:
    path = f"{helm.program.parent}:{alone.environment['PATH']}"
    alone.environment = {**alone.environment, **helm.homes, "PATH": path}
    for image in ("python:3.13-slim", "kong:3.9.3"):
        alone.bring(image)
    alone.write("main.py", PROGRAM)
    yield alone
    for name in ENVIRONMENTS:
        delete = ("kubectl", "delete", "namespace", "--ignore-not-found", "--wait=false")
        alone.host(*delete, f"{alone.name}-{name}")


def says(promoting: OnCluster, lab: Lab, routes: dict[str, str], *names: str) -> None:
    services = "".join(
        f"      {name}: {{{SERVICE}, env: {{NAME: {name}}}, route: {route}}}\n"
        for name, route in routes.items()
    )
    places = "".join(
        f"      {name}: {{context: {lab.name}, namespace: {promoting.name}-{name}, "
        f"{ENVIRONMENTS[name].format(name=CLASS, gateway=GATEWAY)}}}\n"
        for name in names
    )
    promoting.manifest(f"\n    services:\n{services}    environments:\n{places}")


@pytest.mark.parametrize("helm", [4], indirect=True)
@pytest.mark.parametrize(
    ("way", "routes"), [("ingress", PLAIN), ("httproute", FULL)], ids=["ingress", "httproute"]
)
def test_routes_lead_where_they_do_through_our_own_gateway(
    promoting: OnCluster, lab: Lab, traefik: Traefik, way: str, routes: dict[str, str]
) -> None:
    says(promoting, lab, routes, "own", way)
    trusting = {"SSL_CERT_FILE": str(lock(promoting))} if way == "ingress" else {}
    for name in ("own", way):  # one after the other: both have the hosts of routes
        smoked = promoting.devenv("promote", name, "--yes", env=trusting, within=180).stderr
        # Traefik reports its address, at which each route is asked for.
        assert "reports no address" not in smoked
        assert "not proved" not in smoked
        failures = []
        for method, host, path, answer in ASKED[way]:
            asked = host or f"{name}.example"
            wanted = expected(method, asked, answer)
            got = settled(traefik, method, asked, path, wanted)
            if got != wanted:
                failures.append(f"{method} {asked}{path} is answered by {got}, not {wanted}")
        assert not failures, f"{name}:\n" + "\n".join(failures)
        promoting.devenv("retire", name, "--yes")
        eventually(lambda name=name: traefik.asked("GET", f"{name}.example", "/") == 404, "the end")


@pytest.mark.parametrize("helm", [3], indirect=True)
def test_a_gateway_that_refuses_routes_fails_the_promotion_with_its_own_words(
    promoting: OnCluster, lab: Lab, traefik: Traefik
) -> None:
    says(promoting, lab, {"web": "/"}, "httproute")
    manifest = promoting.root / "devenv.yaml"
    right = manifest.read_text("utf-8")
    promoting.devenv("promote", "httproute", "--yes", within=180)
    manifest.write_text(right.replace("listener: web", "listener: nope"), "utf-8")
    refused = promoting.devenv("promote", "httproute", "--yes", exits=1, within=180).stderr
    assert f"the Gateway {GATEWAY} in default refuses the HTTPRoute web" in refused
    assert "NoMatchingParent" in refused
    assert "revision 1 serves again" in refused
    eventually(lambda: traefik.asked("GET", "httproute.example", "/") != 404, "what served before")


@pytest.mark.parametrize("helm", [4], indirect=True)
@pytest.mark.parametrize(
    "way",
    ["ingress", f"{{httproute: {{gateway: {GATEWAY}, namespace: default}}}}"],
    ids=["ingress", "httproute"],
)
def test_no_request_is_lost_without_our_own_gateway(
    promoting: OnCluster, lab: Lab, traefik: Traefik, way: str
) -> None:
    def says(version: str, command: str = "python /srv/main.py") -> None:
        place = f"context: {lab.name}, namespace: {promoting.name}-ingress, gateway: {way}"
        promoting.manifest(
            f"""
            services:
              web:
                image: python:3.13-slim
                command: {command}
                files: {{/srv/main.py: load.py}}
                port: 8000
                route: /
                env: {{VERSION: {version}}}
                grace: 1s
            environments:
              live: {{{place}, services: {{web: {{replicas: 2}}}}}}
            """
        )

    promoting.write("load.py", RUDE)
    says("first")
    promoting.devenv("promote", "live", "--yes", within=180)
    eventually(lambda: traefik.status("/") == 200, "the way in")
    with loaded(traefik.address, 80, "/") as load:
        eventually(lambda: load.answers["first"] > 20, "the first version")
        says("second")
        promoting.devenv("promote", "live", "--yes", within=180)
        eventually(lambda: load.answers["second"] > 20, "the second version")
        promoting.devenv("rollback", "live", "--yes", within=180)
        says("third", command="sleep 900")
        promoting.devenv("promote", "live", "--yes", "--timeout", "5", exits=1, within=180)
    failures = "\n".join(load.failures)
    assert not load.failures, f"{len(load.failures)} of {load.sent}:\n{failures}"
    assert load.answers.keys() == {"first", "second"}
    print(f"{load.sent} requests, the slowest {load.slowest:.2f} s")


def expected(method: str, host: str, answer: Any) -> Any:
    """What the service says, which got the same method, host and body."""
    return answer if isinstance(answer, int) else [answer[0], method, answer[1], host, body(method)]


def body(method: str) -> str:
    return "tea" if method in ("POST", "PUT") else ""


def settled(traefik: Traefik, method: str, host: str, path: str, wanted: Any) -> Any:
    """The answer, once Traefik has learnt of a change: it reads them a moment after they are made."""
    try:
        eventually(lambda: traefik.asked(method, host, path, body(method)) == wanted, within=3)
    except AssertionError:
        return traefik.asked(method, host, path, body(method))
    return wanted


def lock(promoting: OnCluster) -> Path:
    """Make the Secret that the environment names. Returns the file with its certificate."""
    certificate, key = self_signed(hosts=["ingress.example", "staff.example", "*.shop.example"])
    shown, kept = promoting.write("tls/certificate", certificate), promoting.write("tls/key", key)
    namespace = f"{promoting.name}-ingress"
    promoting.host("kubectl", "create", "namespace", namespace)
    files = (f"--cert={shown}", f"--key={kept}")
    promoting.host("kubectl", "-n", namespace, "create", "secret", "tls", "lock", *files)
    return shown
