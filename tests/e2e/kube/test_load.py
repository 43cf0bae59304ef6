"""A promoted stack under a steady load: no request is lost while it changes.

The service keeps its connections and dies at once when it is told to end, as the worst do. The gateway is Kong, which on
machines without Docker Hub is devenv's stand-in for it.
"""

from __future__ import annotations

import json
import socket

import pytest

from tests.e2e.checkout import eventually
from tests.e2e.kube.test_promote import Promoting, promoting
from tests.load import loaded

__all__ = ["promoting"]
pytestmark = [pytest.mark.engine, pytest.mark.cluster, pytest.mark.long]

PROGRAM = """
import http.server, os, time

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(0.02)
        body = os.environ["VERSION"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *words):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

Server(("", 8000), Answer).serve_forever()
"""
STACK = """
    services:
      web:
        image: python:3.13-slim
        command: {command}
        files: {{/srv/main.py: main.py}}
        port: 8000
        route: {{path: /, plugins: [{plugin}]}}
        env: {{VERSION: {version}}}
        grace: 1s
    environments:
      staging: {{context: {context}, namespace: {namespace}, services: {{web: {{replicas: 2}}}}}}
"""
IMAGES = ("python:3.13-slim", "kong:3.9.3")


def says(
    promoting: Promoting, version: str, *, command: str = "python /srv/main.py", plugin: str = "cors"
) -> None:
    context = promoting.host("kubectl", "config", "current-context").strip()
    text = STACK.format(
        command=command, plugin=plugin, version=version, context=context, namespace=promoting.staging
    )
    promoting.manifest(text)


def way_in(promoting: Promoting) -> tuple[str, int]:
    """Address and port at which the node leads to the gateway's pods."""
    promoting.inside(
        "expose", "deployment", "kong", "--name", "outside", "--type", "NodePort", "--port", "8000"
    )
    service = json.loads(promoting.inside("get", "service", "outside", "-o", "json"))
    (node, *_) = json.loads(promoting.host("kubectl", "get", "nodes", "-o", "json"))["items"]
    address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
    return address, int(service["spec"]["ports"][0]["nodePort"])


def answers_at(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("helm", [4], indirect=True)
def test_no_request_is_lost_while_a_stack_is_promoted_rolled_back_and_broken(promoting: Promoting) -> None:
    for image in IMAGES:
        promoting.bring(image)
    promoting.write("main.py", PROGRAM)
    says(promoting, "first")
    promoting.devenv("promote", "staging", "--yes", within=120)

    host, port = way_in(promoting)
    eventually(lambda: answers_at(host, port), "the way in")
    with loaded(host, port, "/") as load:
        eventually(lambda: load.answers["first"] > 20, "the first version")
        says(
            promoting, "second", plugin="{rate-limiting: {minute: 1000000}}"
        )  # the gateway's pod is another, too
        promoting.devenv("promote", "staging", "--yes", within=120)
        eventually(lambda: load.answers["second"] > 20, "the second version")
        promoting.devenv("rollback", "staging", "--yes", within=120)
        says(promoting, "third", command="sleep 900")
        broken = promoting.devenv("promote", "staging", "--yes", "--timeout", "5", exits=1, within=120)
        assert "x web was not ready in time" in broken.stderr
        assert "revision 5 serves" in broken.stderr
        answers = load.answers.total()
        eventually(lambda: load.answers.total() > answers + 100, "what serves after it")
    failures = "\n".join(load.failures)
    assert not load.failures, f"{len(load.failures)} of {load.sent}:\n{failures}"
    assert load.answers.keys() == {"first", "second"}
    assert promoting.revisions() == [
        (1, "superseded"), (2, "superseded"), (3, "superseded"), (4, "failed"), (5, "deployed"),
    ]  # fmt: skip
    print(f"{load.sent} requests, the slowest {load.slowest:.2f} s")
