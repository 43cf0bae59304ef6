"""The scheme of a URL is the name of its port, where that is one; a page is what a browser shows."""

from __future__ import annotations

from devenv.plan.model import Observed, ObservedUnit
from devenv.plan.status import front_page, front_page_of, pages_of, status
from devenv.stack import labels
from devenv.stack.model import Stack
from devenv.stack.resolve import host_environment
from devenv.stack.world import World
from tests.table import each_row

from .stacks import CATALOGUE, CHECKOUT, env, manifest, problems, stack

TEXT = """
name: a
services:
  broker: {image: x, ports: {amqp: 5672, management: 15672}}
  prices: {image: x, ports: {grpc: 50051, metrics: 9000}, publish: {metrics: false}}
  shop: {image: x, port: 8080, uses: [broker, prices, valkey], env: {P: "${prices.address}", V: "${valkey.address}"}}
  admin: {image: x, port: 8081}
"""


def observed(app: Stack, *order: str) -> Observed:
    """All units running, as an engine lists them."""
    units = {}
    for name in order or [unit.name for unit in reversed(app.units)]:
        tags = labels.identity(app, app.unit(name)) | labels.description(app, app.unit(name), "f")
        units[name] = ObservedUnit.from_labels(labels.read(tags), id=name, state="running")
    return Observed(units=units)


@each_row(
    [
        ("port: 80", "http://api:80"),
        ("ports: {http: 80}", "http://api:80"),
        ("ports: {web: 80}", "http://api:80"),
        ("ports: {https: 443}", "https://api:443"),
        ("ports: {grpc: 50051}", "grpc://api:50051"),
        ("ports: {redis: 6379}", "redis://api:6379"),
        ("ports: {ws: 80}", "ws://api:80"),
        ("ports: {tcp: 9}", "tcp://api:9"),
        ("ports: {amqp: 5672, http: 80}", "amqp://api:5672"),
    ]
)
def test_the_injected_url_has_the_scheme_of_the_main_port(written: str, url: str) -> None:
    text = f"name: a\nservices:\n  web: {{image: x, uses: [api]}}\n  api: {{image: x, {written}}}\n"
    assert env(text, "web")["API_URL"] == url


def test_an_address_is_host_and_port() -> None:
    assert env(TEXT, "shop")["P"] == "prices:50051"
    assert env(TEXT, "shop")["V"] == "valkey:6379"
    outside = host_environment(manifest(TEXT), CATALOGUE, World(CHECKOUT, {("prices", 50051): 7}), "shop")
    assert outside["P"] == "localhost:7"
    assert outside["PRICES_URL"] == "grpc://localhost:7"
    assert problems(TEXT.replace("prices.address", "prices.adress"))[0].endswith('did you mean "address"?')


def test_status_prints_the_scheme_and_a_page_beside_it() -> None:
    app = stack(TEXT)
    running = observed(app).units
    broker, prices = status(running["broker"]), status(running["prices"])
    assert broker.pages == (("", "amqp://localhost:5672"), ("management", "http://localhost:15672"))
    assert broker.url == "http://localhost:15672"
    assert prices.pages == (("", "grpc://localhost:50051"),)
    assert prices.url == ""


def test_up_and_open_lead_to_the_same_page_the_first_that_a_browser_shows() -> None:
    app = stack(TEXT)
    names = [unit.name for unit in app.units]
    order = [*manifest(TEXT).services]
    assert front_page_of(app, names) == front_page(observed(app), order) == "http://localhost:15672"
    few = ["prices", "admin", "shop"]
    assert front_page_of(app, few) == front_page(observed(app, *few), order) == "http://localhost:8080"
    assert front_page_of(app, ["prices"]) == front_page(observed(app, "prices"), order) == ""
    assert "prices" not in pages_of(app)
