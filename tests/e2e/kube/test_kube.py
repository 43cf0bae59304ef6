"""A stack on a real cluster, from `up` to `down`.

One checkout serves most tests: each has it run what it needs, and what is there already need not be made.
"""

from __future__ import annotations

import base64
import json
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import docker
import pytest

from devenv.backends.kube.config import find
from devenv.backends.kube.forwards import process
from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import OnCluster, cleared
from tests.e2e.kube.proxied import TOKEN, Proxy, proxied
from tests.e2e.kube.stacks import STORE, answer, web
from tests.e2e.screen import hung_up, needs_a_terminal
from tests.serving import free_port

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

SLEEPER = 'services: {web: {image: "busybox:1.37", command: sleep 900, grace: 1s}}'


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient, environment: Mapping[str, str]
) -> Iterator[OnCluster]:
    """The checkout that most tests share."""
    with cleared(OnCluster, tmp_path_factory.mktemp("kube"), engine, environment) as stack:
        yield stack


@pytest.fixture(scope="module")
def port() -> int:
    """The port at which its web is published."""
    return free_port()


def runs(stack: OnCluster) -> list[str]:
    """The pods of `devenv run`."""
    names = [item["metadata"]["name"] for item in stack.get("pods")["items"]]
    return [name for name in names if "-run-" in name]


def starts(stack: OnCluster) -> int:
    """How often the keeper began on the data that is there."""
    script = "until test -e /tmp/begun; do sleep 0.05; done; cat /data/starts"
    return len(stack.devenv("exec", "keeper", "--", "sh", "-c", script).stdout.splitlines())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_a_run_that_is_ended_from_outside_leaves_no_pod(stack: OnCluster, number: signal.Signals) -> None:
    stack.manifest(SLEEPER)
    going = stack.begin("run", "-b", "kube", "web", "--", "sh", "-c", "echo it runs; sleep 900")
    going.wait_for("it runs\n")

    ended = going.interrupt(number)

    assert ended.code == 130, ended.output
    assert "Traceback" not in ended.output
    assert runs(stack) == []


@needs_a_terminal
def test_a_run_whose_terminal_is_closed_leaves_no_pod(stack: OnCluster) -> None:
    stack.manifest(SLEEPER)
    script = ("sh", "-c", "trap '' HUP; echo it runs; while :; do sleep 1; done")
    assert hung_up(stack, "run", "-b", "kube", "web", "--", *script, after="it runs\r\n") == 130
    assert runs(stack) == []


def test_a_run_that_was_killed_is_removed_by_down(stack: OnCluster) -> None:
    stack.manifest(SLEEPER)
    stack.on("down")
    going = stack.begin("run", "-b", "kube", "web", "--", "sh", "-c", "echo it runs; sleep 900")
    going.wait_for("it runs\n")
    going.kill()

    ended = stack.devenv("down")

    assert "removed web" in ended.output
    assert stack.get("pods")["items"] == []


def test_up_status_and_down(stack: OnCluster, port: int) -> None:
    stack.manifest(web(port))
    up = stack.on("up", "-d")
    assert "ready in" in up.stderr
    assert answer(port) == stack.pod("web")
    (unit,) = stack.devenv("status", "--json").json["units"]
    assert (unit["name"], unit["state"], unit["ports"]) == ("web", "healthy", {"http": port})
    folder = stack.root / ".devenv" / "kube"
    assert process(folder).pid is not None
    stack.devenv("down")
    assert stack.get("all")["items"] == []
    assert process(folder).pid is None
    with pytest.raises(OSError, match="refused"):
        answer(port)


def test_the_ports_lead_to_the_next_pod_at_once(stack: OnCluster, port: int) -> None:
    stack.manifest(web(port))
    stack.on("up", "-d")
    old = stack.pod("web")
    stack.kubectl("delete", "pod", old, "--wait=false")
    (new,) = eventually(lambda: stack.pods("web") - {old}, "a successor", within=30)
    stack.kubectl("wait", "pod", new, "--for=condition=Ready", "--timeout=60s")
    ready = time.monotonic()
    assert answer(port) == new
    assert time.monotonic() - ready < 1


def test_the_ports_of_another_checkout_are_known_as_forwards(
    stack: OnCluster, port: int, tmp_path: Path
) -> None:
    stack.manifest(web(port))
    stack.on("up", "-d")
    other = OnCluster(tmp_path / "other", stack.name, stack.engine, stack.environment)
    other.manifest(web(port))
    assert f"{port} is taken by devenv forwards (pid " in other.on("plan").stderr


def test_many_connections_at_once_and_large_answers_arrive_whole(stack: OnCluster, port: int) -> None:
    text = web(port).replace("hostname > /tmp/name", "dd if=/dev/zero of=/tmp/name bs=1M count=4")
    stack.manifest(text)
    stack.on("up", "-d")
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


def test_a_first_volume_and_no_volume_any_more(stack: OnCluster) -> None:
    without = STORE.replace("        volumes: {data: /data}\n", "").replace("date >> /data/starts; ", "")
    for manifest, kind in ((STORE, "statefulsets"), (without, "deployments")):
        stack.manifest(manifest)
        stack.on("up", "-d")
        names = {item["metadata"]["name"] for item in stack.get(kind)["items"]}
        others = stack.get({"deployments": "statefulsets"}.get(kind, "deployments"))["items"]
        assert "keeper" in names
        assert "keeper" not in {item["metadata"]["name"] for item in others}
        assert stack.devenv("plan").stdout == ""
        if kind == "statefulsets":
            before = starts(stack)
    stack.manifest(STORE)
    stack.on("up", "-d")
    assert starts(stack) == before + 1  # the data outlived the time without a volume


def test_a_changed_variable_replaces_that_pod_alone(stack: OnCluster) -> None:
    stack.manifest(STORE)
    stack.on("up", "-d")
    web_before, keeper = stack.pod("web"), stack.get("pod", stack.pod("keeper"))
    stack.manifest(STORE.replace("uses: [seed]", "uses: [seed], env: {A: b}"))
    assert "apply web (env changed)" in stack.devenv("plan").stdout
    stack.on("up", "-d")
    assert stack.pod("web") != web_before
    assert stack.get("pod", stack.pod("keeper"))["metadata"]["uid"] == keeper["metadata"]["uid"]
    assert stack.devenv("exec", "web", "--", "sh", "-c", "echo $A").stdout == "b\n"


def test_run_gives_a_command_of_its_own_and_leaves_nothing(stack: OnCluster) -> None:
    stack.manifest(STORE)
    stack.on("up", "-d")
    assert "hello" in stack.devenv("run", "seed", "--", "echo", "hello").stdout
    stack.devenv("run", "seed", "--", "sh", "-c", "exit 4", exits=4)
    assert runs(stack) == []


def test_two_checkouts_of_one_stack_keep_apart(stack: OnCluster, tmp_path: Path) -> None:
    stack.manifest(STORE)
    stack.on("up", "-d")
    other = OnCluster(tmp_path / "other", stack.name, stack.engine, stack.environment)
    other.manifest(STORE)
    pods = stack.kubectl("get", "pods", "-o", "name")
    stderr = other.on("up", "-d").stderr
    own = f"{stack.name}-{other.checkout[:6]}"
    assert f"another checkout has the namespace {stack.name}: this one is in {own}" in stderr
    assert stack.devenv("plan").stdout == other.devenv("plan").stdout == ""
    other.devenv("down", "--volumes", "-y")
    assert stack.kubectl("get", "pods", "-o", "name") == pods


def test_logs_follow_a_pod_to_its_successor(stack: OnCluster) -> None:
    stack.manifest(STORE.replace("sleep 900, uses", "sh -c 'echo I am $HOSTNAME; sleep 900', uses"))
    stack.on("up", "-d")
    first = stack.pod("web")
    following = stack.begin("logs", "-f", "web")
    following.wait_for(f"I am {first}")
    stack.devenv("restart", "web")
    second = stack.pod("web")
    assert second != first
    following.wait_for(f"I am {second}")
    following.interrupt()


def test_a_removed_service_goes_and_a_changed_job_runs_again(stack: OnCluster) -> None:
    stack.manifest(STORE)
    stack.on("up", "-d")
    stack.manifest(STORE.replace("echo seeded", "echo again").replace("keeper:", "other:"))
    plan = stack.devenv("plan").stdout
    assert "remove keeper (not in the manifest any more)" in plan
    stack.on("up", "-d")
    assert "again" in stack.devenv("logs", "seed").stdout
    assert [item["metadata"]["name"] for item in stack.get("statefulsets")["items"]] == ["other"]


def test_an_unchanged_up_sends_nothing(stack: OnCluster, port: int) -> None:
    stack.manifest(web(port) + STORE.partition("uses: [seed], grace: 1s}\n")[2])
    stack.on("up", "-d")
    stack.kubectl("wait", "--for=condition=Complete", "job/seed", "--timeout=60s")
    before = stack.versions()
    assert "nothing to do" in stack.on("up", "-d").stderr
    assert stack.versions() == before
    assert stack.devenv("plan").stdout == ""


def test_data_outlives_down_and_goes_when_asked(stack: OnCluster) -> None:
    stack.manifest(STORE)
    stack.on("up", "-d")
    before = starts(stack)
    assert "data kept" in stack.devenv("down").output
    stack.on("up", "-d")
    assert starts(stack) == before + 1
    stack.devenv("down", "--volumes", "-y")
    gone = stack.host("kubectl", "get", "namespace", stack.namespace, "--ignore-not-found")
    assert gone == "" or "Terminating" in gone


def test_the_bundle_works_with_kubectl_alone(cluster: OnCluster) -> None:
    cluster.manifest(STORE)
    folder = cluster.on("render").stdout.strip()
    cluster.host("kubectl", "apply", "--dry-run=client", "-f", folder)
    cluster.host("kubectl", "apply", "-f", folder)
    cluster.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=60s")
    cluster.kubectl("wait", "--for=condition=Complete", "job/seed", "--timeout=60s")


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
    cluster: OnCluster, tmp_path: Path
) -> None:
    port = free_port()
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


def test_a_stack_that_moves_to_another_namespace_leaves_only_its_data_in_the_old_one(
    cluster: OnCluster,
) -> None:
    def running(namespace: str) -> set[str]:
        kinds = "deployments,statefulsets,jobs,services,configmaps"
        items = json.loads(cluster.host("kubectl", "-n", namespace, "get", kinds, "-o", "json"))["items"]
        return {item["metadata"]["name"] for item in items if item["metadata"]["name"] != "kube-root-ca.crt"}

    def claims(namespace: str) -> int:
        return len(cluster.host("kubectl", "-n", namespace, "get", "pvc", "-o", "name").split())

    first, second, third = (f"{cluster.name}{more}" for more in ("", "-new", "-other"))
    cluster.manifest(STORE)
    cluster.on("up", "-d")
    assert {"web", "keeper"} <= running(first)
    moved = f"name: {first}\nnamespace: {second}\n{dedent(STORE)}"
    renamed = f"name: {third}\n{dedent(STORE)}"
    for text, before, place, now in (
        (moved, first, f"the namespace {first}", second),
        (renamed, second, cluster.id, third),
    ):
        cluster.write("devenv.yaml", text)
        assert f"the data of keeper in {place} stays in " in cluster.on("up", "-d").stderr
        assert {"web", "keeper"} <= running(now)
        assert running(before) == set()
        assert claims(before) == 1
        assert cluster.devenv("plan").stdout == ""
    cluster.devenv("down", "--volumes", "-y")
    for namespace in (first, second, third):
        gone = cluster.host("kubectl", "get", "namespace", namespace, "--ignore-not-found")
        assert gone == "" or "Terminating" in gone


def test_an_image_made_anew_on_this_machine_replaces_the_one_that_was_brought(cluster: OnCluster) -> None:
    image = f"{cluster.name}-base:1"
    cluster.write("Dockerfile", "FROM busybox:1.37\nARG N\nRUN echo $N >/number\n")
    cluster.manifest(f"services: {{api: {{image: {image}, command: sleep 900, grace: 1s}}}}")
    for number in ("1", "2"):
        cluster.host("docker", "build", "-q", "-t", image, "--build-arg", f"N={number}", ".")
        assert f"pull {image}" in cluster.on("plan").stdout
        cluster.on("up", "-d")
        assert cluster.on("exec", "api", "cat", "/number").stdout == f"{number}\n"
    assert "nothing to do" in cluster.on("up", "-d").stderr

    cluster.on("down")  # the nodes keep the image
    cluster.host("docker", "build", "-q", "-t", image, "--build-arg", "N=3", ".")
    assert f"pull {image} (not on the nodes as it is here)" in cluster.on("plan").stdout
    cluster.on("up", "-d")
    assert cluster.on("exec", "api", "cat", "/number").stdout == "3\n"
    notes = cluster.get("deployment", "api")["metadata"]["annotations"]
    assert notes["devenv.dev/brought"] == cluster.engine.images.get(image).id
    assert "nothing to do" in cluster.on("up", "-d").stderr


SHARING = """
    services:
      web:
        image: busybox:1.37
        command: sh -c "echo hello >/srv/written; exec sleep 900"
        volumes: {media: /srv}
        files: {/etc/conf: ./conf}
        grace: 0s
      worker: {image: "busybox:1.37", command: sleep 900, uses: [web], volumes: {media: /data}, grace: 0s}
    volumes: {media: {size: 5Mi}}
"""


def test_two_services_share_a_volume_and_a_folder_is_mounted_whole(stack: OnCluster) -> None:
    stack.manifest(SHARING)
    stack.write("conf/one.ini", "1")
    stack.write("conf/deeper/two.ini", "2")
    stack.on("up", "-d")
    script = (
        "until test -s /data/written; do sleep 0.05; done; cat /data/written"  # it runs before it has written
    )
    assert stack.devenv("exec", "worker", "--", "sh", "-c", script).stdout == "hello\n"
    script = "cat /etc/conf/one.ini /etc/conf/deeper/two.ini; touch /etc/conf/x || echo no"
    assert stack.devenv("exec", "web", "--", "sh", "-c", script).stdout == "12no\n"
    assert {item["kind"] for item in stack.get("deployments,statefulsets")["items"]} == {"Deployment"}
    stack.devenv("down", "--volumes", "--yes")
    assert "media" not in [item["metadata"]["name"] for item in stack.get("pvc")["items"]]
