"""Objects that a team has on a cluster, and the stack that a manifest makes of them: they answer the same."""

from __future__ import annotations

import shutil

import pytest

from devenv.envfiles import read_env
from tests.conftest import ROOT
from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import OnCluster

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

OBJECTS = ROOT / "tests" / "clustered" / "k8s"
ANSWER = "hello from a config map / $5 / tea costs 3 / yes / sesame"
ASK = "import urllib.request; print(urllib.request.urlopen('http://front{}/').read().decode())"


def theirs(cluster: OnCluster) -> str:
    """What the objects answer as kubectl applies them, in a namespace of their own."""
    namespace = f"{cluster.name}-theirs"
    kubectl = ("kubectl", "-n", namespace)
    cluster.host("kubectl", "create", "namespace", namespace)
    try:
        cluster.host(*kubectl, "apply", "-f", "k8s")
        cluster.host(*kubectl, "rollout", "status", "deployment/front-deployment", "--timeout", "80s")
        return cluster.host(
            *kubectl, "exec", "deployment/prices", "--", "python", "-c", ASK.format("")
        ).strip()
    finally:
        cluster.host("kubectl", "delete", "namespace", namespace, "--wait=false")


def test_a_stack_that_is_made_of_objects_answers_as_they_do(cluster: OnCluster) -> None:
    shutil.copytree(OBJECTS, cluster.root / "k8s")
    for image in ("python:3.13-slim", "valkey/valkey:9.1.1"):
        cluster.bring(image)
    assert theirs(cluster) == ANSWER

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
    assert eventually(lambda: cluster.host("curl", "-sS", url)) == ANSWER
