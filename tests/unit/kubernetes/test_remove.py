from __future__ import annotations

from typing import Any

import pytest

from devenv.backends.kube import remove
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import Place
from devenv.errors import DevenvError
from devenv.stack.model import Unit, Volume


def item(kind: str, version: str) -> dict[str, Any]:
    labels = {"devenv.dev/unit": "web", "devenv.dev/role": "service"}
    metadata = {"name": "web", "namespace": "shop", "uid": kind, "labels": labels}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": metadata,
        "spec": {"terminationGracePeriodSeconds": 1},
    }


def test_what_runs_a_unit_as_another_kind_of_object_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(Place("lab", {}, {}))
    deleted: list[tuple[str, str]] = []

    def get(path: str, **query: Any) -> dict[str, Any]:
        assert query == {"labelSelector": "devenv.dev/stack=,devenv.dev/unit=web"}
        kind = "Deployment" if path.endswith("/deployments") else "StatefulSet"
        return {"items": [] if path.endswith("/jobs") else [item(kind, "apps/v1")]}

    monkeypatch.setattr(client, "get", get)
    monkeypatch.setattr(client, "delete", lambda path, *, uid: deleted.append((path, uid)))
    remove.remove_others(client, remove.Resources(client), item("StatefulSet", "apps/v1"))
    assert deleted == [("/apis/apps/v1/namespaces/shop/deployments/web", "Deployment")]


def test_pods_that_stay_are_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = {"/pods": [item("Pod", "v1")], "/deployments": [item("Deployment", "apps/v1")]}
    client = Client(Place("lab", {}, {}))
    deleted: list[str] = []

    def get(path: str, **query: Any) -> dict[str, Any]:
        return {"items": next((items for end, items in lists.items() if path.endswith(end)), [])}

    monkeypatch.setattr(client, "get", get)
    monkeypatch.setattr(client, "delete", lambda path, **more: deleted.append(path))
    monkeypatch.setattr(remove, "SPARE", 0.0)
    with pytest.raises(DevenvError) as raised:
        remove.remove(client, "c0ffee", "shop", (), volumes=False, say=lambda line: None)
    assert deleted == ["/apis/apps/v1/namespaces/shop/deployments/web"]
    assert raised.value.what == "web did not stop"
    assert "kubectl --context lab -n shop get pods" in raised.value.hint
    lists["/pods"] = []
    assert remove.remove(client, "c0ffee", "shop", (), volumes=False, say=lambda line: None).units == ("web",)


def claim(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": name, "labels": {}}
    return {"metadata": metadata, "spec": {"volumeName": f"pv-{name}"}}


def test_a_store_is_cleared_with_the_claims_of_its_own_volumes_once_its_pods_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claims = [claim("db-data-db-0"), claim("other-data-other-0"), claim("db-data-db-0-copy")]
    lists = {"/statefulsets": [item("StatefulSet", "apps/v1")], "/persistentvolumeclaims": claims}
    client = Client(Place("lab", {}, {}))
    deleted: list[str] = []

    def get(path: str, **query: Any) -> dict[str, Any]:
        return {"items": next((items for end, items in lists.items() if path.endswith(end)), [])}

    monkeypatch.setattr(client, "get", get)
    monkeypatch.setattr(client, "delete", lambda path, **more: deleted.append(path.rpartition("/")[2]))
    kept = {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}
    looks: list[dict[str, Any] | None] = [None, kept, kept]

    def find(path: str) -> dict[str, Any] | None:
        assert path == "/api/v1/persistentvolumes/pv-db-data-db-0"
        return looks.pop()

    monkeypatch.setattr(client, "find", find)
    monkeypatch.setattr(remove, "LOOK", 0.0)
    db = Unit("db", "infra", "db:1", volumes=(Volume("db-data", "/data"),))
    remove.remove_store(client, "shop-c", "shop", db, [item("Pod", "v1")])
    assert deleted == ["web", "db-data-db-0"]
    assert looks == []  # waited until the volume was gone
