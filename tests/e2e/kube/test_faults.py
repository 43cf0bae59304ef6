"""What goes wrong on real clusters: the API server, volumes, namespaces, certificates, terminals."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from devenv.backends.kube import ground
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import find
from devenv.backends.kube.forwards import process
from devenv.backends.kube.pods import Pods
from devenv.backends.kube.resources import Resources
from devenv.errors import DevenvError
from tests.clock import Clock
from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import Lab, OnCluster
from tests.e2e.kube.stacks import answer, web
from tests.e2e.screen import Screen, needs_a_terminal

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

SOON = 1.5  # seconds between Ctrl-C and the prompt
SLEEPER = 'services: {web: {image: "busybox:1.37", command: sleep 900, grace: 1s}}'


def slow(port: int, seconds: float) -> str:
    """A service that takes its time to get healthy."""
    return web(port).replace("hostname >", f"sleep {seconds}; hostname >")


def has_pod(cluster: OnCluster, phase: str = "Running") -> bool:
    phases = cluster.kubectl("get", "pods", "-o", "jsonpath={.items[*].status.phase}")
    return phase in phases


def is_led_on(cluster: OnCluster) -> bool:
    """Whether a connection leads into the pod: a forwarded one comes from the pod's own 127.0.0.1."""
    rows = cluster.kubectl("exec", cluster.pod("web"), "--", "cat", "/proc/net/tcp").splitlines()[1:]
    return any(row.split()[1].startswith("0100007F:") and row.split()[3] == "01" for row in rows)


# -- the API server


def test_a_frozen_api_server_holds_connections_up_no_longer_than_it_is(
    alone: OnCluster, lab: Lab, port: int
) -> None:
    alone.manifest(web(port))
    alone.on("up", "-d")
    lab.node("pkill", "-STOP", "-x", "kube-apiserver")
    thawed: list[float] = []

    def thaw() -> None:
        lab.node("pkill", "-CONT", "-x", "kube-apiserver")
        thawed.append(time.monotonic())

    waiting = threading.Timer(2, thaw)
    waiting.start()
    assert answer(port, timeout=30)
    answered = time.monotonic()
    waiting.join()
    assert answered - thawed[0] < 1.5


def test_a_pod_evicted_through_the_api_is_followed_to_its_successor(cluster: OnCluster, port: int) -> None:
    cluster.manifest(web(port))
    cluster.on("up", "-d")
    old = cluster.pod("web")
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": old, "namespace": cluster.namespace},
    }
    file = cluster.write("eviction.json", json.dumps(eviction))
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{old}/eviction"
    cluster.host("kubectl", "create", "--raw", path, "-f", str(file))
    (new,) = eventually(lambda: cluster.pods("web") - {old}, "a successor", within=30)
    cluster.kubectl("wait", "pod", new, "--for=condition=Ready", "--timeout=60s")
    ready = time.monotonic()
    assert answer(port) == new
    assert time.monotonic() - ready < 1


def test_a_watch_from_too_long_ago_begins_anew(cluster: OnCluster) -> None:
    client = Client(find(environment=cluster.environment))
    pods = Pods(client, "kube-system", "none")
    assert pods._watch("1") == ""
    client.close()


# -- what a cluster cannot give


def claimed(name: str, spec: str) -> str:
    template = f"{{metadata: {{name: {name}-{name}}}, spec: {spec}}}"
    return f"""
      {name}:
        image: busybox:1.37
        command: sleep 900
        volumes: {{{name}: /data}}
        kubernetes: {{StatefulSet: {{spec: {{volumeClaimTemplates: [{template}]}}}}}}
    """.rstrip()


def test_volumes_that_nobody_provides(cluster: OnCluster) -> None:
    usual = "accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}"
    cluster.manifest(
        "    services:"
        + claimed("lost", f"{{storageClassName: nope, {usual}}}")
        + claimed("bare", f'{{storageClassName: "", {usual}}}')
        + claimed("wrong", "{accessModes: [Sideways], resources: {requests: {storage: 1Mi}}}")
    )
    failed = cluster.on("up", "-d", exits=1, within=40)
    lost, bare, wrong = (failed.stderr.partition(f"x {name} ")[2].partition("\n\n")[0] for name in ("lost", "bare", "wrong"))  # fmt: skip
    assert lost.startswith("gets no volume")
    assert 'lost-lost-lost-0 is pending: storageclass.storage.k8s.io "nope" not found' in lost
    assert "kubectl get storageclass   lists those that do" in lost
    assert bare.startswith("gets no volume")
    assert "no storage class is set" in bare
    assert "kubectl get storageclass   must show one" in bare
    assert wrong.startswith("gets no pod")
    assert "Sideways" in wrong


def test_a_namespace_that_a_finalizer_holds(cluster: OnCluster) -> None:
    cluster.host("kubectl", "create", "namespace", cluster.namespace)
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "held", "finalizers": ["example.com/hold"]},
    }
    cluster.kubectl("create", "-f", str(cluster.write("held.json", json.dumps(config_map))))
    cluster.host("kubectl", "delete", "namespace", cluster.namespace, "--wait=false")
    cluster.manifest(SLEEPER)
    going = cluster.begin("up", "-b", "kube", "-d")
    try:
        going.wait_for(f"waiting for the namespace {cluster.namespace} to be gone, held by example.com/hold")
        client = Client(find(environment=cluster.environment), clock=Clock())
        with pytest.raises(DevenvError) as raised:
            ground.ready_namespace(client, Resources(client), None, cluster.namespace, lambda line: None)
        client.close()
    finally:
        cluster.kubectl(
            "patch", "configmap", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
        )
    assert raised.value.what.endswith("does not go away: held by example.com/hold")
    assert f"kubectl -n {cluster.namespace} get configmaps -o yaml" in raised.value.hint
    ended = going.end(within=60)
    assert ended.code == 0, ended.output


# -- signing in


def certificate(lab: Lab, name: x509.Name, ends: datetime.datetime) -> tuple[bytes, bytes]:
    """A certificate of the cluster's own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.load_pem_x509_certificate(lab.node("cat", "/etc/kubernetes/pki/ca.crt").encode())
    signs: Any = serialization.load_pem_private_key(
        lab.node("cat", "/etc/kubernetes/pki/ca.key").encode(), None
    )
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - datetime.timedelta(days=9))
        .not_valid_after(ends)
        .add_extension(names, critical=False)
        .sign(signs, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return signed.public_bytes(pem), key.private_bytes(pem, form, none)


LONG_AGO = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC)


def test_a_client_certificate_that_expired(alone: OnCluster, lab: Lab) -> None:
    user = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "system:masters"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "late"),
        ]
    )
    signed, key = certificate(lab, user, LONG_AGO)
    kubeconfig = json.loads(alone.host("kubectl", "config", "view", "--raw", "-o", "json"))
    encoded = [base64.b64encode(part).decode() for part in (signed, key)]
    kubeconfig["users"][0]["user"] = {"client-certificate-data": encoded[0], "client-key-data": encoded[1]}
    environment = {"KUBECONFIG": str(alone.write("late.json", json.dumps(kubeconfig)))}
    alone.manifest(SLEEPER)
    for command in (["up", "-b", "kube", "-d"], ["status", "-b", "kube"]):
        failed = alone.devenv(*command, exits=3, env=environment)
        assert f'the client certificate of the context "{lab.name}" expired on 2024-02-29' in failed.stderr
        assert "kubeadm certs renew" in failed.stderr


@contextmanager
def served(lab: Lab, signed: bytes, key: bytes) -> Iterator[None]:
    """The API server shows this certificate; it looks at its files itself."""
    folder = "/etc/kubernetes/pki"
    lab.node("sh", "-c", f"cd {folder} && cp apiserver.crt was.crt && cp apiserver.key was.key")
    try:
        lab.node("tee", f"{folder}/apiserver.key", says=key.decode())
        lab.node("tee", f"{folder}/apiserver.crt", says=signed.decode())
        yield
    finally:
        lab.node("sh", "-c", f"cd {folder} && mv was.key apiserver.key && mv was.crt apiserver.crt")


def test_a_server_certificate_that_expired(alone: OnCluster, lab: Lab) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kube-apiserver")])
    alone.manifest(SLEEPER)
    with served(lab, *certificate(lab, name, LONG_AGO)):
        eventually(lambda: not lab.answers(), "the certificate", within=60)
        failed = alone.on("up", "-d", exits=3)
        assert "the certificate of the cluster at https://127.0.0.1:" in failed.stderr
        assert "has expired" in failed.stderr
        assert failed.seconds < 10


def test_several_kubeconfigs_are_one(cluster: OnCluster, port: int) -> None:
    real = json.loads(
        cluster.host("kubectl", "config", "view", "--raw", "--minify", "--flatten", "-o", "json")
    )
    for section in ("contexts", "clusters", "users"):
        real[section][0]["name"] = "second"
    real["contexts"][0]["context"] |= {"cluster": "second", "user": "second"}
    other: dict[str, Any] = {
        "current-context": "first",
        "contexts": [{"name": "first", "context": {"cluster": "first", "user": "first"}}],
        "clusters": [{"name": "first", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "first", "user": {"token": "x"}}],
    }
    files = [
        cluster.write("first.json", json.dumps(other)),
        cluster.write("second.json", json.dumps(real | {"current-context": "second"})),
    ]
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    environment = {"KUBECONFIG": os.pathsep.join(["first.json", str(cluster.root / "none"), "second.json"])}
    cluster.manifest(web(port))
    cluster.devenv("status", "-b", "kube", exits=3, env=environment)
    cluster.on("up", "-d", "--context", "second", env=environment)
    assert answer(port) == cluster.pod("web")
    assert "web" in cluster.devenv("status", env=environment).stdout
    cluster.devenv("down", "--volumes", "-y", env=environment)
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in files] == before
    (cluster.root / "devenv.yaml").unlink()  # there is no context "second" for whoever clears up


# -- people


@needs_a_terminal
def test_a_terminal_in_a_pod(cluster: OnCluster) -> None:
    cluster.manifest(SLEEPER)
    cluster.on("up", "-d")
    screen = Screen(cluster, "exec", "web", rows=37, columns=91)
    screen.shows("# ")
    screen.type("stty size\r")
    screen.shows("37 91")
    for rows in range(41, 71):  # a window that is drawn larger while somebody types
        screen.resize(rows, 100)
        screen.type("x")
        screen.shows("x")
    screen.press(b"\x15")
    screen.resize(40, 100)
    # A new size and what is typed take two ways: nothing tells which of them gets there first.
    screen.type("until stty size | grep '4[0] 100'; do sleep 0.05; done\r")
    screen.shows("40 100")
    screen.type("sleep 100; echo then $?\r")
    eventually(lambda: "sleep 100" in cluster.devenv("exec", "web", "--", "ps").stdout, "the sleep")
    screen.type("\x03")
    screen.shows("^C")
    screen.shows("# ")
    screen.type("echo status $?\r")
    screen.shows("status 130")
    screen.type("exit 7\r")
    assert screen.end() == 7
    assert screen.left == screen.modes


def test_two_terminals(cluster: OnCluster, port: int) -> None:
    cluster.manifest(slow(port, 1))
    first = cluster.begin("up", "-b", "kube", "-d")
    first.wait_for("starting")
    second, third = cluster.begin("up", "-b", "kube", "-d"), cluster.begin("down", "-b", "kube")
    second.wait_for("waiting for devenv up")
    third.wait_for("waiting for devenv up")
    ended = [going.end(within=60) for going in (first, second, third)]
    assert [result.code for result in ended] == [0, 0, 0], [result.output for result in ended]
    assert "ready in" in ended[0].stderr
    cluster.on("down")
    assert cluster.get("all")["items"] == []
    assert process(cluster.root / ".devenv" / "kube").pid is None


def test_ctrl_c_in_the_middle_of_up(cluster: OnCluster, port: int) -> None:
    cluster.manifest(slow(port, 2))
    going = cluster.begin("up", "-b", "kube", "-d")
    eventually(lambda: has_pod(cluster), "a pod")
    ended = going.interrupt(group=True)
    assert ended.code == 130, ended.output
    assert ended.seconds < SOON
    assert "interrupted: web may still be starting" in ended.stderr
    assert "Traceback" not in ended.output
    assert list((cluster.root / ".devenv").rglob(".*.*")) == []
    cluster.on("up", "-d")
    assert answer(port) == cluster.pod("web")


OURS, FROM_SHELL = "tell-nobody-7f3a", "sh+@:/ quiet'word\\"


def test_logs_show_no_secret(cluster: OnCluster) -> None:
    cluster.environment = {**cluster.environment, "SHELL_ONLY": FROM_SHELL}
    cluster.write(".env", f"TOKEN={OURS}\n")
    cluster.manifest("""
        services:
          api:
            image: busybox:1.37
            command: 'echo "starting with $TOKEN and $SHELL_ONLY"; cat /etc/token; sleep 900'
            secrets: [TOKEN, SHELL_ONLY]
            files: {/etc/token: {secret: TOKEN}}
            grace: 1s
    """)
    outputs = [cluster.on("up", "-d")]
    cluster.environment = {name: value for name, value in cluster.environment.items() if name != "SHELL_ONLY"}
    (cluster.root / ".env").unlink()  # what runs still prints what it was given
    outputs.append(eventually(lambda: _first_line(cluster), "a line"))
    following = cluster.begin("logs", "-f")
    following.wait_for("starting with ****** and ******")
    outputs.append(following.interrupt())
    cluster.write("devenv.yaml", "broken: [")
    outputs.append(cluster.devenv("logs"))
    for output in outputs:
        assert OURS not in output.output
        assert FROM_SHELL not in output.output


def _first_line(cluster: OnCluster) -> Any:
    ended = cluster.devenv("logs")
    return ended if "starting with ****** and ******" in ended.stdout else None


# -- last, as they leave less of a cluster than they found


def wait_for_garbage_collection(cluster: OnCluster, lab: Lab) -> None:
    """Return once the cluster removes what lost its owner."""
    # Who lost the API server asks again ever more rarely, up to once a minute; who begins anew asks at once.
    lab.node("pkill", "-9", "-x", "kube-controller|kube-scheduler|kubelet")
    cluster.kubectl("create", "configmap", "owner")
    cluster.kubectl("create", "configmap", "owned")
    uid = cluster.kubectl("get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    cluster.kubectl(
        "patch", "configmap", "owned", "-p", json.dumps({"metadata": {"ownerReferences": [owner]}})
    )
    cluster.kubectl("delete", "configmap", "owner")
    eventually(lambda: "owned" not in cluster.kubectl("get", "configmaps"), "its collection", within=60)


def test_the_api_server_is_killed(alone: OnCluster, lab: Lab, port: int) -> None:
    alone.manifest(slow(port, 3))
    going = alone.begin("up", "-b", "kube", "-d")
    eventually(lambda: has_pod(alone), "a pod")
    lab.kill_the_api_server()
    ended = going.end(within=60)
    assert ended.code == 0, ended.output
    assert "error" not in ended.stderr
    assert answer(port) == alone.pod("web")

    tries: list[tuple[bool, float]] = []

    def connect() -> None:
        began = time.monotonic()
        try:
            answer(port, timeout=30)
        except OSError:
            tries.append((False, time.monotonic() - began))
        else:
            tries.append((True, time.monotonic() - began))

    with socket.create_connection(("127.0.0.1", port)) as opened:
        opened.settimeout(5)
        eventually(lambda: is_led_on(alone), "a connection in the pod")
        lab.kill_the_api_server()
        with contextlib.suppress(ConnectionResetError):
            assert opened.recv(1) == b""
    meanwhile = [threading.Thread(target=connect) for _ in range(5)]
    for thread in meanwhile:
        thread.start()
    eventually(lab.answers, "the API server", within=60)
    back = time.monotonic()
    pod, seconds = answer(port), time.monotonic() - back
    assert pod == alone.pod("web")
    assert seconds < 1
    for thread in meanwhile:
        thread.join()
    assert len(tries) == 5
    assert max(seconds for _, seconds in tries) < 12, "a connection hangs where it should be refused"
    wait_for_garbage_collection(alone, lab)  # which comes back later, and without which nothing is removed


def test_hot_reload_goes_on_after_the_api_server_was_away(alone: OnCluster, lab: Lab) -> None:
    alone.write("code/page", "first")
    script = "while sleep 0.1; do cat /code/page; done >/dev/null"
    alone.manifest(f"""
        services:
          web:
            image: busybox:1.37
            command: [sh, -c, "{script}"]
            reload: {{sync: {{code: /code}}}}
            grace: 1s
    """)
    alone.on("up", "-d")

    def arrives(text: str) -> None:
        alone.write("code/page", text)
        read = ("exec", alone.pod("web"), "--", "cat", "/code/page")
        eventually(lambda: alone.kubectl(*read) == text, text, within=60)

    watch = alone.begin("watch", "-b", "kube")
    arrives("second")
    pod = alone.pod("web")
    lab.kill_the_api_server()
    alone.write("code/page", "while it was away")
    eventually(lab.answers, "the API server", within=60)
    arrives("third")
    assert alone.pod("web") == pod
    assert "Traceback" not in watch.interrupt().output
    wait_for_garbage_collection(alone, lab)


def test_a_node_whose_disk_is_full(alone: OnCluster, lab: Lab, port: int) -> None:
    config, kubelet = "/var/lib/kubelet/config.yaml", ("pkill", "-9", "-x", "kubelet")
    alone.manifest(web(port))
    lab.node("sed", "-i", "s/nodefs.available: 0%/nodefs.available: 99%/", config)
    lab.node(*kubelet)
    try:
        pressure = 'jsonpath={.items[0].status.conditions[?(@.type=="DiskPressure")].status}'
        eventually(
            lambda: alone.host("kubectl", "get", "nodes", "-o", pressure) == "True", "pressure", within=60
        )
        failed = alone.on("up", "-d", exits=1)
    finally:
        lab.node("sed", "-i", "s/nodefs.available: 99%/nodefs.available: 0%/", config)
        lab.node(*kubelet)
    assert "web fits on no node" in failed.stderr.replace("x web", "web")
    assert "disk-pressure" in failed.stderr
    assert "the node's disk is full" in failed.stderr
