"""A service that runs on this machine: what stands in its place, and what the plan says of it."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from devenv.backends.relay.look import with_programs
from devenv.engine import ports
from devenv.errors import UsageError
from devenv.plan.model import Observed, ObservedUnit
from devenv.plan.planner import Intent, Situation, plan_up
from devenv.plan.status import UnitStatus, status
from devenv.render import compose
from devenv.render.bundle import Source
from devenv.render.kubernetes import objects
from devenv.stack import labels
from devenv.stack.hosting import IMAGE, with_hosted
from devenv.stack.model import Stack
from devenv.stack.ports import Claim
from devenv.stack.resolve import host_environment
from devenv.stack.world import Outline, World
from tests import documents

from .stacks import CATALOGUE, CHECKOUT, fingerprints, manifest, stack

SHOP = """
    name: shop
    services:
      web: {image: "web:1", port: 80, uses: [orders], route: /}
      orders:
        build: ./orders
        host: serve --port $PORT
        port: 8000
        publish: 8123
        uses: [postgres]
        volumes: {data: /data}
        env: {LEVEL: debug, SELF: "${orders.url}"}
        kubernetes: {StatefulSet: {spec: {minReadySeconds: 9}}}
      worker: {image: "worker:1"}
    jobs:
      migrate: {like: orders, command: migrate, uses: [postgres]}
"""


SOURCE = Source(secrets={"POSTGRES_PASSWORD": "secret"})


def hybrid() -> Stack:
    return with_hosted(stack(SHOP), ["orders"])


def running(stack: Stack) -> Observed:
    wanted = fingerprints(stack)
    units = {
        unit.name: ObservedUnit(
            unit.name,
            f"id-{unit.name}",
            "exited" if unit.one_shot else "running",
            fingerprint=wanted[unit.name],
            hosted=unit.hosted,
        )
        for unit in stack.units
    }
    return Observed(units, frozenset(unit.image for unit in stack.units), prepared=True)


def planned(stack: Stack, observed: Observed, *relayed: str) -> str:
    there = Situation("compose", observed, fingerprints(stack), relayed=frozenset(relayed))
    return str(plan_up(stack, there, Intent()))


def test_a_relay_has_the_name_and_ports_of_the_service_and_nothing_else_of_it() -> None:
    service, relay = stack(SHOP).unit("orders"), hybrid().unit("orders")
    assert (relay.image, relay.build, relay.env, relay.volumes, relay.kubernetes) == (IMAGE, None, (), (), {})
    for name in ("role", "ports", "needs", "routes", "links", "aliases", "host"):
        assert getattr(relay, name) == getattr(service, name), name


def test_everything_else_stays_as_it_is() -> None:
    before, after = stack(SHOP), hybrid()
    assert [unit for unit in after.units if unit.name != "orders"] == [
        unit for unit in before.units if unit.name != "orders"
    ]
    assert after.gateway == before.gateway


def test_the_port_of_this_machine_is_left_to_the_program() -> None:
    rendered = documents.load(compose.render(hybrid(), SOURCE).files["compose.yaml"])["services"]
    assert "ports" not in rendered["orders"]
    assert rendered["web"]["ports"]
    assert "orders.default.svc.cluster.local" in rendered["orders"]["networks"]["default"]["aliases"]


def test_pods_reach_a_relay_through_the_same_service() -> None:
    plain, app = stack(SHOP), hybrid()
    (service,) = (o for o in objects.of_unit(app, app.unit("orders"), SOURCE) if o["kind"] == "Service")
    (before,) = (o for o in objects.of_unit(plain, plain.unit("orders"), SOURCE) if o["kind"] == "Service")
    assert service == before


def test_labels_tell_that_it_runs_here() -> None:
    app = hybrid()
    tags = labels.read(labels.description(app, app.unit("orders"), ""))
    assert tags.hosted
    assert [port.host for port in tags.ports] == [8123]
    assert not labels.read(labels.description(app, app.unit("web"), "")).hosted


def test_a_plan_puts_a_relay_in_its_place_and_connects_it() -> None:
    there = running(stack(SHOP))
    assert planned(hybrid(), replace(there, images=there.images | {IMAGE})).splitlines() == [
        "[] -> #1 prepare shop (has steps to run)",
        "[1] -> #2 apply orders (this machine runs it)",
        "[2] -> #3 wait orders",
        "[3] -> #4 host orders (relay to port 8123 of this machine)",
    ]


def test_a_relay_that_lost_its_process_is_only_connected_again() -> None:
    app = hybrid()
    assert planned(app, running(app)) == "[] -> #1 host orders (relay to port 8123 of this machine)"
    assert planned(app, running(app), "orders") == ""


def test_a_plain_up_brings_the_container_back() -> None:
    plan = planned(stack(SHOP), running(hybrid()))
    assert "apply orders (its container runs again)" in plan
    assert " host " not in plan


@pytest.mark.parametrize(
    ("name", "what", "hint"),
    [
        ("order", '--host: no service "order"', 'did you mean "orders"?'),
        ("nobody", '--host: no service "nobody"', "there are: web, orders"),
        ("postgres", "--host postgres: only services run on this machine, and it is a store", "devenv env"),
        ("worker", "--host worker: it has no port", "devenv env worker --export"),
        ("migrate", "--host migrate: it is a job", "devenv env migrate --export"),
    ],
)
def test_what_cannot_run_here_is_refused(name: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        with_hosted(stack(SHOP), [name])
    assert caught.value.what == what
    assert hint in caught.value.hint


def test_a_program_here_is_told_its_port_and_addresses_of_this_machine() -> None:
    world = World(CHECKOUT, {("orders", 8000): 8123, ("postgres", 5432): 15432})
    variables = host_environment(manifest(SHOP), CATALOGUE, world, "orders")
    assert variables["PORT"] == "8123"
    assert variables["SELF"] == "http://localhost:8123"
    assert variables["PGPORT"] == "15432"
    assert "PORT" not in host_environment(manifest(SHOP), CATALOGUE, world, "worker")


@pytest.fixture
def listener() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield int(server.getsockname()[1])


def decided(port: int, *hosted: str, unit: ObservedUnit | None = None) -> ports.Decision:
    outline = Outline((), (Claim("orders", 8000, port, explicit=False),), {})
    observed = Observed({"orders": unit} if unit else {})
    return ports.decide(outline, observed, None, {}, checkout=CHECKOUT, remap=False, hosted=hosted)


def test_a_program_on_the_port_of_a_service_that_runs_here_is_taken_to_be_it(listener: int) -> None:
    assert decided(listener, "orders").ports["orders", 8000] == listener
    assert decided(listener).ports["orders", 8000] != listener


def test_a_container_that_comes_back_leaves_the_port_to_the_program_that_still_runs(listener: int) -> None:
    relay = ObservedUnit("orders", "1", "running", hosted=True, ports={8000: (listener, listener)})
    assert decided(listener, "orders", unit=relay).ports["orders", 8000] == listener
    assert decided(listener, unit=relay).ports["orders", 8000] != listener


def test_a_status_names_the_program_or_says_that_there_is_none(listener: int, tmp_path: Path) -> None:
    relay = ObservedUnit("orders", "1", "running", role="service", hosted=True)
    (tmp_path / "relay.orders.lock").touch()  # as its process leaves it when it is killed

    def looked_at(port: int) -> UnitStatus:
        there = Observed({"orders": replace(relay, ports={8000: (port, port)})})
        return status(with_programs(there, tmp_path).units["orders"])

    lost = looked_at(listener)
    assert (lost.state, lost.ok) == ("on this machine", False)
    assert lost.detail == "nothing carries its connections to this machine: devenv up --host orders"
    assert lost.program
    with (tmp_path / "relay.orders.lock").open("w") as lock:
        lock.write("1")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert (looked_at(listener).ok, looked_at(listener).detail) == (True, "")
        with socket.create_server(("127.0.0.1", 0)) as server:
            free = server.getsockname()[1]
        silent = looked_at(free)
        assert silent.detail == f"nothing listens on 127.0.0.1:{free} yet: devenv env orders --export"
        assert not silent.ok
