"""The example shop, end to end: one order, looked for in every store and on the page."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from .checkout import Checkout, eventually

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("shop")]

SHOP = Path(__file__).parents[2] / "examples" / "shop"
KEY = {"apikey": "demo-key"}
SERVICES = {"storefront", "catalogue", "stock", "orders", "invoices"}
STORES = {"postgres", "mysql", "mongo", "minio", "cache", "kong"}


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ask(url: str, *, headers: Mapping[str, str] | None = None, body: Any = None) -> Answer:
    """GET, or with a body POST as JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {**(headers or {}), "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Answer(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode())


class Shop(Checkout):
    """A copy of the example, and ways to ask its stores without devenv's help."""

    @property
    def front(self) -> str:
        return f"http://localhost:{self.port('kong', 'proxy')}"

    def order(self, sku: str, quantity: int) -> Answer:
        wanted = {"sku": sku, "quantity": quantity}
        return ask(f"{self.front}/api/orders", headers=KEY, body=wanted)

    def sql(self, query: str) -> str:
        return self.devenv("exec", "postgres", "psql", "-U", "app", "-Atc", query, "shop").stdout.strip()

    def on_hand(self, sku: str) -> int:
        query = f"SELECT on_hand FROM stock WHERE sku = '{sku}'"
        line = (
            f'MYSQL_PWD="$MYSQL_PASSWORD" mysql -h127.0.0.1 -u"$MYSQL_USER" -Ne "{query}" "$MYSQL_DATABASE"'
        )
        return int(self.devenv("exec", "mysql", "sh", "-c", line).stdout)

    def product(self, sku: str) -> str:
        find = f'print(db.products.findOne({{"sku": "{sku}"}}).name)'
        return self.devenv("exec", "mongo", "mongosh", "--quiet", "catalogue", "--eval", find).stdout.strip()

    def invoice(self, key: str) -> str:
        line = (
            'mc alias set -q here http://127.0.0.1:9000 "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" >/dev/null'
            f" && mc cat here/invoices/{key}"
        )
        return self.devenv("exec", "minio", "sh", "-c", line).stdout


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient, environment: Mapping[str, str]
) -> Iterator[Shop]:
    """The shop, up and with its first data."""
    folder = tmp_path_factory.mktemp("shop") / "shop"
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".devenv", "node_modules", "__pycache__"))
    shop = Shop(folder, "shop", engine, environment, own_images=False)
    try:
        shop.devenv("up", "-d", within=600)
        yield shop
    finally:
        shop.clear()


@pytest.fixture(scope="module")
def placed(shop: Shop) -> dict[str, Any]:
    """An order of two tins that came through the gateway and has its invoice."""
    before = shop.on_hand("sencha")
    answer = shop.order("sencha", 2)
    assert answer.status == 201, answer.text
    url = f"{shop.front}/api/orders/{answer.json['id']}"
    eventually(lambda: ask(url, headers=KEY).json["state"] == "invoiced", "the invoice")
    return {**answer.json, "on hand before": before}


def test_everything_is_healthy_and_a_second_up_has_nothing_to_do(shop: Shop) -> None:
    assert shop.running() == SERVICES | STORES
    assert {name for name, container in shop.units().items() if container.health == "healthy"} >= STORES
    before = shop.lives()

    assert "nothing to do" in shop.devenv("up", "-d").stderr
    assert shop.lives() == before


def test_an_edit_of_the_orders_is_live_through_the_gateway_and_nothing_else_changes(
    shop: Shop, placed: dict[str, Any]
) -> None:
    file, before, url = shop.root / "orders/main.py", shop.lives(), f"{shop.front}/api/orders/{placed['id']}"
    text = file.read_text()

    def state() -> str:
        answer = ask(url, headers=KEY)
        return str(answer.json["state"]) if answer.status == 200 else ""

    watch = shop.begin("watch", "-b", "compose")
    try:
        file.write_text(text.replace("ELSE 'invoiced'", "ELSE 'billed'"))
        eventually(lambda: state() == "billed", "the edit", within=30)
    finally:
        file.write_text(text)
    eventually(lambda: state() == "invoiced", "the file as it was", within=30)
    watch.interrupt()
    assert shop.lives() == before


def test_an_order_without_the_key_is_refused(shop: Shop) -> None:
    answer = ask(f"{shop.front}/api/orders", body={"sku": "sencha", "quantity": 1})

    assert answer.status == 401
    assert answer.json["message"] == "No API key found in request"


def test_an_order_is_a_row_in_postgresql(shop: Shop, placed: dict[str, Any]) -> None:
    row = shop.sql(f"SELECT sku, quantity, total FROM orders WHERE id = {placed['id']}")

    assert row == f"sencha|2|{placed['total']}"


def test_an_order_lowers_the_stock_in_mysql(shop: Shop, placed: dict[str, Any]) -> None:
    assert shop.on_hand("sencha") == placed["on hand before"] - 2


def test_what_was_ordered_is_a_product_in_mongodb(shop: Shop, placed: dict[str, Any]) -> None:
    assert shop.product("sencha") == placed["name"] == "Sencha"


def test_the_invoice_is_an_object_in_minio(shop: Shop, placed: dict[str, Any]) -> None:
    key = shop.sql(f"SELECT invoice FROM orders WHERE id = {placed['id']}")
    page = shop.invoice(key)

    assert "Sencha" in page
    assert f"{placed['total'] / 100:.2f}" in page
    assert ask(f"{shop.front}/api/orders/{placed['id']}/invoice", headers=KEY).text == page


def test_the_page_shows_the_order_and_its_invoice(shop: Shop, placed: dict[str, Any]) -> None:
    front = shop.devenv("open").stdout.strip()
    page = ask(front).text

    assert front == f"{shop.front}/"
    assert "Leaf &amp; Kettle" in page
    assert f"{placed['on hand before'] - 2} tins" in page
    assert f"/invoices/{placed['id']}" in page or f"/orders/{placed['id']}" in page


def test_an_order_of_more_than_there_is_changes_nothing(shop: Shop) -> None:
    before = shop.on_hand("tieguanyin"), shop.sql("SELECT count(*) FROM orders")

    assert shop.order("tieguanyin", 20).status == 409
    assert (shop.on_hand("tieguanyin"), shop.sql("SELECT count(*) FROM orders")) == before


@pytest.mark.parametrize(
    "address", ["orders", "orders.shop", "orders.shop.svc.cluster.local", "orders.default.svc.cluster.local"]
)
def test_the_addresses_of_kubernetes_answer_from_another_container(shop: Shop, address: str) -> None:
    code = f'fetch("http://{address}:8000/healthz").then(r => r.text()).then(t => console.log(t))'

    assert json.loads(shop.inside("storefront", "node", "-e", code)) == {"ok": True}


def test_every_address_of_the_gateway_follows_its_ports(shop: Shop) -> None:
    env = shop.units()["kong"].env
    manager, admin = shop.port("kong", "manager"), shop.port("kong", "admin")

    assert env["KONG_ADMIN_GUI_URL"] == f"http://localhost:{manager}"
    assert env["KONG_ADMIN_GUI_API_URL"] == f"http://localhost:{admin}"
    assert f"manager http://localhost:{manager}" in shop.devenv("status").stdout
    routes = ask(f"http://localhost:{admin}/routes").json["data"]
    assert {route["name"] for route in routes} == {"storefront", "catalogue", "orders"}


def test_a_program_on_this_machine_reaches_postgresql_with_the_exported_variables(
    shop: Shop, placed: dict[str, Any]
) -> None:
    # Speaks the protocol as far as the server's question for a password: no client library is needed for that.
    program = (
        "import os, socket, struct; from urllib.parse import urlsplit\n"
        "url = urlsplit(os.environ['POSTGRES_URL']); to = socket.create_connection((url.hostname, url.port), 5)\n"
        "body = struct.pack('!i', 196608) + f'user\\0{url.username}\\0database\\0{url.path[1:]}\\0\\0'.encode()\n"
        "to.sendall(struct.pack('!i', len(body) + 4) + body); print(to.recv(1).decode())\n"
        "assert url.password == os.environ['PGPASSWORD'] and url.password"
    )

    output = shop.host("sh", "-c", 'eval "$(devenv env orders --export)" && exec python3 -c "$0"', program)

    assert output == "R\n"  # AuthenticationRequest


def test_psql_on_this_machine_finds_the_row(shop: Shop, placed: dict[str, Any]) -> None:
    if shutil.which("psql") is None:
        pytest.skip("no psql on this machine")
    query = f"SELECT quantity FROM orders WHERE id = {placed['id']}"

    output = shop.host("sh", "-c", f'eval "$(devenv env orders --export)" && psql -Atc "{query}"')

    assert output == "2\n"


def test_more_requests_than_the_route_allows_are_answered_429(shop: Shop) -> None:
    front = shop.front
    # 60 a minute by the clock; a minute may end meanwhile, but not two.
    answers = (ask(f"{front}/api/catalogue") for _ in range(122))

    refused = next((answer for answer in answers if answer.status != 200), None)

    assert refused is not None
    assert (refused.status, refused.json["message"]) == (429, "API rate limit exceeded")
    assert ask(f"{front}/").status == 200


def test_a_changed_page_is_sent_to_the_storefront_and_leaves_all_else_alone(shop: Shop) -> None:
    before = shop.lives()
    page = shop.root / "storefront" / "page.js"
    news = f"Fresh tea, lot {uuid.uuid4().hex[:8]}, in tins"
    page.write_text(page.read_text().replace("Loose tea, in tins", news))

    plan = shop.devenv("plan").stdout
    shop.devenv("up", "-d", within=300)

    assert plan.splitlines()[0] == "[] -> #1 sync storefront (storefront/page.js)"
    assert "build" not in plan
    assert shop.lives() == before
    assert news in ask(f"{shop.front}/").text


def test_down_leaves_nothing_but_the_data_and_up_has_it_again(shop: Shop, placed: dict[str, Any]) -> None:
    volumes = shop.volumes()

    shop.devenv("down")
    assert (shop.containers(), shop.networks()) == ([], [])
    assert shop.volumes() == volumes != []

    shop.devenv("up", "-d", within=300)
    assert shop.sql(f"SELECT quantity FROM orders WHERE id = {placed['id']}") == "2"
    assert shop.on_hand("sencha") == placed["on hand before"] - 2
    assert shop.product("sencha") == "Sencha"
    assert "Sencha" in ask(f"{shop.front}/api/orders/{placed['id']}/invoice", headers=KEY).text

    shop.devenv("down", "--volumes", "--yes")
    assert (shop.containers(), shop.networks(), shop.volumes()) == ([], [], [])
