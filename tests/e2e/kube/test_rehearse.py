"""The promotion to a cluster that nobody here can reach, rehearsed on the one that is here."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from devenv.engine.promotion.rehearse import REHEARSAL
from tests.e2e.kube.conftest import OnCluster
from tests.helm import Helm

pytestmark = [pytest.mark.engine, pytest.mark.cluster, pytest.mark.long]

STACK = """
    services:
      web:
        build: ./web
        port: 8000
        command: "until nc -w 1 cache 6379 </dev/null; do sleep 0.1; done; exec httpd -f -p 8000 -h /srv"
        uses: [cache]
        route: [/web, {{path: /named, host: [web.example]}}, {{path: /sent, methods: [POST]}}]
        health: /page.txt
        secrets: [STRIPE_KEY]
        grace: 1s
    jobs:
      check: {{image: "busybox:1.37", command: "{check}"}}
    infra:
      cache: {{kind: valkey}}
    environments:
      staging:
        context: of-somebody-else
        registry: registry.invalid/team
        host: shop.example
        ingress: {{class: kong, tls: shop-tls}}
        services: {{web: {{replicas: 3}}}}
        infra: {{cache: {{external: {{secret: shop-cache}}}}}}
"""


class Rehearsing(OnCluster):
    """A checkout of which rehearsals are the only trace on the cluster."""

    @property
    def context(self) -> str:
        return self.host("kubectl", "config", "current-context").strip()

    def says(self, check: str) -> None:
        """A job that runs before the release does this."""
        self.sources("web")
        self.manifest(STACK.format(check=check))

    @property
    def argv(self) -> tuple[str, ...]:
        return ("promote", "staging", "--rehearse", "--context", self.context)

    def left(self) -> list[str]:
        """Its namespaces that are not on their way out."""
        selector = f"{REHEARSAL},devenv.dev/stack={self.name}"
        items = json.loads(self.host("kubectl", "get", "namespaces", "-l", selector, "-o", "json"))["items"]
        return [item["metadata"]["name"] for item in items if item["status"]["phase"] == "Active"]

    def clear(self) -> None:
        selector = f"{REHEARSAL},devenv.dev/stack={self.name}"
        self.host("kubectl", "delete", "namespace", "-l", selector, "--wait=false")


@pytest.fixture
def rehearsing(cluster: OnCluster, helm: Helm) -> Iterator[Rehearsing]:
    path = f"{helm.program.parent}:{cluster.environment['PATH']}"
    environment = {**cluster.environment, **helm.homes, "PATH": path}
    made = Rehearsing(cluster.root, cluster.name, cluster.engine, environment)
    yield made
    made.clear()


@pytest.mark.parametrize("helm", [3], indirect=True)
def test_an_environment_is_rehearsed_and_nothing_of_it_is_left(rehearsing: Rehearsing) -> None:
    rehearsing.says("sleep 900")
    begun = rehearsing.begin(*rehearsing.argv, "--timeout", "20")  # Helm goes on by itself
    begun.wait_for("judged by the cluster", within=60)
    begun.kill()
    (killed,) = rehearsing.left()

    rehearsing.says("echo no module named x; exit 3")
    failed = rehearsing.devenv(*rehearsing.argv, exits=1, within=120)
    assert f"the namespace {killed}, left by an earlier rehearsal" in failed.stderr
    assert "x check ended with exit 3" in failed.stderr
    assert "no module named x" in failed.stderr
    assert "nothing was promoted" in failed.stderr
    assert rehearsing.left() == []

    rehearsing.says("true")
    ended = rehearsing.devenv(*rehearsing.argv, within=120)
    for line in (
        "cache  runs here, with a password of its own, not what shop-cache leads to",
        "web  1 of 3 replicas, as many as there are nodes",
        f"Secret {rehearsing.name}-secrets  made here",
        "web  1 of 1 ready",
        "web  /web  answers",
        "web  /named  answers",  # with the name: the gateway has no such route without it
        "web  /sent  not asked: it is only for POST",
        "3 units ready, 1 job done, 2 routes tried",
        "removed",
    ):
        assert line in ended.stderr
    assert rehearsing.left() == []
    assert not rehearsing.engine.images.list("registry.invalid/team/web")
