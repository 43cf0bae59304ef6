"""`metrics:`: what the stack's Prometheus asks, and what Grafana shows of it."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.gateway.meter import Meter
from devenv.render import compose, kubernetes
from devenv.render.bundle import Source
from devenv.render.kong import declarative
from devenv.stack.model import Stack
from tests import documents
from tests.table import each_row

from .stacks import CATALOGUE, stack

SHOP = """
    name: shop
    services:
      orders: {image: "a:1", port: 80, route: /api, metrics: /internal/metrics, uses: [prometheus, rabbitmq]}
      worker: {image: "a:1", ports: {http: 80, metrics: 9100}, metrics: metrics}
      queue: {image: "a:1", ports: {http: 80, admin: 9000}, metrics: {port: admin, path: /prom}}
      number: {image: "a:1", ports: {http: 80, admin: 9000}, metrics: 9000}
      silent: {image: "a:1", port: 80}
"""


def config(app: Stack) -> dict[str, Any]:
    (file,) = (file for file in app.unit("prometheus").files if file.target.endswith("prometheus.yml"))
    loaded: dict[str, Any] = documents.load(str(file.content))
    return loaded


def asked(app: Stack) -> dict[str, str]:
    (job,) = (job for job in config(app)["scrape_configs"] if job["job_name"] == "units")
    return {
        entry["labels"]["unit"]: entry["targets"][0] + entry["labels"]["__metrics_path__"]
        for entry in job["static_configs"]
    }


EXPECTED = {
    "orders": "orders:80/internal/metrics",
    "worker": "worker:9100/metrics",
    "queue": "queue:9000/prom",
    "number": "number:9000/metrics",
    "prometheus": "prometheus:9090/metrics",
    "rabbitmq": "rabbitmq:15692/metrics",
    "kong": "kong:8007/metrics",
}


def test_prometheus_asks_whoever_says_where_and_what_the_stack_has_besides() -> None:
    assert asked(stack(SHOP)) == EXPECTED


@pytest.mark.parametrize("backend", ["compose", "kubernetes"])
def test_it_is_the_same_on_each_backend_and_each_port_is_there(backend: str) -> None:
    app = stack(SHOP)
    source = Source(secrets=dict.fromkeys(app.secrets | app.generated, "s"))
    if backend == "compose":
        (text,) = (
            text
            for path, text in compose.render(app, source).files.items()
            if path.endswith("prometheus.yml")
        )
        assert documents.load(text) == config(app)
        return
    objects = list(documents.load_all(kubernetes.render(app, source).files["stack.yaml"]))
    ports = {
        f"{item['metadata']['name']}:{port['port']}"
        for item in objects
        if item["kind"] == "Service"
        for port in item["spec"]["ports"]
    }
    assert {target.partition("/")[0] for target in EXPECTED.values()} <= ports


def test_a_program_on_this_machine_is_asked_there() -> None:
    app = stack(SHOP, hosted=("orders",))
    (port,) = app.unit("orders").ports
    assert asked(app)["orders"] == f"host.docker.internal:{port.host}/internal/metrics"


def test_kong_counts_only_where_something_asks() -> None:
    def plugins(app: Stack) -> dict[str, Any]:
        assert app.gateway is not None
        return {
            item["name"]: item["config"] for item in declarative(app.gateway, app.domain).get("plugins", ())
        }

    assert plugins(stack(SHOP))["prometheus"]["latency_metrics"] is True
    without = stack(SHOP.replace("prometheus, ", ""))
    assert plugins(without) == {}
    assert "status" not in [port.name for port in without.unit("kong").ports]


def test_metrics_of_what_runs_elsewhere_are_not_asked_for() -> None:
    app = stack(SHOP + "    infra: {rabbitmq: {external: amqp://mq.example.com}}\n")
    assert "rabbitmq" not in asked(app)


def queries() -> dict[str, list[str]]:
    """Title of each panel -> what it asks Prometheus."""
    board = documents.load(CATALOGUE["grafana"].file.configs["stack"].content)
    return {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in board["panels"]}


def test_the_dashboard_asks_for_what_kong_and_units_say() -> None:
    asks = queries()
    assert len(asks) == 6
    text = " ".join(expression for each in asks.values() for expression in each)
    for name in (
        "kong_http_requests_total",
        "kong_request_latency_ms_bucket",
        "up",
        "process_start_time_seconds",
    ):
        assert name in text


def test_whoever_looks_at_the_dashboard_needs_no_password() -> None:
    app = stack("name: a\nservices:\n  api: {image: x, uses: [grafana]}\n")
    env, files = (
        dict(app.unit("grafana").env),
        {file.target: file.content for file in app.unit("grafana").files},
    )
    assert (env["GF_AUTH_ANONYMOUS_ENABLED"], env["GF_AUTH_ANONYMOUS_ORG_ROLE"]) == ("true", "Viewer")
    providers = documents.load(str(files["/etc/grafana/provisioning/dashboards/devenv.yaml"]))["providers"]
    assert "/etc/grafana/devenv" in [provider["options"]["path"] for provider in providers]
    sources = documents.load(str(files["/etc/grafana/provisioning/datasources/devenv.yaml"]))["datasources"]
    board = documents.load(str(files["/etc/grafana/devenv/stack.json"]))
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {sources[0]["uid"]}


def test_the_embedded_gateway_says_of_its_routes_what_kong_says() -> None:
    meter = Meter()
    for status, spent in ((200, 20.0), (200, 90.0), (502, 70000.0)):
        meter.add("orders", "orders", status, "service", spent)
    lines = meter.text().splitlines()
    assert (
        'kong_http_requests_total{service="orders",route="orders",workspace="default",code="200",source="service"} 2'
        in lines
    )
    ways = 'service="orders",route="orders",workspace="default"'
    for bound, count in (("25", 1), ("80", 1), ("100", 2), ("60000", 2), ("+Inf", 3)):
        assert f'kong_request_latency_ms_bucket{{{ways},le="{bound}"}} {count}' in lines
    assert f"kong_request_latency_ms_count{{{ways}}} 3" in lines


BROKEN = {
    "metrics: 15692/metrics": "infra/mine.yaml:1:22: x-devenv.metrics: mine has no port 15692 - one of the ports of services.mine",
    "metrics: metrics": 'infra/mine.yaml:1:22: x-devenv.metrics: "metrics" is not a port and a path - write 13133/status',
}


@each_row(BROKEN.items())
def test_a_mistake_in_a_kind_is_said_where_it_is(written: str, said: str) -> None:
    from devenv.errors import ManifestInvalid
    from devenv.stack.kinds.catalogue import Catalogue

    text = f"x-devenv: {{about: a, {written}}}\nservices: {{mine: {{image: x, ports: [80]}}}}\n"
    with pytest.raises(ManifestInvalid) as raised:
        Catalogue({"mine": text}, {"mine": "infra/mine.yaml"})["mine"]
    assert [str(problem) for problem in raised.value.problems] == [said]
