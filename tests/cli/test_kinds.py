"""`devenv kinds`: what there is, a page of one, what a file lacks, and a first file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devenv import assets
from devenv.engine.kinds import check
from devenv.engine.newkind import draft
from devenv.errors import ManifestInvalid
from tests.engine import fake_engine
from tests.table import each_row

from .conftest import Devenv

QUEUE = """
x-devenv:
  about: A queue of our own
  options: {version: "1", password: secret}
services:
  queue: {image: "queue:latest", environment: {QUEUE_PASSWORD: secret}, ports: ["4222"]}
"""
GOOD = """
x-devenv:
  about: A queue of our own
  options: {version: "1", password: {secret: true}}
  url: queue://:${password}@${host}:${port}
  env: {"${NAME}_URL": "${url}"}
  production: somebody else's queue
services:
  queue:
    image: queue:${version}
    environment: {QUEUE_PASSWORD: "${password}"}
    ports: [{name: queue, target: 4222}]
    mem_limit: 64Mi
    healthcheck: {test: [CMD, queue, ready]}
"""


@pytest.fixture
def own(project: Path) -> Path:
    (project / "infra").mkdir()
    file = project / "infra" / "queue.yaml"
    file.write_text(GOOD)
    return file


def test_the_list_has_what_comes_with_devenv_and_the_projects_own(devenv: Devenv, own: Path) -> None:
    table, _, notes = devenv("kinds").stdout.partition("\n\n")
    lines = table.splitlines()
    names = [line.split()[0].rstrip(",") for line in lines]
    assert names == sorted([*assets.catalogue(), "queue"])
    (queue,) = [line for line in lines if line.startswith("queue")]
    assert queue.endswith("A queue of our own")
    how = dict(line.split(": ") for line in notes.splitlines())
    assert how["of this project"] == "queue"
    assert "grafana" in how["rendered only, not run"].split(", ")
    assert "kong" in how["a stand-in for the server"].split(", ")


def test_without_a_manifest_the_list_has_what_comes_with_devenv(devenv: Devenv, project: Path) -> None:
    (project / "devenv.yaml").unlink()
    cards = {card["name"]: card for card in json.loads(devenv("kinds", "--json").stdout)}
    assert cards.keys() == assets.catalogue().keys()
    assert cards["rabbitmq"]["part"] == "rabbitmq/VHOST"
    assert cards["rabbitmq"]["options"]["password"] == "made up once for each checkout"
    assert "AMQP_URL" in cards["rabbitmq"]["variables"]


def test_a_page_shows_options_variables_and_ports_of_one(devenv: Devenv, own: Path) -> None:
    page = devenv("kinds", "show", "queue").stdout
    assert "QUEUE_URL" in page
    assert devenv("kinds", "show", "redis").stdout == devenv("kinds", "show", "valkey").stdout
    assert "queue 4222" in page
    assert "infra/queue.yaml" in page
    wrong = devenv("kinds", "show", "quue")
    assert (wrong.exit_code, 'did you mean "queue"?' in wrong.stderr) == (2, True)


def test_a_check_says_all_that_a_file_lacks(devenv: Devenv, own: Path) -> None:
    own.write_text(QUEUE)
    checked = devenv("kinds", "check", "infra/queue.yaml")
    assert checked.exit_code == 1
    lacking = [line for line in checked.stdout.splitlines() if line.startswith("no")]
    assert [line.split("  ")[1] for line in lacking] == [
        "images are pinned",
        "what uses it waits until it is ready",
        "memory is limited",
        "passwords are made for each checkout",
        "ports have names",
        "users get its address",
        "it says what to use in production",
    ]
    own.write_text(GOOD)
    assert devenv("kinds", "check", "infra/queue.yaml").exit_code == 0


@pytest.mark.parametrize(
    ("check_line", "wrong"),
    [
        ("[CMD, pg_isready, -U, app]", "is asked on a socket"),
        ('[CMD-SHELL, "mysqladmin -S /run/mysqld.sock ping"]', "is asked on a socket"),
    ],
)
def test_a_check_that_a_temporary_server_passes_is_refused(check_line: str, wrong: str) -> None:
    checks = check("queue", GOOD.replace("[CMD, queue, ready]", check_line), "queue.yaml")
    assert [found.promise for found in checks if wrong in found.wrong] == [
        "its check fails while it initialises"
    ]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("restart: always", "`devenv up` starts it again"),
        ("profiles: [a]", "remove it: a kind starts when something that uses it does"),
        ("env_file: a.env", "write environment: {NAME: value}"),
        ("gadget: x", "docs/kinds.md lists the keys"),
        ("x-once: true", "expected text, found true - put it in quotes"),
    ],
)
def test_a_key_that_a_kind_does_not_have_gets_its_answer(line: str, answer: str) -> None:
    with pytest.raises(ManifestInvalid) as wrong:
        check("queue", f"{GOOD}    {line}\n", "queue.yaml")
    assert answer in str(wrong.value)


@pytest.mark.parametrize("address", ["${address}", "${address.queue}", "${host}:1", "${url}"])
def test_an_address_in_any_form_reaches_users(address: str) -> None:
    checks = check("queue", GOOD.replace("${url}", address), "queue.yaml")
    assert [found.wrong for found in checks if found.promise == "users get its address"] == [""]


@each_row([*assets.catalogue()])
def test_every_kind_of_ours_passes_its_own_check(kind: str) -> None:
    assert [
        found for found in check(kind, assets.catalogue()[kind], f"compose/{kind}.yaml") if found.wrong
    ] == []


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("kinds", "rabbitmq"), 'nothing to do with kinds is called "rabbitmq"'),
        (("kinds", "show"), "kinds show needs a name"),
        (("kinds", "check", "nowhere.yaml"), "nowhere.yaml cannot be read"),
        (("kinds", "check", "devenv.yaml"), "is no kind: it has no x-devenv block"),
        (("kinds", "new", "queue"), "a kind is written from an image"),
        (("kinds", "new", "Queue", "--from", "a:1"), '"Queue" is not a name'),
    ],
)
def test_what_kinds_cannot_do_is_said(devenv: Devenv, argv: tuple[str, ...], message: str) -> None:
    refused = devenv(*argv)
    assert refused.exit_code == 2
    assert message in refused.stderr


DETAILS = {
    "Config": {
        "ExposedPorts": {"9999/tcp": {}, "8080/tcp": {}, "53/udp": {}},
        "Volumes": {"/var/lib/queue": {}},
        "User": "1234:1234",
        "Env": ["PATH=/bin", "QUEUE_LIMIT=10"],
        "Healthcheck": {"Test": ["CMD-SHELL", "queue $PORT"]},
    }
}


def test_a_first_file_has_what_the_image_says(devenv: Devenv, project: Path) -> None:
    with fake_engine() as server:
        server.engine.details = {"queue:1.2": DETAILS}
        absent = devenv("kinds", "new", "queue", "--from", "queue:1.3")
        assert (absent.exit_code, "docker pull queue:1.3" in absent.stderr) == (2, True)

        devenv("kinds", "new", "queue", "--from", "queue:1.2")
        text = (project / "infra" / "queue.yaml").read_text()
        ports = ["      - {name: web, target: 8080}", "      - {name: p9999, target: 9999}"]
        assert [line for line in text.splitlines() if "target:" in line] == ports
        assert '      - "data:/var/lib/queue"' in text
        assert 'test: ["CMD-SHELL", "queue $$PORT"]' in text
        assert "the image sets QUEUE_LIMIT=10" in text
        lacking = [found.promise for found in check("queue", text, "queue.yaml") if found.wrong]
        assert lacking == ["nothing is left to fill in"]

        again = devenv("kinds", "new", "queue", "--from", "queue:1.2")
        assert "is there already" in again.stderr


def test_a_copy_of_one_that_is_there_takes_its_place(devenv: Devenv, project: Path) -> None:
    said = devenv("kinds", "new", "keycloak")
    assert said.stderr == (
        "wrote infra/keycloak.yaml; next: change it, as it takes the place of ours, then devenv kinds check infra/keycloak.yaml\n"
    )
    assert (project / "infra" / "keycloak.yaml").read_text() == assets.catalogue()["keycloak"]
    assert "infra/keycloak.yaml" in devenv("kinds", "show", "keycloak").stdout


def test_a_first_file_that_cannot_be_written_is_an_error_that_says_why(devenv: Devenv, project: Path) -> None:
    (project / "infra").write_text("")
    with fake_engine() as server:
        server.engine.details = {"queue:1.2": DETAILS}
        refused = devenv("kinds", "new", "queue", "--from", "queue:1.2")
    assert refused.exit_code == 1
    assert f"cannot write to {project}/infra" in refused.stderr


def test_a_first_file_of_an_image_that_says_nothing_is_a_kind_too() -> None:
    text = draft("queue", "registry.example:5000/queue:1.2", {"Config": {}})
    assert "image: registry.example:5000/queue:${version}" in text
    assert all(
        found.promise != "it renders for Compose" for found in check("queue", text, "q.yaml") if found.wrong
    )


def test_a_first_file_of_an_image_without_a_shell_is_asked_from_outside() -> None:
    details = {"Config": {"ExposedPorts": {"4317/tcp": {}}, "User": "nobody", "Volumes": {"/data": {}}}}
    text = draft("collector", "otel/collector:0.161.0", details, shell=False)
    assert "      x-http: 4317/" in text.splitlines()
    assert "test:" not in text
    assert "TODO uid: the number of its user nobody" in text
    lacking = [found.promise for found in check("collector", text, "collector.yaml") if found.wrong]
    assert lacking == ["nothing is left to fill in"]
