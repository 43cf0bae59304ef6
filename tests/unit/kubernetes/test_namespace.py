from __future__ import annotations

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
