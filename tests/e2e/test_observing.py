"""What a team sees of its stack: numbers, the path of a request, what was written; by the real servers.

Those of Jaeger and of a log store are run by `make test-kinds`. Kong is the embedded gateway here: it counts requests, and sends no spans.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from devenv import assets
from tests import documents

from .checkout import Checkout, eventually
from .conftest import MakeCheckout

pytestmark = pytest.mark.engine

Query = Callable[[str], list[str]]


def answer(url: str, body: Any = None) -> Any:
    """The JSON that a server answers, to a POST if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read() or "null")


def copied(checkout: Checkout, example: str, *, without: tuple[str, ...] = ()) -> None:
    """An example in a checkout, without the kinds whose servers cannot be had here."""
    text = checkout.example(example)
    for kind in without:
        text = text.replace(f", {kind}", "").replace(f"  {kind}: {{}}\n", "")
    checkout.write("devenv.yaml", text)


@pytest.fixture(scope="module")
def metrics(shared: Checkout) -> Checkout:
    """The example of metrics, without Grafana and without traces."""
    copied(shared, "metrics", without=("grafana", "otel-collector", "jaeger"))
    shared.write("devenv.yaml", (shared.root / "devenv.yaml").read_text().replace("tracing: true\n", ""))
    shared.devenv("up", "-d", "--remap-ports", within=240)
    return shared


@pytest.fixture(scope="module")
def query(metrics: Checkout) -> Query:
    """Ask Prometheus."""
    port = metrics.port("prometheus", "web")

    def value(expression: str) -> list[str]:
        asked = urllib.parse.urlencode({"query": expression})
        results = answer(f"http://localhost:{port}/api/v1/query?{asked}")["data"]["result"]
        return [result["value"][1] for result in results]

    return value


def test_prometheus_collects_what_services_the_gateway_and_brokers_say(
    metrics: Checkout, query: Query
) -> None:
    assert eventually(lambda: query("orders_total"), "a sample of the service", within=40) == ["42"]
    assert eventually(lambda: query("rabbitmq_identity_info"), "one of the broker", within=40) == ["1"]
    assert eventually(lambda: query('count(up{job="units"} == 1)') == ["4"], "all four of them", within=40)
    port = metrics.port("prometheus", "web")
    assert "NoOrders" in json.dumps(answer(f"http://localhost:{port}/api/v1/rules"))


def test_each_question_of_the_dashboard_has_an_answer(metrics: Checkout, query: Query) -> None:
    kind = documents.load(assets.catalogue()["grafana"])
    board = documents.load(kind["configs"]["stack"]["content"])
    orders = f"http://localhost:{metrics.port('kong', 'proxy')}/api/orders"

    def answered(expression: str) -> bool:
        with urllib.request.urlopen(orders, timeout=10) as response:
            assert response.read() == b"tea\n"
        return any(float(number) >= 0 for number in query(expression))  # NaN is no number here

    for panel in board["panels"]:
        for target in panel["targets"]:
            eventually(lambda: answered(target["expr"]), f"{panel['title']}: {target['expr']}", within=60)  # noqa: B023
    (rate,) = query("sum by (route) (rate(kong_http_requests_total[1m]))")
    assert float(rate) > 0


def span(service: str, trace: str) -> dict[str, Any]:
    """A trace of one span, as OTLP has it in JSON."""
    now = time.time_ns()
    one = {
        "traceId": trace,
        "spanId": trace[:16],
        "name": "place order",
        "kind": 2,
        "startTimeUnixNano": str(now - 1_000_000),
        "endTimeUnixNano": str(now),
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [one]}]}]}


@pytest.mark.kinds
def test_a_span_sent_where_a_service_is_told_to_is_in_jaeger(checkouts: MakeCheckout) -> None:
    metrics = checkouts()
    copied(metrics, "metrics", without=("grafana", "prometheus"))
    metrics.devenv("up", "-d", "--remap-ports", within=240)
    given = metrics.devenv("env", "orders", "--json").json
    assert (given["OTEL_SERVICE_NAME"], given["OTEL_EXPORTER_OTLP_PROTOCOL"]) == ("orders", "http/protobuf")
    inside = metrics.units()["orders"].env
    assert inside["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel-collector:4318"
    trace = "5b8aa5a2d2c872e8321cf37308d69df2"
    answer(f"{given['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/traces", span(given["OTEL_SERVICE_NAME"], trace))
    jaeger = f"http://localhost:{metrics.port('jaeger', 'ui')}"
    services = eventually(lambda: answer(f"{jaeger}/api/services")["data"], "a service in Jaeger", within=30)
    assert services == ["orders"]
    (kept,) = answer(f"{jaeger}/api/traces/{trace}")["data"]
    assert [each["operationName"] for each in kept["spans"]] == ["place order"]


@pytest.fixture
def logs(checkouts: MakeCheckout) -> Checkout:
    """The example of logs, which is not started yet."""
    checkout = checkouts()
    copied(checkout, "logs")
    return checkout


@pytest.mark.kinds
def test_the_id_of_a_request_finds_what_both_services_wrote_of_it(logs: Checkout) -> None:
    logs.devenv("up", "-d", "--remap-ports", "kong", "orders", "fluent-bit", "opensearch", within=300)
    with urllib.request.urlopen(f"http://localhost:{logs.port('kong', 'proxy')}/api/orders") as response:
        request_id = response.headers["X-Request-ID"]
    store = f"http://localhost:{logs.port('opensearch', 'http')}/logs/_search"

    def hits(**query: str) -> list[dict[str, str]]:
        try:
            document = answer(f"{store}?{urllib.parse.urlencode(query)}")
        except urllib.error.HTTPError:  # no line was shipped yet, so there is no index
            return []
        return [hit["_source"] for hit in document["hits"]["hits"]]

    def lines() -> list[dict[str, str]]:
        return [line for line in hits(q=f'message:"{request_id}"') if line["service"] != "kong"]

    both = eventually(lambda: lines() if len(lines()) == 2 else None, "a line of each service", within=60)
    assert {line["service"] for line in both} == {"orders", "stock"}
    stack = logs.units()["orders"].raw["Config"]["Labels"]["devenv.dev/stack"]
    assert {line["stack"] for line in hits(q="*", size="1000")} == {stack}
    ids = {unit.raw["Id"][:12] for name, unit in logs.units().items() if name in ("orders", "stock")}
    assert {line["container"] for line in both} == ids


@pytest.mark.kinds
def test_a_service_starts_and_writes_while_the_collector_is_down(logs: Checkout) -> None:
    logs.devenv("up", "-d", "--remap-ports", "orders", within=120)
    assert set(logs.units()) == {"orders", "stock"}
    assert logs.units()["orders"].raw["HostConfig"]["LogConfig"]["Type"] == "json-file"
