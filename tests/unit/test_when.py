"""What differs in a kind where the manifest sets an option: a password for Valkey, root for MySQL."""

from __future__ import annotations

import pytest

from devenv.errors import ManifestInvalid
from devenv.manifest.parse import parse
from devenv.render import compose
from devenv.render.bundle import Source
from devenv.stack.kinds.catalogue import Catalogue, Facts
from tests import documents
from tests.table import each_row

from .stacks import env, stack, unit

USES = "name: shop\nservices:\n  api: {{image: a:1, uses: [{0}]}}\ninfra: {{{0}: {{{1}}}}}\n"


def test_valkey_without_a_password_asks_for_none() -> None:
    text = USES.format("valkey", "")
    assert env(text, "api")["REDIS_URL"] == "redis://valkey:6379/0"
    assert (unit(text, "valkey").files, dict(unit(text, "valkey").env)) == ((), {})


@each_row(["valkey", "redis"])
def test_valkey_takes_a_password(word: str) -> None:
    text = USES.format(word, 'password: "${secret.CACHE}"')
    assert env(text, "api")["REDIS_URL"] == f"redis://:|CACHE|@{word}:6379/0"
    app = stack(text)
    bundle = compose.render(app, Source(secrets={"CACHE": 'p@ss"word'}))
    service = documents.load(bundle.files["compose.yaml"])["services"][word]
    assert service["command"][0] == "/etc/valkey/password.conf"
    assert 'requirepass "p@ss\\"word"\n' in bundle.files.values()
    assert "p@ss" not in bundle.files["compose.yaml"]


def test_a_url_quotes_the_password() -> None:
    text = USES.format("valkey", "password: 'a/b'")
    assert env(text, "api")["REDIS_URL"] == "redis://:a%2Fb@valkey:6379/0"


def test_mysql_takes_root_as_the_user() -> None:
    text = USES.format("mysql", "user: root, password: secret, databases: [more]")
    own, given = dict(unit(text, "mysql").env), env(text, "api")
    assert (own["MYSQL_USER"], own["MYSQL_ROOT_PASSWORD"], own["MYSQL_PASSWORD"]) == ("", "secret", "secret")
    assert (given["MYSQL_USER"], given["MYSQL_PASSWORD"]) == ("root", "secret")
    assert dict(unit(text, "mysql-databases").env)["MYSQL_PWD"] == "secret"
    assert dict(unit(USES.format("mysql", "user: app"), "mysql").env)["MYSQL_USER"] == "app"


BROKEN = {
    "when: {pasword: {}}": 'infra/nats.yaml:4:10: x-devenv.when.pasword: no option "pasword" - did you mean "password"?',
    "when: {password: {services: {nats: {imag: x}}}}": (
        "infra/nats.yaml:4:39: x-devenv.when.password.services.nats.imag: unknown key"
    ),
}


@each_row(BROKEN.items())
def test_a_mistake_in_it_is_found_when_the_kind_is_read(line: str, message: str) -> None:
    kind = f'x-devenv:\n  about: x\n  options: {{password: ""}}\n  {line}\nservices: {{nats: {{image: "x:1"}}}}\n'
    catalogue = Catalogue({"nats": kind}, {"nats": "infra/nats.yaml"})
    with pytest.raises(ManifestInvalid) as refused:
        parse("name: a\ninfra: {nats: {}}\n", file="devenv.yaml", kinds=Facts(catalogue))
    assert str(refused.value).startswith(message)
