"""A stack on a real cluster, from `up` to `down`."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from devenv.backends.kube.forwards import holder
from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import OnCluster

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

WEB = """
    services:
      web:
        image: busybox:1.37
        command: sh -c "hostname > /tmp/name && httpd -f -p 8080 -h /tmp"
        port: 8080
        publish: {port}
        health: /name
        grace: 1s
"""
STORE = """
    services:
      web: {image: "busybox:1.37", command: sleep 900, uses: [seed], grace: 1s}
      keeper:
        image: busybox:1.37
        command: sh -c "date >> /data/starts; sleep 900"
        volumes: {data: /data}
        grace: 1s
    jobs:
      seed: {image: "busybox:1.37", command: echo seeded}
"""


def answer(port: int, timeout: float = 10) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/name", timeout=timeout) as said:
        return str(said.read().decode().strip())


def web(port: int) -> str:
    return WEB.replace("{port}", str(port))


def test_up_status_and_down(cluster: OnCluster, port: int) -> None:
    cluster.manifest(web(port))
    up = cluster.on("up", "-d")
    assert "ready in" in up.stderr
    assert answer(port) == cluster.pod("web")
    (unit,) = cluster.devenv("status", "--json").json["units"]
    assert (unit["name"], unit["state"], unit["ports"]) == ("web", "healthy", {"http": port})
    folder = cluster.root / ".devenv" / "kube"
    assert holder(folder) is not None
    cluster.devenv("down")
    assert cluster.get("all")["items"] == []
    assert holder(folder) is None
    with pytest.raises(OSError, match="refused"):
        answer(port)


def test_an_unchanged_up_sends_nothing(cluster: OnCluster, port: int) -> None:
    cluster.manifest(web(port) + STORE.partition("uses: [seed], grace: 1s}\n")[2])
    cluster.on("up", "-d")
    cluster.kubectl("wait", "--for=condition=Complete", "job/seed", "--timeout=60s")
    before = cluster.versions()
    assert "nothing to do" in cluster.on("up", "-d").stderr
    assert cluster.versions() == before
    assert cluster.devenv("plan").stdout == ""


def test_a_changed_variable_replaces_that_pod_alone(cluster: OnCluster) -> None:
    cluster.manifest(STORE)
    cluster.on("up", "-d")
    web_before, keeper = cluster.pod("web"), cluster.get("pod", cluster.pod("keeper"))
    cluster.manifest(STORE.replace("uses: [seed]", "uses: [seed], env: {A: b}"))
    assert "apply web (env changed)" in cluster.devenv("plan").stdout
    cluster.on("up", "-d")
    assert cluster.pod("web") != web_before
    assert cluster.get("pod", cluster.pod("keeper"))["metadata"]["uid"] == keeper["metadata"]["uid"]
    assert cluster.devenv("exec", "web", "--", "sh", "-c", "echo $A").stdout == "b\n"


def test_data_outlives_down_and_goes_when_asked(cluster: OnCluster) -> None:
    cluster.manifest(STORE)
    cluster.on("up", "-d")
    assert "data kept" in cluster.devenv("down").output
    cluster.on("up", "-d")
    eventually(
        lambda: len(cluster.devenv("exec", "keeper", "--", "cat", "/data/starts").stdout.split("\n")) == 3
    )
    cluster.devenv("down", "--volumes", "-y")
    gone = cluster.host("kubectl", "get", "namespace", cluster.namespace, "--ignore-not-found")
    assert gone == "" or "Terminating" in gone


def test_a_removed_service_goes_and_a_changed_job_runs_again(cluster: OnCluster) -> None:
    cluster.manifest(STORE)
    cluster.on("up", "-d")
    cluster.manifest(STORE.replace("echo seeded", "echo again").replace("keeper:", "other:"))
    plan = cluster.devenv("plan").stdout
    assert "remove keeper (not in the manifest any more)" in plan
    cluster.on("up", "-d")
    assert "again" in cluster.devenv("logs", "seed").stdout
    assert cluster.get("statefulsets")["items"][0]["metadata"]["name"] == "other"


def test_the_ports_lead_to_the_next_pod_at_once(cluster: OnCluster, port: int) -> None:
    cluster.manifest(web(port))
    cluster.on("up", "-d")
    old = cluster.pod("web")
    cluster.kubectl("delete", "pod", old, "--wait=false")
    new = eventually(lambda: cluster.pod("web") if cluster.pod("web") != old else "", within=30)
    cluster.kubectl("wait", "pod", new, "--for=condition=Ready", "--timeout=60s")
    ready = time.monotonic()
    assert answer(port) == new
    assert time.monotonic() - ready < 1


def test_many_connections_at_once_and_large_answers_arrive_whole(cluster: OnCluster, port: int) -> None:
    text = web(port).replace("hostname > /tmp/name", "dd if=/dev/zero of=/tmp/name bs=1M count=4")
    cluster.manifest(text)
    cluster.on("up", "-d")
    sizes: list[int] = []

    def fetch() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/name", timeout=60) as said:
            sizes.append(len(said.read()))

    threads = [threading.Thread(target=fetch) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [4 * 1024 * 1024] * 20


def test_forwards_that_were_killed_come_back_with_the_next_up(cluster: OnCluster, port: int) -> None:
    cluster.manifest(web(port))
    cluster.on("up", "-d")
    folder = cluster.root / ".devenv" / "kube"
    pid = holder(folder)
    cluster.host("kill", "-9", str(pid))
    eventually(lambda: holder(folder) is None)
    assert "nothing to do" in cluster.on("up", "-d").stderr
    assert answer(port) == cluster.pod("web")


def test_a_job_that_fails_is_a_card_and_is_not_tried_behind_our_back(cluster: OnCluster) -> None:
    cluster.manifest(STORE.replace("echo seeded", "sh -c 'echo no table; exit 3'"))
    failed = cluster.on("up", "-d", exits=1)
    assert "seed ended with exit 3" in failed.stderr.replace("failed: ", "")
    assert "no table" in failed.stderr
    assert cluster.get("job", "seed")["spec"]["suspend"] is True
    cluster.manifest(STORE)
    cluster.on("up", "-d")


def test_a_service_that_dies_says_why_and_comes_up_once_mended(cluster: OnCluster) -> None:
    text = STORE.replace("sleep 900, uses", "sh -c 'echo cannot; exit 2', uses")
    cluster.manifest(text)
    failed = cluster.on("up", "-d", exits=1)
    assert "web" in failed.stderr
    assert "ended with exit 2" in failed.stderr
    assert "cannot" in failed.stderr
    cluster.manifest(STORE)
    cluster.on("up", "-d")


def test_an_image_that_is_nowhere(cluster: OnCluster) -> None:
    cluster.manifest('services: {web: {image: "registry.invalid/none:1"}}')
    failed = cluster.on("up", "-d", exits=1)
    assert "has an image that cannot be pulled" in failed.stderr
    assert "registry.invalid/none:1" in failed.stderr


def test_a_service_that_fits_on_no_node(cluster: OnCluster) -> None:
    cluster.manifest('services: {web: {image: "busybox:1.37", command: sleep 9, resources: {memory: 900Gi}}}')
    failed = cluster.on("up", "-d", exits=1)
    assert "fits on no node" in failed.stderr
    assert "Insufficient memory" in failed.stderr


def test_running_out_of_memory(cluster: OnCluster) -> None:
    command = "sh -c 'a=x; while :; do a=$a$a; done'"
    cluster.manifest(
        f'services: {{web: {{image: "busybox:1.37", command: "{command}", resources: {{memory: 16Mi}}}}}}'
    )
    failed = cluster.on("up", "-d", exits=1)
    assert "ran out of memory" in failed.stderr


def test_a_probe_that_never_passes(cluster: OnCluster) -> None:
    cluster.manifest(
        'services: {web: {image: "busybox:1.37", command: sleep 900, port: 8080, grace: 1s,'
        " health: {http: /up, within: 3s}}}"
    )
    failed = cluster.on("up", "-d", exits=1)
    assert "within 3 s" in failed.stderr
    assert "connection refused" in failed.stderr


def test_a_quota_that_is_used_up(cluster: OnCluster) -> None:
    cluster.host("kubectl", "create", "namespace", cluster.namespace)
    cluster.kubectl("create", "quota", "none", "--hard=pods=0")
    cluster.manifest('services: {web: {image: "busybox:1.37", command: sleep 9}}')
    failed = cluster.on("up", "-d", exits=1)
    assert "exceeded quota" in failed.stderr


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


def test_logs_follow_a_pod_to_its_successor(cluster: OnCluster) -> None:
    cluster.manifest(STORE.replace("sleep 900, uses", "sh -c 'echo I am $HOSTNAME; sleep 900', uses"))
    cluster.on("up", "-d")
    first = cluster.pod("web")
    following = cluster.begin("logs", "-f", "web")
    following.says(f"I am {first}")
    cluster.devenv("restart", "web")
    second = cluster.pod("web")
    assert second != first
    following.says(f"I am {second}")
    following.interrupt()


def test_run_gives_a_command_of_its_own_and_leaves_nothing(cluster: OnCluster) -> None:
    cluster.manifest(STORE)
    cluster.on("up", "-d")
    assert "hello" in cluster.devenv("run", "seed", "--", "echo", "hello").stdout
    cluster.devenv("run", "seed", "--", "sh", "-c", "exit 4", exits=4)
    pods = [one["metadata"]["name"] for one in cluster.get("pods")["items"]]
    assert [name for name in pods if "-run-" in name] == []


def test_the_bundle_works_with_kubectl_alone(cluster: OnCluster) -> None:
    cluster.manifest(STORE)
    folder = cluster.on("render").stdout.strip()
    cluster.host("kubectl", "apply", "--dry-run=client", "-f", folder)
    cluster.host("kubectl", "apply", "-f", folder)
    cluster.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=60s")
    cluster.kubectl("wait", "--for=condition=Complete", "job/seed", "--timeout=60s")


def test_two_checkouts_of_one_stack_keep_apart(cluster: OnCluster, tmp_path: Path) -> None:
    cluster.manifest(STORE)
    cluster.on("up", "-d")
    other = OnCluster(tmp_path / "other", cluster.name, cluster.engine, cluster.environment)
    other.manifest(STORE)
    said = other.on("up", "-d").stderr
    own = f"{cluster.name}-{other.checkout[:6]}"
    assert f"another checkout has the namespace {cluster.name}: this one is in {own}" in said
    assert cluster.devenv("plan").stdout == other.devenv("plan").stdout == ""
    other.devenv("down", "--volumes", "-y")
    assert len(cluster.get("pods")["items"]) == 3


def test_a_namespace_that_goes_away_is_waited_for(cluster: OnCluster) -> None:
    cluster.manifest(STORE)
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
    said = json.loads(cluster.host("kubectl", "config", "view", "--raw", "--minify", "-o", "json"))
    said["users"][0]["user"] = {"token": token}
    said["contexts"][0]["context"]["namespace"] = cluster.namespace
    return {"KUBECONFIG": str(cluster.write("eve.json", json.dumps(said)))}


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
    said = json.loads(file.read_text())
    said["users"][0]["user"] = {"token": "expired"}
    file.write_text(json.dumps(said))
    cluster.manifest(STORE)
    failed = cluster.on("up", "-d", exits=3, env=environment)
    assert "the cluster does not accept our credentials" in failed.stderr


def test_a_pod_that_is_evicted_during_up_is_waited_for(cluster: OnCluster, port: int) -> None:
    cluster.manifest(web(port).replace("hostname >", "sleep 3; hostname >"))
    going = cluster.begin("up", "-b", "kube", "-d")
    first = eventually(lambda: cluster.kubectl("get", "pods", "-o", "name").strip(), within=30)
    cluster.kubectl("delete", first, "--wait=false")
    assert going.end(within=60).code == 0
    assert answer(port) == cluster.pod("web")
