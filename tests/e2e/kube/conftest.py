"""Checkouts whose stacks run on the cluster that the kubeconfig's current context leads to."""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import docker
import pytest

from devenv.backends.background import Background
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import find
from devenv.backends.kube.delivery import choose
from devenv.errors import DevenvError
from tests.conftest import ROOT
from tests.e2e.checkout import Checkout, Ended, eventually
from tests.serving import free_port
from tests.unit.stacks import stack

MACHINE = ROOT / "tests" / "machine" / "cluster.sh"


class OnCluster(Checkout):
    """A checkout that is asked of with kubectl."""

    def on(self, *argv: str, **more: Any) -> Ended:
        """Run `devenv ARGV -b kube`."""
        return self.devenv(argv[0], "-b", "kube", *argv[1:], **more)

    @property
    def namespace(self) -> str:
        return self.name

    def kubectl(self, *argv: str) -> str:
        """What kubectl says about the stack's namespace."""
        return self.host("kubectl", "-n", self.namespace, *argv)

    def get(self, *argv: str) -> Any:
        """One object or a list."""
        return json.loads(self.kubectl("get", *argv, "-o", "json"))

    def versions(self) -> dict[str, Any]:
        """Of everything that could be written to, what only a writer changes, and no controller."""
        kinds = "deployments,statefulsets,jobs,services,configmaps,secrets,pods,pvc"
        return {
            f"{item['kind']}/{item['metadata']['name']}": _written(item)
            for item in self.get(kinds)["items"]
            if "deletionTimestamp" not in item["metadata"]
        }

    def pods(self, unit: str) -> set[str]:
        """The names of the unit's pods that are not on their way out."""
        pods = self.get("pods", "-l", f"devenv.dev/unit={unit}")["items"]
        return {item["metadata"]["name"] for item in pods if "deletionTimestamp" not in item["metadata"]}

    def pod(self, unit: str) -> str:
        """The name of the unit's one such pod."""
        (name,) = self.pods(unit)
        return name

    def bring(self, image: str) -> None:
        """Have the cluster's nodes hold an image of this machine, as `up` does: here no registry has it."""
        client = Client(find("", environment=self.environment))
        try:
            # Also where an image of that name is there: it may be made of older sources.
            choose(client, stack("name: any\nservices: {}\n")).bring(image, lambda line: None)
        finally:
            client.close()

    def clear(self) -> None:
        """Take everything of this checkout off the cluster, without devenv, and wait for none of it to end."""
        for lock in self.root.glob(".devenv/*/*.lock"):
            Background(lock.parent, lock.stem).end()
        delete = ("kubectl", "delete", "namespace", "--ignore-not-found", "--wait=false")
        self.host(*delete, "-l", self.label)
        self.host(*delete, self.namespace)
        super().clear()


class Promoted(OnCluster):
    """A checkout that is promoted to a namespace of its own, which is all that it clears."""

    @property
    def staging(self) -> str:
        return f"{self.name}-staging"

    def inside(self, *argv: str) -> str:
        return self.host("kubectl", "-n", self.staging, *argv)

    def clear(self) -> None:
        self.host("kubectl", "delete", "namespace", self.staging, "--ignore-not-found", "--wait=false")


def _written(item: dict[str, Any]) -> tuple[Any, ...]:
    """Its generation, or its version where it has none and no controller says how it is; and its labels."""
    metadata = item["metadata"]
    lives = item["kind"] in ("Pod", "PersistentVolumeClaim")
    version = metadata["uid"] if lives else metadata.get("generation", metadata["resourceVersion"])
    return version, metadata.get("labels")


@pytest.fixture
def port() -> int:
    return free_port()


K = TypeVar("K", bound=OnCluster)


@contextmanager
def cleared(
    kind: type[K], folder: Path, engine: docker.DockerClient, environment: Mapping[str, str]
) -> Iterator[K]:
    """A checkout of this kind below a folder, cleared in the end."""
    # By chance: the folder's name comes again once its test has passed, while its namespace still goes away.
    name = f"k{uuid.uuid4().hex[:7]}"
    checkout = kind(folder / "project", name, engine, environment)
    try:
        yield checkout
    finally:
        checkout.clear()


@pytest.fixture
def cluster(
    tmp_path: Path, engine: docker.DockerClient, environment: Mapping[str, str]
) -> Iterator[OnCluster]:
    """A checkout, cleared in the end."""
    with cleared(OnCluster, tmp_path, engine, environment) as checkout:
        yield checkout


@dataclass(frozen=True)
class Lab:
    """A whole cluster in one container, to be broken by tests."""

    name: str
    kubeconfig: Path
    programs: Path
    """A folder with kind, and with a registry."""

    def node(self, *argv: str, says: str | None = None) -> str:
        """What a command in the node prints; `says` is its stdin."""
        command = ["docker", "exec", "-i", self.name, *argv]
        done = subprocess.run(command, input=says, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def kill_the_api_server(self) -> None:
        """As an out-of-memory kill does it; the kubelet starts it again."""
        self.node("pkill", "-9", "-x", "kube-apiserver")

    def answers(self) -> bool:
        """Whether the API server does, and knows who we are."""
        client = Client(find(self.name, environment={"KUBECONFIG": str(self.kubeconfig)}))
        try:
            client.get("/api/v1/namespaces/default/pods")
        except DevenvError:
            return False
        finally:
            client.close()
        return True


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A cluster of our own; where this machine cannot make one, what needs it is skipped, in CI it fails."""
    give_up = pytest.fail if os.environ.get("DEVENV_TEST_REQUIRE_CLUSTER") else pytest.skip
    name = f"devenv-lab-{os.getpid()}"
    argv = ["bash", str(MACHINE), "kubeadm", "up", name, str(free_port())]
    try:
        output = subprocess.run(argv, capture_output=True, text=True, timeout=240)
        exports = dict(re.findall(r"export (\w+)='(.+?)'", output.stdout))
        if output.returncode or not exports:
            give_up(f"no cluster of our own: {output.stderr.strip()[-300:]}")
        yield Lab(name, Path(exports["KUBECONFIG"]), Path(exports["PATH"]))
    except subprocess.TimeoutExpired:
        give_up("no cluster of our own: it has to be built first; see tests/machine/cluster.sh")
    finally:
        subprocess.run(["bash", str(MACHINE), "kubeadm", "down", name], capture_output=True, check=False)


@pytest.fixture
def alone(
    tmp_path: Path, engine: docker.DockerClient, environment: Mapping[str, str], lab: Lab
) -> Iterator[OnCluster]:
    """A checkout on the cluster that tests may break, which has to work again by the end of each."""
    eventually(lab.answers, "the API server", within=60)
    path = f"{lab.programs}{os.pathsep}{environment['PATH']}"
    own = {**environment, "KUBECONFIG": str(lab.kubeconfig), "PATH": path}
    with cleared(OnCluster, tmp_path, engine, own) as checkout:
        yield checkout
        eventually(lab.answers, "the API server", within=60)
