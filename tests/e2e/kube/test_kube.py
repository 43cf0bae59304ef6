"""A stack on a real cluster, from `up` to `down`."""

from __future__ import annotations

import base64
import json
import signal
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from devenv.backends.kube.config import find
from devenv.backends.kube.forwards import process
from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import OnCluster
from tests.e2e.kube.proxied import TOKEN, Proxy, proxied
from tests.e2e.kube.stacks import STORE, answer, web
from tests.e2e.screen import hung_up, needs_a_terminal

pytestmark = [pytest.mark.engine, pytest.mark.cluster]


def test_up_status_and_down(cluster: OnCluster, port: int) -> None:
    cluster.manifest(web(port))
    up = cluster.on("up", "-d")
    assert "ready in" in up.stderr
    assert answer(port) == cluster.pod("web")
    (unit,) = cluster.devenv("status", "--json").json["units"]
    assert (unit["name"], unit["state"], unit["ports"]) == ("web", "healthy", {"http": port})
    folder = cluster.root / ".devenv" / "kube"
    assert process(folder).pid is not None
    cluster.devenv("down")
    assert cluster.get("all")["items"] == []
    assert process(folder).pid is None
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


def test_a_first_volume_and_no_volume_any_more(cluster: OnCluster) -> None:
    without = STORE.replace("        volumes: {data: /data}\n", "").replace("date >> /data/starts; ", "")
    for manifest, kind in ((without, "deployments"), (STORE, "statefulsets"), (without, "deployments")):
        cluster.manifest(manifest)
        cluster.on("up", "-d")
        names = {item["metadata"]["name"] for item in cluster.get(kind)["items"]}
        others = cluster.get({"deployments": "statefulsets"}.get(kind, "deployments"))["items"]
        assert "keeper" in names
        assert "keeper" not in {item["metadata"]["name"] for item in others}
        assert cluster.devenv("plan").stdout == ""
    cluster.manifest(STORE)
    cluster.on("up", "-d")
    starts = cluster.devenv("exec", "keeper", "--", "cat", "/data/starts").stdout
    assert len(starts.splitlines()) == 2  # the data outlived the time without a volume


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
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/name", timeout=60) as response:
            sizes.append(len(response.read()))

    threads = [threading.Thread(target=fetch) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [4 * 1024 * 1024] * 20


def through(cluster: OnCluster, proxy: Proxy) -> OnCluster:
    """The checkout with a kubeconfig whose context leads to a proxy."""
    context = cluster.host("kubectl", "config", "current-context").strip()
    data = base64.b64encode(proxy.certificate.encode()).decode()
    entries = {
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": "lab", "user": "ann"}}],
        "clusters": [
            {"name": "lab", "cluster": {"server": proxy.server, "certificate-authority-data": data}}
        ],
        "users": [{"name": "ann", "user": {"token": TOKEN}}],
    }
    environment = {**cluster.environment, "KUBECONFIG": str(cluster.write("kube", json.dumps(entries)))}
    return OnCluster(cluster.root, cluster.name, cluster.engine, environment)


def test_killed_forwards_come_back_and_follow_the_cluster_to_another_address(
    cluster: OnCluster, port: int, tmp_path: Path
) -> None:
    cluster.manifest(web(port))
    cluster.on("up", "-d")
    folder = cluster.root / ".devenv" / "kube"
    pid = process(folder).pid
    cluster.host("kill", "-9", str(pid))
    eventually(lambda: process(folder).pid is None)
    assert cluster.on("plan").stdout.startswith("[] -> #1 forward ")
    place = find(environment=cluster.environment)
    with proxied(place, tmp_path) as first:
        assert "plan: forward ports" in through(cluster, first).on("up", "-d").stderr
        assert answer(port) == cluster.pod("web")
    with proxied(place, tmp_path) as second:
        through(cluster, second)
        assert answer(port, timeout=20) == cluster.pod("web")
    assert "nothing to do" in cluster.on("up", "-d").stderr


def test_logs_follow_a_pod_to_its_successor(cluster: OnCluster) -> None:
    cluster.manifest(STORE.replace("sleep 900, uses", "sh -c 'echo I am $HOSTNAME; sleep 900', uses"))
    cluster.on("up", "-d")
    first = cluster.pod("web")
    following = cluster.begin("logs", "-f", "web")
    following.wait_for(f"I am {first}")
    cluster.devenv("restart", "web")
    second = cluster.pod("web")
    assert second != first
    following.wait_for(f"I am {second}")
    following.interrupt()


def test_run_gives_a_command_of_its_own_and_leaves_nothing(cluster: OnCluster) -> None:
    cluster.manifest(STORE)
    cluster.on("up", "-d")
    assert "hello" in cluster.devenv("run", "seed", "--", "echo", "hello").stdout
    cluster.devenv("run", "seed", "--", "sh", "-c", "exit 4", exits=4)
    pods = [item["metadata"]["name"] for item in cluster.get("pods")["items"]]
    assert [name for name in pods if "-run-" in name] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_a_run_that_is_ended_from_outside_leaves_no_pod(cluster: OnCluster, number: signal.Signals) -> None:
    cluster.manifest('services: {web: {image: "busybox:1.37", command: sleep 900, grace: 1s}}')
    going = cluster.begin("run", "-b", "kube", "web", "--", "sh", "-c", "echo it runs; sleep 900")
    going.wait_for("it runs\n")

    ended = going.interrupt(number)

    assert ended.code == 130, ended.output
    assert "Traceback" not in ended.output
    assert cluster.get("pods")["items"] == []


@needs_a_terminal
def test_a_run_whose_terminal_is_closed_leaves_no_pod(cluster: OnCluster) -> None:
    cluster.manifest('services: {web: {image: "busybox:1.37", command: sleep 900, grace: 1s}}')
    script = ("sh", "-c", "trap '' HUP; echo it runs; while :; do sleep 1; done")
    assert hung_up(cluster, "run", "-b", "kube", "web", "--", *script, after="it runs\r\n") == 130
    assert cluster.get("pods")["items"] == []


def test_a_run_that_was_killed_is_removed_by_down(cluster: OnCluster) -> None:
    cluster.manifest('services: {web: {image: "busybox:1.37", command: sleep 900, grace: 1s}}')
    going = cluster.begin("run", "-b", "kube", "web", "--", "sh", "-c", "echo it runs; sleep 900")
    going.wait_for("it runs\n")
    going.kill()

    ended = cluster.devenv("down")

    assert "removed 1 container" in ended.output
    assert cluster.get("pods")["items"] == []


def test_the_bundle_works_with_kubectl_alone(cluster: OnCluster) -> None:
    cluster.manifest(STORE)
    folder = cluster.on("render").stdout.strip()
    cluster.host("kubectl", "apply", "--dry-run=client", "-f", folder)
    cluster.host("kubectl", "apply", "-f", folder)
    cluster.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=60s")
    cluster.kubectl("wait", "--for=condition=Complete", "job/seed", "--timeout=60s")


def test_the_ports_of_another_checkout_are_known_as_forwards(
    cluster: OnCluster, port: int, tmp_path: Path
) -> None:
    cluster.manifest(web(port))
    cluster.on("up", "-d")
    other = OnCluster(tmp_path / "other", cluster.name, cluster.engine, cluster.environment)
    other.manifest(web(port))
    assert f"{port} is taken by devenv forwards (pid " in other.on("plan").stderr


def test_two_checkouts_of_one_stack_keep_apart(cluster: OnCluster, tmp_path: Path) -> None:
    cluster.manifest(STORE)
    cluster.on("up", "-d")
    other = OnCluster(tmp_path / "other", cluster.name, cluster.engine, cluster.environment)
    other.manifest(STORE)
    stderr = other.on("up", "-d").stderr
    own = f"{cluster.name}-{other.checkout[:6]}"
    assert f"another checkout has the namespace {cluster.name}: this one is in {own}" in stderr
    assert cluster.devenv("plan").stdout == other.devenv("plan").stdout == ""
    other.devenv("down", "--volumes", "-y")
    assert len(cluster.get("pods")["items"]) == 3


@pytest.mark.parametrize("change", ["namespace", "name"])
def test_a_stack_that_moves_to_another_namespace_leaves_only_its_data_in_the_old_one(
    cluster: OnCluster, change: str
) -> None:
    def running(namespace: str) -> set[str]:
        kinds = "deployments,statefulsets,jobs,services,configmaps"
        items = json.loads(cluster.host("kubectl", "-n", namespace, "get", kinds, "-o", "json"))["items"]
        return {item["metadata"]["name"] for item in items if item["metadata"]["name"] != "kube-root-ca.crt"}

    new = f"{cluster.name}-new"
    cluster.manifest(STORE)
    cluster.on("up", "-d")
    assert {"web", "keeper"} <= running(cluster.name)
    if change == "namespace":
        cluster.manifest(f"    namespace: {new}\n{STORE}")
    else:
        cluster.write("devenv.yaml", (cluster.root / "devenv.yaml").read_text().replace(cluster.name, new, 1))

    moved = cluster.on("up", "-d")

    assert "the data of keeper in " in moved.stderr
    assert {"web", "keeper"} <= running(new)
    assert running(cluster.name) == set()
    assert len(cluster.get("pvc")["items"]) == 1
    assert cluster.devenv("plan").stdout == ""
    cluster.devenv("down", "--volumes", "-y")
    for namespace in (cluster.name, new):
        gone = cluster.host("kubectl", "get", "namespace", namespace, "--ignore-not-found")
        assert gone == "" or "Terminating" in gone
