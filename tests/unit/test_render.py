"""The bundle: nothing secret in what is shown, everything in what is run, and exactly what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.gateway import config as gateway_config
from devenv.manifest.used import used
from devenv.plan.parity import report
from devenv.render import DECLARED
from devenv.render.bundle import Source
from devenv.render.compose import render
from devenv.render.compose.parity import FIELDS
from devenv.render.kong import kong_yml
from devenv.render.kubernetes.parity import FIELDS as KUBERNETES
from devenv.stack.model import Stack
from tests import documents

from .stacks import fingerprints, manifest, stack

SECRETS = {"POSTGRES_PASSWORD": "p@ss'w$rd", "KEY": "sesame: #'\"$x", "STRIPE_KEY": "sk_live"}


def bundle(app: Stack) -> dict[str, str]:
    return dict(render(app, Source(fingerprints=fingerprints(app), secrets=SECRETS)).files)


def compose(text: str) -> dict[str, Any]:
    return dict(documents.load(bundle(stack(text))["compose.yaml"]))


def service(text: str, name: str = "api") -> dict[str, Any]:
    return dict(compose(f"name: a\nservices:\n  api: {{image: x, {text}}}\n")["services"][name])


def test_no_secret_stands_in_the_compose_file() -> None:
    files = bundle(stack("name: a\nservices:\n  api: {image: x, uses: [postgres], secrets: [STRIPE_KEY]}\n"))
    for value in SECRETS.values():
        assert value not in files["compose.yaml"]
    assert 'DEVENV_SECRET_STRIPE_KEY="sk_live"' in files[".env"]


def test_a_secret_is_a_variable_of_compose_and_quoted_in_urls() -> None:
    env = service("uses: [postgres]")["environment"]
    assert env["PGPASSWORD"] == "${DEVENV_SECRET_POSTGRES_PASSWORD}"
    assert env["DATABASE_URL"] == "postgresql://app:${DEVENV_URL_POSTGRES_PASSWORD}@postgres:5432/app"


def test_dollars_of_the_user_reach_the_container_as_they_are() -> None:
    assert service('command: [sh, -c, "echo $HOME"], env: {A: "$5"}')["command"][2] == "echo $$HOME"


def test_ports_are_only_open_to_this_machine() -> None:
    assert service("port: 80, publish: 8080")["ports"] == ["127.0.0.1:8080:80"]


def test_the_names_that_kubernetes_would_give_answer_too() -> None:
    aliases = service("port: 80")["networks"]["default"]["aliases"]
    assert aliases == [
        "api.a",
        "api.a.svc",
        "api.a.svc.cluster.local",
        "api.default",
        "api.default.svc",
        "api.default.svc.cluster.local",
    ]


def test_whoever_runs_it_alone_waits_for_the_same_things() -> None:
    document = compose(
        "name: a\nservices:\n  api: {image: x, uses: [db, seed, plain]}\n  db: {image: x, port: 1}\n"
        "  plain: {image: x}\njobs:\n  seed: {image: x}\n"
    )
    assert document["services"]["api"]["depends_on"] == {
        "db": {"condition": "service_healthy"},
        "seed": {"condition": "service_completed_successfully"},
        "plain": {"condition": "service_started"},
    }


def test_the_users_own_keys_come_last_and_verbatim() -> None:
    spec = service('compose: {ulimits: {nofile: 99}, environment: {A: "$X"}}, env: {A: b, C: d}')
    assert spec["ulimits"] == {"nofile": 99}
    assert spec["environment"] == {"A": "$X", "C": "d"}


def test_paths_lead_from_the_bundle_to_the_project() -> None:
    app = stack("name: a\nservices:\n  api: {build: ./api, files: {/etc/a.ini: ./a.ini}}\n")
    document = documents.load(render(app, Source(root="../../..")).files["compose.yaml"])
    assert document["services"]["api"]["build"]["context"] == "../../../api"
    assert document["services"]["api"]["volumes"][0]["source"] == "../../../a.ini"
    assert document["services"]["api"]["volumes"][0]["read_only"] is True


def test_a_secret_file_is_beside_the_bundle_and_mounted() -> None:
    app = stack("name: a\nservices:\n  api: {image: x, files: {/run/key: {secret: KEY}}}\n")
    assert bundle(app)["files/api/run_key"] == SECRETS["KEY"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/run/keys/a_b", "/run/keys/a/b"),
        ("/run/A", "/run/a"),
        (f"/run/{'a/' * 150}b", f"/run/{'b/' * 150}b"),
    ],
)
def test_two_files_of_a_unit_are_two_beside_the_bundle(first: str, second: str) -> None:
    files = f"files: {{{first}: {{secret: KEY}}, {second}: {{secret: STRIPE_KEY}}}}"
    written = bundle(stack(f"name: a\nservices:\n  api: {{image: x, {files}}}\n"))
    names = {name for name in written if name.startswith("files/")}
    assert len({name.lower() for name in names}) == 2
    assert {written[name] for name in names} == {SECRETS["KEY"], SECRETS["STRIPE_KEY"]}
    assert max(len(name.rpartition("/")[2]) for name in names) < 255


ROUTES = """
    name: a
    services:
      api: {image: x, port: 80, route: [/api, {path: "~/v[0-9]+", host: b.localhost, methods: GET, strip: true,
        plugins: [key-auth, {rate-limiting: {minute: 5}}]}]}
    gateway:
      plugins: [{cors: {origins: ["*"]}}]
      consumers:
        me: {key: "${secret.KEY}", groups: [staff], basic: {me: pw}, jwt: [{key: iss, secret: "0123456789"}]}
"""


def kong(text: str = ROUTES, **world: object) -> dict[str, Any]:
    return dict(documents.load(kong_yml(stack(text, **world), SECRETS)))


def test_routes_say_in_so_many_words_what_kong_and_its_controller_default_differently() -> None:
    (api,) = kong()["services"]
    assert api["url"] == "http://api.a.svc.cluster.local:80"
    first, second = api["routes"]
    assert (first["paths"], first["strip_path"], first["preserve_host"]) == (["/api"], False, True)
    assert (second["paths"], second["hosts"], second["methods"], second["strip_path"]) == (
        ["~/v[0-9]+"],
        ["b.localhost"],
        ["GET"],
        True,
    )
    assert [plugin["name"] for plugin in second["plugins"]] == ["key-auth", "rate-limiting"]


def test_a_secret_key_survives_yaml() -> None:
    (me,) = kong()["consumers"]
    assert me["keyauth_credentials"] == [{"key": SECRETS["KEY"]}]


def test_the_embedded_gateway_loads_what_is_rendered_for_kong() -> None:
    gateway_config.load(kong_yml(stack(ROUTES), SECRETS))


def test_the_users_own_kong_configuration_is_merged_in() -> None:
    extra = {
        "_format_version": "3.0",
        "services": [
            {"name": "api", "retries": 1},
            {"name": "old", "url": "http://old:1", "routes": [{"name": "old", "paths": ["/old"]}]},
        ],
        "plugins": [{"name": "correlation-id"}],
    }
    document = kong(extra=extra)
    api, old = document["services"]
    assert (api["retries"], len(api["routes"]), old["name"]) == (1, 2, "old")
    assert [plugin["name"] for plugin in document["plugins"]] == ["cors", "correlation-id"]


@pytest.mark.parametrize("backend", DECLARED)
def test_every_renderer_says_of_every_field_what_becomes_of_it(backend: str) -> None:
    fields = DECLARED[backend]()
    assert {model: set(row) for model, row in fields.items()} == {
        model: set(row) for model, row in KUBERNETES.items()
    }
    assert [
        support
        for row in fields.values()
        for support in row.values()
        if (support.level == "same") == bool(support.reason)
    ] == []


def test_the_parity_report_has_a_row_for_everything_that_was_written() -> None:
    parsed = manifest("name: a\nservices:\n  api: {image: x, replicas: 2, reload: {restart: true}}\n")
    rows = {row.path: row.support["compose"].level for row in report(used(parsed), {"compose": FIELDS})}
    assert rows == {
        "name": "same",
        "services": "same",
        "services.api.image": "same",
        "services.api.replicas": "emulated",
        "services.api.reload": "same",
    }
