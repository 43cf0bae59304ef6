"""Checkouts whose stacks run on the cluster that the kubeconfig's current context leads to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.e2e.checkout import Checkout, Ended


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

    def versions(self) -> dict[str, str]:
        """Resource versions of everything that could be written to."""
        kinds = "deployments,statefulsets,jobs,services,configmaps,secrets,pods,pvc"
        return {
            f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"]
            for one in self.get(kinds)["items"]
        }

    def pod(self, unit: str) -> str:
        """The name of the unit's one pod that is not on its way out."""
        pods = self.get("pods", "-l", f"devenv.dev/unit={unit}")["items"]
        (name,) = [one["metadata"]["name"] for one in pods if "deletionTimestamp" not in one["metadata"]]
        return str(name)

    def clear(self) -> None:
        if (self.root / "devenv.yaml").exists():
            self.on("down", "--volumes", "-y")
        self.host("kubectl", "delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")
        super().clear()


@pytest.fixture
def cluster(
    tmp_path: Path, engine: docker.DockerClient, environment: Mapping[str, str]
) -> Iterator[OnCluster]:
    """A checkout, cleared in the end."""
    name = "k" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:7]
    made = OnCluster(tmp_path / "project", name, engine, environment)
    yield made
    made.clear()
