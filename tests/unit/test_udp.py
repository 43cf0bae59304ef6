"""Ports that speak UDP: published as such, never asked by a probe over TCP."""

from __future__ import annotations

import socket
from typing import Any

from devenv import hostports
from devenv.engine.ports import decide
from devenv.plan.model import Observed
from devenv.plan.planner import Intent, Situation, plan_up
from devenv.render import RUNTIMES
from devenv.render.bundle import Source
from devenv.render.compose import described
from devenv.render.kubernetes.objects import of_unit
from devenv.stack.hosting import hostable
from devenv.stack.outline import outline
from tests import schemas
from tests.table import each_row

from .stacks import CATALOGUE, CHECKOUT, env, fingerprints, manifest, problems, stack

TEXT = """
name: a
services:
  web: {image: x, port: 8080, uses: [vpn, dns]}
  vpn: {image: x, ports: {vpn: 51820/udp}, publish: 51821}
  dns: {image: x, ports: {dns: 53/udp, dns-tcp: 53}}
"""


def of_compose(name: str) -> dict[str, Any]:
    app = stack(TEXT)
    return described(app, app.unit(name), Source())


def test_compose_publishes_it_with_its_protocol_and_asks_nothing() -> None:
    assert of_compose("vpn")["ports"] == ["127.0.0.1:51821:51820/udp"]
    assert "healthcheck" not in of_compose("vpn")
    udp, tcp = of_compose("dns")["ports"]
    assert udp == f"{tcp}/udp"
    assert "0035 " in of_compose("dns")["healthcheck"]["test"][1]  # port 53 over TCP


def test_the_address_says_udp() -> None:
    assert env(TEXT, "web")["VPN_URL"] == "udp://vpn:51820"
    assert [link.url for link in stack(TEXT).unit("vpn").links] == ["udp://localhost:51821"]
    assert (
        env(TEXT.replace("ports: {vpn: 51820/udp}", "port: 51820/udp"), "web")["VPN_URL"] == "udp://vpn:51820"
    )


@each_row(["1.33", "1.37"])
def test_a_service_and_a_pod_have_the_protocol(version: str) -> None:
    app = stack(TEXT)
    service, workload = of_unit(app, app.unit("dns"), Source())
    protocols = [(port["port"], port.get("protocol")) for port in service["spec"]["ports"]]
    assert protocols == [(53, "UDP"), (53, None)]
    container = workload["spec"]["template"]["spec"]["containers"][0]
    assert container["ports"] == [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]
    assert container["startupProbe"]["tcpSocket"] == {"port": 53}
    for item in (service, workload):
        schemas.validate(item, version)


def test_on_kubernetes_no_forward_is_asked_for_and_no_port_of_this_machine() -> None:
    plan = outline(manifest(TEXT), CATALOGUE)
    ports = decide(
        plan, Observed(), None, {}, checkout=CHECKOUT, remap=True, runtime=RUNTIMES["kubernetes"]
    ).ports
    assert ports.keys() == {("web", 8080), ("dns", 53)}
    app = stack("name: a\nservices:\n  vpn: {image: x, ports: {vpn: 51820/udp}}\n")
    situation = Situation("kube", Observed(forwarded=frozenset(), prepared=True), {"vpn": "f"})
    assert "forward" not in str(plan_up(app, situation, Intent()))


def test_another_program_on_the_port_is_seen(unused_port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as program:
        program.bind(("127.0.0.1", unused_port))
        assert hostports.taken([unused_port]) == {}
        assert hostports.taken([unused_port], udp=[unused_port]) == {unused_port: "another program"}


def test_no_relay_carries_it() -> None:
    app = stack(TEXT)
    assert [name for name in ("web", "vpn", "dns") if hostable(app, name)] == ["web", "dns"]


def test_the_protocol_makes_a_container_stale() -> None:
    before, after = stack(TEXT.replace("51820/udp", "51820")), stack(TEXT)
    assert fingerprints(before)["vpn"] != fingerprints(after)["vpn"]


ONE = "name: a\nservices:\n  vpn: {{image: x, ports: {{vpn: 51820/udp}}, {}}}\n"


@each_row(
    [
        ("health: /ready", "health: port 51820 is UDP, which no probe can ask - write {exec: ...}, or none"),
        (
            "health: {tcp: 51820}",
            "health: port 51820 is UDP, which no probe can ask - write {exec: ...}, or none",
        ),
        ("route: /vpn", "route: the gateway speaks TCP, and the service has UDP only - remove it"),
        (
            "publish: 51820/udp",
            'publish: expected a whole number or a mapping, found the text "51820/udp"'
            " - write 51820: the protocol is that of the port in the container",
        ),
        ("health: none", ""),
        ("health: {exec: vpn --ok}", ""),
    ]
)
def test_what_needs_tcp_is_refused(written: str, why: str) -> None:
    found = problems(ONE.format(written))
    assert [problem.partition("services.vpn.")[2] for problem in found] == ([why] if why else [])


@each_row({"70000/udp": "services.vpn.ports.vpn", "53/sctp": "services.vpn.ports.vpn"}.items())
def test_a_port_that_is_none_is_refused(written: str, where: str) -> None:
    assert where in problems(ONE.format("health: none").replace("51820/udp", written))[0]


def test_one_port_of_this_machine_leads_to_two_where_their_protocols_differ() -> None:
    text = "name: a\nservices:\n  a: {image: x, ports: {tcp: 5000, udp: 5000/udp}, publish: {tcp: 5000, udp: 5000}}\n"
    assert problems(text) == []
    both = text + "  b: {image: x, port: 53/udp, publish: 8053}\n  c: {image: x, port: 53, publish: 8053}\n"
    assert problems(both) == []
    assert [link.url for name in "bc" for link in stack(both).unit(name).links] == [
        "udp://localhost:8053",
        "http://localhost:8053",
    ]
    assert "published on 8053 already" in str(problems(both.replace("53/udp", "53")))
