from __future__ import annotations

import pytest

from devenv.backends.kube import ground
from devenv.backends.kube.client import Client
from devenv.backends.kube.config import Place
from devenv.backends.kube.resources import Resources
from devenv.errors import DevenvError
from devenv.plan.model import Observed
from devenv.plan.namespace import pick_namespace
from devenv.stack.world import Outline
from tests.unit.kubernetes.stacks import EVERYTHING, stack

HERE, THERE = "c0ffee123456", "beef00123456"


def outline(namespace: str = "") -> Outline:
    return Outline((), (), {}, name="shop", namespace=namespace)


def test_the_namespace_is_the_name_unless_the_manifest_says_another() -> None:
    assert pick_namespace(outline(), Observed(), HERE) == "shop"
    assert pick_namespace(outline("default"), Observed(namespaces={"default": THERE}), HERE) == "default"


def test_a_namespace_that_another_checkout_made_is_left_to_it() -> None:
    assert pick_namespace(outline(), Observed(namespaces={"shop": THERE}), HERE) == "shop-c0ffee"
    assert pick_namespace(outline(), Observed(namespaces={"shop": HERE}), HERE) == "shop"
    assert pick_namespace(outline(), Observed(namespaces={"shop": ""}), HERE) == "shop"


def test_a_stack_stays_where_its_data_is() -> None:
    assert pick_namespace(outline(), Observed(namespace="shop-c0ffee"), HERE) == "shop-c0ffee"
    assert pick_namespace(outline(), Observed(namespace="old-name"), HERE) == "shop"


def test_addresses_follow_it() -> None:
    assert stack(EVERYTHING, namespace="shop-c0ffee").domain == "shop-c0ffee.svc.cluster.local"


def test_one_that_does_not_go_away_names_who_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "NamespaceContentRemaining": "Some resources are remaining: configmaps. has 1 resource instances, "
        "widgets.example.com has 2 resource instances",
        "NamespaceFinalizersRemaining": "Some content in the namespace has finalizers remaining: "
        "example.com/hold in 1 resource instances, x/y in 2 resource instances",
    }
    conditions = [{"type": kind, "status": "True", "message": message} for kind, message in said.items()]
    conditions.append({"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "fine"})
    going = {
        "metadata": {"name": "shop"},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Terminating", "conditions": conditions},
    }
    client = Client(Place("lab", {}, {}))
    monkeypatch.setattr(client, "find", lambda path: going)
    monkeypatch.setattr(ground, "PATIENCE", 0.0)
    heard: list[str] = []
    monkeypatch.setattr(ground, "LOOK", 0.01)
    with pytest.raises(DevenvError) as raised:
        ground.ready_namespace(client, Resources(client), None, "shop", heard.append)
    assert raised.value.what == "the namespace shop does not go away: held by example.com/hold, x/y"
    assert raised.value.hint.startswith("kubectl -n shop get configmaps,widgets.example.com -o yaml ")
    assert "fine" not in raised.value.why
    monkeypatch.setattr(ground, "PATIENCE", 0.1)
    with pytest.raises(DevenvError):
        ground.ready_namespace(client, Resources(client), None, "shop", heard.append)
    assert heard == ["waiting for the namespace shop to be gone, held by example.com/hold, x/y"]
