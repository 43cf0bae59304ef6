"""Writes down how a real cluster answers, for the fake one to answer likewise: `python -m tests.cluster.record`.

Needs a context that leads to a cluster whose nodes have busybox:1.37.
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

from devenv.backends.kube.channels import STATUS, exec_in
from devenv.backends.kube.client import Client, Object
from devenv.backends.kube.config import current, find
from devenv.backends.kube.refusals import Refused
from devenv.backends.kube.transport import Request

FILE = Path(__file__).with_name("recorded.json")
PODS = {"running": "sleep 600", "succeeded": "echo done", "failed": "echo why; exit 3"}


def main() -> None:
    client = Client(find(current()), patience=30)
    namespace = f"devenv-record-{uuid.uuid4().hex[:6]}"
    home = f"/api/v1/namespaces/{namespace}"
    metadata = {"name": namespace}
    client.apply(home, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    try:
        pods = {name: run(client, home, name, script) for name, script in PODS.items()}
        statuses = {
            name: status(client, namespace, argv)
            for name, argv in (
                ("0", ["true"]),
                ("3", ["sh", "-c", "exit 3"]),
                ("missing", ["no-such-command"]),
            )
        }
        refusals = {
            "no pod": refusal(client, Request("GET", f"{home}/pods/no-such-pod")),
            "another uid": refusal(
                client, Request("DELETE", f"{home}/pods/running", body={"preconditions": {"uid": "another"}})
            ),
        }
        discovery = {
            path: client.get(path) for path in ("/version", "/api/v1", "/apis/apps/v1", "/apis/batch/v1")
        }
        groups = [group for group in client.get("/apis")["groups"] if group["name"] in ("apps", "batch")]
        discovery["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    finally:
        client.delete(home)
        client.close()
    recorded = {"discovery": discovery, "pods": pods, "statuses": statuses, "refusals": refusals}
    FILE.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def run(client: Client, home: str, name: str, script: str) -> Object:
    """The status of a pod that is as its name says."""
    path = f"{home}/pods/{name}"
    container = {"name": "web", "image": "busybox:1.37", "command": ["sh", "-c", script]}
    spec = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 0}
    metadata = {"name": name, "namespace": home.rpartition("/")[2]}
    while True:  # a new namespace has its service account a moment later
        try:
            client.apply(path, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
            break
        except Refused:
            time.sleep(0.2)
    while (status := client.get(path)["status"])["phase"] != name.capitalize():
        time.sleep(0.2)
    return dict(status)


def status(client: Client, namespace: str, argv: list[str]) -> str:
    """What the status channel says of a command."""
    channels = exec_in(client, namespace, "running", argv, stdin=False, tty=False)
    ending = next(data for channel, data in channels.frames() if channel == STATUS)
    channels.close()
    return ending.decode()


def refusal(client: Client, request: Request) -> Any:
    return json.loads(client.transport.send(request, quiet=10).data)


if __name__ == "__main__":
    main()
