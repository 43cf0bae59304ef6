"""The example shop on the cluster: an order through the gateway, and its content taken along."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.e2e.checkout import eventually
from tests.e2e.kube.conftest import OnCluster

pytestmark = [pytest.mark.engine, pytest.mark.cluster]


def ask(port: int, **order: Any) -> Any:
    """What the shop's orders say; with an order, after it was placed."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/orders",
        data=json.dumps(order).encode() if order else None,
        headers={"apikey": "e2e", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


@pytest.fixture
def shop(cluster: OnCluster) -> OnCluster:
    shutil.copytree(ROOT / "examples/shop", cluster.root, dirs_exist_ok=True)
    file = cluster.root / "devenv.yaml"
    file.write_text(file.read_text().replace("name: shop\n", f"name: {cluster.name}\n", 1))
    cluster.environment = {**cluster.environment, "SHOP_KEY": "e2e"}
    return cluster


def gateway(shop: OnCluster) -> int:
    units = {one["name"]: one for one in shop.devenv("status", "--json").json["units"]}
    return int(units["kong"]["ports"]["proxy"])


def test_an_order_goes_through_and_comes_along_to_compose_and_back(shop: OnCluster) -> None:
    shop.on("up", "-d", "--remap-ports", within=300)
    port = gateway(shop)
    ask(port, sku="sencha", quantity=2)
    eventually(lambda: ask(port)[0]["state"] == "invoiced", "the invoice", within=20)

    over = shop.devenv("up", "-d", "-b", "compose", "--with-data", within=200)
    assert "carried from kube" in over.stderr
    assert [one["state"] for one in ask(gateway(shop))] == ["invoiced"]

    ask(gateway(shop), sku="assam", quantity=1)
    shop.on("up", "-d", "--with-data", within=200)
    eventually(lambda: [one["sku"] for one in ask(gateway(shop))] == ["assam", "sencha"], within=20)


def test_an_unchanged_shop_is_up_at_once(shop: OnCluster) -> None:
    shop.on("up", "-d", "--remap-ports", within=300)
    assert shop.devenv("plan").stdout == ""
    label = shop.host("docker", "image", "inspect", "mongo:8.0.30", "-f", "{{json .Config.Labels}}")
    assert ("(stand-in)" in shop.devenv("status").stdout) is ("devenv.standin" in label)
    took = [shop.devenv("up", "-d").seconds for _ in range(3)]
    began = time.monotonic()
    shop.kubectl("get", "pods")
    assert min(took) < time.monotonic() - began + 0.6
