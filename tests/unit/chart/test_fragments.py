"""What a `kubernetes:` fragment says is in the chart as it is on the kube backend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devenv.engine.promotion import charts
from devenv.manifest import source
from devenv.render.kubernetes import render
from tests import documents
from tests.helm import Helm

from .charts import Objects, objects, project, rendered, written

FRAGMENT = """\
Deployment:
  metadata: {annotations: {reload/auto: "true", odd: "{{ x }} \\x7f"}, labels: {team: doors}}
  spec:
    minReadySeconds: 3
    strategy: {type: Recreate}
    template:
      metadata: {annotations: {scrape: "true"}, labels: {inject: "true"}}
      spec:
        serviceAccountName: mine
        hostAliases: [{ip: 192.0.2.1, hostnames: [h]}]
        imagePullSecrets: [{name: login}]
        topologySpreadConstraints: [{maxSkew: 2, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
        initContainers: [{name: first, image: "busybox:1"}]
        containers: [{name: side, image: "busybox:2"}]
Service:
  metadata: {annotations: {load-balancer: inner}, labels: {team: doors}}
  spec: {type: LoadBalancer}
ConfigMap: {apiVersion: v1, metadata: {annotations: {a: b}}, data: {extra: "1"}}
Secret: {apiVersion: v1, stringData: {p: q}}
NetworkPolicy: {apiVersion: networking.k8s.io/v1, metadata: {annotations: {a: b}}, spec: {podSelector: {}}}
"""
INDENTED = FRAGMENT.replace("\n", "\n" + " " * 8)
MANIFEST = f"""\
name: shop
services:
  api:
    image: x:1
    port: 80
    files: {{/etc/api.ini: ./api.ini}}
    kubernetes:
        {INDENTED}
"""


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "api.ini").write_text("x\n", encoding="utf-8")
    (tmp_path / "devenv.yaml").write_text(MANIFEST, encoding="utf-8")
    return written(tmp_path / "chart", project(tmp_path))


def of_kube(chart: Path) -> Objects:
    promoted = charts.promoted(project(chart.parent))
    files = render(replace(promoted.stack, namespace="there"), promoted.source).files
    return {key: item for text in files.values() for key, item in objects(text).items()}


def missing(expected: Any, actual: Any, place: str = "") -> Iterator[str]:
    """Places of what is in the one and not in the other; entries of lists go by their names."""
    match expected, actual:
        case dict(), dict():
            for key, value in expected.items():
                yield from missing(value, actual.get(key), f"{place}.{key}")
        case [{"name": _}, *_], list():
            by_name = {entry["name"]: entry for entry in actual}
            yield from missing({entry["name"]: entry for entry in expected}, by_name, place)
        case _ if expected != actual:
            yield f"{place}: {actual!r} is not {expected!r}"


@pytest.mark.programs
def test_all_that_it_says_is_there(helm: Helm, chart: Path) -> None:
    here, there = of_kube(chart), rendered(helm, chart)
    for kind, fragment in documents.load(FRAGMENT).items():
        assert [*missing(fragment, here[kind, "api"])] == []
        assert [*missing(fragment, there[kind, "api"])] == []
    assert there["ConfigMap", "api"]["data"] == here["ConfigMap", "api"]["data"]


@pytest.mark.programs
def test_what_an_operator_adds_stands_beside_it_and_nothing_twice(
    helm: Helm, chart: Path, tmp_path: Path
) -> None:
    values = tmp_path / "more.yaml"
    values.write_text(
        "labels: {team: gates, tier: web}\nannotations: {a: z, b: c}\nimagePullSecrets: [{name: other}]\n"
        "services: {api: {podAnnotations: {scrape: no, more: of}}}\n".replace(": no", ': "no"'),
        encoding="utf-8",
    )
    for page in helm("template", "rel", chart, "-f", values).split("\n---\n"):
        source.read(page, file="page")  # PyYAML takes a key that is there twice
    there = rendered(helm, chart, "-f", values)
    deployment = there["Deployment", "api"]
    assert [*missing({"team": "doors", "tier": "web"}, deployment["metadata"]["labels"])] == []
    assert [*missing({"a": "b", "b": "c"}, there["NetworkPolicy", "api"]["metadata"]["annotations"])] == []
    template = deployment["spec"]["template"]
    assert [*missing({"scrape": "true", "more": "of"}, template["metadata"]["annotations"])] == []
    assert template["spec"]["imagePullSecrets"] == [{"name": "login"}, {"name": "other"}]
