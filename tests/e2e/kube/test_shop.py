"""The example shop on the cluster: an order through the gateway."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from typing import Any

import pytest

from devenv.backends.kube.config import MINIKUBE, find
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
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError:  # the orders are being started anew
        if order:
            raise
        return []


@pytest.fixture
def shop(cluster: OnCluster) -> OnCluster:
    shutil.copytree(ROOT / "examples/shop", cluster.root, dirs_exist_ok=True)
    file = cluster.root / "devenv.yaml"
    file.write_text(file.read_text().replace("name: shop\n", f"name: {cluster.name}\n", 1))
    cluster.environment = {**cluster.environment, "SHOP_KEY": "e2e"}
    return cluster


def gateway(shop: OnCluster) -> int:
    units = {row["name"]: row for row in shop.devenv("status", "--json").json["units"]}
    return int(units["kong"]["ports"]["proxy"])


def orders(port: int) -> list[tuple[str, str]]:
    return [(row["sku"], row["state"]) for row in ask(port)] or [("", "")]


def pods(shop: OnCluster) -> dict[str, str]:
    """Pod -> the container that it runs."""
    return {
        item["metadata"]["name"]: item["status"]["containerStatuses"][0].get("containerID", "")
        for item in shop.get("pods")["items"]
    }


def to_a_look(shop: OnCluster) -> float:
    """An `up` with nothing to do, by the time that a look at the stack takes right before it."""
    look = shop.devenv("status", exits=None).seconds  # a busy machine may keep a check waiting
    return shop.devenv("up", "-d").seconds / look


def an_edit_of_the_orders_is_live(shop: OnCluster, port: int) -> None:
    """A saved file changes what the gateway answers, and no container of the stack."""
    file, before = shop.root / "orders/main.py", pods(shop)
    watch = shop.begin("watch", "-b", "kube")
    file.write_text(file.read_text().replace("ELSE 'invoiced'", "ELSE 'billed'"))
    eventually(lambda: orders(port)[0] == ("sencha", "billed"), "the edit", within=30)
    watch.wait_for("synced")
    watch.interrupt()
    assert pods(shop) == before


def test_an_order_goes_through_on_minikube_and_on_any_cluster(shop: OnCluster) -> None:
    context = shop.host("kubectl", "config", "current-context").strip()
    if find(environment=shop.environment).provider == MINIKUBE:
        shop.devenv("up", "-d", "-b", "minikube", "--context", context, "--remap-ports", within=300)
        port = gateway(shop)
        ask(port, sku="assam", quantity=1)
        eventually(lambda: orders(port) == [("assam", "invoiced")], "the invoice", within=20)

    shop.on("up", "-d", "--remap-ports", within=300)  # of the same cluster, by its other name
    port = gateway(shop)
    ask(port, sku="sencha", quantity=2)
    eventually(lambda: orders(port)[0] == ("sencha", "invoiced"), "the invoice", within=20)

    assert shop.devenv("plan").stdout == ""
    assert any(to_a_look(shop) < 2 for _ in range(5))  # milliseconds are the benchmark's
    label = shop.host("docker", "image", "inspect", "mongo:8.0.30", "-f", "{{json .Config.Labels}}")
    assert ("(stand-in)" in shop.devenv("status").stdout) is ("devenv.standin" in label)
    an_edit_of_the_orders_is_live(shop, port)  # last: from now on up asks these pods what they hold
