"""Names of variables with dots and hyphens: in `env`, on every backend; secrets keep names of the shell."""

from __future__ import annotations

from pathlib import Path

from devenv.backends import supervised
from devenv.render import compose, process, swarm
from devenv.render.bundle import Source
from tests import documents
from tests.helm import Helm

from . import stacks
from .chart.charts import environment, pod, project, rendered, written
from .kubernetes import stacks as kubernetes

NAMES = {"log.level": "debug", "spring-profile": "a b", "xpack.security.enabled": "false", "PLAIN": "$1"}
MANIFEST = """\
name: shop
services:
  api:
    image: api:1
    command: [serve]
    entrypoint: [run]
    env: {log.level: debug, spring-profile: a b, xpack.security.enabled: false, PLAIN: $1}
"""


def test_every_renderer_takes_them(tmp_path: Path, helm: Helm) -> None:
    of = stacks.stack(MANIFEST)
    document = documents.load(compose.render(of, Source()).files["compose.yaml"])
    escaped = {**NAMES, "PLAIN": "$$1"}
    assert document["services"]["api"]["environment"] == escaped
    document = documents.load(swarm.render(of, Source()).files["stack.yaml"])
    assert document["services"]["api"]["environment"] == escaped
    units = documents.load(process.render(of, Source()).files["processes.json"])["units"]
    assert NAMES.items() <= units["api"]["ways"][0]["environment"].items()
    chart = rendered(helm, written(tmp_path / "chart", project(tmp_path, MANIFEST)))
    for objects in (kubernetes.objects(of), chart):
        assert environment(pod(objects["Deployment", "api"])["containers"][0], {}) == NAMES


def test_a_secret_keeps_a_name_of_the_shell() -> None:
    assert stacks.problems("name: a\nservices:\n  api: {image: x, secrets: [a.b], env: {a b: c}}\n") == [
        '3:29: services.api.secrets[0]: "a.b" is not a name of a secret - use letters, digits and _',
        '3:41: services.api.env.a b: "a b" is not a name of an environment variable'
        " - use letters, digits, _, dots and hyphens",
    ]


def test_hot_reload_gives_the_program_what_a_shell_drops() -> None:
    of = stacks.stack(MANIFEST)
    spec = documents.load(compose.render(of, Source()).files["compose.yaml"])["services"]["api"]
    lost = ["log.level=debug", "spring-profile=a b", "xpack.security.enabled=false"]
    laid_over = supervised.on_compose(of.unit("api"), spec, {})
    assert laid_over["command"] == ["env", "--", *lost, "run", "serve"]
    workload = kubernetes.objects(of)["Deployment", "api"]
    (container,) = pod(supervised.on_kubernetes(of.unit("api"), workload, {}))["containers"]
    expanded = [f"{name}=$({name})" for name in NAMES if name != "PLAIN"]  # as Kubernetes fills it in
    assert container["args"] == ["env", "--", *expanded, "run", "serve"]


def test_hot_reload_changes_nothing_where_a_shell_drops_nothing() -> None:
    of = stacks.stack("name: a\nservices:\n  api: {image: x, entrypoint: [run], env: {A: b}}\n")
    spec = documents.load(compose.render(of, Source()).files["compose.yaml"])["services"]["api"]
    assert supervised.on_compose(of.unit("api"), spec, {})["command"] == ["run"]
