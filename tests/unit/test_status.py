"""What a unit is to a person: state, addresses, the page to open first."""

from __future__ import annotations

import io
from dataclasses import replace

from devenv.console import Console
from devenv.console.tables import status_table
from devenv.plan.model import Observed, ObservedUnit
from devenv.plan.notes import moved_ports
from devenv.plan.status import front_page, front_page_of, pages_of, state, status, statuses
from devenv.stack.ports import Claim
from tests.table import each_row

from .stacks import stack

WEB = ObservedUnit(
    "web",
    "1",
    "running",
    role="service",
    healthy=True,
    ports={80: (80, 8080)},
    port_names={80: "http"},
    links=(("", "http://localhost:8080"),),
)
GATE = ObservedUnit(
    "gate",
    "2",
    "running",
    role="infra",
    engine="gateway-of-ours",
    healthy=True,
    gateway=True,
    ports={8000: (8000, 9000)},
    serves={"web": ("/shop/deep", "/shop", "~/[0-9]+"), "api": ("/api",)},
)


@each_row(
    [
        (WEB, "healthy", True),
        (replace(WEB, healthy=None), "running", True),
        (replace(WEB, healthy=False), "unhealthy", False),
        (replace(WEB, state="paused"), "paused", False),
        (replace(WEB, state="created", healthy=None), "created", False),
        (replace(WEB, state="exited", exit_code=0), "exited (0)", False),
        (replace(WEB, state="exited", exit_code=3), "exited (3)", False),
        (replace(WEB, detail="the old version still runs; the new one failed"), "healthy", False),
        (replace(WEB, role="job", state="exited"), "done", True),
        (replace(WEB, role="job", state="exited", exit_code=1), "exited (1)", False),
        (replace(WEB, role="setup", state="running", healthy=None), "running", True),
    ]
)
def test_a_state_is_a_word_and_as_it_should_be_or_not(unit: ObservedUnit, word: str, ok: bool) -> None:
    assert (state(unit), status(unit).ok) == (word, ok)


def test_what_does_not_run_has_no_addresses() -> None:
    stopped = status(replace(WEB, state="exited"), ("/shop",))
    assert (stopped.addresses, stopped.pages, stopped.routes, stopped.url) == ((), (), (), "")
    assert status(WEB).addresses == ("localhost:8080",)
    assert status(GATE).addresses == ("http://localhost:9000",)
    assert status(WEB).ports == {"http": 8080}


def test_stores_come_first_and_the_gateway_says_which_paths_lead_where() -> None:
    rows = statuses(Observed(units={"web": WEB, "gate": GATE}))
    assert [row.name for row in rows] == ["gate", "web"]
    assert rows[1].routes == ("/shop/deep", "/shop", "~/[0-9]+")


def test_the_front_page_is_the_shortest_route_a_browser_can_ask_for() -> None:
    assert front_page(Observed(units={"web": WEB, "gate": GATE})) == "http://localhost:9000/api"
    assert front_page(Observed(units={"web": WEB})) == "http://localhost:8080"
    assert front_page(Observed()) == ""


def test_a_stack_has_the_same_front_page_as_what_is_observed_of_it() -> None:
    app = stack("name: a\nservices:\n  web: {image: x, port: 3000, route: [/long/way, /short]}\n")
    assert front_page_of(app, ["kong", "web"]) == "http://localhost:8000/short"
    assert front_page_of(app, ["web"]) == "http://localhost:3000"
    assert pages_of(app)["web"].startswith("http://localhost:8000/")
    assert next(iter(pages_of(app).values())) == "http://localhost:8000/short"


def test_a_port_that_several_units_wanted_is_named_once() -> None:
    claims = [Claim(unit, 8000, 8000, False) for unit in ("kong", "orders", "stock")]
    ports = {(claim.unit, 8000): number for number, claim in enumerate(claims, 1)}
    assert [*moved_ports(claims[:2], ports, {8000: "python (pid 7)"}, {})] == [
        "8000 is taken by python (pid 7): kong is on 1, orders is on 2"
    ]
    assert [*moved_ports(claims, ports, {8000: "python (pid 7)"}, {})] == [
        "8000 is taken by python (pid 7): other ports lead to kong, orders, stock"
    ]


def test_many_ports_that_one_program_holds_are_one_note() -> None:
    claims = [
        Claim("kong", 8000, 8000, False),
        Claim("kong", 8001, 8001, False),
        Claim("web", 80, 8080, False),
    ]
    ports = {("kong", 8000): 1, ("kong", 8001): 2, ("web", 80): 3}
    neighbour = dict.fromkeys((8000, 8001, 8080), "devenv forwards (pid 7)")

    assert [*moved_ports(claims, ports, neighbour, {})] == [
        "8000, 8001, 8080 are taken by devenv forwards (pid 7): other ports lead to kong, web"
    ]
    assert [*moved_ports(claims, ports, {**neighbour, 8080: "nginx (pid 8)"}, {})] == [
        "8000 is taken by devenv forwards (pid 7): kong is on 1",
        "8001 is taken by devenv forwards (pid 7): kong is on 2",
        "8080 is taken by nginx (pid 8): web is on 3",
    ]
    other = {8000: "kong of the stack b-1", 8001: "kong of the stack b-1", 8080: "web of the stack b-1"}
    assert [*moved_ports(claims, ports, other, {})] == [
        "8000, 8001, 8080 are taken by the stack b-1: other ports lead to kong, web"
    ]
    assert [*moved_ports(claims, ports, neighbour, {("kong", 8000): (8000, 1)})] == [
        "8001 is taken by devenv forwards (pid 7): kong is on 2",
        "8080 is taken by devenv forwards (pid 7): web is on 3",
    ]


def test_what_has_to_be_known_of_a_unit_stands_beside_its_state_and_does_not_widen_it() -> None:
    flags = replace(GATE, unit="flags", engine="flags", version="", stand_in=True, ports={}, links=())
    old = replace(WEB, state="exited", exit_code=1, healthy=None, detail="the old version still runs")
    table = status_table(Console(io.StringIO(), io.StringIO()), [status(flags), status(old)])
    assert table == [
        "flags  flags (stand-in)  healthy",
        "web    service           exited (1)  the old version still runs",
    ]
