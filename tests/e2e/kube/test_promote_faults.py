"""What a namespace refuses of a promotion: said before anything is changed, with what helps."""

from __future__ import annotations

import json

import pytest

from tests.e2e.kube.test_promote import Promoting, promoting

__all__ = ["promoting"]
pytestmark = [pytest.mark.engine, pytest.mark.cluster, pytest.mark.long]

PAGE = "mkdir -p /tmp/w; echo {page} > /tmp/w/index.html; exec httpd -f -p 8000 -h /tmp/w"
STACK = """
    services:
      web: {{image: "busybox:1.37", port: 8000, command: "{command}", grace: 1s, resources: {{memory: 64Mi}}}}
    jobs:
      migrate: {{image: "busybox:1.37", command: "{migrate}"}}
    environments:
      staging:
        context: {context}
        namespace: {namespace}
        services: {{web: {{replicas: {replicas}}}}}
        values: {values}
"""
AS_SOMEBODY = {
    "podSecurityContext": {"runAsNonRoot": True, "runAsUser": 1000},
    "securityContext": {"capabilities": {"add": None}},
}
RESTRICTED = {"services": {"web": AS_SOMEBODY}, "jobs": {"migrate": AS_SOMEBODY}}
SMALL = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "small"},
    "spec": {"limits": [{"type": "Container", "max": {"memory": "32Mi"}}]},
}


def says(
    promoting: Promoting, page: str, *, values: object = RESTRICTED, replicas: int = 1, migrate: str = "true"
) -> None:
    context = promoting.host("kubectl", "config", "current-context").strip()
    text = STACK.format(
        command=PAGE.format(page=page),
        migrate=migrate,
        context=context,
        namespace=promoting.staging,
        replicas=replicas,
        values=json.dumps(values),
    )
    promoting.manifest(text)


def refused(promoting: Promoting) -> str:
    """What is said of a promotion that changes nothing."""
    before = promoting.revisions()
    ended = promoting.devenv("promote", "staging", "--yes", exits=1)
    assert "nothing was changed" in ended.stderr
    assert promoting.revisions() == before
    return ended.stderr


@pytest.mark.parametrize("helm", [4], indirect=True)
def test_what_a_namespace_does_not_admit_is_said_before_anything_is_changed(promoting: Promoting) -> None:
    promoting.host("kubectl", "create", "namespace", promoting.staging)
    level = "pod-security.kubernetes.io/enforce=restricted"
    promoting.host("kubectl", "label", "namespace", promoting.staging, level)
    says(promoting, "first", values={})
    output = refused(promoting)
    assert 'violates PodSecurity "restricted:latest"' in output
    assert "the image's USER has to be a number" in output
    says(promoting, "first")
    promoting.devenv("promote", "staging", "--yes", within=120)

    says(promoting, "second")
    promoting.write("small.json", json.dumps(SMALL))
    promoting.inside("apply", "-f", "small.json")
    assert "the namespace's LimitRange refuses it" in refused(promoting)
    promoting.inside("delete", "limitrange", "small")

    promoting.inside("create", "quota", "few", "--hard=pods=1")
    output = refused(promoting)
    assert "exceeded quota: few" in output
    assert f"-n {promoting.staging} describe quota" in output
    promoting.inside("delete", "quota", "few")

    says(promoting, "second", migrate="echo no such table; exit 4")
    broken = promoting.devenv("promote", "staging", "--yes", exits=1, within=60)  # not Helm's five minutes
    assert "migrate ended with exit 4" in broken.stderr
    assert "no such table" in broken.stderr
    assert "revision 3 serves" in broken.stderr
    assert "echo first" in promoting.inside("get", "deployment", "web", "-o", "yaml")

    says(promoting, "second; exit 5")
    broken = promoting.devenv("promote", "staging", "--yes", exits=1, within=200)  # not Helm's five minutes
    assert "web  ended with exit 5: not waited for any longer" in broken.stderr
    assert "revision 5 serves" in broken.stderr
