"""A stack on the real Minikube."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.e2e.checkout import Checkout
from tests.e2e.kube.conftest import OnCluster
from tests.serving import free_port

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

STACK = """
    services:
      web: {image: "busybox:1.37", command: sleep 900, grace: 1s, uses: [seed]}
    jobs:
      seed: {build: ./seed, command: cat /srv/page.txt}
"""


@pytest.fixture
def minikube(cluster: OnCluster) -> OnCluster:
    """A checkout, where there is a Minikube to run it on."""
    try:
        profiles = json.loads(cluster.host("minikube", "profile", "list", "-o", "json"))
    except (AssertionError, OSError):
        pytest.skip("no minikube")
    if not profiles["valid"]:
        pytest.skip("no Minikube profile; see tests/machine/cluster.sh")
    own = cluster.write("kubeconfig.own", cluster.host("kubectl", "config", "view", "--raw", "--flatten"))
    cluster.environment = {**cluster.environment, "KUBECONFIG": str(own)}  # Minikube writes to it
    cluster.sources("seed")
    cluster.manifest(STACK)
    return cluster


def current(checkout: Checkout) -> str:
    return checkout.host("kubectl", "config", "current-context").strip()


@pytest.mark.long
def test_a_profile_of_its_own_is_made_used_stopped_and_started_again(minikube: OnCluster) -> None:
    before = current(minikube)
    try:
        up = minikube.devenv("up", "-d", "-b", "minikube", within=240)
        assert f"(Minikube profile {minikube.name})" in up.stderr
        assert "one" in minikube.devenv("logs", "seed").stdout
        assert current(minikube) == before

        assert "nothing to do" in minikube.devenv("up", "-d").stderr
        minikube.host("docker", "kill", minikube.name)  # as when the machine is switched off
        assert "nothing of this checkout is running" in minikube.devenv("status").stderr
        again = minikube.devenv("up", "-d", within=240)
        assert f"starting the Minikube profile {minikube.name}" in again.stderr
        (seed, web) = sorted(minikube.devenv("status", "--json").json["units"], key=lambda row: row["name"])
        assert (seed["state"], web["state"]) == ("done", "running")
        assert current(minikube) == before

        assert f"the Minikube profile {minikube.name} keeps running" in minikube.devenv("down").stderr
        minikube.devenv("down", "--stop")
        profiles = json.loads(minikube.host("minikube", "profile", "list", "-o", "json"))["valid"]
        assert {row["Name"]: row["Status"] for row in profiles}[minikube.name] == "Stopped"
        minikube.devenv("down", "--stop", exits=2)
    finally:
        minikube.host("minikube", "delete", "-p", minikube.name)
        minikube.host("kubectl", "config", "use-context", before)  # whoever deletes unsets it


def test_a_running_profile_can_be_named_and_a_changed_image_reaches_it(minikube: OnCluster) -> None:
    (profile, *_) = json.loads(minikube.host("minikube", "profile", "list", "-o", "json"))["valid"]
    minikube.devenv("up", "-d", "-b", "minikube", "--context", profile["Name"])
    minikube.write("seed/page.txt", "two")
    minikube.devenv("up", "-d")
    assert "two" in minikube.devenv("logs", "seed").stdout
    minikube.devenv("down", "--volumes", "-y")


def test_another_cluster_is_not_touched(minikube: OnCluster) -> None:
    config = minikube.write(
        "kubeconfig",
        """
        contexts: [{name: team, context: {cluster: team, user: team}}]
        clusters: [{name: team, cluster: {server: "https://127.0.0.1:9"}}]
        users: [{name: team, user: {token: x}}]
        """,
    )
    environment = {"KUBECONFIG": str(config)}
    refused = minikube.devenv("up", "-b", "minikube", "--context", "team", exits=2, env=environment)
    assert 'the context "team" is not Minikube\'s' in refused.stderr


def test_a_terminal_that_does_not_lead_to_the_stack_says_where_it_is_and_removes_nothing(
    minikube: OnCluster,
) -> None:
    (profile, *_) = json.loads(minikube.host("minikube", "profile", "list", "-o", "json"))["valid"]
    port = free_port()
    web = 'image: "busybox:1.37", command: httpd -f -p 8000, grace: 1s, port: 8000'
    minikube.manifest(f"services: {{web: {{{web}, publish: {port}}}}}")
    minikube.devenv("up", "-d", "-b", "minikube", "--context", profile["Name"])
    before = minikube.versions()

    config, here = minikube.environment["KUBECONFIG"], {"KUBECONFIG": str(minikube.root / "none")}
    looks = ("status", "logs", "exec web ls", "env", "plan", "plan -b compose")
    for command in (*looks, "restart", "up -d", "up -d -b compose", "down --volumes -y"):
        refused = minikube.devenv(*command.split(), exits=3, env=here).stderr
        assert "the stack is on a cluster that this terminal does not lead to" in refused, command
        assert f"export KUBECONFIG={config}" in refused, command
    assert minikube.versions() == before
    assert "nothing to do" in minikube.devenv("up", "-d").stderr

    text = Path(config).read_text(encoding="utf-8")
    stopped = minikube.write(
        "kubeconfig.own", re.sub(r"server: https://\S+", "server: https://127.0.0.1:9", text)
    )
    assert f"the Minikube profile {profile['Name']} is not running" in minikube.devenv("status").stderr
    moved = minikube.devenv("up", "-d", "-b", "compose").stderr
    assert "devenv down -b minikube   removes it once that runs" in moved
    assert f"http://localhost:{port}" in moved
    minikube.devenv("down")

    stopped.write_text(text, encoding="utf-8")
    assert minikube.versions() == before
    minikube.devenv("down", "-b", "minikube", "--volumes", "-y")
    assert (
        "nothing of this checkout is running" in minikube.devenv("status", "-b", "minikube", env=here).stderr
    )
