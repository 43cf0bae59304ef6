"""The plan of a promotion: facts in, steps out."""

from __future__ import annotations

from textwrap import dedent

from devenv.plan.promotion.changes import Change, Verb
from devenv.plan.promotion.companions import Companion, Due
from devenv.plan.promotion.steps import plan_promotion, summary

from .stacks import stack

SHOP = stack(
    """
    name: shop
    services:
      orders: {build: ./orders, port: 8000, route: /api/orders}
      worker: {build: ./orders, command: work}
      web: {image: nginx, port: 80, route: [/, /shop]}
    """,
    builds={("./orders", "Dockerfile"): "1"},
)
CHANGES = [Change(Verb.ADD, "Service", "web"), Change(Verb.CHANGE, "Deployment", "orders")]


def test_each_step_has_its_cause_and_what_it_comes_after() -> None:
    secrets = {"shop-secrets": {"STRIPE_KEY", "JWT_KEY"}}
    plan = plan_promotion(SHOP, "shop", there=(), secrets=secrets, changes=CHANGES)
    assert str(plan) == dedent(
        """\
        [] -> #1 push worker (the registry lacks it)
        [] -> #2 create Secret shop-secrets (JWT_KEY, STRIPE_KEY)
        [1,2] -> #3 upgrade shop (1 to add, 1 to change)
        [3] -> #4 smoke orders (/api/orders)
        [3] -> #5 smoke web (/, /shop)"""
    )
    assert summary(plan) == "1 to push, 1 to create, 1 to add, 1 to change"


def test_an_image_that_two_units_share_is_pushed_once() -> None:
    plan = plan_promotion(SHOP, "shop", there=(), secrets={}, changes=CHANGES)
    assert [step.op for step in plan].count("push") == 1


def test_charts_of_other_people_come_before_ours() -> None:
    kong = Companion("kong", "oci://ghcr.io/acme/kong", "3.0.0")
    due = [Due(kong, (CHANGES[0],)), Due(Companion("pg", "pg", "1.2.3", "https://pg"), (), "pg-1.0.0")]
    plan = plan_promotion(SHOP, "shop", there=("orders", "worker"), secrets={}, changes=CHANGES[1:], due=due)
    assert str(plan).splitlines()[:3] == [
        "[] -> #1 upgrade kong (3.0.0, 1 to add)",
        "[] -> #2 upgrade pg (takes over pg-1.0.0, 1.2.3, nothing to change)",
        "[1,2] -> #3 upgrade shop (1 to change)",
    ]
    assert summary(plan) == "2 charts of others, 1 to change"


def test_what_is_in_the_registry_is_not_pushed() -> None:
    plan = plan_promotion(SHOP, "shop", there=("orders", "worker"), secrets={}, changes=CHANGES)
    assert [step.op for step in plan] == ["upgrade", "smoke", "smoke"]


def test_a_release_that_has_all_of_it_needs_nothing() -> None:
    plan = plan_promotion(SHOP, "shop", there=("orders", "worker"), secrets={}, changes=())
    assert not plan
    assert summary(plan) == ""
