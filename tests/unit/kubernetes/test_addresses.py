from __future__ import annotations

from devenv.stack.addresses import lost_addresses
from tests.unit.kubernetes.stacks import stack

TYPED = """\
name: shop
services:
  web:
    image: web
    env: {A: "http://orders.default:8000", B: "http://orders.default.svc.cluster.local/x", C: my.orders.default-x}
  orders: {image: orders, command: "wait orders.default.svc"}
"""


def test_addresses_of_another_namespace_are_named_once_each() -> None:
    assert lost_addresses(stack(TYPED)) == [
        "web: A says orders.default, which does not resolve in the namespace shop: write orders, or namespace: default",
        "web: B says orders.default.svc.cluster.local, which does not resolve in the namespace shop: write orders, "
        "or namespace: default",
        "orders: command says orders.default.svc, which does not resolve in the namespace shop: write orders, "
        "or namespace: default",
    ]


def test_in_the_namespace_default_they_are_right() -> None:
    assert lost_addresses(stack(TYPED.replace("name: shop", "name: shop\nnamespace: default"))) == []
