"""Every kind that comes with devenv, rendered: what it becomes on each backend is valid there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devenv import assets
from devenv.manifest.parse import parse
from devenv.render import compose, kubernetes
from devenv.render.bundle import Source
from devenv.stack.kinds.catalogue import Catalogue, Facts, Kind
from devenv.stack.model import Stack
from devenv.stack.outline import outline
from devenv.stack.resolve import resolve
from devenv.stack.world import World
from tests import documents, schemas
from tests.table import each_row

from .stacks import CATALOGUE, env, manifest, problems, stack

USED = [kind for kind in CATALOGUE if not CATALOGUE[kind].block.gateway]


USES = "name: a\nservices:\n  api: {{image: x, uses: [{}]}}\n"


def using(kind: str) -> Stack:
    return stack(USES.format(kind))


def source(app: Stack) -> Source:
    names = app.secrets | app.generated
    overrides = assets.overrides({unit.engine for unit in app.units})
    prints = {unit.name: "fingerprint" for unit in app.units}
    return Source(fingerprints=prints, secrets=dict.fromkeys(names, "sesame"), overrides=overrides)


@each_row([*USED])
def test_kubernetes_own_schemas_take_every_object_of_a_kind(kind: str) -> None:
    app = using(kind)
    files = kubernetes.render(app, source(app)).files
    objects = [item for text in files.values() for item in documents.load_all(text) if item]
    for item in objects:
        schemas.validate(item, "1.33")
    assert {item["metadata"]["name"] for item in objects} >= {unit.name for unit in app.units}


@each_row([*USED])
def test_on_compose_each_unit_of_a_kind_is_pinned_limited_and_waited_for(kind: str) -> None:
    app = using(kind)
    services = documents.load(compose.render(app, source(app)).files["compose.yaml"])["services"]
    for unit in app.units:
        if unit.engine == kind:
            service = services[unit.name]
            assert ":" in service["image"].rpartition("/")[2]
            assert not service["image"].endswith(":latest")
            if unit.role == "infra":
                assert service["mem_limit"]
                asked = unit.probe is not None and unit.probe.kind == "http"
                assert asked is ("healthcheck" not in service)
                assert asked or service["healthcheck"]["test"]


@pytest.mark.parametrize(("use", "vhost", "path"), [("", "/", "%2F"), ("/orders", "orders", "orders")])
def test_the_virtual_host_of_a_queue_is_quoted_in_its_url(use: str, vhost: str, path: str) -> None:
    variables = env(USES.format(f"rabbitmq{use}"), "api")
    assert variables["AMQP_URL"] == f"amqp://app:|RABBITMQ_PASSWORD|@rabbitmq:5672/{path}"
    assert variables["RABBITMQ_VHOST"] == vhost


def test_virtual_hosts_are_made_where_some_are_asked_for() -> None:
    setup = stack(USES.format("rabbitmq/orders, rabbitmq/mail")).unit("rabbitmq-setup")
    assert "for vhost in orders mail;" in str(setup.command)
    assert "rabbitmq-setup" not in using("rabbitmq")


def test_data_of_rabbitmq_is_found_again_whatever_its_container_is_called() -> None:
    nodes = {
        name: dict(stack(f"name: a\nservices: {{}}\ninfra: {{{name}: {{kind: rabbitmq}}}}\n").unit(name).env)
        for name in ("rabbitmq", "broker")
    }
    assert {environment["RABBITMQ_NODENAME"] for environment in nodes.values()} == {"rabbit@localhost"}


@pytest.mark.parametrize(
    ("infra", "message"),
    [
        ("rabbitmq: {vhots: /}", 'infra.rabbitmq.vhots: unknown key - did you mean "vhosts"?'),
        ('rabbitmq: {image: "rabbitmq:3.8-management"}', "3.9"),
        ('nats: {version: "2.2"}', "2.9"),
        ("memcached: {memory: lots}", "memory"),
    ],
)
def test_what_a_kind_cannot_be_told_is_refused(infra: str, message: str) -> None:
    said = problems(f"name: a\nservices: {{}}\ninfra:\n  {infra}\n")
    assert any(message in line for line in said), said


def test_files_of_the_project_lie_where_any_option_of_a_kind_says() -> None:
    text = "name: a\nservices: {}\ninfra: {rabbitmq: {definitions: [b.json, a/*.json]}}\n"
    wants = [want for want in outline(manifest(text), CATALOGUE).wants if want.kind == "pattern"]
    assert [(want.name, want.path) for want in wants] == [
        ("b.json", ("infra", "rabbitmq", "definitions", 0)),
        ("a/*.json", ("infra", "rabbitmq", "definitions", 1)),
    ]
    setup = stack(text, files={"b.json": (("b.json", "d1"),), "a/*.json": (("a/x.json", "d2"),)}).unit(
        "rabbitmq-setup"
    )
    assert [(file.target, file.source) for file in setup.files] == [
        ("/definitions/100-b.json", "b.json"),
        ("/definitions/101-x.json", "a/x.json"),
    ]


@pytest.mark.parametrize("path", ["/etc/passwd", "../b.json", "${desk.host}"])
def test_no_option_of_a_kind_reads_outside_the_project(path: str) -> None:
    lines = problems(
        f"name: a\nservices: {{desk: {{image: x}}}}\ninfra: {{rabbitmq: {{definitions: ['{path}']}}}}\n"
    )
    assert "infra.rabbitmq.definitions" in " ".join(lines)


def test_a_broker_is_named_as_each_asker_reaches_it() -> None:
    app = stack(USES.format("kafka/orders"))
    kafka = app.unit("kafka")
    listeners = dict(kafka.env)["KAFKA_ADVERTISED_LISTENERS"]
    assert listeners == "INSIDE://kafka:9092,OUTSIDE://localhost:9092"
    assert env(USES.format("kafka/orders"), "api")["KAFKA_BROKERS"] == "kafka:9092"
    assert [(port.container, port.host) for port in kafka.ports] == [(9092, None), (9094, 9092)]
    moved = stack(USES.format("kafka") + "infra: {kafka: {publish: 19092}}\n").unit("kafka")
    assert dict(moved.env)["KAFKA_ADVERTISED_LISTENERS"].endswith("OUTSIDE://localhost:19092")


def test_a_port_that_this_machine_never_gets_cannot_be_published() -> None:
    lines = problems("name: a\nservices: {}\ninfra: {kafka: {publish: {kafka: 9092}}}\n")
    assert lines == ['3:27: infra.kafka.publish.kafka: no port "kafka" - known here: outside']


@pytest.mark.parametrize(
    ("service", "read"),
    [
        ("{image: x, uses: [valkey]}", {"valkey"}),
        ("{image: x, port: 80, route: /, uses: [valkey]}", {"valkey", "kong"}),
        ("{image: x}", set()),
    ],
)
def test_only_the_files_of_kinds_in_use_are_parsed(service: str, read: set[str]) -> None:
    parsed = []

    def recall(*inputs: str, make: Callable[[], Kind]) -> Kind:
        parsed.append(inputs[1])
        return make()

    catalogue = Catalogue(assets.catalogue(), recall=recall)
    document, _ = parse(f"name: a\nservices: {{api: {service}}}\n", file="x", kinds=Facts(catalogue))
    resolve(document, catalogue, World("c0ffee123456"))
    assert set(parsed) == read
