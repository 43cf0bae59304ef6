"""`devenv init --from-kong` and `devenv render --deck`: what the page shows, and what they write and refuse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import documents
from tests.table import each_row

from .conftest import Devenv

PAGE = Path(__file__).parents[2] / "docs" / "init.md"
COMPOSE = """\
services:
  orders_api:
    image: ghcr.io/acme/orders:1
    ports: ["8001:8000"]
    depends_on: [kong]
  kong:
    image: kong:3.6
    environment: {KONG_DATABASE: "off"}
    volumes: ["./kong.yml:/kong.yml"]
"""
KONG = """\
_format_version: "3.0"
services:
- name: orders
  url: http://orders_api:8000
  routes: [{name: orders, paths: [/api/orders], strip_path: false}]
- name: billing
  url: https://billing.test/v1
  routes: [{name: billing, paths: [/billing]}]
consumers:
- {username: mobile, keyauth_credentials: [{key: sesame-open}], hmacauth_credentials: [{username: m, secret: s}]}
plugins: [{name: cors}, {name: oauth2, config: {provision_key: sesame-provision}}]
"""


def section() -> str:
    return PAGE.read_text().partition("## From a gateway's configuration")[2].partition("\n## ")[0]


@pytest.fixture
def empty(project: Path) -> Path:
    """A folder with nothing but a Kong's configuration."""
    (project / "devenv.yaml").unlink()
    (project / ".env").unlink()
    (project / "kong.yml").write_text(KONG)
    return project


def test_the_commands_of_the_page_do_what_it_says(devenv: Devenv, empty: Path) -> None:
    for block in re.findall(r"```yaml\n(# (\S+)\n.*?)```", section(), re.DOTALL):
        (empty / block[1]).write_text(block[0])
    before = (empty / "devenv.yaml").read_text()
    commands = re.findall(r"^\$ devenv (.*)$", section(), re.MULTILINE)
    assert [line.split()[0] for line in commands] == ["init", "init", "plan", "render"]
    shown = devenv(*commands[0].split())
    assert shown.exit_code == 0, shown.output
    assert (empty / "devenv.yaml").read_text() == before
    assert "route: {path: /api/orders, plugins: [key-auth]}" in shown.stdout
    for line in commands[1:]:
        ended = devenv(*line.split())
        assert ended.exit_code == 0, ended.output
    merged = (empty / "devenv.yaml").read_text()
    assert (
        "orders: {route: {path: /api/orders, plugins: [key-auth]}, image: ghcr.io/acme/orders:1.4, port: 8000}"
        in merged
    )
    assert "m0bile-key" not in merged
    assert "MOBILE_KEY='m0bile-key'" in (empty / ".devenv" / "secrets.env").read_text()
    (kept,) = documents.load((empty / "kong-extra.yml").read_text())["services"]
    assert kept["routes"][0]["name"] == "orders-v2"
    deck = documents.load((empty / "deck.yml").read_text())
    assert (deck["_format_version"], deck["_info"]) == ("3.0", {"select_tags": ["shop"]})
    assert deck["services"][0]["url"] == "http://orders.shop.svc.cluster.local:8000"
    assert deck["consumers"][0]["keyauth_credentials"] == [{"key": '${{ env "DECK_MOBILE_KEY" }}'}]
    assert "- key: '${{" in (empty / "deck.yml").read_text()  # in quotes, so that a number stays a text
    assert "_transform" not in deck
    twice = devenv(*commands[1].split())
    assert twice.exit_code == 2
    assert "error  kong.yml and the manifest do not go together" in twice.stderr


@pytest.mark.programs
def test_a_new_manifest_is_made_of_the_compose_file_without_its_kong(devenv: Devenv, empty: Path) -> None:
    (empty / "compose.yaml").write_text(COMPOSE)
    ended = devenv("init", "--from-kong", "kong.yml")
    assert ended.exit_code == 0, ended.output
    assert "sesame" not in ended.output
    manifest = documents.load((empty / "devenv.yaml").read_text())
    assert manifest["services"] == {
        "orders-api": {
            "image": "ghcr.io/acme/orders:1",
            "port": 8000,
            "publish": 8001,
            "route": "/api/orders",
        }
    }
    assert manifest["gateway"] == {
        "plugins": ["cors", {"oauth2": {"provision_key": "${secret.OAUTH2_PROVISION_KEY}"}}],
        "consumers": {"mobile": {"key": "${secret.MOBILE_KEY}"}},
        "extra": "./kong-extra.yml",
    }
    for row in ("kept     services billing", "derived  kong", "derived  preserve_host"):
        assert any(line.startswith(row) for line in ended.stdout.splitlines()), row
    assert devenv("plan").exit_code == 0


def test_without_anything_that_runs_the_gateway_is_all_there_is(devenv: Devenv, empty: Path) -> None:
    ended = devenv("init", "--from-kong", "kong.yml")
    assert ended.exit_code == 0, ended.output
    assert "by hand  services" in ended.stdout
    assert len(documents.load((empty / "kong-extra.yml").read_text())["services"]) == 2
    planned = devenv("plan")
    assert planned.exit_code == 0, planned.output
    assert "apply kong" in planned.stdout


@pytest.mark.programs
def test_what_render_deck_writes_is_taken_over_again(devenv: Devenv, empty: Path) -> None:
    (empty / "compose.yaml").write_text(COMPOSE)
    assert devenv("init", "--from-kong", "kong.yml").exit_code == 0
    first = documents.load((empty / "devenv.yaml").read_text())
    assert devenv("render", "--deck", "deck.yml").exit_code == 0
    ended = devenv("init", "--from-kong", "deck.yml", "--force")
    assert ended.exit_code == 0, ended.output
    again = documents.load((empty / "devenv.yaml").read_text())
    assert again["services"] == first["services"]
    assert again["gateway"]["consumers"] == {"mobile": {"key": "${secret.DECK_MOBILE_KEY}"}}
    assert [*again["gateway"]] == [*first["gateway"]]


@each_row(
    {
        "a block": (
            "services:\n  a:\n    image: x # one\n    port: 80\n# end\n",
            "    port: 80\n    route: /x\n# end\n",
        ),
        "a block in a block": (
            "services:\n  a:\n    port: 80\n    env:\n      A: b\n    image: x\n    files:\n      /a: b\n",
            "    image: x\n    route: /x\n    files:\n",
        ),
        "in one line": ("services: {a: {image: x, port: 80}}\n", "{a: {route: /x, image: x, port: 80}}"),
        "one that is there": (
            "services:\n  a:\n    route: /w   # mine\n    port: 80\n    image: x\n",
            "    route: [/w, /x]   # mine\n    port: 80\n",
        ),
        "a list that is there": (
            "services:\n  a:\n    route:\n      - /w\n    port: 80\n    image: x\n",
            "    route: [/w, /x]\n    port: 80\n",
        ),
    }
)
def test_a_route_is_written_into_the_text_that_is_there(text: str, expected: str) -> None:
    from devenv.drafting import splice

    value = documents.load(text)["services"]["a"].get("route", [])
    every = [*(value if isinstance(value, list) else [value]), "/x"]
    written = splice.put(text, ("services", "a", "route"), every[0] if len(every) == 1 else every)
    assert expected in written


def test_a_text_that_cannot_be_added_to_is_left_as_it_is(devenv: Devenv, empty: Path) -> None:
    text = "x-a: &a {image: x, port: 8000}\nservices:\n  orders-api: *a\n"
    (empty / "devenv.yaml").write_text(text)
    ended = devenv("init", "--from-kong", "kong.yml", "--merge")
    assert ended.exit_code == 2
    assert "services.orders-api.route cannot be written into the manifest as it is" in ended.stderr
    assert (empty / "devenv.yaml").read_text() == text
    assert not (empty / "kong-extra.yml").exists()


def test_what_is_refused_leaves_nothing_behind(devenv: Devenv, empty: Path) -> None:
    for name, text, words in (
        ("kong.js", "module.exports = {apis: []}", "is a program that makes a configuration"),
        ("kong", "export default {}", "JSON.stringify"),
        ("kong.yml", "a: [", "kong.yml"),
        ("kong.yml", "services: {a: {image: x}}", "_format_version is missing"),
        (
            "kong.yml",
            "_format_version: '3.0'\nservices: [{name: a, url: 'http://b', routes: [{paths: [/a%20b]}]}]",
            "non-normalized path",
        ),
    ):
        (empty / name).write_text(text)
        ended = devenv("init", "--from-kong", name)
        assert ended.exit_code == 2, name
        assert words in ended.stderr, ended.stderr
        assert not (empty / "devenv.yaml").exists()
    ended = devenv("init", "--from-kong", "missing.yml")
    assert "no file missing.yml" in ended.stderr


def test_an_address_that_is_none_names_no_upstream(devenv: Devenv, empty: Path) -> None:
    (empty / "kong.yml").write_text(
        "_format_version: '3.0'\nservices: [{name: a, url: 'http://b[c'}]\nupstreams: [{name: b}]\n"
    )
    ended = devenv("init", "--from-kong", "kong.yml")
    assert ended.exit_code == 0, ended.output
    assert "services a" in ended.stdout


def test_what_stays_in_kongs_words_is_as_private_as_the_file_it_comes_from(
    devenv: Devenv, empty: Path
) -> None:
    for mode, force in ((0o600, ()), (0o644, ("--force",))):
        (empty / "kong.yml").chmod(mode)
        assert devenv("init", "--from-kong", "kong.yml", *force).exit_code == 0
        assert (empty / "kong-extra.yml").stat().st_mode & 0o777 == mode


def test_where_secrets_cannot_be_kept_no_manifest_relies_on_them(devenv: Devenv, empty: Path) -> None:
    (empty / ".devenv" / "secrets.env").mkdir(parents=True)
    for before in (None, "services: {orders-api: {image: x, port: 8000}}\n"):
        if before:
            (empty / "devenv.yaml").write_text(before)
        ended = devenv("init", "--from-kong", "kong.yml", *(["--merge"] if before else []))
        assert ended.exit_code == 2, ended.output
        assert "cannot read" in ended.stderr
        assert "secrets.env" in ended.stderr
        assert (empty / "devenv.yaml").exists() is bool(before)
        assert not before or (empty / "devenv.yaml").read_text() == before
        assert not (empty / "kong-extra.yml").exists()


def test_deck_needs_a_gateway_and_stands_alone(devenv: Devenv, empty: Path) -> None:
    (empty / "devenv.yaml").write_text("services: {a: {image: x}}\n")
    assert "nothing has a route" in devenv("render", "--deck", "deck.yml").stderr
    assert (
        "--chart and --deck do not go together"
        in devenv("render", "--deck", "deck.yml", "--chart", "c").stderr
    )
