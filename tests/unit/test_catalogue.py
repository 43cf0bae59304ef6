"""Every kind is data that holds what it promises, and a new one needs no Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from devenv import assets
from devenv.errors import DevenvError
from devenv.manifest.parse import parse
from devenv.manifest.versions import matches
from devenv.render import compose
from devenv.render.bundle import Source
from devenv.stack.catalogue import Catalogue, Facts
from devenv.stack.resolve import resolve
from devenv.stack.world import World

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


def test_a_new_kind_is_one_file_in_the_folder_of_kinds(tmp_path: Path) -> None:
    for name, content in {**assets.catalogue(), "nats": NATS}.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    catalogue = Catalogue({file.stem: file.read_text() for file in tmp_path.iterdir()})
    text = "name: a\nservices:\n  api: {image: x, uses: [bus]}\ninfra:\n  bus: {kind: nats}\n"
    parsed, _ = parse(text, file="devenv.yaml", kinds=Facts(catalogue))
    made = resolve(parsed, catalogue, World("c0ffee", {("bus", 4222): 4222, ("bus", 8222): 9999}))
    files = compose.render(made, Source(secrets={"BUS_TOKEN": "t"})).files
    services = yaml.safe_load(files["compose.yaml"])["services"]
    assert services["api"]["environment"] == {"BUS_URL": "nats://${DEVENV_URL_BUS_TOKEN}@bus:4222"}
    assert services["api"]["depends_on"] == {"bus": {"condition": "service_healthy"}}
    bus = services["bus"]
    assert {key: bus[key] for key in ("image", "command", "ports")} == {
        "image": "nats:2.12",
        "command": ["--auth", "${DEVENV_SECRET_BUS_TOKEN}", "-m", "8222"],
        "ports": ["127.0.0.1:4222:4222", "127.0.0.1:9999:8222"],
    }
    assert [(link.label, link.url) for link in made.unit("bus").links] == [
        ("monitor", "http://localhost:9999")
    ]


NO_KINDS = {
    "no block of ours": "services: {odd: {image: x}}\n",
    "no service of its name": "x-devenv: {}\nservices: {other: {image: x}}\n",
    "a list": "- a\n",
    "empty": "",
}


@pytest.mark.parametrize("text", NO_KINDS.values(), ids=NO_KINDS)
def test_a_file_that_is_no_kind_says_what_it_lacks(text: str) -> None:
    with pytest.raises(DevenvError, match="compose/odd.yaml is not a kind") as refused:
        Catalogue({"odd": text})["odd"]
    assert refused.value.why == "it needs an x-devenv block and a service called odd"


@pytest.mark.parametrize("kind", CATALOGUE)
def test_a_kind_keeps_what_it_may_not_lose_in_volumes_and_takes_no_more_memory_than_it_says(
    kind: str,
) -> None:
    main = CATALOGUE[kind].services[kind]
    assert "mem_limit" in main
    assert all(":" in volume and not volume.startswith(("/", ".")) for volume in main.get("volumes", ()))
    assert all(set(port) <= {"name", "target", "published"} for port in main["ports"])


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_option_of_a_kind_is_used_somewhere_in_its_file(kind: str) -> None:
    text = assets.catalogue()[kind]
    own = {option for option in CATALOGUE[kind].options if f"${{{option}" not in text}
    part = CATALOGUE[kind].part
    assert own <= {part.option if part else ""}


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
        ("18.6", ">18", False),
        ("5", "<5.2", False),
        ("5", ">=5.2", True),
        ("18.6", "<=18", True),
        ("19", "about 19", False),
    ],
)
def test_versions_compare_by_their_numbers(version: str, condition: str, holds: bool) -> None:
    assert matches(version, condition) is holds
