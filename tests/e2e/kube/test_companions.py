"""Charts in a registry: ours as one package, other people's before ours, and releases that others installed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import OnCluster, Promoted
from tests.e2e.kube.test_delivery import KEEPER, WORD
from tests.e2e.screen import Screen, needs_a_terminal
from tests.helm import Helm

pytestmark = [pytest.mark.engine, pytest.mark.cluster, pytest.mark.long]

STACK = """
    services:
      web: {{image: "busybox:1.37", command: "sleep 900", grace: 1s}}
    environments:
      staging:
        context: {context}
        namespace: {namespace}
        charts: {charts}
      elsewhere: {{context: of-somebody-else, charts: {charts}}}
"""
THEIRS = """
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: "{{ .Release.Name }}"}
    data: {colour: "{{ .Values.colour }}"}
"""


class Bringing(Promoted):
    """A checkout whose environment brings other people's charts along, and the Helm that it runs."""

    helm: Helm
    registry: str

    def says(self, charts: str = "{}") -> None:
        context = self.host("kubectl", "config", "current-context").strip()
        self.manifest(STACK.format(context=context, namespace=self.staging, charts=charts))

    @property
    def charts(self) -> str:
        """Where charts are in its registry."""
        return f"oci://{self.registry}/charts"

    def helms(self, *argv: str | Path) -> str:
        """What the same Helm says about the namespace, as people ask it."""
        kubeconfig = ("--kubeconfig", self.environment["KUBECONFIG"])
        return self.helm(*argv, "-n", self.staging, *kubeconfig)

    def log_in(self) -> None:
        self.helm("registry", "login", self.registry, "-u", "team", "-p", WORD, "--plain-http")

    def push_theirs(self, version: str) -> None:
        self.write("theirs/Chart.yaml", f"{{apiVersion: v2, name: theirs, version: {version}}}\n")
        self.write("theirs/values.yaml", "colour: grey\n")
        self.write("theirs/templates/c.yaml", THEIRS)
        self.helm("package", self.root / "theirs", "-d", self.root)
        package = self.root / f"theirs-{version}.tgz"
        self.helm("push", package, self.charts, "--plain-http")

    def releases(self) -> dict[str, int]:
        """Release -> the number of its revision."""
        rows = json.loads(self.helms("list", "-o", "json"))
        return {row["name"]: int(row["revision"]) for row in rows}


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def bringing(cluster: OnCluster, helm: Helm, port: int) -> Iterator[Bringing]:
    """The checkout, and a registry on this machine that wants a login, which nobody has yet."""
    path = f"{helm.program.parent}:{cluster.environment['PATH']}"
    environment = {**cluster.environment, **helm.homes, "PATH": path, "DOCKER_CONFIG": str(helm.home)}
    made = Bringing(cluster.root, cluster.name, cluster.engine, environment)
    made.helm, made.registry = helm, f"127.0.0.1:{port}"
    made.write("registry/keepers", KEEPER)
    config = {
        "version": 0.1,
        "storage": {"inmemory": {}},
        "http": {"addr": made.registry},
        "auth": {"htpasswd": {"realm": "team", "path": str(made.root / "registry/keepers")}},
    }
    file = made.write("registry/config.yml", json.dumps(config))
    program = shutil.which("registry", path=path)
    assert program, "tests/machine/cluster.sh compiles it"
    with subprocess.Popen([program, "serve", str(file)], stderr=subprocess.DEVNULL) as registry:
        try:
            eventually(lambda: listens(port), "the registry")
            yield made
            made.clear()
        finally:
            registry.kill()


@pytest.mark.parametrize("helm", [3], indirect=True)
def test_our_chart_is_pushed_and_other_peoples_come_before_it_and_go_with_it(bringing: Bringing) -> None:
    chart = f"{bringing.charts}/theirs"
    wanted = f"{{theirs: {{chart: '{chart}', version: 1.0.0, values: ./theirs.yaml}}}}"
    bringing.says(wanted)
    bringing.write("theirs.yaml", "colour: red\n")
    for command in (("diff", "staging"), ("render", "--chart", "dist", "--push", bringing.charts)):
        refused = bringing.devenv(*command, exits=1)
        assert f"helm registry login {bringing.registry}" in refused.stderr
    bringing.log_in()
    pushed = bringing.devenv("render", "--chart", "dist", "--push", bringing.charts)
    version = pushed.stdout.strip().removeprefix(f"dist/{bringing.name}-").removesuffix(".tgz")
    assert f"pushed {bringing.charts}/{bringing.name} --version {version}   sha256:" in pushed.stderr
    about = bringing.helm(
        "show", "chart", f"{bringing.charts}/{bringing.name}", "--version", version, "--plain-http"
    )
    assert f"devenv.dev/stack: {bringing.name}" in about
    bringing.push_theirs("1.0.0")
    context = bringing.host("kubectl", "config", "current-context").strip()
    rehearsed = bringing.devenv("promote", "elsewhere", "--rehearse", "--context", context, within=120)
    assert f"theirs  {chart} 1.0.0" in rehearsed.stderr
    assert "+ ConfigMap theirs" in bringing.devenv("diff", "staging", exits=4).stdout
    bringing.devenv("promote", "staging", "--yes", within=120)
    assert bringing.releases() == {bringing.name: 1, "theirs": 1}
    bringing.devenv("diff", "staging")

    bringing.write("theirs.yaml", "{}\n")  # as the chart has it, not as before
    promoted = bringing.devenv("promote", "staging", "--yes", within=120)
    assert "-  colour: red" in promoted.stdout
    assert bringing.inside("get", "configmap", "theirs", "-o", "jsonpath={.data.colour}") == "grey"
    assert bringing.releases() == {bringing.name: 1, "theirs": 2}
    assert "theirs-1.0.0" in bringing.devenv("history", "staging").stdout
    bringing.devenv("retire", "staging", "--yes")
    assert bringing.releases() == {}


@needs_a_terminal
@pytest.mark.parametrize("helm", [4], indirect=True)
def test_releases_of_another_hand_are_taken_over_by_who_saw_the_diff_and_types_the_name(
    bringing: Bringing,
) -> None:
    bringing.log_in()
    bringing.push_theirs("1.0.0")
    chart = f"{bringing.charts}/theirs"
    bringing.says(f"{{theirs: {{chart: '{chart}', version: 1.0.0}}}}")
    for name in (bringing.name, "theirs"):
        bringing.helms("install", name, bringing.root / "theirs", "--create-namespace", "--set", "colour=old")

    refused = bringing.devenv("promote", "staging", "--yes", "--adopt", "theirs", exits=2)
    assert f"the release {bringing.name} is not this stack's" in refused.stderr
    assert f"devenv promote staging --adopt {bringing.name}" in refused.stderr
    shown = bringing.devenv("diff", "staging", exits=4)
    assert f"- ConfigMap {bringing.name}" in shown.stdout
    assert f"another hand installed {bringing.name}, from the chart theirs-1.0.0" in shown.stderr
    assert bringing.releases() == {bringing.name: 1, "theirs": 1}

    screen = Screen(bringing, "promote", "staging", "--yes", "--adopt", "theirs")
    screen.shows(f"Type {bringing.name} to go on")
    assert f"- ConfigMap {bringing.name}" in screen.shown
    screen.type("yes\n")
    assert screen.end() == 1
    assert bringing.releases() == {bringing.name: 1, "theirs": 1}
    adopting = [word for name in bringing.releases() for word in ("--adopt", name)]
    bringing.devenv("promote", "staging", "--yes", *adopting, within=120)
    assert bringing.releases() == {bringing.name: 2, "theirs": 2}
    assert bringing.inside("get", "configmap", "theirs", "-o", "jsonpath={.data.colour}") == "grey"
