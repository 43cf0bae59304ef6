"""`logs:`: what every unit writes goes to one place as well, and costs a container nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from devenv import assets
from devenv.render import compose, kubernetes
from devenv.render.bundle import Source
from devenv.stack.environments import for_elsewhere
from devenv.stack.model import Stack
from tests import documents, schemas
from tests.table import each_row

from .stacks import fingerprints, manifest, problems, stack

SHOP = """
    name: shop
    {}
    services:
      api: {{image: "a:1", port: 80, uses: [postgres], route: /api}}
    jobs:
      migrate: {{image: "a:1", uses: [postgres]}}
"""
TAKERS = ["fluent-bit", "fluentd", "logstash", "otel-collector"]


def shipped(more: str = "logs: true") -> Stack:
    return stack(SHOP.format(more))


def source(app: Stack) -> Source:
    overrides = assets.overrides({unit.engine for unit in app.units})
    return Source(secrets=dict.fromkeys(app.secrets | app.generated, "s"), overrides=overrides)


def services(app: Stack) -> dict[str, Any]:
    rendered: dict[str, Any] = documents.load(compose.render(app, source(app)).files["compose.yaml"])
    services: dict[str, Any] = rendered["services"]
    return services


def workloads(app: Stack) -> dict[str, Any]:
    items = documents.load_all(kubernetes.render(app, source(app)).files["stack.yaml"])
    return {item["metadata"]["name"]: item for item in items if item["kind"] in ("Deployment", "StatefulSet")}


@each_row([
    ("logs: true", "fluent-bit"),
    *((f"logs: {{to: {kind}}}", kind) for kind in TAKERS),
    ("logs: true\n    infra: {fluentd: {}}", "fluentd"),
    ("logs: ship\n    infra: {ship: {kind: logstash}}", "ship"),
])  # fmt: skip
def test_what_takes_the_logs(written: str, taker: str) -> None:
    app = shipped(written)
    assert [unit.name for unit in app.units if unit.logs] == [taker]
    assert {unit.name for unit in app.units if unit.shipped} == {unit.name for unit in app.units} - {taker}


def test_logstash_runs_as_the_user_who_may_read_the_files_which_it_refuses_unless_told() -> None:
    ships = services(shipped("logs: {to: logstash}"))["logstash"]
    assert (ships["user"], ships["environment"]["ALLOW_SUPERUSER"]) == ("root", "true")


def test_a_container_writes_as_always_and_its_lines_say_whose_they_are() -> None:
    rendered = services(shipped())
    for name in ("api", "migrate", "postgres", "kong"):
        labels = "devenv.dev/stack,devenv.dev/unit,devenv.dev/role"
        assert rendered[name]["logging"] == {"driver": "json-file", "options": {"labels": labels}}
        assert "fluent-bit" not in rendered[name].get("depends_on", {})
    assert "logging" not in rendered["fluent-bit"]
    (mount,) = [
        mount
        for mount in rendered["fluent-bit"]["volumes"]
        if isinstance(mount, dict) and mount["target"] == "/logs"
    ]
    assert (mount["source"], mount["read_only"]) == ("/var/lib/docker/containers", True)


def test_on_kubernetes_one_collector_reads_the_nodes_files_and_no_pod_has_another_container() -> None:
    pods = {name: item["spec"]["template"]["spec"] for name, item in workloads(shipped()).items()}
    assert {name: len(pod["containers"]) for name, pod in pods.items()} == dict.fromkeys(pods, 1)
    folders = {
        name: [volume["hostPath"]["path"] for volume in pod.get("volumes", ()) if "hostPath" in volume]
        for name, pod in pods.items()
    }
    read = folders.pop("fluent-bit")
    assert read == ["/var/log/pods", "/var/lib/docker/containers"]
    assert not any(folders.values())
    mounts = pods["fluent-bit"]["containers"][0]["volumeMounts"]
    assert {
        mount["name"]: mount["readOnly"] for mount in mounts if mount["name"] in ("logs", "containers")
    } == {
        "logs": True,
        "containers": True,
    }


@each_row(TAKERS)
def test_each_collector_is_valid_on_kubernetes(taker: str) -> None:
    app = shipped(f"logs: {taker}\n    infra: {{opensearch: {{}}}}")
    for text in kubernetes.render(app, source(app)).files.values():
        for item in filter(None, documents.load_all(text)):
            schemas.validate(item, "1.33")


@pytest.mark.parametrize("taker", TAKERS)
def test_only_this_stacks_lines_are_shipped_and_never_the_collectors_own(taker: str) -> None:
    app = shipped(f"logs: {taker}")
    content = "\n".join(str(file.content) for file in app.unit(taker).files)
    assert "shop-c0ffee" in content
    assert "/logs/shop_*/*/*.log" in content
    (pattern,) = re.findall(r"\^\(([a-z|-]*\bapi\b[a-z|-]*)\)", content)
    assert set(pattern.split("|")) >= {unit.name for unit in app.units} - {taker}
    assert taker not in pattern.split("|")
    assert "password" not in content.lower()


@each_row([(taker, store) for taker in TAKERS for store in ("elasticsearch", "opensearch")])
def test_the_lines_go_to_the_store_that_the_stack_has(taker: str, store: str) -> None:
    def config(more: str) -> str:
        unit = shipped(f"logs: {taker}\n    infra: {{{more}}}").unit(taker)
        return "\n".join(str(file.content) for file in unit.files) + str(unit.env)

    assert f"{store}:9200" in config(f"{store}: {{}}") or f'host: "{store}", port: 9200' in config(
        f"{store}: {{}}"
    )
    assert f"{store}:" not in config("")


def test_a_configuration_of_yaml_is_yaml() -> None:
    for taker, count in (("fluent-bit", 1), ("otel-collector", 4)):
        for more in ("", "opensearch: {}", "elasticsearch: {}"):
            app = shipped(f"logs: {taker}\n    infra: {{{more}}}")
            files = [documents.load(str(file.content)) for file in app.unit(taker).files]
            assert len(files) == count
            assert all(isinstance(file, dict) for file in files)


def test_with_the_word_a_container_is_made_anew_and_without_it_nothing_changes() -> None:
    with_it, without = fingerprints(shipped()), fingerprints(shipped(""))
    assert all(with_it[name] != without[name] for name in without)
    assert not any("logging" in service for service in services(shipped("")).values())


def test_an_environment_has_a_collector_of_its_own() -> None:
    text = SHOP.format("logs: true\n    environments: {production: {context: c, infra: {postgres: deploy}}}")
    assert problems(text) == []
    assert for_elsewhere(manifest(text)).logs is None


WRONG = {
    "logs: jaeger": "3:1: logs.to: jaeger takes no logs - one of: fluent-bit, fluentd, logstash, otel-collector",
    "logs: {to: fluentdd}": '3:8: logs.to: no infra kind "fluentdd" - did you mean "fluentd"?',
}


@each_row(WRONG.items())
def test_a_mistake_is_said_where_it_is(written: str, said: str) -> None:
    assert problems(SHOP.format(written)) == [said]
