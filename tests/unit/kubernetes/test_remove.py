from __future__ import annotations

from typing import Any

import pytest

from devenv.backends.kube import remove
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import Place
from devenv.errors import DevenvError


def one(kind: str, version: str) -> dict[str, Any]:
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
        return {"items": [] if path.endswith("/jobs") else [one(kind, "apps/v1")]}

    monkeypatch.setattr(client, "get", get)
    monkeypatch.setattr(client, "delete", lambda path, *, uid: deleted.append((path, uid)))
    remove.remove_others(client, remove.Resources(client), one("StatefulSet", "apps/v1"))
    assert deleted == [("/apis/apps/v1/namespaces/shop/deployments/web", "Deployment")]


def test_pods_that_stay_are_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"/pods": [one("Pod", "v1")], "/deployments": [one("Deployment", "apps/v1")]}
    client = Client(Place("lab", {}, {}))
    deleted: list[str] = []

    def get(path: str, **query: Any) -> dict[str, Any]:
        return {"items": next((found for end, found in there.items() if path.endswith(end)), [])}

    monkeypatch.setattr(client, "get", get)
    monkeypatch.setattr(client, "delete", lambda path, **more: deleted.append(path))
    monkeypatch.setattr(remove, "SPARE", 0.0)
    with pytest.raises(DevenvError) as raised:
        remove.remove(client, "c0ffee", "shop", (), volumes=False, say=lambda line: None)
    assert deleted == ["/apis/apps/v1/namespaces/shop/deployments/web"]
    assert raised.value.what == "web did not end, though told to"
    assert "kubectl --context lab -n shop get pods" in raised.value.hint
    there["/pods"] = []
    assert remove.remove(client, "c0ffee", "shop", (), volumes=False, say=lambda line: None).units == ("web",)
