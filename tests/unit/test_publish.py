"""`publish: false`: an address for the others in the stack, and no port of this machine."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.engine.ports import decide
from devenv.errors import UsageError
from devenv.plan.model import Observed, ObservedUnit
from devenv.plan.status import front_page_of, status
from devenv.render import RUNTIMES
from devenv.render.bundle import Source
from devenv.render.compose import described
from devenv.render.kubernetes.objects import of_unit
from devenv.stack import labels
from devenv.stack.hosting import require_reachable, with_hosted
from devenv.stack.outline import outline
from devenv.stack.resolve import host_environment
from devenv.stack.world import World

from .stacks import CATALOGUE, CHECKOUT, env, fingerprints, manifest, problems, stack

TEXT = """
name: a
services:
  web: {image: x, port: 8080, uses: [api, postgres]}
  api: {image: x, port: 8000, publish: false, health: /ready}
infra:
  postgres: {publish: false}
"""
SOURCE = Source(secrets={"POSTGRES_PASSWORD": "p"})


def ports(text: str, **how: Any) -> dict[tuple[str, int], int]:
    plan = outline(manifest(text), CATALOGUE)
    return dict(decide(plan, Observed(), None, {}, checkout=CHECKOUT, remap=True, **how).ports)


def test_nothing_of_this_machine_leads_there_and_the_others_have_the_address() -> None:
    assert ports(TEXT).keys() == {("web", 8080)}
    app = stack(TEXT)
    spec = described(app, app.unit("api"), SOURCE)
    assert "ports" not in spec
    assert "healthcheck" in spec  # it is asked inside
    assert env(TEXT, "web")["API_URL"] == "http://api:8000"
    assert env(TEXT, "web")["PGHOST"] == "postgres"
    assert app.unit("api").links == ()
    assert front_page_of(app, ["api"]) == ""


def test_a_pod_and_its_service_keep_the_port_and_no_forward_leads_there() -> None:
    app = stack(TEXT)
    service = next(item for item in of_unit(app, app.unit("api"), SOURCE) if item["kind"] == "Service")
    assert service["spec"]["ports"] == [{"name": "http", "port": 8000, "targetPort": 8000}]
    assert app.unit("api").published == ()


def test_one_of_several_ports_may_stay_inside() -> None:
    text = "name: a\nservices:\n  api: {image: x, ports: {http: 80, admin: 81}, publish: {admin: false}}\n"
    app = stack(text)
    assert [port.container for port in app.unit("api").published] == [80]


def test_as_a_plain_process_it_listens_here_all_the_same() -> None:
    assert ports(TEXT, runtime=RUNTIMES["process"]).keys() == {
        ("web", 8080),
        ("api", 8000),
        ("postgres", 5432),
    }


def test_a_service_that_runs_here_gets_a_port_and_needs_those_of_what_it_uses() -> None:
    assert ("api", 8000) in ports(TEXT, hosted=["api"])
    app = stack(TEXT)
    assert with_hosted(app, ["api"]).unit("api").hosted
    with pytest.raises(UsageError) as refused:
        require_reachable(app, ["web"])
    assert refused.value.what == "--host web: it uses api, which publishes no port"
    require_reachable(app, ["api"])


def test_a_program_here_is_given_no_address_that_does_not_answer() -> None:
    parsed = manifest(TEXT)
    world = World(CHECKOUT, ports(TEXT))
    assert "API_URL" not in host_environment(parsed, CATALOGUE, world, "web")
    assert host_environment(parsed, CATALOGUE, world).keys() == {"WEB_URL"}
    everywhere = World(CHECKOUT, {("api", 8000): 7000}, hosted=("api", "web", "postgres"))
    assert host_environment(parsed, CATALOGUE, everywhere, "web")["API_URL"] == "http://localhost:7000"


def test_status_has_no_address_of_it() -> None:
    app = stack(TEXT)
    tags = labels.identity(app, app.unit("api")) | labels.description(app, app.unit("api"), "f")
    row = status(ObservedUnit.from_labels(labels.read(tags), id="1", state="running"))
    assert (row.addresses, row.pages, dict(row.ports)) == ((), (), {})


def test_its_container_is_replaced_when_it_publishes_no_more() -> None:
    before, after = stack(TEXT.replace(", publish: false, health", ", health")), stack(TEXT)
    assert fingerprints(before)["api"] != fingerprints(after)["api"]
    assert fingerprints(before)["web"] == fingerprints(after)["web"]


def test_what_only_a_published_port_can_do_is_refused() -> None:
    text = TEXT.replace("uses: [api", 'env: {A: "${api.public_url}"}, uses: [api') + "smoke: [api/ready]\n"
    assert problems(text) == [
        "4:37: services.web.env.A: ${api.public_url}: api publishes no port on this machine"
        " - remove publish: false from services.api",
        "8:9: smoke[0]: api publishes no port on this machine"
        " - remove publish: false from services.api, or ask the gateway",
    ]
    assert problems("name: a\nservices:\n  api: {image: x, port: 1, publish: true}\n") == [
        "3:28: services.api.publish: expected a whole number or a mapping, found true"
    ]
