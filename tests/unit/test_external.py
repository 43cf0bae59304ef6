"""`external`: a store that something else runs, at an address that the manifest has."""

from __future__ import annotations

import socket

import pytest

from devenv.engine.externals import require_named, require_reachable
from devenv.errors import DevenvError, UsageError
from devenv.masking import NOTHING
from devenv.plan import notes
from devenv.plan.status import externals
from devenv.render import kubernetes
from devenv.render.bundle import Source
from devenv.render.compose import render
from devenv.stack.environments import for_elsewhere
from devenv.stack.outline import outline
from devenv.stack.resolve import host_environment, resolve
from devenv.stack.text import reveal
from devenv.stack.world import World
from tests import documents
from tests.table import each_row

from .stacks import CATALOGUE, CHECKOUT, manifest, problems, stack

ONE = (
    "name: a\ninfra:\n  {store}: {{external: '{url}'{more}}}\nservices:\n  api: {{image: x, uses: [{use}]}}\n"
)


def given(url: str, *, store: str = "mysql", use: str = "", more: str = "", **secrets: str) -> dict[str, str]:
    """The variables of the service that uses it."""
    text = ONE.format(store=store, url=url, use=use or store, more=more)
    return {key: reveal(value, secrets) for key, value in stack(text).unit("api").env}


FROM_URL = {
    "MYSQL_URL": "mysql://ap%40p:p%2Fw@db.local:3307/shop?ssl=1",
    "DATABASE_URL": "mysql://ap%40p:p%2Fw@db.local:3307/shop?ssl=1",
    "MYSQL_HOST": "db.local",
    "MYSQL_PORT": "3307",
    "MYSQL_USER": "ap@p",
    "MYSQL_PASSWORD": "p/w",
    "MYSQL_DATABASE": "shop",
}


@each_row(
    {
        "a plain URL": (FROM_URL["MYSQL_URL"], {}),
        "a secret": ("${secret.ADDRESS}", {"ADDRESS": FROM_URL["MYSQL_URL"]}),
        "a secret in it": ("mysql://ap%40p:${secret.WORD}@db.local:3307/shop?ssl=1", {"WORD": "p/w"}),
    }
)
def test_the_usual_variables_come_from_the_parts_of_its_url(url: str, secrets: dict[str, str]) -> None:
    assert given(url, **secrets) == FROM_URL


@each_row({"a plain URL": ("mysql://db", {}), "a secret": ("${secret.U}", {"U": "mysql://db"})})
def test_what_a_url_lacks_is_the_kind_s_port_and_else_empty(url: str, secrets: dict[str, str]) -> None:
    variables = given(url, **secrets)
    assert variables["MYSQL_PORT"] == "3306"
    assert (variables["MYSQL_USER"], variables["MYSQL_PASSWORD"], variables["MYSQL_DATABASE"]) == ("", "", "")


def test_another_database_of_it_has_a_url_of_its_own() -> None:
    variables = given("mysql://u:p@db/shop?ssl=1", use="mysql/billing")
    assert variables["MYSQL_BILLING_URL"] == "mysql://u:p@db/billing?ssl=1"
    assert variables["MYSQL_DATABASE"] == "billing"


def test_keys_of_an_object_store_are_not_in_its_endpoint() -> None:
    variables = given("https://key:word@s3.local", store="minio", use="minio/photos")
    assert variables["AWS_ENDPOINT_URL_S3"] == "https://s3.local"
    assert (variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]) == ("key", "word")
    assert variables["S3_BUCKET"] == "photos"


def test_nothing_of_it_runs_and_nobody_waits_for_it() -> None:
    app = stack(ONE.format(store="mysql", url="mysql://u:p@db/shop", use="mysql/billing", more=""))
    assert [(unit.name, unit.needs) for unit in app.units] == [("api", ())]
    assert (
        outline(manifest(ONE.format(store="mysql", url="mysql://db", use="mysql", more="")), CATALOGUE).claims
        == ()
    )


def test_compose_and_kubernetes_get_the_values_by_their_own_ways() -> None:
    app = stack(ONE.format(store="mysql", url="${secret.U}", use="mysql", more=""))
    source = Source(secrets={"U": "mysql://u:p%2Fw@db/shop"})
    files = render(app, source).files
    compose = documents.load(files["compose.yaml"])["services"]["api"]["environment"]
    assert compose["MYSQL_PASSWORD"] == "${DEVENV_PASSWORD_OF_U}"
    assert 'DEVENV_PASSWORD_OF_U="p/w"' in files[".env"].splitlines()
    assert 'DEVENV_PORT_OF_U="3306"' in files[".env"].splitlines()
    assert "p%2Fw" not in files["compose.yaml"]
    assert kubernetes.render(app, source).files


def test_a_promotion_asks_the_environment_where_it_is() -> None:
    """The manifest's address is that of this machine."""
    written = for_elsewhere(manifest(ONE.format(store="mysql", url="mysql://db", use="mysql", more="")))
    assert "mysql" in resolve(written, CATALOGUE, World(CHECKOUT))


def test_this_machine_has_another_name_for_containers() -> None:
    text = ONE.format(store="mysql", url="mysql://u@host.docker.internal/shop", use="mysql", more="")
    spec = documents.load(render(stack(text), Source()).files["compose.yaml"])["services"]["api"]
    assert spec["environment"]["MYSQL_HOST"] == "host.docker.internal"
    assert spec["extra_hosts"] == ["host.docker.internal:host-gateway"]
    here = host_environment(manifest(text), CATALOGUE, World(CHECKOUT))
    assert (here["MYSQL_URL"], here["MYSQL_HOST"]) == ("mysql://u@localhost/shop", "localhost")


def test_a_url_that_is_a_secret_as_a_whole_may_mean_this_machine() -> None:
    text = ONE.format(store="mysql", url="${secret.U}", use="mysql", more="")
    services = documents.load(
        render(stack(text), Source(secrets={"U": "mysql://h/s"})).files["compose.yaml"]
    )["services"]
    assert services["api"]["extra_hosts"] == ["host.docker.internal:host-gateway"]


@each_row(["mysql://localhost/shop", "mysql://127.0.0.1:3307/shop", "mysql://u:p@[::1]/shop"])
def test_localhost_is_refused_for_containers_and_taken_for_plain_processes(url: str) -> None:
    app = stack(ONE.format(store="mysql", url="${secret.U}", use="mysql", more=""))
    with pytest.raises(UsageError, match="in a container is the container itself") as refused:
        require_named(app, {"U": url}, contained=True)
    assert "host.docker.internal:330" in refused.value.hint
    require_named(app, {"U": url}, contained=False)


def test_a_secret_that_is_no_url_is_refused_without_its_value() -> None:
    app = stack(ONE.format(store="mysql", url="${secret.U}", use="mysql", more=""))
    with pytest.raises(UsageError, match="U is not a URL") as refused:
        require_named(app, {"U": "hunter2"}, contained=True)
    assert "hunter2" not in repr(vars(refused.value))


def test_one_that_does_not_answer_is_said_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        app = stack(ONE.format(store="mysql", url=f"mysql://127.0.0.1:{port}/s", use="mysql", more=""))
        require_reachable(app.externals, {})
    with pytest.raises(DevenvError, match=f"mysql does not answer at 127.0.0.1:{port}") as refused:
        require_reachable(app.externals, {})
    assert "refused" in refused.value.why
    assert refused.value.where == "infra.mysql.external"


def test_what_is_said_of_how_it_runs_is_said_to_be_in_vain() -> None:
    text = ONE.format(store="mysql", url="mysql://db", use="mysql", more=", seed: [a.sql], version: '8'")
    assert notes.said_in_vain(stack(text)) == [
        "infra.mysql.version does nothing: something else runs mysql",
        "infra.mysql.seed does nothing: something else runs mysql",
    ]


@each_row(
    [
        ("mysql", "db.local", "is not a URL - write SCHEME://USER:PASSWORD@HOST:PORT/NAME"),
        ("kong", "http://gateway", "the stack's routes are served by a gateway of its own - remove it"),
    ]
)
def test_other_addresses_are_refused_where_they_stand(store: str, url: str, why: str) -> None:
    assert f"infra.{store}.external: {why}" in "\n".join(
        problems(ONE.format(store=store, url=url, use="x", more=""))
    )


def test_the_password_in_a_secret_url_is_masked_by_itself_too() -> None:
    mask = NOTHING.also(["mysql://u:p%2Fword@db/shop"])
    assert mask("password p/word, or p%2Fword") == "password ******, or ******"


def test_status_shows_it_as_external() -> None:
    (row,) = externals({"mysql": "mysql"})
    assert (row.name, row.state, row.ok) == ("mysql", "external", True)


def test_a_further_port_is_the_usual_one_at_the_same_host() -> None:
    variables = given("amqp://u:p@queue.local/%2F", store="rabbitmq", use="rabbitmq/orders")
    assert variables["RABBITMQ_MANAGEMENT_URL"] == "http://queue.local:15672"
    assert (variables["RABBITMQ_PORT"], variables["RABBITMQ_VHOST"]) == ("5672", "orders")
    assert variables["AMQP_URL"] == "amqp://u:p@queue.local/orders"
    assert given("amqp://u:p@queue.local/%2F", store="rabbitmq")["RABBITMQ_VHOST"] == "/"


def test_a_unit_that_names_this_machine_reaches_it_without_a_store_there() -> None:
    text = "name: a\nservices:\n  web: {image: x, env: {DEBUG: host=host.docker.internal}}\n  other: {image: x}\n"
    services = documents.load(render(stack(text), Source()).files["compose.yaml"])["services"]
    assert services["web"]["extra_hosts"] == ["host.docker.internal:host-gateway"]
    assert "extra_hosts" not in services["other"]
