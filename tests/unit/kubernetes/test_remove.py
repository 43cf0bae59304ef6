from __future__ import annotations

from typing import Any

import pytest

from devenv.backends.kube import remove
from devenv.backends.kube.refusals import Refused
from devenv.errors import DevenvError
from devenv.stack.model import Unit, Volume
from tests.unit.kubernetes.answering import Responding


def item(kind: str, version: str) -> dict[str, Any]:
    labels = {"devenv.dev/unit": "web", "devenv.dev/role": "service"}
    metadata = {"name": "web", "namespace": "shop", "uid": kind, "labels": labels}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": metadata,
        "spec": {"terminationGracePeriodSeconds": 1},
    }


def test_what_runs_a_unit_as_another_kind_of_object_goes() -> None:
    def get(path: str, **query: Any) -> dict[str, Any]:
        assert query == {"labelSelector": "devenv.dev/stack=,devenv.dev/unit=web"}
        kind = "Deployment" if path.endswith("/deployments") else "StatefulSet"
        return {"items": [] if path.endswith("/jobs") else [item(kind, "apps/v1")]}

    client = Responding(get)
    remove.remove_others(client, remove.Resources(client), item("StatefulSet", "apps/v1"))
    assert client.deleted == [("/apis/apps/v1/namespaces/shop/deployments/web", "Deployment")]


def test_the_service_of_an_alias_that_is_gone_goes() -> None:
    def get(path: str, **query: Any) -> dict[str, Any]:
        assert query == {"labelSelector": "devenv.dev/stack=,devenv.dev/unit=web"}
        own, alias = item("Service", "v1"), item("Service", "v1")
        alias["metadata"]["name"] = "behind"
        return {"items": [own, alias]}

    client = Responding(get)
    workload = item("Deployment", "apps/v1")
    remove.remove_aliases(client, remove.Resources(client), workload, {"web", "front"})
    assert client.deleted == [("/api/v1/namespaces/shop/services/behind", "Service")]


def test_pods_that_stay_are_no_success() -> None:
    lists = {"/pods": [item("Pod", "v1")], "/deployments": [item("Deployment", "apps/v1")]}

    def get(path: str, **query: Any) -> dict[str, Any]:
        return {"items": next((items for end, items in lists.items() if path.endswith(end)), [])}

    client = Responding(get)
    with pytest.raises(DevenvError) as raised:
        remove.remove(client, "c0ffee", "shop", (), volumes=False, say=lambda line: None)
    assert client.deleted == [("/apis/apps/v1/namespaces/shop/deployments/web", "Deployment")]
    assert client.clock.monotonic() > remove.RETURN
    assert raised.value.what == "web did not stop"
    assert "kubectl --context lab -n shop get pods" in raised.value.hint
    lists["/pods"] = []
    assert remove.remove(client, "c0ffee", "shop", (), volumes=False, say=lambda line: None).units == ("web",)


def test_a_node_that_comes_back_to_the_api_server_after_half_a_minute_is_waited_for() -> None:
    lists = {"/pods": [item("Pod", "v1")], "/deployments": [item("Deployment", "apps/v1")]}
    lists["/pods"][0]["spec"] = {"terminationGracePeriodSeconds": 1}

    def get(path: str, **query: Any) -> dict[str, Any]:
        if client.clock.monotonic() > 35:
            lists["/pods"] = []
        return {"items": next((items for end, items in lists.items() if path.endswith(end)), [])}

    client = Responding(get)
    assert remove.remove(client, "c0ffee", "shop", (), volumes=False, say=lambda line: None).units == ("web",)


class Leaving(Responding):
    """A cluster on which one pod of a run is left; it goes when it is deleted, or stays."""

    def __init__(self, *, stays: bool) -> None:
        run, account = item("Pod", "v1"), item("ServiceAccount", "v1")
        run["metadata"] |= {"name": "web-run-c0ffee", "labels": {"devenv.dev/role": "service"}}
        account["metadata"]["labels"] = {}
        self.lists = {"/pods": [run], "/serviceaccounts": [account]}
        self.stays = stays
        super().__init__(
            lambda path, **query: {
                "items": next((items for end, items in self.lists.items() if path.endswith(end)), [])
            }
        )

    def delete(self, path: str, *, uid: str = "", **more: Any) -> None:
        super().delete(path, uid=uid, **more)
        if path.endswith("/pods/web-run-c0ffee") and not self.stays:
            self.lists["/pods"] = []


def test_a_pod_of_a_run_is_removed_and_waited_for() -> None:
    removed = remove.remove(Leaving(stays=False), "c0ffee", "shop", (), volumes=False, say=lambda line: None)
    assert removed.units == ("web-run-c0ffee",)


def test_a_pod_of_a_run_that_stays_is_named() -> None:
    with pytest.raises(DevenvError, match=r"^web-run-c0ffee did not stop$"):
        remove.remove(Leaving(stays=True), "c0ffee", "shop", (), volumes=False, say=lambda line: None)


def claim(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": name, "labels": {}}
    return {"metadata": metadata, "spec": {"volumeName": f"pv-{name}"}}


def test_a_store_is_cleared_with_the_claims_of_its_own_volumes_once_its_pods_are_gone() -> None:
    claims = [claim("db-data-db-0"), claim("other-data-other-0"), claim("db-data-db-0-copy")]
    lists = {"/statefulsets": [item("StatefulSet", "apps/v1")], "/persistentvolumeclaims": claims}
    volumes = [{"spec": {"persistentVolumeReclaimPolicy": "Delete"}}] * 2

    def get(path: str, **query: Any) -> dict[str, Any]:
        if "/persistentvolumes/" not in path:
            return {"items": next((items for end, items in lists.items() if path.endswith(end)), [])}
        assert path == "/api/v1/persistentvolumes/pv-db-data-db-0"
        if not volumes:
            raise Refused("not found", status=404, reason="NotFound")
        return volumes.pop()

    client = Responding(get)
    db = Unit("db", "infra", "db:1", volumes=(Volume("db-data", "/data"),))
    remove.remove_store(client, "shop-c", "shop", db, [item("Pod", "v1")])
    assert [path.rpartition("/")[2] for path, _ in client.deleted] == ["web", "db-data-db-0"]
    assert volumes == []  # waited until the volume was gone
