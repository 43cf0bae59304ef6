"""Objects that a team has on a cluster, and the stack that a manifest makes of them: they answer the same."""

from __future__ import annotations

import shutil
import urllib.request
from typing import Any

import pytest

from devenv import documents
from devenv.envfiles import read_env
from tests.conftest import ROOT
from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import OnCluster

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

OBJECTS = ROOT / "tests" / "clustered" / "k8s"
ANSWER = "hello from a config map / $5 / tea costs 3 / yes / sesame"
ASK = "import urllib.request; print(urllib.request.urlopen('http://front{}/').read().decode())"


def theirs(cluster: OnCluster) -> str:
    """What the objects answer as kubectl applies them, in a namespace of their own; `seen.yaml` is what it has."""
    namespace = f"{cluster.name}-theirs"
    kubectl = ("kubectl", "-n", namespace)
    cluster.host("kubectl", "create", "namespace", namespace)
    try:
        cluster.host(*kubectl, "apply", "-k", "overlay")
        cluster.host(*kubectl, "rollout", "status", "deployment/front-deployment", "--timeout", "80s")
        cluster.write(
            "seen.yaml", cluster.host(*kubectl, "get", "deploy,sts,svc,cm,secret,ingress", "-o", "yaml")
        )
        return cluster.host(
            *kubectl, "exec", "deployment/prices", "--", "python", "-c", ASK.format("")
        ).strip()
    finally:
        cluster.host("kubectl", "delete", "namespace", namespace, "--wait=false")


def services(cluster: OnCluster, named: str) -> dict[str, Any]:
    """What a manifest that is made of these objects has under `services`."""
    cluster.devenv("init", "--from-kubernetes", named, "-o", f"{named}.devenv.yaml")
    manifest: dict[str, Any] = documents.load((cluster.root / f"{named}.devenv.yaml").read_text())
    return manifest["services"]  # type: ignore[no-any-return]


def test_a_stack_that_is_made_of_objects_answers_as_they_do(cluster: OnCluster) -> None:
    for folder in ("k8s", "overlay"):
        shutil.copytree(OBJECTS, cluster.root / folder)
    patched = "resources: [stack.yaml]\nreplicas: [{name: prices, count: 2}]\n"
    cluster.write("overlay/kustomization.yaml", patched)
    for image in ("python:3.13-slim", "valkey/valkey:9.1.1"):
        cluster.bring(image)
    assert theirs(cluster) == ANSWER
    overlaid, seen = services(cluster, "overlay"), services(cluster, "seen.yaml")
    assert overlaid == seen
    assert overlaid["prices"]["replicas"] == 2

    cluster.devenv("init", "--from-kubernetes", "k8s")
    manifest = (cluster.root / "devenv.yaml").read_text()
    moved = read_env(cluster.root / ".devenv" / "secrets.env")
    assert moved == {"CACHE_PASSWORD": "sesame-cache", "TOKEN": "sesame-token"}
    assert "sesame" not in manifest
    cluster.manifest(manifest)

    cluster.on("up", "-d", within=180)
    inside = ("exec", "deployment/prices", "--", "python", "-c", ASK.format(":8000"))
    assert cluster.kubectl(*inside).strip() == ANSWER
    cluster.devenv("up", "-d", "-b", "compose")
    url = f"http://127.0.0.1:{cluster.port('front')}/"
    assert eventually(lambda: urllib.request.urlopen(url).read().decode()) == ANSWER
