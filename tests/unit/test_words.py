"""Other words for a kind: `uses: [redis]` is a unit called redis, of kind valkey."""

from __future__ import annotations

import pytest

from devenv import assets
from devenv.errors import ManifestInvalid
from devenv.manifest.parse import parse
from devenv.stack.kinds.catalogue import Catalogue, Facts
from devenv.stack.model import Stack
from devenv.stack.resolve import resolve
from devenv.stack.world import World
from tests.table import each_row

from .stacks import CATALOGUE, env, problems, stack

USES = "name: shop\nservices:\n  api: {{image: a:1, uses: [{}]}}\n"

WORDS = {  # word -> kind, image without its tag, a variable that its users get
    "redis": ("valkey", "valkey/valkey", "REDIS_URL", "redis://redis:6379/0"),
    "postgresql": ("postgres", "postgres", "PGHOST", "postgresql"),
    "mongodb": ("mongo", "mongo", "MONGODB_URL", "mongodb://mongodb:27017/app?directConnection=true"),
    "s3": ("minio", "pgsty/silo", "S3_BUCKET", "app"),
    "mariadb": ("mysql", "mariadb", "MYSQL_HOST", "mariadb"),
}


@each_row([(word, *row) for word, row in WORDS.items()])
def test_a_word_is_a_unit_of_that_name_and_of_the_kind(
    word: str, kind: str, image: str, variable: str, value: str
) -> None:
    text = USES.format(word)
    unit = stack(text).unit(word)
    assert (unit.engine, unit.image.rpartition(":")[0]) == (kind, image)
    assert {volume.name for volume in unit.volumes} >= {f"{word}-data"}
    assert env(text, "api")[variable] == value
    assert f"{word.upper()}_URL" in env(text, "api")


@each_row({"the name": "mariadb: {}", "kind": "old: {kind: mariadb}"})
def test_mariadb_runs_mariadb_in_a_version_of_its_own(line: str) -> None:
    name = line.partition(":")[0]
    unit = stack(f"name: shop\ninfra:\n  {line}\n").unit(name)
    assert (unit.image, unit.version, unit.engine) == ("mariadb:11.8.3", "11.8.3", "mysql")


def test_a_version_of_mariadb_is_one_of_its_own_image() -> None:
    assert stack('name: shop\ninfra: {mariadb: {version: "11.4"}}\n').unit("mariadb").image == "mariadb:11.4"
    assert problems('name: shop\ninfra: {mariadb: {version: "10.1"}}\n') == [
        "2:19: infra.mariadb.version: the kind mariadb does not support version 10.1:"
        " its check needs CREATE USER IF NOT EXISTS and what came with it"
        " - use 10.3 or newer, or run the old version as a service"
    ]


def test_parts_and_options_go_with_a_word() -> None:
    text = USES.format("mariadb/billing") + "infra: {mariadb: {user: shop}}\n"
    assert {unit.name for unit in stack(text).units} == {"mariadb", "mariadb-databases", "api"}
    assert env(text, "api")["MYSQL_DATABASE"] == "billing"
    assert env(USES.format("redis/3"), "api")["REDIS_URL"] == "redis://redis:6379/3"


def test_a_reference_may_use_the_word() -> None:
    text = "name: shop\nservices:\n  api: {image: a:1, uses: [redis], env: {QUEUE: '${redis.host}'}}\n"
    assert env(text, "api")["QUEUE"] == "redis"


TWO = """\
name: shop
services:
  api: {image: a:1, uses: [redis]}
  worker: {image: a:1, uses: [valkey]}
"""


def test_two_words_for_one_store_are_two_stores_only_if_both_are_named() -> None:
    said = "valkey and redis are two words for one store - write redis, or name both: infra: {redis: {}, valkey: {}}"
    assert problems(TWO) == [f"4:31: services.worker.uses[0]: {said}"]
    assert problems(TWO + "infra: {redis: {}}\n") == [f"4:31: services.worker.uses[0]: {said}"]
    both = stack(TWO + "infra: {redis: {}, valkey: {}}\n")
    assert {unit.name for unit in both.units} == {"redis", "valkey", "api", "worker"}
    assert {unit.name for unit in stack(USES.format("mysql, mariadb")).units} == {"mysql", "mariadb", "api"}
    renamed = stack(USES.format("cache, redis") + "infra: {cache: {kind: valkey}}\n")
    assert {unit.name for unit in renamed.units} == {"cache", "redis", "api"}


def test_a_service_of_that_name_is_itself() -> None:
    text = (
        "name: shop\nservices:\n  redis: {image: redis:8, port: 6379}\n  api: {image: a:1, uses: [redis]}\n"
    )
    assert {unit.name: unit.role for unit in stack(text).units} == {"redis": "service", "api": "service"}


KIND = "x-devenv: {{about: x, also: [{}]}}\nservices: {{{}: {{image: x:1}}}}\n"


def _stack(use: str, **kinds: str) -> Stack:
    """A stack with kinds of the project's own."""
    catalogue = Catalogue({**assets.catalogue(), **kinds}, {name: f"infra/{name}.yaml" for name in kinds})
    manifest, _ = parse(USES.format(use), file="devenv.yaml", kinds=Facts(catalogue))
    return resolve(manifest, catalogue, World("c0ffee123456"))


def test_a_project_kind_may_have_words_and_wins_over_ours() -> None:
    assert _stack("bus", nats=KIND.format("bus", "nats")).unit("bus").engine == "nats"
    assert _stack("redis", keydb=KIND.format("redis", "keydb")).unit("redis").engine == "keydb"
    assert _stack("redis", redis=KIND.format("", "redis")).unit("redis").engine == "redis"


COLLISIONS = {
    "the name of one of ours": (
        {"nats": KIND.format("postgres", "nats")},
        "infra/nats.yaml:1:22: x-devenv.also.postgres: postgres is a kind of its own"
        " - call this file postgres.yaml to replace it",
    ),
    "the name of another": (
        {"nats": KIND.format("bus", "nats"), "bus": KIND.format("", "bus")},
        "infra/nats.yaml:1:22: x-devenv.also.bus: bus is a kind of its own - call this file bus.yaml to replace it",
    ),
    "a word of another": (
        {"nats": KIND.format("bus, queue", "nats"), "rabbit": KIND.format("queue", "rabbit")},
        "infra/nats.yaml:1:22: x-devenv.also.queue: queue is another word for rabbit already, in infra/rabbit.yaml"
        " - remove one",
    ),
    "its own name": (
        {"nats": KIND.format("nats", "nats")},
        "infra/nats.yaml:1:22: x-devenv.also.nats: is the kind's own name - remove it",
    ),
    "no name": (
        {"nats": KIND.format("A_b", "nats")},
        "infra/nats.yaml:1:22: x-devenv.also.A_b: a name is lower-case letters, digits and hyphens",
    ),
}


@each_row(COLLISIONS.values())
def test_a_word_that_something_else_has_is_refused(kinds: dict[str, str], message: str) -> None:
    with pytest.raises(ManifestInvalid) as refused:
        _stack("nats", **kinds)
    assert str(refused.value) == message


def test_the_words_of_the_catalogue_are_those_of_this_test() -> None:
    words = {word: name for name in CATALOGUE for word in CATALOGUE[name].block.also}
    assert words == {word: row[0] for word, row in WORDS.items()}
