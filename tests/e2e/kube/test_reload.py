"""Hot reload into the pods of a real cluster."""

from __future__ import annotations

import http.client

import pytest

from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import OnCluster

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

SERVER = """\
import http.server, page
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(page.TEXT.encode())
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""
DOCKERFILE = 'FROM python:3.13-slim\nWORKDIR /app\nCOPY src src\nCMD ["python", "-B", "src/server.py"]\n'
ODD = ("with space.txt", 'quote".txt', "line\nbreak.txt", "-n")


def save(cluster: OnCluster, text: str) -> None:
    cluster.write("web/src/page.py", f"TEXT = {text!r}\n")


def answer(port: int) -> str:
    """What the server says through the forwarded port; nothing while it is not there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def in_pods(cluster: OnCluster, name: str) -> set[str]:
    """A file as the pods of the service have it, "" where one has none."""
    items = cluster.get("pods", "-l", "devenv.dev/unit=web")["items"]
    pods = [item["metadata"]["name"] for item in items if "deletionTimestamp" not in item["metadata"]]
    read = ("sh", "-c", 'cat -- "$0" 2>/dev/null || true', f"/app/src/{name}")
    return {cluster.kubectl("exec", pod, "--", *read) for pod in pods}


def test_an_edit_reaches_all_pods_and_those_that_come_after_them(cluster: OnCluster, port: int) -> None:
    cluster.write("web/Dockerfile", DOCKERFILE)
    cluster.write("web/src/server.py", SERVER)
    save(cluster, "first")
    cluster.manifest(
        f"services: {{web: {{build: ./web, port: 8000, publish: {port}, health: /, grace: 1s, replicas: 2}}}}"
    )
    cluster.on("up", "-d")
    pods = cluster.kubectl("get", "pods", "-o", "name")

    save(cluster, "by up")
    plan = cluster.devenv("plan", "-b", "kube").stdout
    assert plan.splitlines()[0] == "[] -> #1 sync web (web/src/page.py)"
    cluster.on("up", "-d")
    assert answer(port) == "by up"
    assert cluster.devenv("plan", "-b", "kube").stdout == ""
    assert cluster.kubectl("get", "pods", "-o", "name") == pods

    save(cluster, "first")  # as the image has it: what was sent since has to go
    assert cluster.devenv("plan", "-b", "kube").stdout == plan
    cluster.on("up", "-d")
    assert answer(port) == "first"

    watch = cluster.begin("watch", "--json", "-b", "kube")

    def live() -> bool:
        save(cluster, "by watch")
        return in_pods(cluster, "page.py") == {"TEXT = 'by watch'\n"}

    eventually(live, within=30)
    for name in ODD:
        (cluster.root / "web/src" / name).write_text("odd")
    eventually(lambda: all(in_pods(cluster, name) == {"odd"} for name in ODD), within=30)
    cluster.kubectl("delete", "pod", "--all", "--grace-period=1")
    eventually(lambda: answer(port) == "by watch", "the edit in a new pod", within=60)
    eventually(lambda: all(in_pods(cluster, name) == {"odd"} for name in ODD), within=60)
    watch.interrupt()
