"""A stack on a real cluster as a release of Helm.

All of it under Helm 3; each command under Helm 4 as well, in test_delivery.py and test_load.py.
"""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.backends.kube.config import find
from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import OnCluster, Promoted
from tests.e2e.kube.proxied import TOKEN, Proxy, proxied
from tests.helm import Helm

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

PAGE = "mkdir -p /w; echo {page} > /w/index.html; exec httpd -f -p 8000 -h /w"
STACK = """
    services:
      web: {{image: "busybox:1.37", port: 8000, command: "{command}", secrets: [STRIPE_KEY], grace: 1s{more}}}
    environments:
      staging:
        context: {context}
        namespace: {namespace}
        services: {{web: {{replicas: 2}}}}
        values: {values}
"""


THEIRS = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "theirs"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
}


class Promoting(Promoted):
    """A checkout that is promoted to a namespace of its own."""

    def says(self, command: str, *, context: str = "", values: str = "{}", more: str = "") -> None:
        context = context or self.host("kubectl", "config", "current-context").strip()
        named = {"context": context, "namespace": self.staging}
        self.manifest(STACK.format(command=command, values=values, more=more, **named))

    def pages(self) -> set[str]:
        """What the pods that are not on their way out serve."""
        pods = json.loads(self.inside("get", "pods", "-l", "devenv.dev/unit=web", "-o", "json"))["items"]
        names = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return {self.inside("exec", name, "--", "cat", "/w/index.html").strip() for name in names}

    def jobs(self) -> dict[str, str]:
        """The uid of each by its name."""
        items = json.loads(self.inside("get", "jobs", "-o", "json"))["items"]
        return {item["metadata"]["name"]: item["metadata"]["uid"] for item in items}

    def revisions(self) -> list[tuple[int, str]]:
        rows = self.devenv("history", "staging", "--json").json
        return [(row["revision"], row["status"]) for row in rows]


@pytest.fixture
def promoting(cluster: OnCluster, helm: Helm) -> Iterator[Promoting]:
    path = f"{helm.program.parent}:{cluster.environment['PATH']}"
    environment = {**cluster.environment, **helm.homes, "PATH": path}
    made = Promoting(cluster.root, cluster.name, cluster.engine, environment)
    made.bring("busybox:1.37")
    yield made
    made.clear()


@pytest.mark.parametrize("helm", [3], indirect=True)
def test_a_stack_is_promoted_changed_broken_and_brought_back(promoting: Promoting) -> None:
    promoting.says(PAGE.format(page="first"))
    lacking = promoting.devenv("promote", "staging", "--yes", exits=2)
    assert f"{promoting.name}-secrets: STRIPE_KEY" in lacking.stderr
    assert "--create-secrets" in lacking.stderr
    promoting.write(".env", "STRIPE_KEY=sk-sesame\n")
    assert promoting.devenv("diff", "staging", exits=4).stdout.count("+ ") >= 3

    steps = promoting.devenv("plan", "-e", "staging", "--json").json["steps"]
    assert [(step["op"], step["cause"]) for step in steps] == [
        ("create", "STRIPE_KEY"),
        ("upgrade", "4 to add"),
    ]
    first = promoting.devenv("promote", "staging", "--yes", "--create-secrets", within=120)
    assert "web  2 of 2 ready" in first.stderr
    assert "sk-sesame" not in first.stdout + first.stderr
    eventually(lambda: promoting.pages() == {"first"}, "the page first", within=30)
    assert promoting.devenv("status", "-e", "staging").stdout.split() == ["web", "service", "healthy"]
    page = promoting.devenv("exec", "-e", "staging", "web", "--", "cat", "/w/index.html").stdout
    assert page == "first\n"
    assert promoting.devenv("logs", "-e", "staging", "web").stdout == ""
    assert promoting.devenv("diff", "staging").stdout == ""
    assert promoting.devenv("plan", "-e", "staging").stdout == ""
    assert "nothing to promote" in promoting.devenv("promote", "staging", "--yes").stderr
    assert promoting.revisions() == [(1, "deployed")]

    promoting.says(PAGE.format(page="second"), more=", health: /")  # by HTTP, no longer by TCP
    assert "echo second" in promoting.devenv("diff", "staging", exits=4).stdout
    promoting.devenv("promote", "staging", "--yes", within=120)
    eventually(lambda: promoting.pages() == {"second"}, "the page second", within=30)

    promoting.says("echo no module named x; exit 3")
    broken = promoting.devenv("promote", "staging", "--yes", "--timeout", "12", exits=1, within=120)
    assert "x web ended with exit 3" in broken.stderr
    assert "no module named x" in broken.stderr
    assert "revision 4 serves" in broken.stderr
    eventually(lambda: promoting.pages() == {"second"}, "the old version", within=30)

    back = promoting.devenv("rollback", "staging", "--yes", within=120)
    assert "rollback  web  2 of 2 ready" in back.stderr
    eventually(lambda: promoting.pages() == {"first"}, "the page first", within=30)
    assert promoting.revisions() == [
        (1, "superseded"), (2, "superseded"), (3, "failed"), (4, "superseded"), (5, "deployed"),
    ]  # fmt: skip

    assert promoting.devenv("retire", "staging", exits=2).stderr.startswith(
        "error  this needs a confirmation"
    )
    promoting.devenv("retire", "staging", "--yes")
    assert promoting.inside("get", "deployments", "-o", "name") == ""
    assert promoting.inside(
        "get", "secret", f"{promoting.name}-secrets", "-o", "name"
    )  # which Helm did not make


@pytest.mark.parametrize("helm", [3], indirect=True)
def test_a_job_of_the_first_install_runs_once_and_is_a_hook_afterwards(
    promoting: Promoting,
) -> None:
    job = """
    volumes: {{kept: {{}}}}
    jobs:
      warm:
        image: "busybox:1.37"
        command: "echo warm"
        volumes: {{kept: /kept}}
        files: {{/srv/said: ./said}}
    environments:"""
    promoting.write("said", "first")
    text = STACK.replace(", secrets: [STRIPE_KEY]", "").replace("\n    environments:", job)

    def says(page: str, of: str = text) -> None:
        context = promoting.host("kubectl", "config", "current-context").strip()
        named = {
            "context": context,
            "namespace": promoting.staging,
            "values": "{}",
            "more": ", volumes: {kept: /kept}",
        }
        promoting.manifest(of.format(command=PAGE.format(page=page), **named))

    says("first")
    promoting.devenv("promote", "staging", "--yes", within=120)
    assert promoting.devenv("diff", "staging").stdout == ""
    first = promoting.jobs()
    for page in ("second", "third"):
        says(page)
        changed = promoting.devenv("diff", "staging", exits=4).stdout
        assert ("+ Job warm\n" in changed) is (page == "second")
        assert "- Job" not in changed
        promoting.devenv("promote", "staging", "--yes", within=120)
        assert promoting.devenv("diff", "staging").stdout == ""
        assert "nothing to promote" in promoting.devenv("promote", "staging", "--yes").stderr
        assert len(promoting.jobs()) == 2

    # Where Helm goes back to the install, the job of then is there: it does not run again.
    promoting.devenv("rollback", "staging", "1", "--yes", within=60)
    eventually(lambda: promoting.pages() == {"first"}, "the page first", within=30)
    assert promoting.jobs().items() >= first.items()

    # A volume and a store of the same upgrade are not there before it.
    promoting.bring("memcached:1.6.45-alpine")
    more = text.replace("kept: {{}}", "kept: {{}}, fresh: {{}}").replace("kept: /kept}}", "fresh: /fresh}}")
    more = more.replace('"echo warm"', '"nc -w 9 memcached 11211 </dev/null"\n        uses: [memcached]')
    more = more.replace("values:", "infra: {{memcached: deploy}}\n        values:")
    says("second", more)
    promoting.devenv("promote", "staging", "--yes", "--timeout", "60", within=120)
    assert promoting.devenv("diff", "staging").stdout == ""
    says("third", more)
    assert "- Job" not in promoting.devenv("diff", "staging", exits=4).stdout
    promoting.devenv("promote", "staging", "--yes", within=120)

    promoting.inside("create", "-f", str(promoting.write("theirs.json", json.dumps(THEIRS))))
    retired = promoting.devenv("retire", "staging", "--yes").stderr
    assert "is retired; kept: fresh, kept." in " ".join(retired.split())
    assert promoting.inside("get", "jobs", "-o", "name") == ""
    volumes = promoting.inside("get", "pvc", "-o", "name").split()
    assert {"persistentvolumeclaim/fresh", "persistentvolumeclaim/theirs"} < {*volumes}
    assert "removed   the volume fresh" in promoting.devenv("retire", "staging", "--yes", "--volumes").stderr
    theirs = ["persistentvolumeclaim/theirs"]
    eventually(lambda: promoting.inside("get", "pvc", "-o", "name").split() == theirs, "the end of ours")
    again = promoting.devenv("retire", "staging", "--yes", "--volumes").stderr
    assert "nothing is promoted to staging" in again


@pytest.fixture
def late(promoting: Promoting, helm: Helm, tmp_path: Path) -> Iterator[Promoting]:
    """Another checkout of the repository. Its Helm waits with an upgrade until somebody writes to `go`."""
    gate, go = tmp_path / "late" / "bin" / "helm", tmp_path / "late" / "go"
    gate.parent.mkdir(parents=True)
    os.mkfifo(go)
    gate.write_text(
        f'#!/bin/bash\n[ "$1" != upgrade ] || read -t 120 word <> {go}\nexec {helm.program} "$@"\n'
    )
    gate.chmod(0o755)
    path = f"{gate.parent}:{promoting.environment['PATH']}"
    environment = {**promoting.environment, "PATH": path}
    made = Promoting(tmp_path / "late" / "project", promoting.name, promoting.engine, environment)
    yield made
    made.leave_nothing()


def gate_of(late: Promoting) -> int:
    """What to write to for its Helm to go on, once that waits; else 0."""
    try:
        return os.open(late.root.parent / "go", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return 0


@pytest.mark.parametrize("helm", [3], indirect=True)
def test_a_promotion_among_others_and_one_that_was_killed(promoting: Promoting, late: Promoting) -> None:
    promoting.write(".env", "STRIPE_KEY=sk-sesame\n")
    promoting.says(PAGE.format(page="first"))
    promoting.devenv("promote", "staging", "--yes", "--create-secrets", within=120)
    late.says(PAGE.format(page="first"))
    assert late.devenv("diff", "staging").stdout == ""  # one release, whichever the folder
    late.says(PAGE.format(page="late"))
    waiting = late.begin("promote", "staging", "--yes")
    go = eventually(lambda: gate_of(late), "its Helm", within=60)
    promoting.says("sleep 900")  # which never listens
    begun = promoting.begin("promote", "staging", "--yes")
    eventually(lambda: promoting.revisions()[-1] == (2, "pending-upgrade"), "the upgrade", within=60)
    os.write(go, b"go\n")
    os.close(go)
    refused = waiting.end()
    assert refused.code == 1
    assert f"{promoting.name} is being changed by somebody else" in refused.stderr

    begun.kill()
    refused = late.devenv("promote", "staging", "--yes", exits=1)
    assert "revision 2" in refused.stderr
    assert "pending-upgrade" in refused.stderr
    assert "devenv rollback staging" in refused.stderr
    here = promoting.devenv("diff", "staging", exits=1).stderr  # where it was begun, the process is known
    assert "is being changed by a Helm whose devenv has ended" in here
    kill_helm(promoting)  # which would go on by itself, or go back if devenv rollback asked it to
    assert "pending-upgrade" in promoting.devenv("status", "-e", "staging", exits=None).stderr
    promoting.devenv("rollback", "staging", "--yes", within=120)
    assert promoting.revisions()[-1] == (3, "deployed")
    eventually(lambda: promoting.pages() == {"first"}, "the page first", within=30)

    promoting.says(PAGE.format(page="second"), values="{services: {web: {image: {repository: NO-NAME}}}}")
    hopeless = promoting.devenv("promote", "staging", "--yes", exits=1)  # Helm would wait for five minutes
    assert "x web has an image that cannot be pulled" in hopeless.stderr
    assert "revision 5 serves" in hopeless.stderr


def kill_helm(promoting: Promoting) -> None:
    """As the kernel does it when memory is short."""
    record = json.loads((promoting.root / ".devenv" / "helm-staging.json").read_text())
    os.kill(record["pid"], signal.SIGKILL)


@pytest.mark.parametrize("helm", [4], indirect=True)
def test_a_release_that_somebody_else_installed_is_left_alone(promoting: Promoting, helm: Helm) -> None:
    promoting.says(PAGE.format(page="ours"))
    chart = promoting.root / "theirs"
    promoting.write("theirs/Chart.yaml", "{apiVersion: v2, name: theirs, version: 1.0.0}\n")
    promoting.write(
        "theirs/templates/c.yaml",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: theirs}, data: {a: b}}\n",
    )
    kubeconfig = ("--kubeconfig", promoting.environment["KUBECONFIG"])
    helm("install", promoting.name, chart, "-n", promoting.staging, "--create-namespace", *kubeconfig)
    for command in (("promote", "--yes"), ("rollback", "--yes"), ("retire", "--yes")):
        refused = promoting.devenv(command[0], "staging", *command[1:], exits=2)
        assert f"the release {promoting.name} is not this stack's" in refused.stderr
    assert promoting.inside("get", "configmap", "theirs", "-o", "jsonpath={.data.a}") == "b"

    helm("uninstall", promoting.name, "-n", promoting.staging, *kubeconfig)
    promoting.inside("create", "service", "clusterip", "web", "--tcp=80")
    promoting.write(".env", "STRIPE_KEY=sk-sesame\n")
    refused = promoting.devenv("promote", "staging", "--yes", "--create-secrets", exits=2)
    assert "Service web is there already and not of this release" in refused.stderr
    assert promoting.inside("get", "secrets", "-o", "name") == ""


def login(promoting: Promoting, script: str) -> None:
    """The program that a kubeconfig names for signing in."""
    promoting.write("login/plugin", f"#!/bin/sh\n{script}\n").chmod(0o755)


def credential(**status: str) -> str:
    """A script of it that prints this."""
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return f"echo '{json.dumps(answer)}'"


def in_several_files(promoting: Promoting, proxy: Proxy) -> Promoting:
    """The checkout with a kubeconfig of three files, of which none has all of the context that leads to a proxy."""
    data = base64.b64encode(proxy.certificate.encode()).decode()
    cluster = {"server": proxy.server, "certificate-authority-data": data}
    user = {"apiVersion": "client.authentication.k8s.io/v1", "command": "../login/plugin"}
    first = {
        "current-context": "elsewhere",
        "contexts": [{"name": "rancher", "context": {"cluster": "rancher", "user": "ann"}}],
        "clusters": [{"name": "rancher", "cluster": cluster}],
    }
    second = {"users": [{"name": "ann", "user": {"exec": {**user, "interactiveMode": "Never"}}}]}
    texts = {"empty": "", "first": json.dumps(first), "second": json.dumps(second)}
    files = [str(promoting.write(f"kube/{name}", text)) for name, text in texts.items()]
    environment = {**promoting.environment, "KUBECONFIG": os.pathsep.join(files)}
    return Promoting(promoting.root, promoting.name, promoting.engine, environment)


@pytest.mark.parametrize("helm", [4], indirect=True)
def test_a_cluster_below_a_path_of_a_proxy_that_a_program_signs_in_to(
    promoting: Promoting, tmp_path: Path
) -> None:
    promoting.says(PAGE.format(page="first"), context="rancher")
    promoting.write(".env", "STRIPE_KEY=sk-sesame\n")
    with proxied(find(environment=promoting.environment), tmp_path) as proxy:
        behind = in_several_files(promoting, proxy)
        login(promoting, "echo your session has ended >&2; exit 1")
        for command in (
            ("promote", "staging", "--yes"),
            ("history", "staging"),
        ):  # by our client, and by Helm
            refused = behind.devenv(*command, exits=3).stderr
            assert 'signing in to "rancher" did not work' in refused
            assert "your session has ended" in refused
            assert "ERROR:" not in refused

        login(promoting, credential(token="of somebody else"))
        refused = behind.devenv("promote", "staging", "--yes", exits=3).stderr
        assert "does not accept the credentials" in refused

        login(promoting, credential(token=TOKEN))
        behind.devenv("promote", "staging", "--yes", "--create-secrets", within=120)
        assert "healthy" in behind.devenv("status", "-e", "staging").stdout
        printed = behind.devenv("exec", "-e", "staging", "web", "--", "cat", "/w/index.html").stdout
        assert printed == "first\n"
        assert behind.revisions() == [(1, "deployed")]
