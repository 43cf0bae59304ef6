"""A real Traefik on a cluster of our own: it serves Ingresses, and HTTPRoutes of the Gateway API."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.conftest import ROOT
from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import Lab, OnCluster

MACHINE = ROOT / "tests" / "machine" / "traefik.sh"
CLASS, GATEWAY = "traefik", "public"
RIGHTS = ("clusterrolebinding", "traefik", "--clusterrole=cluster-admin", "--serviceaccount=default:default")


def made() -> Path:
    """The folder with Traefik and the definitions of the Gateway API; compiled where it is missing."""
    give_up = pytest.fail if os.environ.get("DEVENV_TEST_REQUIRE_CLUSTER") else pytest.skip
    try:
        output = subprocess.run(["bash", str(MACHINE)], capture_output=True, text=True, timeout=1500)
    except subprocess.TimeoutExpired:
        give_up("no Traefik: compiling it took too long")
    if output.returncode:
        give_up(f"no Traefik: {output.stderr.strip()[-300:]}")
    return Path(output.stdout.strip())


@dataclass(frozen=True)
class Traefik:
    """Where it listens: 80, and 443 with certificates of Ingresses."""

    address: str

    def status(self, path: str) -> int:
        """The status of the answer to a GET for no host in particular."""
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def asked(self, method: str, host: str, path: str, body: str = "") -> Any:
        """What the service behind it says it was asked, or the status that Traefik answers by itself."""
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request(method, path, body=body.encode() or None, headers={"Host": host})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        return json.loads(text) if response.status == 200 else response.status


@contextmanager
def serving(cluster: OnCluster, lab: Lab, engine: docker.DockerClient) -> Iterator[Traefik]:
    """Traefik on the node's own ports 80 and 443, with its IngressClass and a Gateway."""
    folder = made()
    (network,) = engine.containers.get(lab.name).attrs["NetworkSettings"]["Networks"].values()
    address = network["IPAddress"]
    cluster.host("docker", "cp", str(folder / "traefik"), f"{lab.name}:/usr/local/bin/traefik")
    cluster.host("kubectl", "apply", "--server-side", "-f", str(folder / "gateway-api"))
    cluster.host("kubectl", "create", *RIGHTS)
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": _objects(address)})
    file = str(cluster.write("traefik.json", objects))
    cluster.bring("busybox:1.37")
    try:
        cluster.host("kubectl", "apply", "-f", file)
        cluster.host("kubectl", "wait", "--for=condition=Ready", "pod/traefik", "--timeout=60s")
        eventually(lambda: _is_programmed(cluster), "the Gateway", within=30)
        yield Traefik(address)
    finally:
        cluster.host("kubectl", "delete", "-f", file, "--grace-period=1")
        cluster.host("kubectl", "delete", *RIGHTS[:2])
        cluster.host("kubectl", "delete", "--wait=false", "-f", str(folder / "gateway-api"))


def _is_programmed(cluster: OnCluster) -> bool:
    item = json.loads(cluster.host("kubectl", "get", "gateway", GATEWAY, "-o", "json"))
    conditions = item.get("status", {}).get("conditions", ())
    return any(each["type"] == "Programmed" and each["status"] == "True" for each in conditions)


def _objects(address: str) -> list[dict[str, Any]]:
    argv = [
        "/traefik",
        "--entryPoints.web.address=:80",
        "--entryPoints.websecure.address=:443",
        "--entryPoints.websecure.http.tls=true",
        "--ping=true",
        "--providers.kubernetesingress=true",
        f"--providers.kubernetesingress.ingressendpoint.ip={address}",
        "--providers.kubernetesgateway=true",
        f"--providers.kubernetesgateway.statusaddress.ip={address}",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
    ]
    gateway = {"group": "gateway.networking.k8s.io/v1"}
    listener = {
        "name": "web",
        "protocol": "HTTP",
        "port": 80,
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "traefik", "namespace": "default"},
            "spec": {
                "hostNetwork": True,
                "containers": [
                    {
                        "name": "traefik",
                        "image": "busybox:1.37",
                        "imagePullPolicy": "IfNotPresent",
                        "command": argv,
                        "readinessProbe": {"httpGet": {"path": "/ping", "port": 8080}, "periodSeconds": 1},
                        "volumeMounts": [{"name": "program", "mountPath": "/traefik"}],
                    }
                ],
                "volumes": [
                    {"name": "program", "hostPath": {"path": "/usr/local/bin/traefik", "type": "File"}}
                ],
            },
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": CLASS},
            "spec": {"controller": "traefik.io/ingress-controller"},
        },
        {
            "apiVersion": gateway["group"],
            "kind": "GatewayClass",
            "metadata": {"name": CLASS},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        },
        {
            "apiVersion": gateway["group"],
            "kind": "Gateway",
            "metadata": {"name": GATEWAY, "namespace": "default"},
            "spec": {"gatewayClassName": CLASS, "listeners": [listener]},
        },
    ]
