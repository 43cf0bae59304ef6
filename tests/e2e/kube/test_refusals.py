"""What a cluster refuses, and what does not come up: it is said, and nothing of others is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import OnCluster
from tests.e2e.kube.stacks import STORE, answer, web

pytestmark = [pytest.mark.engine, pytest.mark.cluster]


def card(stderr: str, unit: str) -> str:
    """What is said of a unit that failed, up to the next empty line."""
    return f"{unit} " + stderr.partition(f"x {unit} ")[2].partition("\n\n")[0]


def test_what_fails_says_why_is_not_tried_behind_our_back_and_comes_up_once_mended(
    cluster: OnCluster,
) -> None:
    text = STORE.replace("echo seeded", "sh -c 'echo no table; exit 3'")
    cluster.manifest(text.replace("sleep 900, uses: [seed]", "sh -c 'echo cannot; exit 2'"))
    failed = cluster.on("up", "-d", exits=1).stderr.replace("failed: ", "")
    for unit, words in (
        ("seed", ("seed ended with exit 3", "no table")),
        ("web", ("web ended with exit 2", "cannot")),
    ):
        for word in words:
            assert word in card(failed, unit)
    assert cluster.get("job", "seed")["spec"]["suspend"] is True
    cluster.manifest(STORE)
    cluster.on("up", "-d")


def test_a_store_whose_image_keeps_its_data_outside_its_volume_is_refused(cluster: OnCluster) -> None:
    image = f"{cluster.name}-db:latest"
    cluster.write("db/Dockerfile", "FROM busybox:1.37\nVOLUME /var/lib/postgresql/data\n")
    cluster.host("docker", "build", "-q", "-t", image, "db")
    cluster.manifest(f'infra: {{db: {{kind: postgres, image: "{image}"}}}}\nservices: {{}}')
    failed = cluster.on("up", "-d", exits=1)
    assert "db would lose its data: nothing is mounted on /var/lib/postgresql/data" in failed.stderr
    assert cluster.get("statefulsets")["items"] == []


def test_each_that_does_not_come_up_says_why(cluster: OnCluster) -> None:
    cluster.manifest("""
        services:
          nowhere: {image: "registry.invalid/none:1"}
          large: {image: "busybox:1.37", command: sleep 9, resources: {memory: 900Gi}}
          greedy: {image: "busybox:1.37", command: tail /dev/zero, resources: {memory: 16Mi}}  # keeps what it reads
          deaf: {image: "busybox:1.37", command: sleep 900, port: 8080, grace: 1s, health: {http: /up, within: 3s}}
    """)
    failed = cluster.on("up", "-d", exits=1).stderr
    assert "has an image that cannot be pulled" in card(failed, "nowhere")
    assert "registry.invalid/none:1" in card(failed, "nowhere")
    assert "fits on no node" in card(failed, "large")
    assert "Insufficient memory" in card(failed, "large")
    assert "out of memory" in card(failed, "greedy")
    assert "within 3 s" in card(failed, "deaf")
    assert "GET /up on port 8080" in card(failed, "deaf")
    answers = (
        "connection refused",
        "listens on no port",
    )  # a busy kubelet may not have asked yet: then devenv looks
    assert any(answer in card(failed, "deaf") for answer in answers), card(failed, "deaf")


def test_a_quota_that_is_used_up(cluster: OnCluster) -> None:
    cluster.host("kubectl", "create", "namespace", cluster.namespace)
    cluster.kubectl("create", "quota", "none", "--hard=pods=0")
    cluster.manifest('services: {web: {image: "busybox:1.37", command: sleep 9}}')
    failed = cluster.on("up", "-d", exits=1)
    assert failed.stderr.count("exceeded quota") == 1, failed.stderr


def test_somebody_elses_object_of_the_same_name_is_left_alone(cluster: OnCluster) -> None:
    cluster.host("kubectl", "create", "namespace", cluster.namespace)
    cluster.kubectl("create", "configmap", "web", "--from-literal=theirs=1")
    cluster.kubectl("create", "deployment", "web", "--image=busybox:1.37", "--replicas=0")
    cluster.manifest('services: {web: {image: "busybox:1.37", command: sleep 9}}')
    failed = cluster.on("up", "-d", exits=1)
    assert "Deployment web of something else" in failed.stderr
    assert cluster.get("serviceaccounts")["items"][0]["metadata"]["name"] == "default"
    cluster.devenv("down", "--volumes", "-y")
    assert cluster.get("configmap", "web")["data"] == {"theirs": "1"}
    assert cluster.get("deployment", "web")["spec"]["replicas"] == 0


def test_a_namespace_in_which_somebody_has_put_something_is_kept(cluster: OnCluster) -> None:
    cluster.manifest(STORE)
    cluster.on("up", "-d")
    cluster.kubectl("create", "ingress", "theirs", "--rule=shop.test/*=web:80")
    cluster.kubectl("create", "role", "theirs", "--verb=get", "--resource=pods")
    down = cluster.devenv("down", "--volumes", "-y")
    kept = (
        f"the namespace {cluster.namespace} is kept, as this stack did not make Ingress theirs, Role theirs."
    )
    assert kept in down.output
    assert cluster.get("namespace", cluster.namespace)["status"]["phase"] == "Active"
    assert cluster.get("ingress", "theirs")["metadata"]["name"] == "theirs"
    assert cluster.get("pods,pvc,deployments,statefulsets,jobs")["items"] == []
    cluster.kubectl("delete", "ingress,role", "theirs")
    down = cluster.devenv("down", "--volumes", "-y")
    assert "is kept" not in down.output
    gone = cluster.host("kubectl", "get", "namespace", cluster.namespace, "--ignore-not-found")
    assert gone == "" or "Terminating" in gone


def test_a_namespace_that_goes_away_is_waited_for(cluster: OnCluster) -> None:
    cluster.manifest('services: {web: {image: "busybox:1.37", command: sleep 900, grace: 1s}}')
    cluster.on("up", "-d")
    cluster.host("kubectl", "delete", "namespace", cluster.namespace, "--wait=false")
    cluster.on("up", "-d", within=120)
    assert cluster.get("namespace", cluster.namespace)["status"]["phase"] == "Active"


def test_the_cluster_does_not_answer(cluster: OnCluster) -> None:
    cluster.manifest(STORE)
    config = cluster.write(
        "kubeconfig",
        """
        current-context: gone
        contexts: [{name: gone, context: {cluster: gone, user: gone}}]
        clusters: [{name: gone, cluster: {server: "https://127.0.0.1:9"}}]
        users: [{name: gone, user: {token: x}}]
        """,
    )
    environment = {"KUBECONFIG": str(config)}
    failed = cluster.on("up", "-d", exits=3, env=environment)
    assert "no Kubernetes cluster answers at https://127.0.0.1:9" in failed.stderr
    cluster.on("status", exits=3, env=environment)
    config.write_text(config.read_text().replace("gone", "acme-prod"))
    refused = cluster.on("up", "-d", exits=2, env=environment)
    assert "looks like production" in refused.stderr


def limited(cluster: OnCluster, *, role: str) -> dict[str, str]:
    """The environment of somebody who may do no more in the cluster than this role in this namespace."""
    cluster.host("kubectl", "create", "namespace", cluster.namespace)
    cluster.kubectl("create", "serviceaccount", "eve")
    account = f"--serviceaccount={cluster.namespace}:eve"
    cluster.kubectl("create", "rolebinding", "eve", f"--clusterrole={role}", account)
    token = cluster.kubectl("create", "token", "eve").strip()
    kubeconfig = json.loads(cluster.host("kubectl", "config", "view", "--raw", "--minify", "-o", "json"))
    kubeconfig["users"][0]["user"] = {"token": token}
    kubeconfig["contexts"][0]["context"]["namespace"] = cluster.namespace
    return {"KUBECONFIG": str(cluster.write("eve.json", json.dumps(kubeconfig)))}


def test_rights_in_one_namespace_are_enough(cluster: OnCluster, port: int) -> None:
    environment = limited(cluster, role="edit")
    cluster.manifest(f"    namespace: {cluster.namespace}\n" + web(port))
    cluster.on("up", "-d", env=environment)
    assert answer(port) == cluster.pod("web")
    assert cluster.devenv("exec", "web", "--", "hostname", env=environment).stdout.strip() == cluster.pod(
        "web"
    )
    cluster.devenv("down", "--volumes", "-y", env=environment)


def test_a_right_that_is_missing_is_named(cluster: OnCluster) -> None:
    environment = limited(cluster, role="view")
    cluster.manifest(f"    namespace: {cluster.namespace}\n" + STORE)
    failed = cluster.on("up", "-d", exits=1, env=environment)
    assert f"no right to patch serviceaccounts in the namespace {cluster.namespace}" in failed.stderr
    assert "auth can-i patch serviceaccounts" in failed.stderr


def test_credentials_that_are_none(cluster: OnCluster) -> None:
    environment = limited(cluster, role="view")
    file = Path(environment["KUBECONFIG"])
    kubeconfig = json.loads(file.read_text())
    kubeconfig["users"][0]["user"] = {"token": "expired"}
    file.write_text(json.dumps(kubeconfig))
    cluster.manifest(STORE)
    failed = cluster.on("up", "-d", exits=3, env=environment)
    assert "the cluster does not accept the credentials" in failed.stderr


def test_a_pod_that_is_evicted_during_up_is_waited_for(cluster: OnCluster, port: int) -> None:
    cluster.manifest(web(port).replace("hostname >", "sleep 3; hostname >"))
    going = cluster.begin("up", "-b", "kube", "-d")
    first = eventually(lambda: cluster.kubectl("get", "pods", "-o", "name").strip(), within=30)
    cluster.kubectl("delete", first, "--wait=false")
    assert going.end(within=60).code == 0
    assert answer(port) == cluster.pod("web")


CHECKED = "FROM busybox:1.37\nUSER 1234\nHEALTHCHECK --interval=1s CMD test -s /tmp/ready\n"


def test_an_image_with_a_number_as_its_user_runs_in_a_restricted_namespace(cluster: OnCluster) -> None:
    cluster.host("kubectl", "create", "namespace", cluster.namespace)
    cluster.host(
        "kubectl", "label", "namespace", cluster.namespace, "pod-security.kubernetes.io/enforce=restricted"
    )
    cluster.sources("web", dockerfile=CHECKED)
    cluster.manifest('services: {web: {build: ./web, command: "echo $HOME >/tmp/ready && sleep 900"}}')

    assert "web  healthy" in cluster.on("up", "-d").stderr  # by the image's HEALTHCHECK

    assert "nothing to do" in cluster.on("up", "-d").output
