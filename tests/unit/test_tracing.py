"""`tracing:`: every service is told where its traces go, and the gateway sends its own."""

from __future__ import annotations

from devenv.render.kong import declarative
from devenv.stack.model import Stack
from tests import documents
from tests.table import each_row

from .stacks import env, problems, stack, unit

SHOP = """
    name: shop
    {}
    services:
      api: {{image: "a:1", port: 80, route: /api}}
      worker: {{image: "a:1", env: {{OTEL_SERVICE_NAME: mine}}}}
    jobs:
      migrate: {{image: "a:1"}}
"""


def traced(more: str = "tracing: true") -> str:
    return SHOP.format(more)


def global_plugins(app: Stack) -> dict[str, object]:
    assert app.gateway is not None
    return {
        item["name"]: item.get("config") for item in declarative(app.gateway, app.domain).get("plugins", ())
    }


def test_every_service_and_job_is_told_where_its_traces_go() -> None:
    given = {name: env(traced(), name) for name in ("api", "worker", "migrate")}
    for name, variables in given.items():
        assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://jaeger:4318", name
        assert variables["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf", name
    names = {name: variables["OTEL_SERVICE_NAME"] for name, variables in given.items()}
    assert names == {"api": "api", "worker": "mine", "migrate": "migrate"}


def test_nobody_waits_for_what_takes_the_traces() -> None:
    app = stack(traced())
    assert [unit.name for unit in app.units if unit.needs] == []


@each_row([
    ("tracing: true", "jaeger", ""),
    ("tracing: otel-collector", "otel-collector", ""),
    ("tracing: {to: traces}\n    infra: {traces: {kind: jaeger}}", "traces", ""),
    ("tracing: true\n    infra: {otel-collector: {}}", "otel-collector", ""),
    ("tracing: true\n    infra: {jaeger: {}, otel-collector: {}}", "otel-collector", "jaeger"),
    ("tracing: true\n    infra: {spans: {kind: jaeger}, otel-collector: {}}", "otel-collector", "spans"),
])  # fmt: skip
def test_what_takes_the_traces(written: str, taker: str, behind: str) -> None:
    """The collector, where there is one; it passes them on to the stack's Jaeger, and prints them otherwise."""
    app = stack(traced(written))
    assert dict(app.unit("api").env)["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://{taker}:4318"
    if taker == "otel-collector":
        content = next(file.content for file in app.unit(taker).files if file.target.endswith("traces.yaml"))
        config = documents.load(content)
        exporters = config["service"]["pipelines"]["traces"]["exporters"]
        assert exporters == (["otlp/jaeger"] if behind else ["debug"])
        if behind:
            assert config["exporters"]["otlp/jaeger"]["endpoint"] == f"{behind}:4317"


def test_the_gateway_sends_spans_of_its_own() -> None:
    app = stack(traced())
    assert global_plugins(app)["opentelemetry"] == {
        "traces_endpoint": "http://jaeger:4318/v1/traces",
        "resource_attributes": {"service.name": "kong"},
    }
    own = dict(app.unit("kong").env)
    assert (own["KONG_TRACING_INSTRUMENTATIONS"], own["KONG_TRACING_SAMPLING_RATE"]) == ("all", "1.0")


def test_a_plugin_of_the_manifest_is_left_as_it_is() -> None:
    written = (
        "tracing: true\n    gateway: {plugins: [{opentelemetry: {traces_endpoint: http://mine/v1/traces}}]}"
    )
    assert global_plugins(stack(traced(written))) == {
        "opentelemetry": {"traces_endpoint": "http://mine/v1/traces"}
    }


def test_a_plugin_of_the_users_own_kong_yml_is_not_there_twice() -> None:
    extra = {"plugins": [{"name": "opentelemetry", "config": {"traces_endpoint": "http://mine/v1/traces"}}]}
    app = stack(traced("tracing: true\n    gateway: {extra: kong.yml}"), extra=extra)
    assert app.gateway is not None
    assert declarative(app.gateway, app.domain)["plugins"] == extra["plugins"]


@each_row(["", "tracing: false", "tracing: False"])
def test_without_the_word_nothing_is_there(written: str) -> None:
    app = stack(traced(written))
    assert "jaeger" not in app
    assert not [
        name for each in app.units for name, _ in each.env if "OTEL_EXPORTER" in name or "TRACING" in name
    ]
    assert global_plugins(app) == {}


def test_uses_alone_tells_its_user() -> None:
    text = "name: a\nservices:\n  api: {image: x, uses: [jaeger]}\n  page: {image: x}\n"
    assert env(text, "api")["OTEL_SERVICE_NAME"] == "api"
    assert "OTEL_SERVICE_NAME" not in env(text, "page")


def test_a_collector_somewhere_else() -> None:
    text = traced("tracing: true\n    infra: {jaeger: {external: http://otel.example.com:4318}}")
    assert env(text, "api")["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel.example.com:4318"
    assert env(text, "api")["OTEL_SERVICE_NAME"] == "api"


def test_on_the_host_a_program_is_told_as_well() -> None:
    given = dict(unit(traced(), "api", hosted=("api",)).env)
    assert (given["OTEL_EXPORTER_OTLP_ENDPOINT"], given["OTEL_SERVICE_NAME"]) == (
        "http://127.0.0.1:4318",
        "api",
    )


WRONG = {
    "tracing: api": '3:1: tracing.to: no infra kind "api" - did you mean "mailpit"?',
    "tracing: jeager": '3:1: tracing.to: no infra kind "jeager" - did you mean "jaeger"?',
    "tracing: postgres": "3:1: tracing.to: postgres takes no traces - one of: jaeger, otel-collector",
    "tracing: {too: jaeger}": '3:11: tracing.too: unknown key - did you mean "to"?',
}


@each_row(WRONG.items())
def test_a_mistake_is_said_where_it_is(written: str, said: str) -> None:
    assert problems(traced(written)) == [said]
