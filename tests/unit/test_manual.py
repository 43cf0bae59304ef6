"""`manual`: what only a name or a profile starts."""

from __future__ import annotations

from pathlib import Path

from devenv.engine.promotion import charts
from devenv.plan.planner import select
from devenv.plan.status import pages_of
from devenv.render.bundle import Source
from devenv.render.compose import described
from devenv.render.kubernetes import render
from devenv.render.swarm import render as swarm
from devenv.stack.model import Stack
from tests import documents

from .chart.charts import project
from .stacks import problems, stack

TEXT = """
name: a
services:
  api: {image: x, port: 8000}
  adminer: {image: y, port: 8080, manual: true, uses: [api, rights]}
jobs:
  rights: {image: x, manual: true}
"""


def names(app: Stack, *asked: str) -> list[str]:
    return [unit.name for unit in select(app, asked)]


def test_up_leaves_it_alone_and_its_name_starts_it_with_what_it_uses() -> None:
    app = stack(TEXT)
    assert names(app) == ["api"]
    assert set(names(app, "adminer")) == {"api", "rights", "adminer"}


def test_compose_and_kubectl_alone_do_not_start_it_either() -> None:
    app = stack(TEXT)
    assert described(app, app.unit("adminer"), Source())["profiles"] == ["manual"]
    files = render(app, Source()).files
    assert "adminer" in files["manual/adminer.yaml"]
    assert "adminer" not in files["stack.yaml"]


def test_where_it_is_deployed_it_has_no_replica() -> None:
    spec = documents.load(swarm(stack(TEXT), Source()).files["stack.yaml"])["services"]["adminer"]
    assert spec["deploy"]["replicas"] == 0
    assert spec["deploy"]["restart_policy"]["condition"] == "any"


def test_no_page_leads_to_it() -> None:
    assert pages_of(stack(TEXT)) == {"api": "http://localhost:8000"}


def test_nothing_waits_for_it_for_ever() -> None:
    text = TEXT.replace("port: 8000}", "uses: [adminer]}").replace("uses: [api, rights]", "uses: [rights]")
    assert problems(text) == [
        "4:26: services.api.uses[0]: adminer is only started by hand, so this would wait for it forever"
        " - remove manual: from adminer, or adminer from uses:"
    ]


def test_a_chart_installs_it_without_a_pod(tmp_path: Path) -> None:
    files = charts.chart(project(tmp_path, TEXT))
    assert documents.load(files["values.yaml"])["services"]["adminer"]["replicas"] == 0
