"""Every kind is data that holds what it promises, and a new one needs no Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from devenv import assets
from devenv.stack.catalogue import Catalogue, matches

from .stacks import CATALOGUE, stack

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("kind", CATALOGUE)
def test_a_kind_is_pinned_described_and_asked_over_the_network_whether_it_is_ready(kind: str) -> None:
    said = CATALOGUE[kind]
    main = said.services[kind]
    assert said.about
    assert "version" in said.options
    assert "latest" not in main["image"]
    check = main["healthcheck"]
    assert {"test", "interval", "timeout", "retries", "start_period", "start_interval"} <= set(check)
    assert "/run/" not in str(check["test"])  # a temporary server listens on a socket while it initialises


@pytest.mark.parametrize("kind", CATALOGUE)
def test_a_kind_says_what_runs_it_in_production(kind: str) -> None:
    assert CATALOGUE[kind].production


@pytest.mark.parametrize("kind", [kind for kind in CATALOGUE if kind != "kong"])
def test_whoever_uses_a_kind_gets_its_address(kind: str) -> None:
    api = stack(f"name: a\nservices:\n  api: {{image: x, uses: [{kind}]}}\n").unit("api")
    assert dict(api.env)[f"{kind.upper()}_URL"]


@pytest.mark.parametrize("kind", [kind for kind in CATALOGUE if kind != "kong"])
def test_every_kind_is_shown_by_an_example(kind: str) -> None:
    used = set()
    for file in EXAMPLES.glob("*/devenv.yaml"):
        said = yaml.safe_load(file.read_text())
        used |= {infra.get("kind", name) for name, infra in said.get("infra", {}).items()}
        used |= {use for one in said["services"].values() for use in one.get("uses", ())}
    assert kind in used


NATS = """
x-devenv:
  about: NATS, a message broker
  options: {version: "2.12", token: {secret: true}}
  url: nats://${token}@${host}:${port}
  env: {"${NAME}_URL": "${url}"}
  links: {monitor: monitor}
  production: Synadia Cloud
services:
  nats:
    image: nats:${version}
    command: [--auth, "${token}", -m, "8222"]
    ports: [{name: client, target: 4222}, {name: monitor, target: 8222}]
    healthcheck: {test: [CMD, nats, ping], start_interval: 250ms, start_period: 30s}
"""


def test_a_new_kind_is_one_file() -> None:
    from devenv.manifest.parse import parse
    from devenv.stack.catalogue import Facts
    from devenv.stack.resolve import resolve
    from devenv.stack.world import World

    catalogue = Catalogue({**assets.catalogue(), "nats": NATS})
    text = "name: a\nservices:\n  api: {image: x, uses: [bus]}\ninfra:\n  bus: {kind: nats}\n"
    parsed, _ = parse(text, file="devenv.yaml", kinds=Facts(catalogue))
    made = resolve(parsed, catalogue, World("c0ffee", {("bus", 4222): 4222, ("bus", 8222): 9999}))
    assert dict(made.unit("api").env) == {"BUS_URL": "nats://\0BUS_TOKEN:url\0@bus:4222"}
    assert made.unit("bus").command == ("--auth", "\0BUS_TOKEN\0", "-m", "8222")
    assert [link.url for link in made.unit("bus").links] == ["http://localhost:9999"]


@pytest.mark.parametrize(
    ("version", "condition", "holds"),
    [
        ("17.11", "<18", True),
        ("18", "<18", False),
        ("18.6", "<18", False),
        ("9.7.2", ">=9.7", True),
        ("v1.2", "=1.2", True),
        ("latest", "<18", False),
        ("18-alpine", ">=18", True),
    ],
)
def test_versions_compare_by_their_numbers(version: str, condition: str, holds: bool) -> None:
    assert matches(version, condition) is holds
