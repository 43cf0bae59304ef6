"""A store that rests is started again, whatever becomes of what was done meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from devenv.backends.compose import resting as on_compose
from devenv.backends.kube import resting as on_kube
from devenv.backends.kube.resources import Resources
from devenv.errors import DevenvError, ToolMissing
from devenv.plan.model import ObservedUnit
from tests.unit.kubernetes.answering import Answering

STORE = {
    "metadata": {"name": "db", "namespace": "shop", "labels": {"devenv.dev/unit": "db"}},
    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "db", "image": "postgres:18"}]}}},
}


class Cut(Answering):
    """A cluster of one store whose API server is away when the pod beside it is to go."""

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        if path.endswith("/pods"):
            return {"items": []}
        return STORE if path.endswith("/db") else {"status": {"phase": "Running"}}

    def apply(self, path: str, item: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def delete(self, path: str, **more: Any) -> None:
        raise ToolMissing("no Kubernetes cluster answers")


def test_a_workload_is_scaled_again_although_the_pod_beside_it_could_not_be_removed() -> None:
    client, unit = Cut(), ObservedUnit("db", "shop/Deployment/db", "running", stack="shop")
    with (
        pytest.raises(DevenvError, match="no Kubernetes cluster answers"),
        on_kube.resting(client, Resources(client), unit),
    ):
        assert [change["spec"]["replicas"] for _, change in client.patched] == [0]
    assert [change["spec"]["replicas"] for _, change in client.patched] == [0, 1]


def test_a_container_is_started_again_although_the_one_beside_it_could_not_be_removed() -> None:
    started = list[str]()

    def fail(container: str) -> None:
        raise DevenvError("the engine refuses")

    engine = SimpleNamespace(stop=lambda id: None, inspect=fail, remove=fail, start=started.append)
    connection: Any = SimpleNamespace(engine=engine, address="unix:///none")
    with pytest.raises(DevenvError), on_compose.resting(connection, ObservedUnit("db", "1", "running")):
        pass
    assert started == ["1"]
